"""What else a model is asked than drafts: rewriting a question, settling a placement, comparing claim and quote.

Each gives None when there is no model or no usable reply; whoever asks goes on without.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from agent.errors import LanguageModelError
from agent.llm.chat import Ask, Chat, Purpose, tell_nobody
from agent.llm.privacy import masked
from agent.llm.prompts import prompt

Form = TypeVar("Form", bound=BaseModel)
MAX_CHARS = 6000
MAX_TOKENS = 200
Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]


class Queries(BaseModel):
    model_config = ConfigDict(extra="forbid")
    queries: list[Short] = Field(min_length=1, max_length=3)


class Placement(BaseModel):
    model_config = ConfigDict(extra="forbid")
    level: Literal["L1", "L2", "L3", "L4", "L5", "none"]
    type: Literal["T1", "T2", "T3", "T4", "none"]
    reason: Short


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    verdict: Literal["supported", "partly", "contradicted", "unsupported"]
    reason: Short


def rewrite_query(ask: Ask, text: str) -> tuple[str, ...] | None:
    """One to three search queries in English."""
    found = _asked(ask, "query", {"request": masked(text[:MAX_CHARS])}, Queries)
    return tuple(found.queries) if found is not None else None


def settle_placement(ask: Ask, text: str, levels: Sequence[str], types: Sequence[str]) -> Placement | None:
    """One of the candidates, to which the reply's schema is limited; None also when the model chose another."""
    given = {"candidate_levels": list(levels), "candidate_types": list(types), "request": masked(text[:MAX_CHARS])}
    schema = Placement.model_json_schema()
    schema["properties"]["level"]["enum"], schema["properties"]["type"]["enum"] = list(levels), list(types)
    found = _asked(ask, "triage", given, Placement, schema)
    return found if found is not None and found.level in levels and found.type in types else None


def verify(ask: Ask, claim: str, quote: str) -> Verdict | None:
    return _asked(ask, "verification", {"statement": claim[:MAX_CHARS], "quote": quote[:MAX_CHARS]}, Verdict)


def _asked(
    ask: Ask,
    purpose: Purpose,
    given: Mapping[str, object],
    form: type[Form],
    schema: Mapping[str, object] | None = None,
) -> Form | None:
    instructions = prompt(purpose)
    data = json.dumps(given, ensure_ascii=False)
    chat = Chat(
        purpose=purpose,
        prompt=instructions.name,
        messages=(("system", instructions.text), ("user", data)),
        schema=schema or form.model_json_schema(),
        max_tokens=MAX_TOKENS,
    )
    try:
        return form.model_validate_json(ask(chat, tell_nobody).text)
    except (LanguageModelError, ValidationError):
        return None
