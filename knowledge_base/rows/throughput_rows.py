"""Measured throughput of a model on a system."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from knowledge_base.catalogue import read_yaml, systems
from knowledge_base.rows.row import BenchmarkRow, Row, standing

TITLE = "Benchmark results"
MAX_ROWS = 6
_TABLES = {"mn5_serving": "mn5-acc", "lumi_serving": "lumi-g"}
_SUFFIX = re.compile(r"-(?:instruct|it|chat|base|hf|v\d[\d.]*)\b.*", re.I)


@cache
def published() -> tuple[BenchmarkRow, ...]:
    """The figures of MINERVA's own published runs that the facts hold."""
    facts = read_yaml("facts/training_recipes.yaml")
    measured = facts["measured_by_minerva"]
    return tuple(
        BenchmarkRow(
            id=f"recipes/measured_by_minerva/{key}/{number}",
            model=row["model"],
            system=system,
            tokens_per_s=row["output_tok_s"],
            setting=_setting(row),
            date=str(facts["meta"]["as_of"]),
            status=measured["status"],
            url=facts["sources"].get("minb", {}).get("url"),
        )
        for key, system in _TABLES.items()
        for number, row in enumerate(measured[key], start=1)
    )


def _setting(row: dict[str, Any]) -> str:
    gpus = f"{row['gpus']} GPUs" if "gpus" in row else f"{row['gcds']} GCDs"
    return f"{row['engine']}, {gpus}, TP {row['tp']}, {row['dataset']}, concurrency {row['concurrency']}"


def throughput_of(sentence: str, ids: Iterable[str], rows: Sequence[BenchmarkRow]) -> list[Row]:
    """Best first, for the model and systems that the sentence names; none when it names no model that was measured."""
    wanted = set(ids)
    of_model = [row for row in rows if _is_named(row.model, sentence)]
    if not of_model:
        return []
    here = [row for row in of_model if row.system in wanted] if wanted else of_model
    if not here:
        return [_elsewhere(of_model, wanted)]
    return [_row(row) for row in sorted(here, key=lambda row: -row.tokens_per_s)[:MAX_ROWS]]


def _is_named(model: str, sentence: str) -> bool:
    """`Llama-3.1-8B-Instruct` is named by "llama 3.1 8b" and by "Llama-3.1-8B"."""
    stem = re.sub(r"[^a-z0-9.]+", " ", _SUFFIX.sub("", model.rsplit("/", 1)[-1]).lower()).strip()
    plain = f" {re.sub(r'[^a-z0-9.]+', ' ', sentence)} "
    return f" {stem} " in plain or f" {stem}. " in plain


def _name_of(system: str) -> str:
    return next((known.name for known in systems() if known.id == system), system)


def _row(row: BenchmarkRow) -> Row:
    name = _name_of(row.system)
    text = (
        f"{row.model} on {name}: {row.tokens_per_s:g} output tokens a second ({row.setting}) "
        f"{standing(row.status, row.date)}."
    )
    return Row(id=row.id, title=TITLE, heading=f"{row.model}, {name}", text=text, url=row.url, systems=(row.system,))


def _elsewhere(rows: Sequence[BenchmarkRow], wanted: set[str]) -> Row:
    there = ", ".join(sorted({_name_of(row.system) for row in rows}))
    asked = ", ".join(sorted(map(_name_of, wanted)))
    text = (
        f"Our rows hold no throughput of {rows[0].model} on {asked}; they hold results of it on {there}. "
        "A benchmark run would give the figure."
    )
    return Row(
        id=f"benchmarks/none/{rows[0].model}", title=TITLE, heading=rows[0].model, text=text, url=None, known=False
    )
