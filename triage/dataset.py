"""The labelled requests: reading, splitting by author voice, counting near-copies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from triage.errors import RequestLineError
from triage.result import Request
from triage.text import folded

DATA_FOLDER = Path(__file__).parent / "data"
LEVELS = ("L1", "L2", "L3", "L4", "L5")
TYPES = ("T1", "T2", "T3", "T4")
NONE = "none"
TEST_SUFFIX = "-t"
NEAR_COPY = 0.5
"""Jaccard similarity of word triples from which two requests count as near-copies."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    request: Request
    level: str
    type: str
    language: str | None
    voice: str
    tags: frozenset[str]

    @property
    def in_scope(self) -> bool:
        return self.level != NONE

    @property
    def is_test(self) -> bool:
        return self.voice.endswith(TEST_SUFFIX)


def parse_request(line: str, where: str) -> Request:
    """One line of a request file.

    Raises:
        RequestLineError: no JSON object, or a field is missing or no text.
    """
    return request_from(parse_object(line, where), where)


def parse_object(line: str, where: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise RequestLineError(where, f"not JSON ({error})") from error
    if not isinstance(record, dict):
        raise RequestLineError(where, "not a JSON object")
    return record


def request_from(record: dict[str, object], where: str) -> Request:
    fields = {
        name: record.get(name, "" if name in {"channel", "subject"} else None)
        for name in ("id", "channel", "subject", "body")
    }
    for name, value in fields.items():
        if value is None and name != "subject":
            raise RequestLineError(where, f'"{name}" is missing')
        if not isinstance(value, str | int | None) or (name in {"subject", "body"} and isinstance(value, int)):
            raise RequestLineError(where, f'"{name}" is no text')
    identity, channel, subject, body = ("" if value is None else str(value) for value in fields.values())
    names = record.get("attachments")
    attachments = tuple(str(name) for name in names) if isinstance(names, list) else ()
    return Request(id=identity, channel=channel, subject=subject, body=body, attachments=attachments)


def parse_labelled(line: str, where: str) -> Labelled:
    record = parse_object(line, where)
    level, kind = record.get("level"), record.get("type")
    if (level, kind) != (NONE, NONE) and (level not in LEVELS or kind not in TYPES):
        raise RequestLineError(where, f"label {level!r} {kind!r} is neither L1-L5 with T1-T4 nor none with none")
    tags = record.get("tags") or ()
    return Labelled(
        request=request_from(record, where),
        level=str(level),
        type=str(kind),
        language=str(record["lang"]) if record.get("lang") else None,
        voice=str(record.get("voice") or "examples"),
        tags=frozenset(str(tag) for tag in tags) if isinstance(tags, list) else frozenset(),
    )


def load_labelled(path: Path) -> list[Labelled]:
    lines = path.read_text("utf-8").splitlines()
    return [parse_labelled(line, f"{path.name} line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def load_all(folder: Path = DATA_FOLDER) -> list[Labelled]:
    """Every labelled request of the folder, files in alphabetical order."""
    return [row for path in sorted(folder.glob("*.jsonl")) for row in load_labelled(path)]


def data_hash(rows: Iterable[Labelled]) -> str:
    """SHA-256 over texts and labels, whatever their order in the files."""
    lines = sorted(json.dumps([row.request.subject, row.request.body, row.level, row.type, row.voice]) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def near_copy_rate(rows: Sequence[Labelled]) -> float:
    """Share of requests that have a near-copy among the others, by word triples."""
    shingles = [triples(row.request) for row in rows]
    holders: dict[tuple[str, ...], list[int]] = {}
    for at, found in enumerate(shingles):
        for triple in found:
            holders.setdefault(triple, []).append(at)
    return sum(has_near_copy(at, shingles, holders) for at in range(len(rows))) / max(len(rows), 1)


def triples(request: Request) -> frozenset[tuple[str, ...]]:
    words = folded(f"{request.subject} {request.body}").split()
    return frozenset(zip(words, words[1:], words[2:], strict=False)) or frozenset({tuple(words)})


def has_near_copy(
    at: int, shingles: Sequence[frozenset[tuple[str, ...]]], holders: dict[tuple[str, ...], list[int]]
) -> bool:
    near = {other for triple in shingles[at] for other in holders[triple] if other != at}
    return any(len(shingles[at] & shingles[other]) / len(shingles[at] | shingles[other]) >= NEAR_COPY for other in near)
