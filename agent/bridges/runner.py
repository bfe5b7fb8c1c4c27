"""The bridges at work: a thread that tells the desks of partners what is due and asks them what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.bridges.by_mail import mail_due
from agent.bridges.sync import NOT_UNDERSTOOD, Bridge, client_for, run_round, tell_due
from agent.errors import BridgeError
from agent.store import bridges, drafts, tickets
from agent.store.bridge_tables import DeskKind, ExternalDesk, HandOver
from agent.store.tables import Ticket, now

log = structlog.get_logger()

TICK_S = 2.0

Draft = Callable[[int, int], None]
"""Asks for a draft: the message that it answers, and the attempt."""


class Bridges:
    """A desk that is down is left alone for longer and longer; what is due there waits in the store."""

    def __init__(self, bridge: Bridge, draft: Draft, wake: Callable[[], None]) -> None:
        """`wake` tells that there is something in the outbox."""
        self._bridge, self._draft, self._wake = bridge, draft, wake
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bridges", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=TICK_S * 5)

    def _run(self) -> None:
        while not self._stopping.wait(TICK_S):
            try:
                with self._bridge.database.turn("bridges") as ours:
                    if ours:
                        self.tick()
            except SQLAlchemyError:
                log.exception("bridges_failed")  # a full or locked disk; the next tick tries again

    def tick(self) -> None:
        """What is due now, at every desk."""
        with self._bridge.database.read() as session:
            desks = bridges.desks(session)
        for desk in desks:
            if desk.kind == DeskKind.MAIL:
                if mail_due(self._bridge, desk):
                    self._wake()
            elif desk.next_round_at <= now():
                self._work(desk, whole_round=True)
            elif not desk.failures:
                self._work(desk, whole_round=False)
        self._ask_for_drafts()

    def _work(self, desk: ExternalDesk, *, whole_round: bool) -> None:
        problem = None
        try:
            work_at(self._bridge, desk, whole_round=whole_round)
        except BridgeError as error:
            problem = str(error)
        except NOT_UNDERSTOOD:
            log.exception("desk_not_understood", partner=desk.partner_id)
            problem = "its desk answers in a way that is not understood, see the log"
        if not whole_round and problem is None:
            return
        with self._bridge.database.write() as session:
            kept = session.get(ExternalDesk, desk.partner_id)
            if kept is None:
                return
            if problem is None:
                kept.failures, kept.last_error, kept.last_ok_at = 0, None, now()
                kept.next_round_at = now() + timedelta(seconds=self._bridge.settings.bridge_poll_s)
            else:
                bridges.note_failure(kept, problem)
                log.warning("desk_failed", partner=desk.partner_id, failures=kept.failures, problem=problem)

    def _ask_for_drafts(self) -> None:
        """A partner's reply voids what was drafted: the request gets a new draft, for the engineer to go on with."""
        with self._bridge.database.read() as session:
            due = bridges.drafts_due(session)
        for hand_over in due:
            with self._bridge.database.write() as session:
                wanted = _wanted(self._bridge, session.get_one(HandOver, hand_over.id))
                session.get_one(HandOver, hand_over.id).draft_due = False
            if wanted is not None:
                self._draft(*wanted)


def work_at(bridge: Bridge, desk: ExternalDesk, *, whole_round: bool) -> None:
    """Raises BridgeError about the whole desk."""
    if not whole_round:
        with bridge.database.read() as session:
            if not bridges.due(session, desk.partner_id):
                return
    client = client_for(desk)
    try:
        run_round(bridge, desk, client) if whole_round else tell_due(bridge, desk, client)
    finally:
        client.close()


def _wanted(bridge: Bridge, hand_over: HandOver) -> tuple[int, int] | None:
    with bridge.database.read() as session:
        ticket = tickets.followed(session, session.get(Ticket, hand_over.ticket_id))
        if ticket is None or not drafts.is_awaited(session, ticket):
            return None
        request = tickets.latest_request(session, ticket)
        return (tickets.key_of(request), drafts.next_attempt(session, ticket)) if request is not None else None
