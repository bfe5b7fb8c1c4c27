"""Legal verdicts: an answer may quote articles and name what decides, never rule on somebody's case. Pure."""

from __future__ import annotations

import re

_CASE = r"(?:your|you|the described|described|this|such an?|the proposed|our)(?:\s+[\w-]+){0,4}?\s*"
_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_CASE}(?:is|are|would be|will be|counts? as|qualif(?:y|ies) as|is therefore|are therefore)\s+(?:clearly |certainly |definitely |fully |not |therefore )*"
        r"(?:an? )?(?:legal|illegal|lawful|unlawful|compliant|non-compliant|high[- ]risk|minimal[- ]risk|limited[- ]risk|prohibited|exempt|in breach|in violation|liable|GDPR[- ]compliant|permitted by law)\b",
        r"\byou (?:are|aren't|are not) (?:legally )?(?:obliged|exempt|compliant|liable|in the clear|allowed by law|violating|breaching)\b",
        r"\byou (?:do not|don't|need not|needn't) (?:have to |need to |need )?(?:comply|conduct a DPIA|(?:a |any )?consent|register|worry about the (?:AI Act|GDPR))\b",
        r"\b(?:the (?:AI Act|GDPR) (?:does not|doesn't) apply to (?:you|your)|(?:does|do) not fall under the (?:AI Act|GDPR))\b",
        r"\b(?:this|that|it|your \w+) (?:violates|breaches|infringes|complies with|does not violate) (?:the )?(?:AI Act|GDPR|DSGVO|RGPD|law|copyright|licen[cs]e)\b",
        r"\b(?:Ihre?|Ihr) [\w-]+(?: [\w-]+){0,3} (?:ist|sind) (?:nicht |klar |eindeutig )?(?:legal|illegal|rechtmäßig|rechtswidrig|konform|DSGVO-konform|hochriskant|ein Hochrisiko\S*|verboten|zulässig|unzulässig)\b",
        r"\bvotre [\w-]+(?: [\w-]+){0,3} (?:est|n'est pas) (?:\w+ement )?(?:légal|illégal|conforme|à haut risque|interdit|licite|illicite)\w*",
        r"\b(?:il (?:suo|vostro)|la (?:sua|vostra)) [\w-]+(?: [\w-]+){0,3} (?:è|non è) (?:legale|illegale|conforme|ad alto rischio|vietat[oa]|lecit[oa]|illecit[oa])\b",
        r"\bsu [\w-]+(?: [\w-]+){0,3} (?:es|no es) (?:legal|ilegal|conforme|de alto riesgo|prohibid[oa]|lícit[oa]|ilícit[oa])\b",
    )
)  # fmt: skip
_HEDGED = re.compile(
    r"\b(?:may|might|could|likely|probably|presumably|if|whether|unless|depends|kann|könnte|wahrscheinlich|voraussichtlich|wenn|ob|"
    r"peut|pourrait|probablement|si|selon|può|potrebbe|probabilmente|se|puede|podría|probablemente)\b",
    re.IGNORECASE,
)


def verdicts_in(text: str) -> tuple[str, ...]:
    """Sentences that rule on the requester's own case without an if or a may."""
    sentences = re.split(r"(?<=[.!?])\s+|\n+", text.replace("’", "'"))
    return tuple(
        " ".join(found[0].split())
        for sentence in sentences
        if not _HEDGED.search(sentence)
        for pattern in _PATTERNS
        for found in pattern.finditer(sentence)
    )
