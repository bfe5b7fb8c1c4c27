"""How long the desk's pages take with many tickets: `python tests/bench_desk.py [TICKETS]`. Prints, asserts nothing."""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "acceptance"))

import httpx
from acceptance.desk_fixture import running_desk
from sqlalchemy import insert, text

from agent.store import fulltext
from agent.store.database import Database
from agent.store.tables import Event, Message, Ticket, now

VOCABULARY = (
    "job queue pending partition node memory quota scratch module python torch vllm slurm gpu training inference "
    "container checkpoint throughput nccl timeout access project budget licence dataset tokenizer model fine tuning"
)
WORDS = VOCABULARY.split()
PAGES = {
    "inbox, open": "/",
    "inbox, mine": "/?view=mine",
    "inbox, awaiting approval": "/?view=approval",
    "inbox, all, page 100": "/?view=all&from=5000",
    "filter level and type": "/?view=open&level=L2&type=T1",
    "search, a word in every third ticket": "/?q=checkpoint",
    "search, two common words": "/?q=checkpoint+quota",
    "search, one ticket": "/?q=MIN-2020-050000",
    "analytics, 12 weeks": "/analytics",
    "knowledge gaps": "/gaps",
    "ticket": "/tickets/MIN-2020-050000",
}
ROUNDS = 20


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as scratch, running_desk(Path(scratch)) as desk:
        began = time.perf_counter()
        seed(desk.database, count)
        print(f"{count:,} tickets, {2 * count:,} messages written in {time.perf_counter() - began:.1f} s")
        with httpx.Client(base_url=desk.url, follow_redirects=True, timeout=60) as client:
            client.get(desk.sign_in_link())
            print(f"{'page':40} {'p50 ms':>8} {'p95 ms':>8} {'KB':>6}")
            for name, path in PAGES.items():
                taken, size = _times(client, path)
                p95 = statistics.quantiles(taken, n=20)[-1]
                print(f"{name:40} {statistics.median(taken):8.1f} {p95:8.1f} {size / 1000:6.0f}")


def _times(client: httpx.Client, path: str) -> tuple[list[float], int]:
    taken, size = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        answer = client.get(path)
        taken.append(1000 * (time.perf_counter() - began))
        assert answer.status_code == 200, path
        size = len(answer.content)
    return taken, size


def seed(database: Database, count: int) -> None:
    """Mostly ended tickets, as a desk of some years has them."""
    chance = random.Random(1)
    first = now() - timedelta(days=1500)
    with database.write() as session:
        for start in range(1, count + 1, 5000):
            keys = range(start, min(start + 5000, count + 1))
            tickets = [_ticket(key, first + timedelta(minutes=20 * key), chance) for key in keys]
            session.execute(insert(Ticket), tickets)
            session.execute(
                insert(Event), [{"ticket_id": t["id"], "actor": "requester", "what": "opened"} for t in tickets]
            )
            messages = [_message(ticket, way, chance) for ticket in tickets for way in ("in", "out")]
            session.execute(insert(Message), messages)
            words = text(f"INSERT INTO {fulltext.TABLE} (words, ticket_id) VALUES (:words, :ticket_id)")
            rows = [
                {"words": f"MIN-2020-{m['ticket_id']:06d}\n{m['subject']}\n{m['text']}", "ticket_id": m["ticket_id"]}
                for m in messages
            ]
            session.execute(words, rows)
        session.execute(text("ANALYZE"))


def _ticket(key: int, at: object, chance: random.Random) -> dict[str, object]:
    status = chance.choices(["closed", "resolved", "answered", "drafted", "new", "set aside"], [80, 10, 4, 2, 1, 3])[0]
    return {
        "id": key, "number": f"MIN-2020-{key:06d}", "subject": " ".join(chance.choices(WORDS, k=5)),
        "requester_name": "Ada Byron", "requester_address": f"user{key % 5000}@example.org", "status": status,
        "level": f"L{chance.randint(1, 5)}", "level_confidence": 0.9, "type": chance.choice(["T1", "T1", "T2", "T3", "T4"]),
        "type_confidence": 0.9, "reasons": [], "created_at": at, "updated_at": at,
    }  # fmt: skip


def _message(ticket: dict[str, object], way: str, chance: random.Random) -> dict[str, object]:
    body = " ".join(chance.choices(WORDS, k=60))
    return {
        "ticket_id": ticket["id"], "direction": way, "sender_name": "Ada Byron", "sender_address": "ada@example.org",
        "subject": ticket["subject"], "text": body, "visible_text": body, "at": ticket["created_at"],
    }  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
