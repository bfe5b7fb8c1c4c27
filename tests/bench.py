"""`make bench`: measures and prints; nothing here passes or fails.

The service is a real process with the real models and the whole knowledge base, on a temporary folder.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from email.message import EmailMessage
from pathlib import Path

from bench_mail import accept_rates, big_mail_memory, parse_times
from helpdesk_process import REPOSITORY, SUPPORT, Helpdesk
from sqlmodel import select

from agent.store.database import Database
from agent.store.tables import Draft, Message
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
    with Database(helpdesk.database).read() as session:
        rows = session.exec(
            select(Message.message_id, Draft.created_at).join(Draft, Draft.message_id == Message.id)
        ).all()
    waits = [at.timestamp() - accepted[key] for key, at in rows if key in accepted]
    print(f"mail to draft, {len(waits)} of {MAILS} mails at {RATE_PER_S:g}/s: p50 {statistics.median(waits):.2f} s, "
          f"p95 {percentile(waits, 0.95):.2f} s, max {max(waits):.2f} s")  # fmt: skip


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
        parse_times()
        big_mail_memory(helpdesk)
        accept_rates(helpdesk)
        helpdesk.kill()


if __name__ == "__main__":
    main()
