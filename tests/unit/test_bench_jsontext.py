"""JSON of the store: any record goes in, and comes out the same but for infinities."""

from __future__ import annotations

import gc
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_runner.importing import import_paths
from bench_runner.jsontext import encoded, finite
from bench_runner.store.database import open_store

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(categories=["Cs"])
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def expected(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [expected(item) for item in value]
    return {name: expected(item) for name, item in value.items()} if isinstance(value, dict) else value


@given(values)
def test_what_was_encoded_is_read_again(value: object) -> None:
    assert json.loads(encoded(finite(value))) == expected(value)


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_sorted_names_make_equal_text_of_equal_mappings(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert encoded(value, sort=True) == encoded(backwards, sort=True)


def test_infinity_is_not_taken_for_nothing() -> None:
    assert encoded(finite({"a": math.inf})) != encoded(finite({"a": None})) != encoded(finite({"a": math.nan}))


def test_what_has_no_form_in_json_is_its_text() -> None:
    assert encoded(finite({"where": Path("a/b"), 1: (2, 3)})) == b'{"where":"a/b","1":[2,3]}'


@pytest.mark.parametrize("was_on", [True, False])
def test_an_import_leaves_garbage_collection_as_it_was(tmp_path: Path, was_on: bool) -> None:
    before = gc.isenabled()
    (gc.enable if was_on else gc.disable)()
    try:
        import_paths(open_store(tmp_path / "bench"), [tmp_path / "missing.csv"])
        assert gc.isenabled() is was_on
    finally:
        (gc.enable if before else gc.disable)()
