"""From a draft to the text of a mail. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill

from agent.draft import Claim, Draft, Evidence

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
    if draft.unanswered and draft.claims:
        parts.append(_listed(words.unanswered, draft.unanswered))
    if draft.questions:
        parts.append(_listed(words.questions, draft.questions))
    if draft.cited:
        parts.append("\n".join([words.sources, *(source_line(item) for item in draft.cited)]))
    parts.append(words.closing)
    return "\n\n".join(parts) + "\n"


def source_line(item: Evidence) -> str:
    """`[1] Title > Section <https://…>`."""
    place = " > ".join(dict.fromkeys((item.title, *item.heading)))
    return f"[{item.number}] {place}" + (f" <{item.url}>" if item.url else "")


def _intro(draft: Draft, words: Phrases) -> str:
    if not draft.claims:
        return words.nothing
    return words.caveat if draft.outcome == "caveat" else words.intro


def claim_text(claim: Claim) -> str:
    """Prose wrapped, code and tables as they are, the citation numbers behind the prose."""
    marks = " ".join(f"[{number}]" for number in dict.fromkeys(c.evidence for c in claim.citations))
    prose, _, block = claim.text.partition("\n\n")
    if prose.startswith(("```", "~~~", "|")):
        return f"{claim.text.rstrip()}\n{marks}"
    wrapped = fill(f"{prose.strip()} {marks}", WIDTH, break_long_words=False, break_on_hyphens=False)
    return wrapped + (f"\n\n{block.rstrip()}" if block else "")


def _listed(title: str, items: tuple[str, ...]) -> str:
    lines = [fill(item, WIDTH, initial_indent="- ", subsequent_indent="  ", break_long_words=False) for item in items]
    return "\n".join([title, *lines])
