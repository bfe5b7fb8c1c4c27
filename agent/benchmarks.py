"""The benchmark store as the pipeline uses it: rows that answer, and wishes for a measurement."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from agent.rows import row_of_benchmark
from bench_runner.answers import answer_rows
from bench_runner.errors import RequestError
from bench_runner.reruns import runs
from bench_runner.reruns.sites import Site, read_sites
from bench_runner.store.database import STORE_FILE, open_store
from knowledge_base.rows.answer import rows_for
from knowledge_base.rows.row import Row

MAX_WORDS = 200
SITES_FILE = "sites.yaml"


def structured_rows(folder: Path, text: str) -> tuple[Row, ...]:
    """Stored runs first; where none fits, the published figures and the other facts; else that nobody measured it."""
    measured = measured_rows(folder, text)
    if any(row.known for row in measured):
        return measured
    facts = rows_for(text)
    return facts if any(row.known for row in facts) else measured or facts


def measured_rows(folder: Path, text: str) -> tuple[Row, ...]:
    """None as long as nothing was ever imported."""
    if not (folder / STORE_FILE).is_file():
        return ()
    with closing(open_store(folder)) as store, store.read() as connection:
        return tuple(row_of_benchmark(row) for row in answer_rows(connection, text))


def bench_sites(folder: Path) -> dict[str, Site]:
    """What the operators wrote into `sites.yaml`; none as long as there is no such file. Raises RequestError."""
    path = folder / SITES_FILE
    try:
        return read_sites(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError([f"{path} cannot be read: {error}"]) from error


def wish_for_measurement(folder: Path, *, origin: str, words: str, by: str) -> bool:
    """A request that waits for a specification and a named engineer's yes; False when there is one already."""
    with closing(open_store(folder)) as store, store.write() as connection:
        return runs.request(connection, words=words[:MAX_WORDS], by=by, origin=origin) is not None
