"""Every signature of the facts on its own examples and near misses."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from triage.doctor.facts import facts
from triage.doctor.literals import required_literals
from triage.doctor.logs import diagnose_log_text
from triage.doctor.signatures import line_finder, load_signatures

TABLE = facts("error_signatures")
FAILURES = [*TABLE["entries"], *TABLE["exit_codes"]]


@pytest.mark.parametrize(("name", "line"), [(row["id"], line) for row in FAILURES for line in row["examples"]])
def test_example_is_named_by_its_own_signature_first(name: str, line: str) -> None:
    assert diagnose_log_text(line, "log")[0].id == name


@pytest.mark.parametrize(("name", "line"), [(row["id"], line) for row in FAILURES for line in row.get("not", ())])
def test_near_miss_is_not_matched(name: str, line: str) -> None:
    assert name not in {finding.id for finding in diagnose_log_text(line, "log")}


@pytest.mark.parametrize("line", [line for row in TABLE["harmless"] for line in row["examples"]])
def test_harmless_line_is_no_finding(line: str) -> None:
    assert diagnose_log_text(line, "log") == ()


@pytest.mark.parametrize("prefix", ["", "12: ", "[rank3]: "])
def test_every_line_that_matches_is_found(prefix: str) -> None:
    for row in FAILURES:
        finder = line_finder([load_signatures().by_id[row["id"]]]).places
        assert [line for line in row["examples"] if not finder.search(f"x\n{prefix}{line}\ny".encode())] == []


def test_line_finder_finds_a_place_in_the_line_and_no_other_line() -> None:
    block = b"step 1\n0: CUDA out of memory. Tried to allocate 1 GiB\n\nstep 2\n"
    places = [match.span() for match in load_signatures().line_finder.places.finditer(block)]
    assert places
    assert all(7 <= start < end <= 53 for start, end in places)


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("CUDA out of memory", ("CUDA out of memory",)),
        ("(?:CUDA|HIP) error: bad", (" error: bad",)),
        (r"a\.b{0,3}(?:failed|timed out)", ("failed", "timed out")),
        (r"[a-z]+x?", ()),
        (r"(?:abc|\d)", ()),
        (r"colou?rful", ("colo",)),
        (r"(?:ab)?cde", ("cde",)),
        (r"x[]]yz", ("yz",)),
    ],
)
def test_required_literals(pattern: str, literals: tuple[str, ...]) -> None:
    assert required_literals(pattern) == literals


def test_patterns_are_of_the_stated_dialect() -> None:
    for row in (*FAILURES, *TABLE["harmless"]):
        for pattern in row["patterns"]:
            re.compile(pattern)
            assert not re.search(r"\(\?[=!<]|\\[1-9]", pattern), pattern


def test_ids_are_unique_and_references_exist() -> None:
    ids = [row["id"] for row in (*FAILURES, *TABLE["harmless"])]
    assert len(ids) == len(set(ids))
    wanted = {name for row in FAILURES for name in row.get("often_consequence_of", ())}
    assert wanted <= set(ids)
    assert {key for row in (*FAILURES, *TABLE["harmless"]) for key in row["source"]} <= set(TABLE["sources"])


def test_counts_are_right() -> None:
    counts = TABLE["meta"]["counts"]
    assert counts["entries"] == len(TABLE["entries"]) >= 140
    assert counts["exit_codes"] == len(TABLE["exit_codes"])
    assert counts["by_category"] == Counter(row["category"] for row in TABLE["entries"])
    assert counts["by_status"] == Counter(row["status"] for row in TABLE["entries"])
