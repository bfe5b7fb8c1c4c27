"""`minerva bench`: read benchmark results of many tools and say how far each can be trusted."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bench_runner.collecting import Collected, collect
from bench_runner.plausibility.audit import audit as judge
from bench_runner.report import as_json, as_text, normalised, printable

bench_app = typer.Typer(help="Benchmark results: import them and check them.", no_args_is_help=True)
Paths = Annotated[list[Path], typer.Argument(help="Files, or folders that are searched for them.", metavar="PATH...")]


@bench_app.command("audit")
def audit(
    paths: Paths,
    json: Annotated[bool, typer.Option("--json", help="One JSON object with every row instead of text.")] = False,
) -> None:
    """Recomputes and cross-checks foreign results: verified, suspect or invalid, with the reasons.

    Exit code 1 when a file or a record could not be read; the verdicts do not change it.
    """
    with _no_garbage_collection():
        found = collect(paths)
        judged = judge(found.results)
    render = as_json if json else as_text
    sys.stdout.write(render(judged, found.problems, found.skipped))
    _say_problems(found)


@bench_app.command("import")
def import_results(
    paths: Paths,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a result on standard output.")] = False,
) -> None:
    """Reads results of vLLM, SGLang, guidellm, AIPerf, HF Trainer, MLPerf, milabench, ReFrame and MINERVA tables.

    There is no store of results yet: with --jsonl the normalised results are written to standard output, without it
    only what was found is counted.
    """
    with _no_garbage_collection():
        found = collect(paths)
        judged = judge(found.results) if jsonl else []
    if jsonl:
        sys.stdout.writelines(normalised(item) + "\n" for item in judged)
    else:
        sys.stdout.write(f"{len(found.results)} results read; nothing is stored: use --jsonl to write them out.\n")
    _say_problems(found)


def _say_problems(found: Collected) -> None:
    for problem in found.problems:
        print(printable(f"minerva: {problem}"), file=sys.stderr)
    if found.repeated:
        print(f"minerva: {found.repeated} records were the same as others and counted once", file=sys.stderr)
    if found.problems:
        raise typer.Exit(1)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Everything read is kept and holds no cycles: searching it for garbage takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
