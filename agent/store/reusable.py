"""Approved answers that may serve as evidence."""

from __future__ import annotations

from collections.abc import Container

from sqlmodel import Session, col, select

from agent.store.tables import Draft, ReusableAnswer, now

GONE = "a passage that it cites has changed or is gone"


def passages_cited(draft: Draft) -> list[str]:
    cited = {citation["evidence"] for claim in draft.claims for citation in claim["citations"]}
    return [item["id"] for item in draft.evidence if item["number"] in cited and item["kind"] == "passage"]


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


def drop_stale(session: Session, known: Container[str]) -> int:
    """Drop those that cite a passage which is not `known` any more; returns how many."""
    stale = [row for row in usable(session) if not all(passage in known for passage in row.passages)]
    for row in stale:
        drop(session, row, GONE)
    return len(stale)
