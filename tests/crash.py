"""`make crash-test`: the service is killed at random moments while mail comes in and answers go out; then it is counted.

usage: crash.py [--mails N] [--approvals N] [--seed N] [--postgresql]

Mail comes in over SMTP and from a real Dovecot; answers are approved on the desk and go to a server that counts.
Exit code 1 when an accepted mail is not exactly one ticket, an approved answer has neither arrived once nor is marked
uncertain, or anything has arrived twice.
"""

from __future__ import annotations

import argparse
import random
import re
import smtplib
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from email import message_from_bytes
from html import unescape
from pathlib import Path

import httpx
from aiosmtpd.controller import Controller
from dovecot_fixture import PASSWORD, Dovecot
from helpdesk_process import REPOSITORY, SUPPORT, Helpdesk, free_port, mail
from postgres_fixture import running_postgres
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import select

from agent.store import people
from agent.store.database import Database
from agent.store.tables import Draft, DraftState, MailState, Message, Outbound, OutboundState, StoredMail, Ticket
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

MAILBOX = "support"
IMAP_SHARE = 3
"""Every third mail comes through the mailbox."""
LIVES = ((0.0, 3.0, False), (3.0, 10.0, False), (0.0, 15.0, True))
"""How long the service lives, in seconds, and whether that is counted from when its models are loaded."""
PAUSE_S = 0.8
"""The longest between two mails, so that mail comes in for as long as answers go out."""
SETTLE_S = 900


class Recorder:
    """A mail server that counts what arrives, by Message-ID."""

    def __init__(self, seed: int) -> None:
        self.arrived: Counter[str] = Counter()
        self._random = random.Random(seed)

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        name = message_from_bytes(envelope.content)["Message-ID"]  # type: ignore[attr-defined]
        self.arrived[str(name).strip("<> \r\n")] += 1
        time.sleep(self._random.uniform(0, 0.05))  # a kill may fall between the last byte and our answer
        return "250 OK"


@dataclass(frozen=True)
class Plan:
    mails: int
    approvals: int
    seed: int
    postgresql: bool = False


@dataclass
class Report:
    accepted: int = 0
    kills: int = 0
    problems: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


class Traffic:
    """What goes on around the service, each in a thread: two ways in and an engineer."""

    def __init__(self, plan: Plan, helpdesk: Helpdesk, dovecot: Dovecot) -> None:
        self._helpdesk, self._dovecot, self._plan = helpdesk, dovecot, plan
        self._random = random.Random(plan.seed)
        self.accepted: set[str] = set()
        self.approved: set[int] = set()
        self.over = threading.Event()

    def send(self) -> None:
        """As mail servers do: what was not accepted is sent again, also when the answer was lost."""
        for number in range(self._plan.mails):
            message = mail(number, Subject=f"Request {number}")
            name = str(message["Message-ID"]).strip("<>")
            put = self._by_imap if number % IMAP_SHARE == 0 else self._by_smtp
            while not self.over.is_set() and not put(message.as_bytes()):
                time.sleep(0.2)
            self.accepted.add(name)
            time.sleep(self._random.uniform(0, PAUSE_S))

    def _by_imap(self, raw: bytes) -> bool:
        self._dovecot.deliver(MAILBOX, raw)
        return True

    def _by_smtp(self, raw: bytes) -> bool:
        try:
            with smtplib.SMTP("127.0.0.1", self._helpdesk.smtp_port, timeout=20) as server:
                server.sendmail("ada@example.org", [SUPPORT], raw)
        except (smtplib.SMTPException, OSError):
            return False
        return True

    def _signed_in(self, database: Database) -> httpx.Client:
        """By a link of our own: the one that the first start prints may be used up when the answer is killed."""
        with database.write() as session:
            known = people.all_engineers(session)
            engineer = known[0] if known else people.add_engineer(session, name="Grace", email="grace@example.org")
            link = people.new_sign_in_link(session, engineer)
        client = httpx.Client(base_url=self._helpdesk.url, follow_redirects=True, timeout=30)
        assert client.get(f"/sign-in/{link}").status_code == 200
        return client

    def approve(self) -> None:
        """Waiting drafts, one by one, on the desk."""
        database = Database(self._helpdesk.database)
        client, token = None, ""
        while len(self.approved) < self._plan.approvals and not self.over.is_set():
            time.sleep(0.05)
            try:
                if client is None:
                    client = self._signed_in(database)
                self._note_approved(database)
                with database.read() as session:
                    waiting = session.exec(
                        select(Draft, Ticket.number)
                        .join(Ticket, Ticket.id == Draft.ticket_id)
                        .where(Draft.state == DraftState.WAITING)
                        .limit(1)
                    ).first()
                if waiting is None or len(self.approved) >= self._plan.approvals:
                    continue
                draft, number = waiting
                if not token:
                    page = client.get(f"/tickets/{number}").text
                    token = unescape(re.search(r'name="csrf_token" value="([^"]+)"', page)[1])  # type: ignore[index]
                form = {"csrf_token": token, "binding": draft.binding, "vouched": "yes"}
                client.post(f"/tickets/{number}/drafts/{draft.id}/approve", data=form)
            except (httpx.HTTPError, AssertionError, SQLAlchemyError):
                time.sleep(0.2)  # killed: what was decided is read from the database
        self._note_approved(database)
        if client is not None:
            client.close()
        database.close()

    def _note_approved(self, database: Database) -> None:
        with database.read() as session:
            keys = session.exec(select(Draft.id).where(Draft.state == DraftState.APPROVED))
            self.approved.update(key for key in keys if key is not None)


def crash_test(plan: Plan, folder: Path, say: Callable[[str], None] = print) -> Report:
    report = Report()
    chance = random.Random(plan.seed + 1)
    recorder = Recorder(plan.seed + 2)
    relay = Controller(recorder, hostname="127.0.0.1", port=free_port())
    with ExitStack() as stack:
        relay.start()
        stack.callback(relay.stop)
        dovecot = Dovecot()
        stack.callback(dovecot.remove)
        dovecot.start()
        store = {"database_url": stack.enter_context(running_postgres())} if plan.postgresql else {}
        helpdesk = Helpdesk(
            folder, **store, relay_host="127.0.0.1", relay_port=str(relay.port), imap_host="127.0.0.1",
            imap_port=str(dovecot.port), imap_security="none", imap_user=MAILBOX, imap_password=PASSWORD,
        )  # fmt: skip
        if not helpdesk.data.exists():
            build_index(REPOSITORY / "knowledge_base" / "articles" / "jobs", helpdesk.data / "index", SentenceEncoder())
        traffic = Traffic(plan, helpdesk, dovecot)
        stack.callback(helpdesk.kill)
        helpdesk.start()
        threads = stack.enter_context(ThreadPoolExecutor(2))
        stack.callback(traffic.over.set)
        work = [threads.submit(traffic.send), threads.submit(traffic.approve)]
        until = time.monotonic() + SETTLE_S * 4
        while not all(part.done() for part in work) and time.monotonic() < until:
            shortest, longest, loaded = chance.choice(LIVES)
            if loaded:
                helpdesk.wait_until_ready(SETTLE_S)
            time.sleep(chance.uniform(shortest, longest))
            helpdesk.kill()
            report.kills += 1
            say(
                f"kill {report.kills}: {len(traffic.accepted)} mails accepted, {len(traffic.approved)} answers approved"
            )
            helpdesk.start()
        for part in work:
            part.result(timeout=60)
        _wait_until_settled(helpdesk, traffic)
        _count(report, helpdesk, traffic, recorder)
    return report


def _wait_until_settled(helpdesk: Helpdesk, traffic: Traffic) -> None:
    database = Database(helpdesk.database)
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        with database.read() as session:
            known = set(session.exec(select(Message.message_id)))
            unhandled = session.exec(select(StoredMail.id).where(StoredMail.state != MailState.HANDLED)).all()
            ended = (OutboundState.SENT, OutboundState.FAILED, OutboundState.UNCERTAIN)
            on_the_way = session.exec(select(Outbound.id).where(Outbound.state.not_in(ended))).all()  # type: ignore[attr-defined]
        if traffic.accepted <= known and not unhandled and not on_the_way:
            break
        time.sleep(0.5)
    time.sleep(2)  # what would arrive twice has time to do so
    database.close()


def _count(report: Report, helpdesk: Helpdesk, traffic: Traffic, recorder: Recorder) -> None:
    database = Database(helpdesk.database)
    with database.read() as session:
        incoming = session.exec(select(Message).where(Message.direction == "in")).all()
        tickets = session.exec(select(Ticket)).all()
        outbound = session.exec(select(Outbound)).all()
    database.close()
    messages = Counter(message.message_id for message in incoming)
    report.accepted = len(traffic.accepted)
    lost = traffic.accepted - set(messages)
    doubled = [name for name, times in messages.items() if times > 1]
    answers = [row for row in outbound if row.kind == "answer"]
    approved = {row.approval_id for row in answers}
    wrong = [row for row in outbound if not _is_honest(row, recorder.arrived[row.message_id])]
    unknown = set(recorder.arrived) - {row.message_id for row in outbound}
    report.counts = {
        "mails accepted": len(traffic.accepted),
        "tickets": len(tickets),
        "mails lost": len(lost),
        "mails filed twice": len(doubled),
        "answers approved": len(traffic.approved),
        "answers in the outbox": len(answers),
        "answers that arrived once": sum(recorder.arrived[row.message_id] == 1 for row in answers),
        "answers marked uncertain": sum(row.state == OutboundState.UNCERTAIN for row in answers),
        "acknowledgements in the outbox": len(outbound) - len(answers),
        "mails that arrived twice": sum(times > 1 for times in recorder.arrived.values()),
        "kills": report.kills,
    }
    claims = {
        f"{len(lost)} accepted mails are in no ticket": bool(lost),
        f"{len(doubled)} mails were filed twice": bool(doubled),
        f"{len(tickets)} tickets for {len(traffic.accepted)} mails": len(tickets) != len(traffic.accepted),
        f"{len(traffic.approved)} approvals, {len(approved)} answers": len(traffic.approved) != len(approved),
        f"{len(wrong)} mails neither arrived once nor are marked uncertain": bool(wrong),
        f"{len(unknown)} mails arrived that are in no outbox": bool(unknown),
        f"not worked through: {[row.state for row in wrong][:5]}": any(row.state == "queued" for row in outbound),
    }
    report.problems = [text for text, holds in claims.items() if holds]


def _is_honest(row: Outbound, arrived: int) -> bool:
    """Sent is once, uncertain is once at most, failed is never."""
    allowed = {OutboundState.SENT: {1}, OutboundState.UNCERTAIN: {0, 1}, OutboundState.FAILED: {0}}
    return arrived in allowed.get(OutboundState(row.state), set())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=500)
    parser.add_argument("--approvals", type=int, default=200)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--postgresql", action="store_true", help="keep the tickets in a PostgreSQL of its own")
    given = parser.parse_args()
    print(f"seed {given.seed}")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = crash_test(Plan(given.mails, given.approvals, given.seed, given.postgresql), Path(folder))
    for name, count in report.counts.items():
        print(f"{count:6d} {name}")
    print(f"{time.monotonic() - begun:6.0f} s")
    for problem in report.problems:
        print(f"VIOLATED: {problem}")
    print("nothing lost, nothing doubled" if not report.problems else f"seed {given.seed} again: --seed {given.seed}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
