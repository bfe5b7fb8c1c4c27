"""`make bench`: measures and prints; nothing here passes or fails.

The service is a real process with the real models and the whole knowledge base, on a temporary folder.
"""

from __future__ import annotations

import asyncio
import json
import os
import smtplib
import statistics
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

from aiosmtpd.controller import Controller
from helpdesk_process import REPOSITORY, SUPPORT, Helpdesk, free_port
from sqlmodel import select

from agent.store.database import Database
from agent.store.tables import Draft, Message, StoredMail
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

MAILS = 60
RATE_PER_S = 1.0
BURST = 200


def requests() -> list[EmailMessage]:
    """Real-sounding requests from the triage data, one a mail."""
    mails = []
    lines = (REPOSITORY / "triage" / "data" / "requests_one.jsonl").read_text("utf-8").splitlines()
    for number, line in enumerate(lines[:: max(1, len(lines) // MAILS)][:MAILS]):
        request = json.loads(line)
        message = EmailMessage()
        message["From"], message["To"] = f"user{number}@example.org", SUPPORT
        message["Subject"] = request["subject"] or "(none)"
        message["Message-ID"] = f"<{number}.{time.time_ns()}@example.org>"
        message.set_content(request["body"])
        mails.append(message)
    return mails


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def draft_latency(helpdesk: Helpdesk) -> None:
    """Seconds from 250 to the draft being in the database, one mail a second."""
    accepted: dict[str, float] = {}
    begun = time.monotonic()
    for position, message in enumerate(requests()):
        time.sleep(max(0.0, begun + position / RATE_PER_S - time.monotonic()))
        helpdesk.send(message, sender=message["From"])
        accepted[message["Message-ID"].strip("<>")] = time.time()
    time.sleep(5)
    with Database(helpdesk.data / "minerva.sqlite").read() as session:
        rows = session.exec(
            select(Message.message_id, Draft.created_at).join(Draft, Draft.message_id == Message.id)
        ).all()
    waits = [at.timestamp() - accepted[key] for key, at in rows if key in accepted]
    print(f"mail to draft, {len(waits)} of {MAILS} mails at {RATE_PER_S:g}/s: p50 {statistics.median(waits):.2f} s, "
          f"p95 {percentile(waits, 0.95):.2f} s, max {max(waits):.2f} s")  # fmt: skip


class FsyncHandler:
    """The bare minimum that does not lose mail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self._count += 1
        await asyncio.to_thread(self._write, self._folder / f"{self._count}.eml", envelope.content)  # type: ignore[attr-defined]
        return "250 OK"

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def burst(port: int, tag: str) -> float:
    """Mails a second over one connection."""
    body = "My job stays pending with AssocGrpGRES.\r\n" * 100
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as server:
        begun = time.monotonic()
        for number in range(BURST):
            raw = f"From: a@b.org\r\nMessage-ID: <{tag}{number}.{time.time_ns()}@b.org>\r\nSubject: x\r\n\r\n{body}"
            server.sendmail("a@b.org", [SUPPORT], raw.encode())
        return BURST / (time.monotonic() - begun)


def accept_rate(helpdesk: Helpdesk) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        bare = Controller(FsyncHandler(Path(folder)), hostname="127.0.0.1", port=port)
        bare.start()
        rates = [(burst(helpdesk.smtp_port, f"o{n}"), burst(port, f"b{n}")) for n in range(3)]
        bare.stop()
    ours, theirs = (statistics.median(column) for column in zip(*rates, strict=True))
    print(f"mails accepted, {BURST} of 4 KB, median of 3 in turn: ours {ours:.0f}/s while working on them, "
          f"bare aiosmtpd with fsync {theirs:.0f}/s, ratio {ours / theirs:.2f}")  # fmt: skip
    with Database(helpdesk.data / "minerva.sqlite").read() as session:
        print(f"stored mails: {len(session.exec(select(StoredMail.id)).all())}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        helpdesk = Helpdesk(Path(name))
        begun = time.monotonic()
        report = build_index(REPOSITORY / "knowledge_base" / "articles", helpdesk.data / "index", SentenceEncoder())
        print(f"index: {report.documents} documents, {report.passages} passages in {time.monotonic() - begun:.1f} s")
        begun = time.monotonic()
        assert helpdesk.run("kb", "prepare", "--index", str(helpdesk.data / "index")).returncode == 0
        print(f"sentences for drafting prepared in {time.monotonic() - begun:.1f} s")
        print(f"first start, ready for mail: {helpdesk.start():.2f} s")
        helpdesk.wait_until_ready()
        helpdesk.stop()
        print(f"second start, ready for mail: {helpdesk.start():.2f} s")
        begun = time.monotonic()
        helpdesk.wait_until_ready()
        print(f"models ready after further {time.monotonic() - begun:.1f} s")
        print(f"resident memory at rest: {helpdesk.resident_mb():.0f} MB")
        draft_latency(helpdesk)
        print(f"resident memory after {MAILS} mails: {helpdesk.resident_mb():.0f} MB")
        accept_rate(helpdesk)
        helpdesk.kill()


if __name__ == "__main__":
    main()
