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


class _TakenOverError(Exception):
    """Another try has begun meanwhile."""


def deliver(database: Database, send: Send, sender: str, outbound_id: int) -> None:
    """Does nothing when somebody else has claimed the mail or it is done."""
    with database.write() as session:
        attempt = outbox.claim(session, outbound_id)
    if not attempt:
        return
    with database.read() as session:
        mail = tickets.by_id(session, Outbound, outbound_id)
        number = tickets.by_id(session, Ticket, mail.ticket_id).number

    def transmitting() -> None:
        with database.write() as session:
            if not outbox.begin_transmission(session, outbound_id, attempt):
                raise _TakenOverError

    outgoing = Outgoing(
        content=mail.content, sender=sender, recipients=mail.recipients, name=f"{mail.id:06d}-{number}-{mail.kind}"
    )
    try:
        file = send(outgoing, transmitting)
    except _TakenOverError:
        log.warning("mail_taken_over", ticket=number, kind=mail.kind, attempt=attempt)
    except UncertainError as error:
        _settle(database, mail, attempt, OutboundState.UNCERTAIN, error=str(error))
    except SendError as error:
        if error.permanent or attempt > len(RETRY_AFTER_S):
            _settle(database, mail, attempt, OutboundState.FAILED, error=str(error))
        else:
            wait_s = RETRY_AFTER_S[attempt - 1]
            with database.write() as session:
                outbox.retry_later(session, outbound_id, attempt, error=str(error), wait_s=wait_s)
            log.warning("mail_delayed", ticket=number, kind=mail.kind, attempt=attempt)
    else:
        _settle(database, mail, attempt, OutboundState.SENT, file=file)


def _settle(
    database: Database,
    mail: Outbound,
    attempt: int,
    state: OutboundState,
    *,
    error: str | None = None,
    file: str | None = None,
) -> None:
    assert mail.id is not None
    with database.write() as session:
        if not outbox.finish(session, mail.id, attempt, state, error=error, file=file):
            return
        ticket = tickets.by_id(session, Ticket, mail.ticket_id)
        tickets.note_event(session, ticket, "minerva", f"{mail.kind} {state}", error or "")
    log.info("mail_settled", ticket=ticket.number, kind=mail.kind, state=state.value)
