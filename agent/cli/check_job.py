"""`minerva check-job`: what is wrong with a job script or its logs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from triage.doctor.errors import UnknownSystemError
from triage.doctor.files import diagnose_files
from triage.doctor.report import as_json, as_text


def check_job(
    script: Annotated[
        Path | None, typer.Argument(help="Job script, or a mail with one in it; - reads standard input.")
    ] = None,
    log: Annotated[list[Path] | None, typer.Option("--log", help="Log of the job; may be given several times.")] = None,
    system: Annotated[str, typer.Option("--system", help="System id, as in systems.yaml (lumi-g, mn5-acc ...).")] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")] = False,
) -> None:
    """Reads a job script line by line, and logs as a stream; nothing in them is run."""
    if script is None and not log:
        raise typer.BadParameter("give a script, or at least one --log", param_hint="SCRIPT")
    try:
        diagnosis = diagnose_files(script, tuple(log or ()), system=system)
    except UnknownSystemError as error:
        raise typer.BadParameter(str(error), param_hint="--system") from error
    sys.stdout.write(as_json(diagnosis) if json else as_text(diagnosis))
