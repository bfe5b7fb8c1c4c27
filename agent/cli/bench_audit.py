"""`minerva bench audit`: how far foreign results can be trusted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bench_runner.collecting import Collected, read_all
from bench_runner.memory import no_cycles_sought
from bench_runner.plausibility.audit import judge
from bench_runner.report import as_json, as_text, printable

Paths = Annotated[list[Path], typer.Argument(help="Files, or folders that are searched for them.", metavar="PATH...")]


def audit(
    paths: Paths,
    json: Annotated[bool, typer.Option("--json", help="One JSON object with every row instead of text.")] = False,
) -> None:
    """Recomputes and cross-checks foreign results: verified, suspect or invalid, with the reasons.

    Exit code 1 when a file or a record could not be read; the verdicts do not change it.
    """
    with no_cycles_sought():
        found = Collected()
        judged = judge(read_all(paths, found), figures=False)
    render = as_json if json else as_text
    sys.stdout.writelines(render(judged, found.problems, found.skipped))
    say_problems(found)


def say_problems(found: Collected) -> None:
    for problem in found.problems:
        print(printable(f"minerva: {problem}"), file=sys.stderr)
    if found.repeated:
        print(f"minerva: {found.repeated} records were the same as others and counted once", file=sys.stderr)
    if found.problems:
        raise typer.Exit(1)
