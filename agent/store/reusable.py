"""Approved answers that may serve as evidence."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

from sqlmodel import Session, col, select

from agent.store.tables import Draft, Message, ReusableAnswer, now

GONE = "a passage that it cites has changed or is gone"
OTHER_ROWS = "a row of the facts or of the results that it cites has changed or is gone"

RowTexts = Callable[[str], Mapping[str, str]]
"""Text of each row that answers the words of a request now, by the id of its evidence."""


def passages_cited(draft: Draft) -> list[str]:
    return list(_cited(draft, "passage"))


def _cited(draft: Draft, kind: str) -> dict[str, str]:
    """Text of the cited evidence of that kind by its id."""
    numbers = {citation["evidence"] for claim in draft.claims for citation in claim["citations"]}
    return {item["id"]: item["text"] for item in draft.evidence if item["number"] in numbers and item["kind"] == kind}


def of_draft(session: Session, draft_id: int) -> ReusableAnswer | None:
    return session.exec(select(ReusableAnswer).where(ReusableAnswer.draft_id == draft_id)).first()


def mark(session: Session, draft: Draft, *, question: str, answer: str, by: str) -> ReusableAnswer:
    """Make it evidence, or change what was marked before. Only called by what a person does on the desk."""
    row = of_draft(session, draft.id or 0) or ReusableAnswer(
        draft_id=draft.id or 0, question="", answer="", passages=[], marked_by=by
    )
    row.question, row.answer, row.passages = question, answer, passages_cited(draft)
    row.marked_by, row.marked_at, row.dropped_at, row.dropped_because = by, now(), None, None
    session.add(row)
    return row


def drop(session: Session, row: ReusableAnswer, because: str) -> None:
    row.dropped_at, row.dropped_because = now(), because
    session.add(row)


def usable(session: Session) -> list[ReusableAnswer]:
    wanted = select(ReusableAnswer).where(col(ReusableAnswer.dropped_at).is_(None)).order_by(col(ReusableAnswer.id))
    return list(session.exec(wanted))


def drop_stale(session: Session, known: Container[str], row_texts: RowTexts) -> int:
    """Drop those that cite a passage that is not `known` any more or a row that has changed; returns how many."""
    stale = [(row, why) for row in usable(session) if (why := _stale(session, row, known, row_texts))]
    for row, why in stale:
        drop(session, row, why)
    return len(stale)


def _stale(session: Session, row: ReusableAnswer, known: Container[str], row_texts: RowTexts) -> str | None:
    """Why it must go. Rows are asked for again with the words of the request that they answered."""
    if not all(passage in known for passage in row.passages):
        return GONE
    draft = session.get_one(Draft, row.draft_id)
    cited = _cited(draft, "row")
    if not cited:
        return None
    message = session.get_one(Message, draft.message_id)
    found = row_texts(f"{message.subject}\n{message.visible_text}")
    return None if cited.items() <= found.items() else OTHER_ROWS
