"""How long the desk's pages take with many tickets: `python tests/bench_desk.py [--postgres] [TICKETS]`.

Prints, asserts nothing. With `--postgres` the store is a PostgreSQL from the wheel pgserver.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "acceptance"))

import httpx
import numpy as np
import structlog
from acceptance.desk_fixture import running_desk
from postgres_fixture import new_database, running_postgres
from sqlalchemy import insert, text

from agent import targets
from agent.desk.app import warm
from agent.settings import Settings
from agent.store import fulltext_fts5, fulltext_tsvector, tickets
from agent.store.database import Database, open_database
from agent.store.tables import Draft, Event, Message, Ticket, TicketFingerprint, now

VOCABULARY = (
    "job queue pending partition node memory quota scratch module python torch vllm slurm gpu training inference "
    "container checkpoint throughput nccl timeout access project budget licence dataset tokenizer model fine tuning"
)
WORDS = VOCABULARY.split()
SYSTEMS = ("lumi-g", "leonardo", "marenostrum5", "jupiter", "deucalion", "karolina")
PAGES = {
    "inbox, open": "/",
    "inbox, mine": "/?view=mine",
    "inbox, awaiting approval": "/?view=approval",
    "inbox, all, page 100": "/?view=all&from=5000",
    "filter level and type": "/?view=open&level=L2&type=T1",
    "search, a word in every third ticket": "/?q=checkpoint",
    "search, two common words": "/?q=checkpoint+quota",
    "search, one ticket": "/?q=MIN-2020-002000",
    "analytics, 12 weeks": "/analytics",
    "knowledge gaps": "/gaps",
    "ticket": "/tickets/MIN-2020-002000",
}
RECKONED = ("/analytics", "/gaps")
"""From the whole store: looked at also with a change right before each look."""
ROUNDS = 60
HOURS = targets.working_time(Settings())


def main(count: int, *, postgres: bool) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        other: dict[str, Any] = (
            {"database_url": new_database(ending.enter_context(running_postgres()), "desk")} if postgres else {}
        )
        began = time.perf_counter()
        database = open_database(Settings(data_dir=folder, **other).database)
        seed(database, count)
        database.close()
        print(f"{count:,} tickets, {2 * count:,} messages written in {time.perf_counter() - began:.1f} s")
        desk = ending.enter_context(running_desk(folder, **other))
        client = ending.enter_context(httpx.Client(base_url=desk.url, follow_redirects=True, timeout=60))
        client.get(desk.sign_in_link())
        warm(desk.app)  # as `minerva serve` does
        gc.collect()
        gc.freeze()  # as `minerva serve` does
        print(f"milliseconds, {ROUNDS} looks at each page, load {os.getloadavg()[0]:.1f}")
        heads = ("first", "p50", "p95", "max", "CPU p50", "CPU p95", "KB")
        print(f"{'page':40}" + "".join(f"{head:>9}" for head in heads))
        for name, path in PAGES.items():
            wall, cpu, size = _times(client, path)
            _tell(name, wall, cpu, size)
        for path in RECKONED:
            _tell(f"{path}, changed before each look", *_times(client, path, lambda: _change(desk.database)))


def _tell(name: str, wall: list[float], cpu: list[float], size: int) -> None:
    spans = [wall[0], statistics.median(wall), _p95(wall), max(wall), statistics.median(cpu), _p95(cpu)]
    print(f"{name:40}" + "".join(f"{span:9.1f}" for span in spans) + f"{size / 1000:9.0f}", flush=True)


def _p95(taken: list[float]) -> float:
    return statistics.quantiles(taken, n=20)[-1]


def _change(database: Database) -> None:
    with database.write() as session:
        tickets.note_event(session, tickets.by_id(session, Ticket, 2000), "Grace Hopper", "looked")


def _times(
    client: httpx.Client, path: str, before: Callable[[], None] = lambda: None
) -> tuple[list[float], list[float], int]:
    """Milliseconds of the clock, in the order of the looks; of CPU; both with the client's, which runs in the same
    process; size in bytes."""
    wall, cpu, size = [], [], 0
    for _ in range(ROUNDS):
        before()
        began, worked = time.perf_counter(), time.process_time()
        answer = client.get(path)
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - worked))
        assert answer.status_code == 200, path
        size = len(answer.content)
    return wall, cpu, size


def seed(database: Database, count: int) -> None:
    """Mostly ended tickets, as a desk of four years has them, the newest of today."""
    chance, vectors = random.Random(1), np.random.default_rng(1)
    first, apart = now() - timedelta(days=1460), timedelta(days=1460) / count
    words = fulltext_fts5 if isinstance(database.place, Path) else fulltext_tsvector
    with database.write() as session:
        for start in range(1, count + 1, 5000):
            keys = range(start, min(start + 5000, count + 1))
            opened = [_ticket(key, first + key * apart, chance) for key in keys]
            session.execute(insert(Ticket), opened)
            session.execute(insert(Event), [event for ticket in opened for event in _events(ticket, chance)])
            messages = [_message(ticket, way, chance) for ticket in opened for way in ("in", "out")]
            session.execute(insert(Message), messages)
            session.execute(insert(Draft), [_draft(ticket, chance) for ticket in opened])
            session.execute(insert(TicketFingerprint), [_fingerprint(ticket, vectors) for ticket in opened])
            for m in messages:
                words.add(session, m["ticket_id"], [f"MIN-2020-{m['ticket_id']:06d}\n{m['subject']}\n{m['text']}"])
        while targets.keep(session, HOURS):  # as the service has done long before, so that it does not work beside us
            pass
        session.execute(text("ANALYZE"))


def _ticket(key: int, at: datetime, chance: random.Random) -> dict[str, Any]:
    status = chance.choices(["closed", "resolved", "answered", "drafted", "new", "set aside"], [80, 10, 4, 2, 1, 3])[0]
    return {
        "id": key, "number": f"MIN-2020-{key:06d}", "subject": " ".join(chance.choices(WORDS, k=5)),
        "requester_name": "Ada Byron", "requester_address": f"user{key % 5000}@example.org", "status": status,
        "level": f"L{chance.randint(1, 5)}", "level_confidence": 0.9, "type": chance.choice(["T1", "T1", "T2", "T3", "T4"]),
        "type_confidence": 0.9, "reasons": [], "created_at": at, "updated_at": at,
        "first_answered_at": None if status in {"new", "drafted", "set aside"} else at + timedelta(hours=chance.expovariate(1 / 6)),
        "topics": [{"kind": "system", "id": name, "name": name} for name in chance.sample(SYSTEMS, chance.randint(0, 2))],
    }  # fmt: skip


def _events(ticket: dict[str, Any], chance: random.Random) -> list[dict[str, object]]:
    opened = {"ticket_id": ticket["id"], "actor": "requester", "what": "opened", "at": ticket["created_at"]}
    if ticket["status"] not in {"closed", "resolved"}:
        return [opened]
    ended = ticket["created_at"] + timedelta(hours=chance.expovariate(1 / 100))
    return [opened, {**opened, "actor": "Grace Hopper", "what": "resolved", "at": ended}]


def _draft(ticket: dict[str, Any], chance: random.Random) -> dict[str, object]:
    """One in five found no sure evidence. The message is the ticket's first, by its place."""
    return {
        "ticket_id": ticket["id"], "message_id": 2 * ticket["id"] - 1, "revision": 1, "state": "approved",
        "outcome": chance.choices(["answer", "caveat", "escalate"], [5, 3, 2])[0], "recipients": ["ada@example.org"],
        "subject": ticket["subject"], "body": " ".join(chance.choices(WORDS, k=80)), "claims": [], "unanswered": [],
        "questions": [], "evidence": [], "findings": [], "answerable": 0.5, "model": "embedded", "binding": "",
        "created_at": ticket["created_at"],
    }  # fmt: skip


def _fingerprint(ticket: dict[str, Any], chance: np.random.Generator) -> dict[str, object]:
    """Near one of 400 questions that come again."""
    about = np.random.default_rng(ticket["id"] % 400).standard_normal(384)
    vector = about + 0.5 * chance.standard_normal(384)
    packed = (vector / np.linalg.norm(vector)).astype("<f2").tobytes()
    return {"ticket_id": ticket["id"], "encoder": "bench", "vector": packed, "parts": [], "systems": []}


def _message(ticket: dict[str, Any], way: str, chance: random.Random) -> dict[str, object]:
    body = " ".join(chance.choices(WORDS, k=60))
    return {
        "ticket_id": ticket["id"], "direction": way, "sender_name": "Ada Byron", "sender_address": "ada@example.org",
        "subject": ticket["subject"], "text": body, "visible_text": body, "at": ticket["created_at"],
    }  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tickets", type=int, nargs="?", default=100_000)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL instead of SQLite")
    asked = parser.parse_args()
    main(asked.tickets, postgres=asked.postgres)
