"""What the helpdesk makes of records while servers change."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.llm.client import Client, Limits
from agent.llm.endpoints import Endpoints, last_use
from agent.llm.records import EndpointRecord, EndpointState, write_record

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LIMITS = Limits(concurrency=1, timeout_s=1, tokens_per_day=10)


def record(name: str, state: EndpointState, **values: object) -> EndpointRecord:
    given = {"url": "http://127.0.0.1:9/v1", "model": "tiny", "updated_at": NOW, **values}
    return EndpointRecord(name=name, state=state, **given)  # type: ignore[arg-type]


def test_a_reader_between_the_old_and_the_new_server_looks_again(tmp_path: Path) -> None:
    write_record(tmp_path, record("a-1", EndpointState.DRAINING))
    endpoints = Endpoints(fixed=(), folder=tmp_path, models={}, now=lambda: NOW, hand_over_s=3.0)

    def soon() -> None:
        time.sleep(0.1)
        write_record(tmp_path, record("a-2", EndpointState.READY))

    writing = threading.Thread(target=soon)
    writing.start()
    found = endpoints.for_purpose("draft")
    writing.join()
    assert [item.name for item in found] == ["a-2"]


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ({}, "none"),
        ({"a-1": (EndpointState.QUEUED, timedelta(minutes=65))}, "tiny is queued, starts about 13:05 UTC"),
        ({"a-1": (EndpointState.QUEUED, timedelta(hours=20))}, "tiny is queued, starts about 30 November, 08:00 UTC"),
        ({"a-1": (EndpointState.QUEUED, None)}, "tiny is queued"),
        ({"a-1": (EndpointState.QUEUED, None), "a-2": (EndpointState.STARTING, None)}, "tiny is starting"),
        ({"a": (EndpointState.ASLEEP, None)}, "tiny is asleep"),
        ({"a": (EndpointState.FAILED, None)}, "tiny is failed: no GPU"),
        ({"a-1": (EndpointState.READY, None)}, "ok"),
    ],
)
def test_people_are_told_in_words(
    tmp_path: Path, states: dict[str, tuple[EndpointState, timedelta | None]], said: str
) -> None:
    for name, (state, starts) in states.items():
        note = "no GPU" if state == EndpointState.FAILED else ""
        write_record(tmp_path, record(name, state, starts_at=NOW + starts if starts else None, note=note))
    assert Client(Endpoints(fixed=(), folder=tmp_path, models={}, now=lambda: NOW), LIMITS).state() == said


def test_a_question_that_nobody_can_answer_wakes_what_sleeps(tmp_path: Path) -> None:
    write_record(tmp_path, record("a", EndpointState.ASLEEP))
    client = Client(Endpoints(fixed=(), folder=tmp_path, models={}, now=lambda: NOW), LIMITS)
    assert not client.is_configured()
    assert last_use(tmp_path) is None
    client.wake()
    assert last_use(tmp_path) is not None
