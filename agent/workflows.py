"""The durable work: DBOS keeps every started workflow in its database and goes on with it after a crash.

Each step may run twice; each finds what it has already done (see `agent.pipeline` and `agent.delivery`).
Ids are built from the row that a workflow is about, so that starting one twice is starting it once.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from dbos import DBOS, DBOSConfig, SetWorkflowID, WorkflowStatus, error
from sqlalchemy.exc import SQLAlchemyError

from agent import delivery, filing, pipeline, targets
from agent.chat.runner import Chats
from agent.errors import HelpdeskError
from agent.mail.arrivals import Arrivals
from agent.mail.sender import Send
from agent.pipeline import Ports
from agent.settings import Settings
from agent.store import drafts, inbound, outbox, tickets
from agent.store.database import Database
from agent.store.tables import Message, StoredMail, Ticket, now

log = structlog.get_logger()

WORKFLOW_VERSION = "1"
"""Raised only when workflows that were under way could not go on with the new code."""

FILING, DRAFTING, DELIVERY, CHAT = "filing", "drafting", "delivery", "chat"
POLL_S = 0.1
SWEEP_S = 5.0
AGAIN_AFTER_S = 60.0
TARGETS_S = 30.0
MAX_LOGGED = 5
"""Tickets that one line of the log names."""
GONE_AFTER_S = 1800.0
_RETRIED: dict[str, Any] = {"retries_allowed": True, "interval_seconds": 0.5, "max_attempts": 3}


class Workflows:
    """Starts work and sees that none is forgotten. One a process; `start` once, `stop` at the end."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        ports: Ports,
        send: Send,
        arrivals: Arrivals,
        *,
        chats: Chats | None = None,
    ) -> None:
        """`arrivals` tells when mail has come in, and when so much comes that work waits a little."""
        self._database = database
        self._settings = settings
        self._arrivals = arrivals
        self._stopping = threading.Event()
        self._started: dict[str, _Started] = {}
        self._hours = targets.working_time(settings)
        self._targets_at = 0.0
        self._sweeper = threading.Thread(target=self._sweep_until_stopped, name="sweep", daemon=True)
        self._executor = _executor(settings)
        DBOS(config=_config(settings, self._executor))
        self._file_mail = self._filing(ports)
        self._draft_answer = self._drafting(ports)
        self._deliver = self._delivering(send)
        self._chats = chats or Chats(database)
        self._handle_chat = self._chatting(self._chats)

    def _filing(self, ports: Ports) -> Callable[[int], None]:
        database, settings = self._database, self._settings

        @DBOS.step(**_RETRIED)
        def file(stored_mail_id: int) -> int | None:
            return pipeline.file_request(database, settings, ports, stored_mail_id)

        @DBOS.step(**_RETRIED)
        def file_unread(stored_mail_id: int) -> None:
            with database.write() as session:
                filing.file_unreadable(session, tickets.by_id(session, StoredMail, stored_mail_id))

        @DBOS.workflow(name="file_mail")
        def file_mail(stored_mail_id: int) -> None:
            try:
                message_id = file(stored_mail_id)
            except error.DBOSMaxStepRetriesExceeded:
                log.exception("mail_unreadable", stored_mail=stored_mail_id)
                file_unread(stored_mail_id)
                return
            self.wake()
            if message_id is not None:
                self.draft(message_id, attempt=1)

        return file_mail

    def _drafting(self, ports: Ports) -> Callable[[int, int, str], None]:
        database = self._database

        @DBOS.step(**_RETRIED)
        def draft(message_id: int, attempt: int, instruction: str) -> None:
            self._arrivals.wait_until_quiet()
            pipeline.draft_answer(database, ports, message_id, attempt=attempt, instruction=instruction)

        @DBOS.step(**_RETRIED)
        def note_failure(message_id: int, reason: str) -> None:
            with database.write() as session:
                ticket = tickets.by_id(session, Ticket, tickets.by_id(session, Message, message_id).ticket_id)
                tickets.note_event(session, ticket, "minerva", "no draft", reason)

        @DBOS.workflow(name="draft_answer")
        def draft_answer(message_id: int, attempt: int, instruction: str) -> None:
            try:
                draft(message_id, attempt, instruction)
            except error.DBOSMaxStepRetriesExceeded as failed:
                log.exception("draft_failed", message=message_id)
                note_failure(message_id, _reason(failed.errors[-1]))

        return draft_answer

    def _delivering(self, send: Send) -> Callable[[int], None]:
        database, sender = self._database, self._settings.support_address

        @DBOS.workflow(name="deliver")
        def deliver(outbound_id: int) -> None:
            delivery.deliver(database, send, sender, outbound_id)

        return deliver

    def _chatting(self, chats: Chats) -> Callable[[int], None]:
        @DBOS.step(**_RETRIED)
        def handle(event_id: int) -> list[int]:
            return chats.handle(event_id)

        @DBOS.workflow(name="handle_chat_event")
        def handle_chat_event(event_id: int) -> None:
            try:
                wanted = handle(event_id)
            except error.DBOSMaxStepRetriesExceeded:
                log.exception("chat_event_failed", event_id=event_id)
                chats.give_up(event_id)
                return
            for message_id in wanted:
                self.draft(message_id, attempt=1)

        return handle_chat_event

    def start(self) -> None:
        """Go on with what was under way, then look for what has not been started."""
        with self._database.write() as session:
            again, uncertain = outbox.recover(session)
        DBOS.launch()
        for queue in (FILING, DRAFTING, DELIVERY, CHAT):
            DBOS.register_queue(queue, worker_concurrency=self._settings.workers, polling_interval_sec=POLL_S)
        with self._database.read() as session:
            undrafted = drafts.undrafted(session)
        under_way = self._messages_being_drafted()
        for message_id in undrafted:
            if message_id not in under_way:
                self.draft(message_id, attempt=1, asked=True)
        self._sweeper.start()
        log.info("workers_started", workers=self._settings.workers, mails_again=again, mails_uncertain=uncertain)

    def stop(self) -> None:
        self._stopping.set()
        self.wake()
        if self._sweeper.is_alive():
            self._sweeper.join(timeout=SWEEP_S)
        DBOS.destroy(workflow_completion_timeout_sec=5, destroy_registry=True)

    @property
    def state(self) -> str:
        """`ok`, or that the sweep has died."""
        return "ok" if self._sweeper.is_alive() else "stopped"

    @property
    def chat(self) -> str:
        """`none` when no chat service is connected, `ok`, or what is wrong."""
        return self._chats.state

    def wake(self) -> None:
        """There is something to file or to send."""
        self._arrivals.news.set()

    def redraft(self, number: str, instruction: str) -> None:
        """Another draft for the newest request of the ticket. Raises NotFoundError."""
        with self._database.read() as session:
            ticket = tickets.by_number(session, number)
            message = tickets.latest_request(session, ticket)
            attempt = drafts.next_attempt(session, ticket)
        if message is not None and message.id is not None:
            self.draft(message.id, attempt=attempt, instruction=instruction, asked=True)

    def draft(self, message_id: int, *, attempt: int, instruction: str = "", asked: bool = False) -> None:
        """Once for each attempt; when it is `asked` for, again even if that attempt has failed before."""
        with self._database.read() as session:
            at = tickets.by_id(session, Message, message_id).at
        again = f"-{uuid.uuid4()}" if asked else ""
        with SetWorkflowID(f"draft-{message_id}-{_stamp(at)}-{attempt}{again}"):
            DBOS.enqueue_workflow(DRAFTING, self._draft_answer, message_id, attempt, instruction)

    def _messages_being_drafted(self) -> set[int]:
        """Whose drafts DBOS goes on with by itself."""
        waiting = DBOS.list_workflows(name="draft_answer", status=["PENDING", "ENQUEUED"], load_input=False)
        return {int(workflow.workflow_id.split("-")[1]) for workflow in waiting if self._is_under_way(workflow)}

    def _is_under_way(self, workflow: WorkflowStatus) -> bool:
        """What another host began long ago is not: that host is gone."""
        if workflow.status != "PENDING" or workflow.executor_id == self._executor:
            return workflow.status in {"PENDING", "ENQUEUED", "DELAYED"}
        return time.time() - (workflow.updated_at or 0) / 1000 < GONE_AFTER_S

    def _keep_targets(self) -> None:
        """Every half minute."""
        if time.monotonic() < self._targets_at:
            return
        self._targets_at = time.monotonic() + TARGETS_S
        with self._database.write() as session:
            near = targets.keep(session, self._hours)
        if near:
            log.warning("targets_near", count=len(near), tickets=near[:MAX_LOGGED])

    def _sweep_until_stopped(self) -> None:
        """Starts what was stored but not filed, and mails that are due: when there is news, and every few seconds."""
        while not self._stopping.is_set():
            try:
                self._sweep()
                self._keep_targets()
            except SQLAlchemyError:
                log.exception("sweep_failed")  # a full or locked disk; the next round tries again
            self._arrivals.news.wait(SWEEP_S)
            self._arrivals.news.clear()
            self._arrivals.wait_until_quiet()

    def _sweep(self) -> None:
        with self._database.read() as session:
            overdue = outbox.is_overdue(session, now())
            unfiled = inbound.waiting(session)
            due = outbox.due(session, now())
        if overdue:
            with self._database.write() as session:
                again, uncertain = outbox.recover(session, before=now())
            log.error("mails_overdue", mails_again=again, mails_uncertain=uncertain)
        works = [_Work(f"file-{mail.id}-{_stamp(mail.at)}", FILING, self._file_mail, mail.id) for mail in unfiled]
        works += [_Work(f"deliver-{mail.message_id}-{mail.attempts}", DELIVERY, self._deliver, mail.id) for mail in due]
        works += [_Work(f"chat-{e.id}-{_stamp(e.at)}", CHAT, self._handle_chat, e.id) for e in self._chats.waiting()]
        names = {work.name for work in works}
        self._started = {name: started for name, started in self._started.items() if name in names}
        for work in works:
            self._start_work(work)

    def _start_work(self, work: _Work) -> None:
        """Once; again, under another id, when it has ended (say, for a full disk) and its work is still to be done."""
        before = self._started.get(work.name)
        if before is not None:
            if time.monotonic() - before.at_s < AGAIN_AFTER_S:
                return
            before.at_s = time.monotonic()
            status = DBOS.get_workflow_status(before.id)
            if status is not None and self._is_under_way(status):
                return
        started = _Started(id=work.name if before is None else f"{work.name}-{uuid.uuid4()}", at_s=time.monotonic())
        with SetWorkflowID(started.id):
            DBOS.enqueue_workflow(work.queue, work.workflow, work.row_id)
        self._started[work.name] = started


@dataclass(frozen=True, slots=True)
class _Work:
    """What waits to be done about one row. Its workflow does nothing when it has been done."""

    name: str
    queue: str
    workflow: Callable[[int], None]
    row_id: int


@dataclass(slots=True)
class _Started:
    id: str
    at_s: float
    """By the monotonic clock."""


def _reason(cause: Exception) -> str:
    """Our own errors say what to do; of others only the log tells."""
    return str(cause) if isinstance(cause, HelpdeskError) else "drafting failed, see the log; ask for another one"


def _stamp(at: datetime) -> str:
    """Keeps ids apart when the database is made anew beside an old workflow database."""
    return f"{at:%Y%m%d%H%M%S%f}"


def _executor(settings: Settings) -> str:
    """Whose work DBOS goes on with after a restart. Kept in the data folder: a host's name may change, say in a
    container."""
    if isinstance(settings.workflow_database, Path):
        return "local"
    file = settings.data_dir / "executor.id"
    if not file.is_file():
        file.write_text(uuid.uuid4().hex, encoding="ascii")
    return file.read_text(encoding="ascii").strip()


def _config(settings: Settings, executor: str) -> DBOSConfig:
    place = settings.workflow_database
    url = f"sqlite:///{place}" if isinstance(place, Path) else place.render_as_string(hide_password=False)
    return {
        "name": "minerva-helpdesk",
        "system_database_url": url,
        "application_version": WORKFLOW_VERSION,
        "executor_id": executor,
        "enable_otlp": False,
        "log_level": "WARNING",
        "console_log_level": "WARNING",
        "max_executor_threads": 16,
        "notification_listener_polling_interval_sec": 1.0,
    }
