"""What people ask and the knowledge base does not answer: such questions in clusters, the largest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from sqlmodel import Session, col, select

from agent.store.tables import Draft, Ticket, TicketFingerprint, now
from triage.incidents import unpacked

LOOK_BACK = timedelta(days=180)
MAX_TICKETS = 2000
ALIKE = 0.55
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
    newest = (
        select(Draft.ticket_id, Draft.id, Draft.outcome)
        .where(col(Draft.created_at) >= now() - LOOK_BACK)
        .order_by(col(Draft.id))
    )
    last = {ticket: outcome for ticket, _, outcome in session.exec(newest)}
    keys = [ticket for ticket, outcome in last.items() if outcome == "escalate"][-MAX_TICKETS:]
    query = select(Ticket, TicketFingerprint).join(TicketFingerprint, col(TicketFingerprint.ticket_id) == Ticket.id)
    rows = session.exec(query.where(col(Ticket.id).in_(keys)).order_by(col(Ticket.id).desc())).all()
    encoder = rows[0][1].encoder if rows else ""
    found = [(ticket, unpacked(print_.vector)) for ticket, print_ in rows if print_.encoder == encoder]
    return [_gap([found[n][0] for n in members]) for members in clusters([vector for _, vector in found])]


def clusters(vectors: Sequence[np.ndarray[tuple[int], np.dtype[np.float32]]]) -> list[list[int]]:
    """Positions that belong together: each joins the first cluster whose mean it is near enough. The largest first."""
    sums: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
    members: list[list[int]] = []
    for position, vector in enumerate(vectors):
        near = [float(vector @ total) / (float(np.linalg.norm(total)) or 1.0) for total in sums]
        best = int(np.argmax(near)) if near else -1
        if best >= 0 and near[best] >= ALIKE:
            sums[best] = sums[best] + vector
            members[best].append(position)
        else:
            sums.append(vector)
            members.append([position])
    return sorted(members, key=lambda some: (-len(some), some[0]))


def _gap(tickets: list[Ticket]) -> Gap:
    systems = {topic["name"] for ticket in tickets for topic in ticket.topics if topic["kind"] == "system"}
    return Gap(tickets=tickets, systems=sorted(systems))
