"""The form of a model's draft, and how it becomes a draft of ours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from agent.draft import Citation, Claim, Draft, Evidence
from agent.errors import LanguageModelError

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class Quoted(BaseModel):
    model_config = ConfigDict(extra="forbid")
    passage_id: str
    quote: str


class Stated(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: Text
    evidence: list[Quoted] = Field(max_length=6)


class Written(BaseModel):
    """The reply that is asked for; whatever else a model says is refused."""

    model_config = ConfigDict(extra="forbid")
    claims: list[Stated] = Field(max_length=12)
    commands: list[Text] = Field(max_length=8)
    unanswered: list[Text] = Field(max_length=8)
    questions: list[Text] = Field(max_length=5)
    next_steps: list[Text] = Field(max_length=8)


NOTHING = Written(claims=[], commands=[], unanswered=[], questions=[], next_steps=[])


def read_reply(text: str) -> Written:
    """Raises LanguageModelError with what is wrong, in words that the model can mend it by."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        raise LanguageModelError("the reply holds no JSON object")
    try:
        return Written.model_validate_json(text[start : end + 1])
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:4]]
        raise LanguageModelError(f"the reply is not of the wanted form: {'; '.join(problems)}"[:600]) from error


def read_beginning(text: str) -> Written | None:
    """The statements that are complete in the beginning of a reply; None as long as it is not of the wanted form.

    A statement is complete when something follows it.
    """
    try:
        found = from_json(text[max(0, text.find("{")) :], allow_partial=True)
        claims = found["claims"] if list(found)[-1] != "claims" else found["claims"][:-1]
        return Written.model_validate({**NOTHING.model_dump(), "claims": claims})
    except (ValueError, TypeError, LookupError):
        return None


def draft_of(written: Written, evidence: Sequence[Evidence], answerable: float) -> Draft:
    """Ids that were not given become number 0, which no evidence has: the checks then call the claim red."""
    return Draft(
        outcome="escalate",  # the ladder decides
        claims=tuple(
            Claim(text=stated.text, citations=tuple(_citation(quoted, evidence) for quoted in stated.evidence))
            for stated in written.claims
        ),
        unanswered=tuple(written.unanswered),
        questions=tuple(written.questions),
        evidence=tuple(evidence),
        answerable=answerable,
        model="",
        commands=tuple(written.commands),
        next_steps=tuple(written.next_steps),
    )


def _citation(quoted: Quoted, evidence: Sequence[Evidence]) -> Citation:
    wanted = quoted.passage_id.strip().strip("[]")
    number = next((item.number for item in evidence if wanted in {str(item.number), item.id}), 0)
    return Citation(evidence=number, quote=quoted.quote)
