"""`minerva eval triage FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from knowledge_base.encoder import SentenceEncoder
from triage.classifier import Classifier
from triage.dataset import load_labelled
from triage.errors import TriageError
from triage.evaluation import judge, report


def eval_triage(
    file: Annotated[
        Path,
        typer.Argument(
            help='Labelled requests: {"id","channel","subject","body","level","type","lang","tags"} a line.'
        ),
    ],
) -> None:
    """Print how well triage places the labelled requests of a file."""
    try:
        rows = load_labelled(file)
        results = Classifier(SentenceEncoder()).place_many([row.request for row in rows])
    except (TriageError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(report(judge(rows, results)), nl=False)
