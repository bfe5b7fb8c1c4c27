from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from agent.errors import EndpointRecordError
from agent.llm.records import EndpointRecord, EndpointState, key_of, read_records, remove_record, write_record


def record(name: str = "draft-1", **values: object) -> EndpointRecord:
    given = {"url": "http://127.0.0.1:8231/v1", "model": "tiny", "state": EndpointState.READY, **values}
    return EndpointRecord(name=name, **given)  # type: ignore[arg-type]


def test_what_is_written_is_read_and_only_its_owner_may(tmp_path: Path) -> None:
    folder = tmp_path / "llm" / "endpoints"
    written = record(expires_at=datetime(2026, 11, 28, 23, 10, tzinfo=UTC), job="4711", key_file="draft-1.key")
    path = write_record(folder, written)
    assert read_records(folder).records == (written,)
    assert path.stat().st_mode & 0o077 == 0
    assert [file.name for file in folder.iterdir()] == ["draft-1.json"]
    remove_record(folder, "draft-1")
    remove_record(folder, "draft-1")
    assert read_records(folder).records == ()


def test_no_folder_is_no_records(tmp_path: Path) -> None:
    assert read_records(tmp_path / "none").records == ()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "Invalid JSON"),
        (b'{"name": "bad", "url": "http://h/v1"', "Invalid JSON"),
        (b'{"name": "bad", "url": "http://h/v1", "model": "m", "state": "dancing"}', "state"),
        (b'{"name": "bad", "url": "ftp://h/v1", "model": "m", "state": "ready"}', "url"),
        (b'{"name": "bad", "url": "http://u:p@h/v1", "model": "m", "state": "ready"}', "url"),
        (b'{"name": "other", "url": "http://h/v1", "model": "m", "state": "ready"}', "agree"),
        (b'{"name": "bad", "url": "http://h/v1", "model": "m", "state": "ready", "expires_at": "2026-11-28T23:10:00"}', "expires_at"),
        (b'{"name": "bad", "url": "http://h/v1", "model": "m", "state": "ready", "recipients": ["x@y"]}', "recipients"),
        (b"\xff\xfe\x00", "Invalid JSON"),
    ],
)  # fmt: skip
def test_a_broken_record_is_named_and_the_others_still_count(tmp_path: Path, content: bytes, complaint: str) -> None:
    write_record(tmp_path, record())
    (tmp_path / "bad.json").write_bytes(content)
    found = read_records(tmp_path)
    assert [item.name for item in found.records] == ["draft-1"]
    assert len(found.problems) == 1
    assert "bad.json" in found.problems[0]
    assert complaint in found.problems[0]


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "x" * 81])
def test_a_name_is_a_file_name(name: str) -> None:
    with pytest.raises(ValidationError):
        record(name)


def test_the_key_lies_beside_the_record(tmp_path: Path) -> None:
    assert key_of(tmp_path, record()) is None
    keyed = record(key_file="draft-1.key")
    with pytest.raises(EndpointRecordError, match="cannot be read"):
        key_of(tmp_path, keyed)
    (tmp_path / "draft-1.key").write_text("\n")
    with pytest.raises(EndpointRecordError, match="empty"):
        key_of(tmp_path, keyed)
    (tmp_path / "draft-1.key").write_text("s3cret\n")
    assert key_of(tmp_path, keyed) == "s3cret"
