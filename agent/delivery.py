"""Handing one mail of the outbox over, at most once, and writing down honestly what came of it."""

from __future__ import annotations

import structlog

from agent.errors import SendError
from agent.mail.sender import Outgoing, Send, UncertainError
from agent.store import outbox, tickets
from agent.store.database import Database
from agent.store.tables import Outbound, OutboundState, Ticket

log = structlog.get_logger()

RETRY_AFTER_S = (60, 300, 1800, 7200, 21600, 43200, 86400)
"""Waits between tries; when they are used up, the mail has failed."""


def deliver(database: Database, send: Send, sender: str, outbound_id: int) -> None:
    """Does nothing when somebody else has claimed the mail or it is done."""
    with database.write() as session:
        if not outbox.claim(session, outbound_id):
            return
    with database.read() as session:
        mail = tickets.by_id(session, Outbound, outbound_id)
        number = tickets.by_id(session, Ticket, mail.ticket_id).number

    def transmitting() -> None:
        with database.write() as session:
            if not outbox.begin_transmission(session, outbound_id):
                raise SendError("taken back while it was being sent", permanent=False)

    outgoing = Outgoing(
        content=mail.content, sender=sender, recipients=mail.recipients, name=f"{mail.id:06d}-{number}-{mail.kind}"
    )
    try:
        file = send(outgoing, transmitting)
    except UncertainError as error:
        _settle(database, mail, OutboundState.UNCERTAIN, error=str(error))
    except SendError as error:
        if error.permanent or mail.attempts > len(RETRY_AFTER_S):
            _settle(database, mail, OutboundState.FAILED, error=str(error))
        else:
            with database.write() as session:
                outbox.retry_later(session, outbound_id, error=str(error), wait_s=RETRY_AFTER_S[mail.attempts - 1])
            log.warning("mail_delayed", ticket=number, kind=mail.kind, attempt=mail.attempts)
    else:
        _settle(database, mail, OutboundState.SENT, file=file)


def _settle(
    database: Database, mail: Outbound, state: OutboundState, *, error: str | None = None, file: str | None = None
) -> None:
    assert mail.id is not None
    with database.write() as session:
        outbox.finish(session, mail.id, state, error=error, file=file)
        ticket = tickets.by_id(session, Ticket, mail.ticket_id)
        tickets.note_event(session, ticket, "minerva", f"{mail.kind} {state}", error or "")
    log.info("mail_settled", ticket=ticket.number, kind=mail.kind, state=state.value)
