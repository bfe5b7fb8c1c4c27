"""`minerva triage` and `minerva triage-train`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TextIO

import typer

from knowledge_base.encoder import SentenceEncoder
from triage.classifier import Classifier
from triage.dataset import DATA_FOLDER, load_all, parse_request
from triage.errors import RequestLineError, TriageError
from triage.model import MODEL_FOLDER
from triage.result import Request, TriageResult

STANDARD_INPUT = "-"
BATCH = 64


def triage(
    files: Annotated[
        list[str],
        typer.Argument(help='Files with one request {"id","channel","subject","body"} a line; - reads standard input.'),
    ],
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line instead of readable lines.")] = False,
) -> None:
    """Place requests: level, type, urgency, language and route."""
    problems = Problems()
    try:
        classifier = Classifier(SentenceEncoder())
        for batch in batches(read_requests(files, problems)):
            for result in classifier.place_many(batch):
                typer.echo(json_line(result) if jsonl else readable(result))
    except TriageError as error:
        problems.report(str(error))
    if problems.count:
        raise typer.Exit(1)


def train(
    data: Annotated[Path, typer.Option(help="Folder of labelled requests (*.jsonl).")] = DATA_FOLDER,
    model: Annotated[Path, typer.Option(help="Folder that the model is written to.")] = MODEL_FOLDER,
) -> None:
    """Train the triage model anew and print its card."""
    from triage.card import train_and_describe  # noqa: PLC0415  # scikit-learn takes a second to import

    try:
        typer.echo(train_and_describe(load_all(data), SentenceEncoder(), model), nl=False)
    except TriageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


class Problems:
    """Names each problem on standard error and counts them; the rest goes on."""

    def __init__(self) -> None:
        self.count = 0

    def report(self, message: str) -> None:
        self.count += 1
        typer.echo(message, err=True)


def read_requests(files: Sequence[str], problems: Problems) -> Iterator[Request]:
    for name in files:
        if name == STANDARD_INPUT:
            yield from requests_in(sys.stdin, "standard input", problems)
            continue
        try:
            with Path(name).open(encoding="utf-8", errors="replace") as stream:
                yield from requests_in(stream, name, problems)
        except OSError as error:
            problems.report(f"{name}: {error.strerror or error}; name a file of requests, one JSON object a line")


def requests_in(stream: TextIO, name: str, problems: Problems) -> Iterator[Request]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            yield parse_request(line, f"{name} line {number}")
        except RequestLineError as error:
            problems.report(str(error))


def batches(requests: Iterator[Request]) -> Iterator[list[Request]]:
    batch: list[Request] = []
    for request in requests:
        batch.append(request)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def json_line(result: TriageResult) -> str:
    return json.dumps(
        {
            "id": result.id,
            "level": result.level,
            "level_confidence": result.level_confidence,
            "type": result.type,
            "type_confidence": result.type_confidence,
            "language": result.language,
            "urgency": result.urgency,
            "route": result.route,
            "reasons": list(result.reasons),
        },
        ensure_ascii=False,
    )


def readable(result: TriageResult) -> str:
    head = (
        f"{result.id}: {result.level} ({result.level_confidence:.0%}), {result.type} ({result.type_confidence:.0%}), "
        f"{result.language}, urgency {result.urgency}, route {result.route}"
    )
    return "\n".join([head, *(f"    {reason}" for reason in result.reasons)])
