"""The real desk on a real database, in this process, with light models: fast enough for pages and browsers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import uvicorn
from fastapi import FastAPI
from hashing_encoder import HashingEncoder

from agent.desk.app import desk_app
from agent.draft import Compose
from agent.drafting import embedded_composer
from agent.llm.live import Live
from agent.mail.arrivals import Arrivals
from agent.mail.sender import sender_for
from agent.pipeline import Ports
from agent.sentence_vectors import SentenceVectors
from agent.settings import Settings
from agent.store import drafts, inbound, people, tickets
from agent.store.database import Database, open_database
from agent.store.tables import Draft, Ticket
from agent.workflows import Workflows
from ingest.mail import parse_mail
from knowledge_base.errors import KnowledgeBaseError
from knowledge_base.index import build_index, open_index
from triage.doctor.diagnosis import Diagnosis, Finding, LogFinding
from triage.result import Fingerprint, Request, TriageResult

ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"
SUPPORT = "support@minerva.example"
WAIT_S = 30

Found = TypeVar("Found")


@dataclass(frozen=True)
class LightModels:
    state: str = "ready"


@dataclass(frozen=True)
class LightIntake:
    listener: LightModels = LightModels()
    mailbox: str = "none"


@dataclass(frozen=True, kw_only=True)
class RunningDesk:
    url: str
    settings: Settings
    database: Database
    workflows: Workflows
    released: threading.Event
    """Set it to let the drafts of requests with `[slow]` in the subject be written."""
    live: Live
    """What models are writing."""
    language_model: list[str]
    """What is said of the language model: the last one counts."""
    app: FastAPI
    """The desk itself."""

    def send(self, text: str, *, sender: str = "Ada Byron <ada@example.org>", **headers: str) -> str:
        """Accept a mail as the listener does; the number of its ticket, once it is filed."""
        mail = EmailMessage()
        subject = headers.pop("Subject", "Question")
        mail["From"], mail["To"], mail["Subject"] = sender, headers.pop("To", SUPPORT), subject
        mail["Message-ID"] = f"<{time.time_ns()}@example.org>"
        for name, value in headers.items():
            mail[name.replace("_", "-")] = value
        mail.set_content(text)
        return self.send_mail(mail)

    def send_mail(self, mail: EmailMessage) -> str:
        with self.database.write() as session:
            inbound.store_mail(
                session, mail.as_bytes(), channel="smtp", peer="127.0.0.1", envelope_from="ada@example.org",
                envelope_to=[SUPPORT],
            )  # fmt: skip
        self.workflows.wake()
        message_id = str(mail["Message-ID"]).strip("<>")

        def filed() -> str | None:
            with self.database.read() as session:
                found = tickets.of_known_ids(session, [message_id])
            return found.number if found else None

        return wait_for(filed)

    def ask(self, text: str, **headers: str) -> str:
        """Like `send`, and wait until its draft is there."""
        number = self.send(text, **headers)
        self.draft_of(number)
        return number

    def draft_of(self, number: str, attempt: int = 1) -> Draft:
        def drafted() -> Draft | None:
            with self.database.read() as session:
                draft = drafts.latest(session, tickets.by_number(session, number))
            return draft if draft is not None and draft.attempt >= attempt else None

        return wait_for(drafted)

    def ticket(self, number: str) -> Ticket:
        with self.database.read() as session:
            return tickets.by_number(session, number)

    def wait_for_event(self, number: str, what: str) -> None:
        def happened() -> bool:
            with self.database.read() as session:
                events = tickets.events_of(session, tickets.by_number(session, number))
            return any(event.what == what for event in events)

        wait_for(happened)

    def sign_in_link(self, name: str = "Grace Hopper") -> str:
        email = f"{name.split(maxsplit=1)[0].casefold()}@minerva.example"
        with self.database.write() as session:
            known = {engineer.email: engineer for engineer in people.all_engineers(session)}
            engineer = known.get(email) or people.add_engineer(session, name=name, email=email)
            return f"{self.url}/sign-in/{people.new_sign_in_link(session, engineer)}"

    def end_sessions(self, name: str = "Grace Hopper") -> None:
        with self.database.write() as session:
            engineer = people.by_email(session, f"{name.split(maxsplit=1)[0].casefold()}@minerva.example")
            people.disable(session, engineer)
            engineer.disabled_at = None


def wait_for(found: Callable[[], Found | None]) -> Found:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def light_ports(index_dir: Path, released: threading.Event, compose: Compose | None = None) -> Ports:
    encoder = HashingEncoder()
    index = open_index(index_dir)

    def place(request: Request) -> TriageResult:
        if "[slow]" in request.subject:
            released.wait(WAIT_S)
        if "[broken]" in request.subject:
            raise KnowledgeBaseError("the index is gone")
        return TriageResult(
            id=request.id, level="L1", level_confidence=0.86, type="T1", type_confidence=0.74,
            level_probabilities={"L1": 0.86}, type_probabilities={"T1": 0.74}, language="en",
            urgency="high" if "deadline" in request.body else "normal", route="approve",
            fingerprint=outage_of(request.body),
            reasons=("word 'pending' (+1.3 for L1)", "route approve: not certain enough to answer without a person"),
        )  # fmt: skip

    return Ports(
        read=parse_mail,
        language=lambda _text: "en",
        place=place,
        diagnose=lambda text, attachments: diagnosis_of(text if "--gres" in text else ""),
        search=lambda question, k: index.search(question, encoder, k=k),
        compose=compose or embedded_composer(SentenceVectors(encoder)),
    )


def outage_of(text: str) -> Fingerprint | None:
    """Reports marked `[outage]` are of one incident."""
    vector = np.ones(1, dtype=np.float32)
    systems, parts = frozenset({"lumi-g"}), frozenset({"file system"})
    return Fingerprint(vector=vector, encoder="light", parts=parts, systems=systems) if "[outage]" in text else None


DIFF = """--- job.sh
+++ job.sh
@@ -1,3 +1,3 @@
 #!/bin/bash
-#SBATCH --gres=gpu
+#SBATCH --gres=gpu:1
 python train.py
"""


def diagnosis_of(text: str) -> Diagnosis:
    """One finding of each kind for a text that is not empty."""
    in_script = Finding(
        id="gpu-without-count", severity="warning", line=3, column=1, what="the number of GPUs is missing",
        why="without a number the scheduler gives one GPU", fix="write `--gres=gpu:4`", evidence="#SBATCH --gres=gpu",
        source=(), autofix="propose", where="text",
    )  # fmt: skip
    in_log = LogFinding(
        id="oom-kill", line=7, excerpt="slurmstepd: error: Detected 1 oom_kill event in StepId=4711.0",
        meaning="The job used more main memory than it asked for and was stopped.", causes=("too many loader workers",),
        fixes=("Ask for more memory with `--mem`.", "Use fewer data-loader workers."), confidence=0.9, role="cause",
        ask="", source=(), rank="nid001", count=3, where="slurm-4711.out",
    )  # fmt: skip
    return Diagnosis(
        system=None, system_confidence=0.0, scheduler=None, findings=(in_script,) if text else (),
        log_findings=(in_log,) if text else (), systems=(), corrected_script=None, diff=DIFF if text else None,
        questions=(), next_commands=(),
    )  # fmt: skip


@contextmanager
def running_desk(
    folder: Path, articles: Path = ARTICLES, *, undo_s: float = 0, compose: Compose | None = None, **other: Any
) -> Iterator[RunningDesk]:
    """`other` are further settings."""
    settings = Settings(data_dir=folder, support_address=SUPPORT, articles_dir=articles, undo_s=undo_s, **other)
    build_index(articles, settings.index_dir, HashingEncoder())
    database = open_database(settings.database)
    released = threading.Event()
    ports, live = light_ports(settings.index_dir, released, compose), Live()
    language_model = ["none"]
    workflows = Workflows(database, settings, ports, sender_for(settings), Arrivals())
    workflows.start()
    app = desk_app(
        database, settings, workflows, models=LightModels(), intake=LightIntake(), url="http://127.0.0.1", live=live,
        language_model=lambda: language_model[-1],
    )  # fmt: skip
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield RunningDesk(
            url=f"http://127.0.0.1:{port}", settings=settings, database=database, workflows=workflows,
            released=released, live=live, language_model=language_model, app=app,
        )  # fmt: skip
    finally:
        released.set()
        server.should_exit = True
        thread.join(WAIT_S)
        workflows.stop()
        database.close()
