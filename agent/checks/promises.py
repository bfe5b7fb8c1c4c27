"""Promises and claims of deeds: only people can make them, a draft has done nothing. Pure."""

from __future__ import annotations

import re

_DEEDS = (
    r"fix|repair|solv|resolv|increas|extend|rais|grant|restart|reset|add|open|clos|creat|delet|remov|enabl|disabl|approv|"
    r"updat|chang|escalat|forward|contact|inform|schedul|cancel|reboot|install|refund|book|reserv|submit|rerun|launch|start"
)
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # English
        r"\b(?:I|we|our (?:team|engineers?|colleagues?|admins?)|the (?:team|support))(?:'ll| will| shall|'m going to|'re going to| are going to| am going to)\b(?! not be able)",
        rf"\b(?:I|we)(?:'ve| have)(?: just| already| now)? (?:\w+ly )?(?:{_DEEDS})\w*",
        rf"\b(?:I|we) (?:just |already |now )?(?:{_DEEDS})(?:e?d|ted)\b",
        r"\b(?:I|we) (?:promise|guarantee|assure you|commit to|take care of)\b",
        r"\b(?:get|come) back to you\b|\bkeep you (?:posted|informed)\b|\bwork(?:ing)? on (?:a fix|it|this) (?:right )?now\b",
        rf"\byour (?:job|account|quota|project|request|application|allocation|ticket|access|limit|walltime)\w* (?:has|have) been (?:{_DEEDS})\w*",
        rf"\byour (?:job|account|quota|project|request|application|allocation|ticket|access) (?:is|was) (?:now |hereby )?(?:{_DEEDS})e?d\b",
        r"\byou(?:'ll| will) (?:be refunded|be granted|get (?:a refund|more (?:hours|time|quota)))\b|\bis guaranteed to\b",
        # German
        r"\b(?:ich|wir) (?:werde|werden|kümmere|kümmern|melde|melden|verspreche|versprechen|garantiere|garantieren|sorge|sorgen)\b",
        r"\b(?:ich|wir) habe?n? .{0,60}\b(?:behoben|erhöht|verlängert|gelöst|freigeschaltet|neu gestartet|gestartet|genehmigt|erledigt|angelegt|gelöscht|weitergeleitet|eingereicht|geändert)\b",
        r"\b(?:werde|werden) (?:ich|wir)\b|\bwurden? (?:bereits |soeben )?(?:genehmigt|freigeschaltet|erhöht|behoben|verlängert)\b",
        # French
        r"\b(?:je|nous) (?:vais|allons|vous (?:recontacter\w*|tiend\w*|garanti\w*|promet\w*)|reviend\w*|promet\w*|garanti\w*|nous occup\w*|m'occupe)\b",
        r"\b(?:j'ai|nous avons) (?:\w+ )?(?:corrigé|résolu|augmenté|prolongé|redémarré|relancé|accordé|approuvé|créé|supprimé|transmis|activé|modifié)\w*",
        r"\bvotre (?:quota|compte|demande|tâche|travail|projet) a été \w+",
        # Italian
        r"\b(?:ti|vi|la|le) (?:ricontatter\w+|aggiorner\w+|far\w+ sapere)\b|\b(?:provveder(?:ò|emo)|risolver(?:ò|emo)|garant(?:isco|iamo)|promett(?:o|iamo)|ci occuper\w+|mi occuper\w+)\b",
        r"\b(?:ho|abbiamo) (?:\w+ )?(?:risolto|corretto|aumentato|esteso|riavviato|approvato|concesso|creato|eliminato|attivato|inoltrato|modificato)\b",
        # Spanish
        r"\b(?:le|te|os|les) (?:contactar\w+|responder(?:é|emos)|avisar(?:é|emos)|mantendr\w+)\b|\b(?:me|nos) (?:encargar\w+|pondr\w+)\b|\b(?:garantiz(?:o|amos)|promet(?:o|emos)|vamos a)\b",
        r"\b(?:he|hemos) (?:\w+ )?(?:resuelto|corregido|aumentado|ampliado|reiniciado|aprobado|concedido|creado|eliminado|activado|reenviado|modificado|arreglado)\b",
    )
)  # fmt: skip


def promises_in(text: str) -> tuple[str, ...]:
    """The words that promise something, or say that something has been done."""
    shown = text.replace("’", "'")
    return tuple(dict.fromkeys(" ".join(found[0].split()) for p in _PATTERNS for found in p.finditer(shown)))
