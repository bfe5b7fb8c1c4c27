"""`minerva eval …`: how good triage and retrieval are on labelled files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from agent.settings import load_settings
from agent.triage_model import triage_model_folder
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.evaluation import METRICS, measure, measure_abstention
from knowledge_base.index import Index, build_index, open_index
from knowledge_base.questions import read_questions
from knowledge_base.vectors import vector_store
from triage.classifier import Classifier
from triage.dataset import load_labelled
from triage.errors import TriageError
from triage.evaluation import judge, report

eval_app = typer.Typer(help="How good triage and retrieval are on labelled files.", no_args_is_help=True)


@eval_app.command("triage")
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
        results = Classifier(_encoder(), triage_model_folder(load_settings())).place_many([row.request for row in rows])
    except (TriageError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(report(judge(rows, results)), nl=False)


@eval_app.command("retrieval")
def eval_retrieval(
    questions: Annotated[Path, typer.Argument(help="JSON lines with id, question, corpus and gold_paths.")],
    source: Annotated[Path | None, typer.Option("--source", help="Folder with the documents.")] = None,
    index: Annotated[Path | None, typer.Option("--index", help="An index of them, instead of --source.")] = None,
    corpus: Annotated[str | None, typer.Option("--corpus", help="Take only the questions of this corpus.")] = None,
) -> None:
    """Measure the search on labelled questions, beside BM25 alone, vectors alone, and both by reciprocal ranks."""
    if (source is None) == (index is None):
        raise typer.BadParameter("give either --source or --index")
    chosen = [question for question in read_questions(questions) if corpus in (None, question.corpus)]
    answered = sum(bool(question.gold_paths) for question in chosen)
    if not answered:
        raise typer.BadParameter(f"{questions} has no question with an answer of that corpus")
    encoder = _encoder()
    with _opened(source, index, encoder) as opened:
        typer.echo(f"{answered} questions with an answer, {len(chosen) - answered} without; [95 % bootstrap interval]")
        typer.echo(f"{'':6}" + "".join(f"{name:>20}" for name in METRICS))
        for measured in measure(opened, chosen, encoder):
            low, high = measured.interval()
            cells = zip(measured.mean(), low, high, strict=True)
            typer.echo(f"{measured.ranking:6}" + "".join(f"  {m:.3f} [{a:.3f} {b:.3f}]" for m, a, b in cells))
        if answered < len(chosen):
            unanswerable, answerable = measure_abstention(opened, chosen, encoder).flagged(below=0.5)
            typer.echo(f"flagged as not answered: {unanswerable:.3f} of those without, {answerable:.3f} of those with")


@eval_app.command("injection")
def eval_injection() -> None:
    """Have a model that obeys every attack write drafts, and count what of them could leave; and the false alarms."""
    from agent.evals.injection import report as injection_report  # noqa: PLC0415

    typer.echo(injection_report(), nl=False)


@contextmanager
def _opened(source: Path | None, index: Path | None, encoder: SentenceEncoder) -> Iterator[Index]:
    if index is not None:
        yield open_index(index, vector_store(load_settings().vectors_address))
    elif source is not None:
        with tempfile.TemporaryDirectory() as folder:
            build_index(source, Path(folder), encoder)
            yield open_index(Path(folder))


def _encoder() -> SentenceEncoder:
    return SentenceEncoder(load_settings().embedding_model)
