"""`minerva eval …`: how good triage, retrieval and drafts are on labelled files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agent.settings import Settings, load_settings
from agent.triage_model import triage_model_folder
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.evaluation import Rewriting
from knowledge_base.evaluation_report import folders_of, measure_source
from knowledge_base.evaluation_report import report as report_retrieval
from knowledge_base.index import Index, build_index, open_index
from knowledge_base.questions import read_questions
from knowledge_base.reranker import reranker_at
from knowledge_base.vectors import vector_store
from triage.classifier import Classifier
from triage.dataset import load_labelled
from triage.errors import TriageError
from triage.evaluation import judge
from triage.report import arbitration_report, report

eval_app = typer.Typer(help="How good triage, retrieval and drafts are on labelled files.", no_args_is_help=True)


@eval_app.command("triage")
def eval_triage(
    file: Annotated[
        Path,
        typer.Argument(
            help='Labelled requests: {"id","channel","subject","body","level","type","lang","tags"} a line.'
        ),
    ],
) -> None:
    """Print how well triage places the labelled requests of a file; with a language model set, without and with it."""
    from agent.llm.client import client_of  # noqa: PLC0415
    from agent.models import arbiter_of  # noqa: PLC0415  # most of the product; takes a second to import

    settings = load_settings()
    encoder, folder, client = _encoder(), triage_model_folder(settings), client_of(settings)
    try:
        rows = load_labelled(file)
        requests = [row.request for row in rows]
        judged = judge(rows, Classifier(encoder, folder).place_many(requests))
        typer.echo(report(judged), nl=False)
        if client.is_configured():
            settled = Classifier(encoder, folder, arbiter=arbiter_of(client)).place_many(requests)
            typer.echo(f"\n{arbitration_report(judged, judge(rows, settled), settled)}", nl=False)
    except (TriageError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@eval_app.command("retrieval")
def eval_retrieval(
    questions: Annotated[Path, typer.Argument(help="JSON lines with id, question, corpus and gold_paths.")],
    source: Annotated[
        Path | None, typer.Option("--source", help="Folder with the documents, or with one folder for each corpus.")
    ] = None,
    index: Annotated[Path | None, typer.Option("--index", help="The same with indexes of them.")] = None,
    corpus: Annotated[str | None, typer.Option("--corpus", help="Take only the questions of this corpus.")] = None,
) -> None:
    """Measure the search on labelled questions, beside BM25 alone, vectors alone, and both by reciprocal ranks; with a
    cross-encoder or queries by a language model set, also with that."""
    place = source or index
    if place is None or (source and index):
        raise typer.BadParameter("give either --source or --index")
    chosen = [question for question in read_questions(questions) if corpus in (None, question.corpus)]
    if not any(question.gold_paths for question in chosen):
        raise typer.BadParameter(f"{questions} has no question with an answer of that corpus")
    folders = folders_of(place, (question.corpus for question in chosen))
    settings = load_settings()
    encoder, reranker, rewriting, parts = _encoder(), reranker_at(settings.rerank_model), _rewriting(settings), []
    for folder in sorted(set(folders.values())):
        mine = [question for question in chosen if folders[question.corpus] == folder]
        with _opened(folder, encoder, is_index=source is None) as opened:
            name = ", ".join(sorted({item.corpus for item in mine}))
            parts.append(measure_source(name, opened, mine, encoder, reranker=reranker, rewriting=rewriting))
    typer.echo("\n".join(report_retrieval(parts)))


@eval_app.command("injection")
def eval_injection() -> None:
    """Have a model that obeys every attack write drafts, and count what of them could leave; and the false alarms."""
    from agent.evals.injection import report as injection_report  # noqa: PLC0415

    typer.echo(injection_report(), nl=False)


@eval_app.command("drafts")
def eval_drafts(
    file: Annotated[
        Path,
        typer.Argument(help='Cases: {"id","language","question","facts","gold"} a line, see agent/evals/drafts.py.'),
    ],
) -> None:
    """Have every case drafted over our index with and without a language model, and compare the drafts.

    Without a model server a script stands in that quotes passages word for word: it shows the way, not a model's worth.
    """
    from agent.evals.configurations import configurations  # noqa: PLC0415  # seconds to import
    from agent.evals.drafts import compare, read_cases  # noqa: PLC0415

    typer.echo(compare(read_cases(file), configurations(load_settings())), nl=False)


@contextmanager
def _opened(folder: Path, encoder: SentenceEncoder, *, is_index: bool) -> Iterator[Index]:
    if is_index:
        yield open_index(folder, vector_store(load_settings().vectors_address))
        return
    with tempfile.TemporaryDirectory() as scratch:
        build_index(folder, Path(scratch), encoder)
        yield open_index(Path(scratch))


def _rewriting(settings: Settings) -> Rewriting | None:
    """When it is set and a language model is."""
    from agent.llm.client import client_of  # noqa: PLC0415
    from agent.llm.rewriting import rewritten  # noqa: PLC0415

    client = client_of(settings)
    return partial(rewritten, client.ask) if settings.llm_rewrite_queries and client.is_configured() else None


def _encoder() -> SentenceEncoder:
    return SentenceEncoder(load_settings().embedding_model)
