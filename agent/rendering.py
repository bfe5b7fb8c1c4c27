"""From a draft to the text of a mail. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from textwrap import fill

from agent.draft import Claim, Draft, Evidence, Part

WIDTH = 78


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrases:
    greeting: str
    greeting_unknown: str
    intro: str
    caveat: str
    nothing: str
    unanswered: str
    questions: str
    sources: str
    closing: str
    script: str
    commands: str
    next_steps: str
    legal: str


PHRASES = {
    "en": Phrases(
        greeting="Dear {name},",
        greeting_unknown="Hello,",
        intro="thank you for your request. This is what our guides say about it:",
        caveat="thank you for your request. The following may help, but our guides cover your question only in part:",
        nothing="thank you for your request. Our guides hold no answer to it; a colleague will look into it.",
        unanswered="Not answered by our guides:",
        questions="To help you further, we would need:",
        sources="Sources",
        closing="Kind regards,\nMINERVA support",
        script="Your script with these changes; please read it before you submit it:",
        commands="You can run:",
        next_steps="Next steps:",
        legal="This is orientation, no legal advice.",
    ),
    "fr": Phrases(
        greeting="Bonjour {name},",
        greeting_unknown="Bonjour,",
        intro="merci pour votre demande. Voici ce que disent nos guides (passages cités en anglais) :",
        caveat="merci pour votre demande. Nos guides n'y répondent qu'en partie (passages cités en anglais) :",
        nothing="merci pour votre demande. Nos guides n'y répondent pas ; un collègue va l'examiner.",
        unanswered="Sans réponse dans nos guides :",
        questions="Pour vous aider davantage, il nous faudrait :",
        sources="Sources",
        closing="Cordialement,\nL'équipe MINERVA",
        script="Votre script avec ces corrections ; à relire avant de le soumettre :",
        commands="Vous pouvez exécuter :",
        next_steps="Prochaines étapes :",
        legal="Ceci est une orientation et non un conseil juridique.",
    ),
    "de": Phrases(
        greeting="Guten Tag {name},",
        greeting_unknown="Guten Tag,",
        intro="vielen Dank für Ihre Anfrage. Das sagen unsere Anleitungen dazu (Zitate auf Englisch):",
        caveat="vielen Dank für Ihre Anfrage. Unsere Anleitungen beantworten sie nur zum Teil (Zitate auf Englisch):",
        nothing="vielen Dank für Ihre Anfrage. Unsere Anleitungen enthalten keine Antwort; eine Kollegin oder ein "
        "Kollege sieht sie sich an.",
        unanswered="Von unseren Anleitungen nicht beantwortet:",
        questions="Um weiterzuhelfen, benötigen wir:",
        sources="Quellen",
        closing="Mit freundlichen Grüßen\nIhr MINERVA-Support",
        script="Ihr Skript mit diesen Änderungen; bitte lesen Sie es vor dem Absenden durch:",
        commands="Sie können ausführen:",
        next_steps="Nächste Schritte:",
        legal="Dies ist eine Orientierung und keine Rechtsberatung.",
    ),
    "it": Phrases(
        greeting="Buongiorno {name},",
        greeting_unknown="Buongiorno,",
        intro="grazie per la richiesta. Ecco che cosa dicono le nostre guide (citazioni in inglese):",
        caveat="grazie per la richiesta. Le nostre guide rispondono solo in parte (citazioni in inglese):",
        nothing="grazie per la richiesta. Le nostre guide non contengono una risposta; se ne occuperà un collega.",
        unanswered="Senza risposta nelle nostre guide:",
        questions="Per aiutarla meglio ci servirebbe:",
        sources="Fonti",
        closing="Cordiali saluti,\nIl supporto MINERVA",
        script="Il suo script con queste modifiche; da rileggere prima di sottometterlo:",
        commands="Può eseguire:",
        next_steps="Prossimi passi:",
        legal="Questo è un orientamento e non una consulenza legale.",
    ),
    "es": Phrases(
        greeting="Hola {name}:",
        greeting_unknown="Hola:",
        intro="gracias por su consulta. Esto es lo que dicen nuestras guías (citas en inglés):",
        caveat="gracias por su consulta. Nuestras guías la responden solo en parte (citas en inglés):",
        nothing="gracias por su consulta. Nuestras guías no contienen una respuesta; la estudiará un compañero.",
        unanswered="Sin respuesta en nuestras guías:",
        questions="Para ayudarle mejor necesitaríamos:",
        sources="Fuentes",
        closing="Un cordial saludo,\nSoporte de MINERVA",
        script="Su script con estos cambios; léalo antes de enviarlo:",
        commands="Puede ejecutar:",
        next_steps="Próximos pasos:",
        legal="Esto es una orientación y no asesoramiento jurídico.",
    ),
}


def phrases_for(language: str) -> Phrases:
    """English for every language that we have no phrases in."""
    return PHRASES.get(language, PHRASES["en"])


def answer_body(draft: Draft, *, name: str, language: str) -> str:
    """The mail as plain text: what would be sent if a person approves it."""
    words = phrases_for(language)
    parts = [words.greeting.format(name=name) if name else words.greeting_unknown]
    parts.append(fill(_intro(draft, words), WIDTH))
    parts += [claim_text(claim) for claim in draft.claims]
    if draft.corrected_script:
        parts.append(f"{words.script}\n\n```bash\n{draft.corrected_script.rstrip()}\n```")
    if draft.commands:
        parts.append("\n\n".join([words.commands, *(_fenced(command) for command in draft.commands)]))
    if draft.next_steps:
        parts.append(_listed(words.next_steps, draft.next_steps))
    if draft.unanswered and draft.claims:
        parts.append(_listed(words.unanswered, draft.unanswered))
    if draft.questions:
        parts.append(_listed(words.questions, draft.questions))
    if draft.cited:
        parts.append("\n".join([words.sources, *(source_line(item) for item in draft.cited)]))
    if draft.is_legal and draft.claims:
        parts.append(words.legal)
    parts.append(words.closing)
    return "\n\n".join(parts) + "\n"


def source_line(item: Evidence) -> str:
    """`[1] Title > Section (system) <https://…>`."""
    return f"[{item.number}] {_place(item)}" + (f" <{item.url}>" if item.url else "")


def _place(item: Evidence) -> str:
    """Where it stands, and which systems it is about: a reader of another system must see that."""
    place = " > ".join(dict.fromkeys((item.title, *item.heading)))
    return f"{place} ({', '.join(item.systems)})" if item.systems else place


def _intro(draft: Draft, words: Phrases) -> str:
    if not draft.claims:
        return words.nothing
    return words.caveat if draft.outcome == "caveat" else words.intro


def claim_text(claim: Claim, width: int | None = WIDTH) -> str:
    """Prose wrapped to the width, code and tables as they are, the citation numbers behind the prose."""
    marks = " ".join(f"[{number}]" for number in dict.fromkeys(c.evidence for c in claim.citations))
    prose, _, block = claim.text.partition("\n\n")
    if prose.startswith(("```", "~~~", "|")):
        return f"{claim.text.rstrip()}\n{marks}"
    text = f"{prose.strip()} {marks}"
    if width is not None:
        text = fill(text, width, break_long_words=False, break_on_hyphens=False)
    return text + (f"\n\n{block.rstrip()}" if block else "")


def _fenced(command: str) -> str:
    return command.rstrip() if "```" in command else f"```bash\n{command.rstrip()}\n```"


def without_parts(body: str, draft: Draft, parts: Collection[tuple[Part, int]]) -> str:
    """The answer without these (kind, position), titles that nothing follows and sources that nothing cites."""
    for part, at in parts:
        if part == "claim":
            body = body.replace(claim_text(draft.claims[at]), "")
        elif part == "command":
            body = body.replace(_fenced(draft.commands[at]), "")
        elif part in _LISTS:
            body = body.replace(_item(_LISTS[part](draft)[at]) + "\n", "")
    for words in PHRASES.values():
        for title in (words.unanswered, words.questions, words.commands, words.next_steps):
            body = re.sub(rf"^{re.escape(title)}\n(?=\s*\n(?!```))", "", body, flags=re.MULTILINE)
    body = re.sub(r"\n{3,}", "\n\n", body)
    gone = [item for item in draft.cited if body.count(f"[{item.number}]") == 1]
    for item in gone:
        body = body.replace(source_line(item) + "\n", "")
    return body


_LISTS: dict[Part, Callable[[Draft], tuple[str, ...]]] = {
    "next_step": lambda draft: draft.next_steps,
    "question": lambda draft: draft.questions,
    "unanswered": lambda draft: draft.unanswered,
}


def _item(text: str) -> str:
    return fill(text, WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False)


def _listed(title: str, items: tuple[str, ...]) -> str:
    return "\n".join([title, *map(_item, items)])


def engineer_note(draft: Draft) -> str:
    """For colleagues, in English: the outcome, why, and each statement with what the checks say of it."""
    lines = [f"Outcome: {draft.outcome} ({'; '.join(draft.reasons)})"]
    colours = {check.position: check for check in draft.checks if check.part == "claim"}
    for at, claim in enumerate(draft.claims):
        check = colours.get(at)
        lines.append(f"- [{check.colour if check else 'unchecked'}] {' '.join(claim.text.split())}")
        lines += [f"  ! {reason}" for reason in (check.reasons if check else ())]
        lines += [f'  > [{citation.evidence}] "{" ".join(citation.quote.split())}"' for citation in claim.citations]
    lines += [f"Not answered: {item}" for item in draft.unanswered]
    lines += [f"Ask: {item}" for item in draft.questions]
    return "\n".join(lines) + "\n"
