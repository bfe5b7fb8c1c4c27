"""`minerva triage FILES` and `minerva triage train`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from agent.settings import Settings, load_settings
from agent.store import placings
from agent.store.database import open_database
from agent.triage_model import triage_model_folder
from knowledge_base.encoder import SentenceEncoder
from triage.classifier import Classifier
from triage.dataset import DATA_FOLDER, Labelled, load_all, parse_request
from triage.errors import RequestLineError, TriageError
from triage.model import MODEL_FOLDER
from triage.result import Request, TriageResult

CORRECTIONS_VOICE = "corrections"
"""They train, and are held out together when the model is calibrated."""
STANDARD_INPUT = "-"
BATCH = 64


class PlaceUnlessTold(TyperGroup):
    """`minerva triage FILES` places; only `train` is a command of its own (a file of that name is `./train`)."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        told = args and (args[0] in self.commands or args[0] == "--help")
        return super().parse_args(ctx, args if told else ["place", *args])


triage_app = typer.Typer(
    help="Place requests (level, type, urgency, language, route), or train the model that does.",
    cls=PlaceUnlessTold,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@triage_app.command("place")
def place(
    files: Annotated[
        list[str],
        typer.Argument(help='Files with one request {"id","channel","subject","body"} a line; - reads standard input.'),
    ],
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line instead of readable lines.")] = False,
) -> None:
    """Place requests: level, type, urgency, language, route, topics. The word `place` may be left out."""
    problems = Problems()
    try:
        classifier = classifier_of(load_settings())
        for batch in batches(read_requests(files, problems)):
            for result in classifier.place_many(batch):
                typer.echo(json_line(result) if jsonl else readable(result))
    except TriageError as error:
        problems.report(str(error))
    if problems.count:
        raise typer.Exit(1)


def classifier_of(settings: Settings) -> Classifier:
    """With the model in use: the one trained on corrections where there is one, else the one that ships."""
    return Classifier(SentenceEncoder(settings.embedding_model), triage_model_folder(settings))


@triage_app.command("train")
def train(
    data: Annotated[Path, typer.Option(help="Folder of labelled requests (*.jsonl).")] = DATA_FOLDER,
    model: Annotated[
        Path | None, typer.Option(help="Folder that the model is written to; by default the one that is read.")
    ] = None,
    with_corrections: Annotated[
        bool,
        typer.Option(
            "--with-corrections",
            help="Learn from engineers' corrections too, for this helpdesk; refused if the frozen test gets worse.",
        ),
    ] = False,
) -> None:
    """Train the triage model anew and print its card."""
    from triage.card import train_and_describe  # noqa: PLC0415  # scikit-learn takes a second to import
    from triage.retraining import retrain  # noqa: PLC0415

    settings = load_settings()
    encoder = SentenceEncoder(settings.embedding_model)
    try:
        if with_corrections:
            in_use, own = triage_model_folder(settings), settings.triage_model_dir
            card = retrain(load_all(data), corrections(settings), encoder, in_use=in_use, target=model or own)
        else:
            card = train_and_describe(load_all(data), encoder, model or MODEL_FOLDER)
    except TriageError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(card, nl=False)


def corrections(settings: Settings) -> list[Labelled]:
    """The stored corrections as labelled requests."""
    database = open_database(settings.database)
    try:
        with database.read() as session:
            return [as_labelled(found) for found in placings.corrected_requests(session)]
    finally:
        database.close()


def as_labelled(found: placings.CorrectedRequest) -> Labelled:
    return Labelled(
        request=Request(
            id=f"correction-{found.correction_id}", channel="email", subject=found.subject, body=found.body
        ),
        level=found.level,
        type=found.type,
        language=found.language,
        voice=CORRECTIONS_VOICE,
        tags=frozenset(),
    )


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
            "topics": [{"kind": topic.kind, "id": topic.id, "name": topic.name} for topic in result.topics],
            "questions": list(result.questions),
            "reasons": list(result.reasons),
        },
        ensure_ascii=False,
    )


def readable(result: TriageResult) -> str:
    head = (
        f"{result.id}: {result.level} ({result.level_confidence:.0%}), {result.type} ({result.type_confidence:.0%}), "
        f"{result.language}, urgency {result.urgency}, route {result.route}"
    )
    about = [f"    about {', '.join(topic.name for topic in result.topics)}"] if result.topics else []
    asks = [f"    ask: {question}" for question in result.questions]
    return "\n".join([head, *about, *(f"    {reason}" for reason in result.reasons), *asks])
