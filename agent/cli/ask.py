"""`minerva ask`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from agent.draft import Register

if TYPE_CHECKING:
    from agent.draft import Draft
    from agent.pipeline import Answered


def ask(
    question: Annotated[str, typer.Argument(help="The question, in words.")],
    register: Annotated[
        Register, typer.Option("--register", help="How a language model, when one is served, writes it.")
    ] = "slack",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Answer a question from the knowledge base, with citations; needs no running server."""
    if not question.strip():
        raise typer.BadParameter("the question is empty", param_hint="QUESTION")
    answered = _answer(question, register)
    print(json.dumps(_as_dict(answered), ensure_ascii=False) if as_json else _as_text(answered))


def _answer(question: str, register: Register) -> Answered:
    from agent import pipeline  # noqa: PLC0415  # seconds to import, not needed for `--help`
    from agent.models import Models, ports_on  # noqa: PLC0415
    from agent.settings import load_settings  # noqa: PLC0415
    from triage.result import Request  # noqa: PLC0415

    settings = load_settings()
    models = Models(settings)
    models.load()
    request = Request(id="ask", channel="slack", subject="", body=question)
    return pipeline.answer(ports_on(models), request, register=register)


def _as_text(answered: Answered) -> str:
    from agent.rendering import claim_text, source_line  # noqa: PLC0415

    draft, placed = answered.draft, answered.triage
    lines = [claim_text(claim) for claim in draft.claims] or ["The knowledge base holds no answer to this."]
    if draft.unanswered and draft.claims:
        lines.append("Not answered:\n" + "\n".join(f"- {item}" for item in draft.unanswered))
    if draft.questions:
        lines.append("To say more, it would help to know:\n" + "\n".join(f"- {item}" for item in draft.questions))
    if draft.cited:
        lines.append("\n".join(["Sources", *(source_line(item) for item in draft.cited)]))
    sure = {"answer": "evidence found", "caveat": "covered only in part"}.get(draft.outcome, "not sure")
    lines.append(
        f"({sure}; {placed.level} {placed.level_confidence:.0%}, {placed.type} {placed.type_confidence:.0%}; "
        f"{_way(draft)})"
    )
    return "\n\n".join(lines)


def _way(draft: Draft) -> str:
    if draft.generation is None:
        return "chosen from the articles, no language model"
    return draft.generation.trouble or f"written by {draft.model}, each statement checked"


def _as_dict(answered: Answered) -> dict[str, object]:
    draft = answered.draft
    return {
        "outcome": draft.outcome,
        "answerable": draft.answerable,
        "claims": [asdict(claim) for claim in draft.claims],
        "unanswered": list(draft.unanswered),
        "questions": list(draft.questions),
        "evidence": [asdict(item) for item in draft.evidence if not item.internal],
        "level": answered.triage.level,
        "type": answered.triage.type,
    }
