"""`minerva kb`: build the index, search it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from agent.cli.kb_sync import sync
from agent.settings import load_settings
from knowledge_base.encoder import SentenceEncoder
from knowledge_base.passage import RetrievedPassage, SearchResult
from knowledge_base.reranker import Reranker, reranker_at
from knowledge_base.vectors import VectorStore, vector_store

if TYPE_CHECKING:
    from knowledge_base.index import BuildReport, Index

kb_app = typer.Typer(help="The knowledge base: build the search index, search it.", no_args_is_help=True)

BATCH = 64
"""Questions embedded together."""

kb_app.command("sync")(sync)

IndexOption = Annotated[Path, typer.Option("--index", help="Folder of the index.")]


@kb_app.command()
def build(
    source: Annotated[Path, typer.Option("--source", help="Folder of documents, read with all below it.")],
    index: IndexOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Read a tree of Markdown, reStructuredText, HTML, PDF and notebooks and make its index the current one."""
    from knowledge_base.index import build_index  # noqa: PLC0415  # `kb sync` has no need of it when nothing changed

    report = build_index(source, index, _encoder(), _store())
    typer.echo(json.dumps(asdict(report)) if as_json else _readable(report, index))


@kb_app.command("embed-shard")
def embed_shard(
    folder: Annotated[Path, typer.Argument(help="The folder of `minerva kb sync --bulk`.")],
    number: Annotated[int, typer.Argument(min=0, help="Which shard, from 0.")],
) -> None:
    """Embed one shard of a bulk job; the job script calls this."""
    from knowledge_base.bulk import embed_shard, read_plan  # noqa: PLC0415

    count = embed_shard(folder, number, SentenceEncoder(read_plan(folder).encoder))
    typer.echo(f"shard {number}: {count} passages")


@kb_app.command()
def prepare(index: IndexOption) -> None:
    """Encode the sentences of an index for drafting; else `minerva serve` does it in the background."""
    from agent.models import SENTENCE_FILE, passages_of  # noqa: PLC0415  # the other commands here need no drafting
    from agent.sentence_vectors import SentenceVectors  # noqa: PLC0415
    from knowledge_base.index import open_index  # noqa: PLC0415

    vectors = SentenceVectors(_encoder(), index / SENTENCE_FILE)
    vectors.prepare(passages_of(open_index(index, _store())), Event(), gently=False)
    typer.echo(f"{len(vectors)} sentences: {index}")


@kb_app.command()
def search(
    index: IndexOption,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Read questions as JSON lines from standard input.")] = False,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Files to name, each with its best passage.")] = 10,
    question: Annotated[list[str] | None, typer.Argument(help="The question, when --jsonl is not given.")] = None,
) -> None:
    """Find the passages that answer a question.

    With --jsonl: input lines {"id", "question"}, output lines {"id", "answerable", "systems", "hits"}; `systems` are
    the ones that the passages are about. A question that names a system gets no passage about another.
    """
    if jsonl == bool(question):
        raise typer.BadParameter("give either --jsonl with the questions on standard input, or one question")
    from knowledge_base.index import open_index  # noqa: PLC0415

    opened = open_index(index, _store())
    encoder, reranker = _encoder(), reranker_at(load_settings().rerank_model)
    if question:
        _print_hits(opened.search(" ".join(question), encoder, k, one_per_file=True, reranker=reranker))
    elif _answer_lines(opened, encoder, k, reranker):
        raise typer.Exit(1)


def _answer_lines(index: Index, encoder: SentenceEncoder, k: int, reranker: Reranker | None) -> int:
    """Answers the questions on standard input; returns how many lines could not be used."""
    bad = _Bad()
    for batch in _batches(_questions(sys.stdin.buffer, bad)):
        asked = [text for _, text in batch]
        results = index.search_many(asked, encoder, k, one_per_file=True, reranker=reranker)
        for (question_id, _), result in zip(batch, results, strict=True):
            typer.echo(json.dumps(_row(question_id, result)))
    return bad.lines


class _Bad:
    """Input lines that could not be used."""

    def __init__(self) -> None:
        self.lines = 0

    def report(self, number: int, problem: str) -> None:
        self.lines += 1
        typer.echo(json.dumps({"error": problem, "line": number}), err=True)


def _questions(lines: Iterable[bytes], bad: _Bad) -> Iterator[tuple[object, str]]:
    """Ids and questions of the lines that can be used."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            bad.report(number, f"not JSON: {error}")
            continue
        text = value.get("question") if isinstance(value, dict) else None
        if not isinstance(text, str) or not text.strip():
            bad.report(number, 'needs an object with a text "question"')
            continue
        yield value.get("id", number), text


def _batches(questions: Iterator[tuple[object, str]]) -> Iterator[list[tuple[object, str]]]:
    batch: list[tuple[object, str]] = []
    for item in questions:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(question_id: object, result: SearchResult) -> dict[str, object]:
    return {
        "id": question_id,
        "answerable": round(result.answerable, 4),
        "systems": result.systems,
        "hits": [_hit(hit) for hit in result.hits],
    }


def _hit(hit: RetrievedPassage) -> dict[str, object]:
    passage = hit.passage
    return {
        "rank": hit.rank,
        "path": passage.path,
        "heading": " > ".join(passage.heading),
        "systems": passage.systems,
        "score": round(hit.score, 5),
        "text": passage.text,
    }


def _print_hits(result: SearchResult) -> None:
    typer.echo(f"answered by the sources with probability {result.answerable:.2f}")
    typer.echo(f"about {', '.join(result.systems) or 'no system in particular'}\n")
    for hit in result.hits:
        place = " > ".join(hit.passage.heading) or hit.passage.title
        if hit.passage.systems:
            place += f"  ({', '.join(hit.passage.systems)})"
        typer.echo(f"{hit.rank:3}. {hit.passage.path}  {place}\n     {' '.join(hit.passage.text.split())[:160]}\n")


def _readable(report: BuildReport, index: Path) -> str:
    lines = [
        f"{report.documents} documents, {report.passages} passages ({report.embedded} embedded anew) "
        f"in {report.seconds:.1f} s: {index}"
    ]
    for name, items in (
        ("skipped", report.skipped),
        ("repaired", report.repaired),
        ("to be looked at", report.flagged),
    ):
        if items:
            lines.append(f"{len(items)} {name}:")
            lines += [f"  {item.path}: {item.reason}" for item in items]
    return "\n".join(lines)


def _store() -> VectorStore:
    return vector_store(load_settings().vectors_address)


def _encoder() -> SentenceEncoder:
    return SentenceEncoder(load_settings().embedding_model)
