"""The words of structured questions in five languages, as regular expressions over lower-case text."""

from __future__ import annotations

import re


def any_of(*words: str) -> re.Pattern[str]:
    """Any of these, as whole words."""
    return re.compile(r"(?<!\w)(?:" + "|".join(words) + r")(?!\w)")


HOW_MANY = any_of(
    r"how many",
    r"(?:what(?:'s| is) the )?number of",
    r"combien d[e']?",
    r"nombre de",
    r"wie ?viele?",
    r"anzahl(?: der)?",
    r"quant[ei]",
    r"numero di",
    r"cu[aá]nt[ao]s",
    r"n[uú]mero de",
)
GPU = any_of(
    r"gpus?",
    r"gcds?",
    r"accelerators?",
    r"graphics cards?",
    r"cartes?(?: graphiques?)?",
    r"acc[eé]l[eé]rateurs?",
    r"grafikkarten?",
    r"beschleuniger",
    r"acceleratori",
    r"schede(?: grafiche)?",
    r"aceleradores?",
    r"tarjetas(?: gr[aá]ficas)?",
    r"[avh]\d{3}s?",
    r"gh200s?",
    r"mi\d{3}[ax]?s?",
)
PER_NODE = any_of(
    r"(?:per|a|each|every|one|single|in a|of a)(?: \S+){0,3}? nodes?",
    r"(?:par|chaque|un) n(?:œ|oe)uds?",
    r"(?:pro|je|jeder|ein|einem) knoten",
    r"(?:per|ogni|un|in un) nodo",
    r"(?:por|cada|un) nodo",
    r"nodes? (?:has|have)",
)
ASKED_PER_NODE = any_of(r"(?:gpus?|gcds?|accelerators?) (?:per|pro|par|por) (?:node|knoten|n(?:œ|oe)ud|nodo)")

MOST = any_of(
    r"max(?:imum|imal|imale|imaler|imales|imo|imos|ima|imums?)?\.?",
    r"long(?:est)?",
    r"m[aá]xim[oa]s?",
    r"massim[oa]",
    r"h[oö]chstens",
    r"l[aä]ngste[rns]?",
    r"at most",
    r"au (?:plus|maximum)",
    r"al massimo",
    r"como m[aá]ximo",
    r"limite?",
    r"l[ií]mite",
    r"limits?",
    r"allowed",
)
WALLTIME = any_of(
    r"wall ?-?(?:clock )?times?",
    r"time ?-?limits?",
    r"run ?-?times?",
    r"job (?:duration|length|time)",
    r"(?:jobs?|it|one) (?:\S+ )?run",
    r"job i can run",
    r"dur[eé]e(?: maximale)?",
    r"temps (?:limite|maxim\w+|d'ex[eé]cution)",
    r"laufzeit",
    r"zeitlimit",
    r"job\b.{0,60}\blaufen",
    r"tempo (?:massimo|limite)",
    r"tempo pu[oò] girare",
    r"durata",
    r"tiempo (?:m[aá]ximo|l[ií]mite|de ejecuci[oó]n)",
    r"l[ií]mite de tiempo",
    r"duraci[oó]n",
)
TROUBLE = any_of(
    r"why",
    r"killed",
    r"cancelled",
    r"canceled",
    r"error",
    r"fail(?:s|ed)?",
    r"exceeded",
    r"extend",
    r"increase",
    r"reduce",
    r"improve",
    r"drops?",
    r"dropped",
    r"slow",
    r"low",
    r"resume",
    r"checkpoint",
    r"does(?: not|n't) fit",
    r"do(?: not|n't) fit",
    r"pourquoi",
    r"tu[eé]",
    r"erreur",
    r"prolonger",
    r"augmenter",
    r"am[eé]liorer",
    r"warum",
    r"abgebrochen",
    r"fehler",
    r"verl[aä]ngern",
    r"erh[oö]hen",
    r"passt nicht",
    r"passen nicht",
    r"verbessern",
    r"perch[eé]",
    r"errore",
    r"aumentare",
    r"migliorare",
    r"prolungare",
    r"por qu[eé]",
    r"termin[oó]",
    r"ampliar",
    r"aumentar",
    r"mejorar",
    r"proposal",
    r"already",
    r"used",
    r"report",
    r"cannot",
    r"can't",
)
HOW_TO = re.compile(
    r"(?:^|[,.;:]\s*|\band )\s*(?:¿\s*)?(?:how (?:do|can|should|to|would) (?!an? sme|we get|i get)|comment "
    r"|wie (?!viele?|lange|schnell|gro[ßs])|come |c[oó]mo )"
)

MODELS = any_of(
    r"(?:language )?models?",
    r"llms?",
    r"mod[eè]les?",
    r"(?:sprach)?modelle?n?",
    r"modell[oi]",
    r"modelos?",
)
WHICH = any_of(
    r"which",
    r"what",
    r"list",
    r"quels?",
    r"quelles?",
    r"welche[rns]?",
    r"qual[ei]?",
    r"qu[eé]",
    r"cu[aá]les?",
)
FITS = any_of(
    r"fits?",
    r"run on",
    r"serve",
    r"within",
    r"host(?:ed)?",
    r"tien(?:nent|t)",
    r"rentr\w+",
    r"passen",
    r"passt",
    r"laufen",
    r"entra(?:no)?",
    r"st(?:anno|are)",
    r"cab(?:en|e)",
    r"servir",
    r"servire",
    r"fine-?tune",
)
MEMORY = re.compile(r"(?<![\w.])(\d{1,4})\s*(?:gb|gib|go|gig[ao]\w*)\b")

THROUGHPUT = any_of(
    r"throughput",
    r"tok(?:ens?)?\s*(?:/|per|par|pro|por|al|a)\s*(?:s|sec(?:ond[aoes]?)?|seconde?|sekunde|secondo|segundo)",
    r"how fast",
    r"d[eé]bit",
    r"durchsatz",
    r"wie schnell",
    r"rendimiento",
    r"velocit[aà]",
    r"tok/s",
)

HOURS = re.compile(
    r"(?<![\w.,])(\d[\d.,' \u00a0\u202f’]*\d|\d)\s*(k|m|mio|million\w*|tausend)?\s*"
    r"(?:of |de |di |d')?(?:(node|gpu)[ -]?h(?:ours?|rs?)?\b|heures?[ -](?:de )?(n(?:œ|oe)uds?|gpu)"
    r"|(knoten|gpu)-?stunden|ore[ -](?:di )?(nodo|gpu)|horas?[ -](?:de )?(nodo|gpu))"
)
ACCESS = any_of(
    r"access(?: modes?)?",
    r"modes?",
    r"calls?",
    r"apply",
    r"get(?:s)?",
    r"gives?",
    r"acc[eè]s",
    r"appels?",
    r"zugang\w*",
    r"aufruf\w*",
    r"bekomm\w+",
    r"accesso",
    r"bando",
    r"modalit[aà]",
    r"acceso",
    r"convocatoria",
    r"modalidad",
)
