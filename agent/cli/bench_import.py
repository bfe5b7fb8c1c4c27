"""`minerva bench import`: results of many tools into the store."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from agent.cli.bench_audit import Paths, say_problems
from agent.cli.bench_store import bench_store
from bench_runner.collecting import Collected, read_all
from bench_runner.dates import measured_on
from bench_runner.importing import Imported, import_paths
from bench_runner.memory import no_cycles_sought
from bench_runner.plausibility.audit import judge
from bench_runner.report import VERDICTS, normalised
from bench_runner.store.schema import SPEC_COLUMNS, TEXT_COLUMNS


def import_results(
    paths: Paths,
    measured: Annotated[
        str, typer.Option("--measured", metavar="DATE", help="Date of results that state none: YYYY-MM or YYYY-MM-DD.")
    ] = "",
    declare: Annotated[
        list[str] | None,
        typer.Option("--declare", metavar="FIELD=VALUE", help="What the files do not state: system=Leonardo, gpus=4."),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Store nothing; one JSON object a result on standard output.")
    ] = False,
) -> None:
    """Stores results of vLLM, SGLang, guidellm, AIPerf, HF Trainer, MLPerf, milabench, ReFrame and MINERVA tables.

    What is stored already is left as it is. Originals are kept too, without prompts and answers. Exit code 1 when a
    file or a record could not be read; the others are stored.
    """
    if measured and measured_on(measured) != measured:
        raise typer.BadParameter("must look like 2026-01 or 2026-01-31", param_hint="--measured")
    if jsonl:
        with no_cycles_sought():
            found = Collected()
            sys.stdout.writelines(normalised(item) + "\n" for item in judge(read_all(paths, found)))
    else:
        imported = import_paths(bench_store(), paths, measured=measured or None, declared=_declared(declare or []))
        found = imported.collected
        sys.stdout.write(_summary(imported))
    say_problems(found)


def _declared(given: list[str]) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for item in given:
        name, _, value = item.partition("=")
        if name not in SPEC_COLUMNS or name == "kind" or not value:
            fields = ", ".join(column for column in SPEC_COLUMNS if column != "kind")
            raise typer.BadParameter(f"{item!r} is no FIELD=VALUE with one of {fields}", param_hint="--declare")
        if name in TEXT_COLUMNS:
            found[name] = value
        elif value.isdecimal():
            found[name] = int(value)
        else:
            raise typer.BadParameter(f"{name} must be a whole number, not {value!r}", param_hint="--declare")
    return found


def _summary(imported: Imported) -> str:
    verdicts = ", ".join(f"{imported.added.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    new = sum(imported.added.values())
    stored = f"{new} new results stored: {verdicts}." if new else "No new results."
    known = f" {imported.known} were stored already." if imported.known else ""
    return f"{stored}{known} `minerva bench audit` with the same paths gives the reasons.\n"
