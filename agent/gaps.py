"""What people ask and the knowledge base does not answer: such questions in clusters, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlalchemy import exists
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from agent.store.tables import Draft, Ticket, TicketFingerprint, now
from triage.incidents import unpacked

LOOK_BACK = timedelta(days=180)
MAX_TICKETS = 1000
"""The newest."""
Vector = np.ndarray[tuple[int], np.dtype[np.float32]]
ALIKE = 0.77
"""Cosine from which on two questions count as one; of the embeddings that triage makes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """The tickets of one kind of question, the newest first."""

    tickets: list[Ticket]
    systems: list[str]

    @property
    def count(self) -> int:
        return len(self.tickets)


def gaps(session: Session) -> list[Gap]:
    """Over tickets of the last half year whose last draft found no sure evidence."""
    later = aliased(Draft)
    is_last = ~exists().where(col(later.ticket_id) == col(Draft.ticket_id), col(later.id) > col(Draft.id))
    unsure = (
        select(Draft.ticket_id)
        .where(Draft.outcome == "escalate", col(Draft.created_at) >= now() - LOOK_BACK, is_last)
        .order_by(col(Draft.created_at).desc())
        .limit(MAX_TICKETS)
    )
    query = select(TicketFingerprint.ticket_id, TicketFingerprint.encoder, TicketFingerprint.vector)
    prints = session.exec(
        query.where(col(TicketFingerprint.ticket_id).in_(unsure)).order_by(col(TicketFingerprint.ticket_id).desc())
    ).all()
    found = [(key, unpacked(vector)) for key, encoder, vector in prints if encoder == prints[0][1]]
    tickets = _by_key(session, [key for key, _ in found])
    return [_gap([tickets[found[n][0]] for n in members]) for members in clusters([vector for _, vector in found])]


def _by_key(session: Session, keys: Sequence[int]) -> dict[int, Ticket]:
    rows = session.exec(select(Ticket).where(col(Ticket.id).in_(keys)))
    return {ticket.id: ticket for ticket in rows if ticket.id is not None}


def clusters(vectors: Sequence[Vector]) -> list[list[int]]:
    """Positions that belong together: each joins the first cluster whose mean it is near enough. The largest first."""
    sums = np.zeros((len(vectors), len(vectors[0]) if vectors else 0), dtype=np.float32)
    lengths = np.ones(len(vectors), dtype=np.float32)
    members: list[list[int]] = []
    for position, vector in enumerate(vectors):
        count = len(members)
        near = sums[:count] @ vector / lengths[:count]
        best = int(near.argmax()) if count else -1
        if best < 0 or near[best] < ALIKE:
            best = count
            members.append([])
        members[best].append(position)
        sums[best] += vector
        lengths[best] = np.linalg.norm(sums[best]) or 1.0
    return sorted(members, key=lambda some: (-len(some), some[0]))


def _gap(tickets: list[Ticket]) -> Gap:
    systems = {topic["name"] for ticket in tickets for topic in ticket.topics if topic["kind"] == "system"}
    return Gap(tickets=tickets, systems=sorted(systems))
