"""What a ticket says of the desks of partners that it was handed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from agent.bridges.sync import web_address
from agent.bridges.taking import has_two_owners
from agent.store import bridges
from agent.store.bridge_tables import ExternalDesk, HandOver
from agent.store.tables import Engineer, Partner, Ticket

NAMES = {"rt": "RT", "zammad": "Zammad"}


@dataclass(frozen=True, kw_only=True, slots=True)
class HandedOver:
    row: HandOver
    partner: Partner
    desk: ExternalDesk
    name: str
    """Of the software there."""
    link: str
    """To the page of the ticket there."""
    two_owners: bool
    assignee: str
    problem: str
    """Empty when all is well."""
    next_try: datetime


def handed_over(session: Session, ticket: Ticket) -> list[HandedOver]:
    """The newest first, those that were taken back as well; partners who work on our desk are not among them."""
    assignee = session.get(Engineer, ticket.assignee_id) if ticket.assignee_id else None
    return [
        HandedOver(
            row=row,
            partner=partner,
            desk=desk,
            name=NAMES.get(desk.kind, ""),
            link=web_address(desk, row.remote_id) if row.remote_id else "",
            two_owners=row.ended_at is None and has_two_owners(row, assignee),
            assignee=assignee.name if assignee else "",
            problem=_problem(row, desk),
            next_try=max(row.next_attempt_at, desk.next_round_at),
        )
        for row, partner, desk in bridges.of_ticket(session, ticket)
        if desk is not None
    ]


def _problem(row: HandOver, desk: ExternalDesk) -> str:
    """Its own, else what is wrong with the whole desk as long as it matters here."""
    return row.last_error or (desk.last_error if row.ended_at is None and desk.last_error else "") or ""
