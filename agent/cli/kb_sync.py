"""`minerva kb sync`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from agent.settings import Settings, load_settings
from knowledge_base.encoder import Encoder, SentenceEncoder
from knowledge_base.errors import BulkPlanned
from knowledge_base.sources.config import AnySource, SourcesFile, articles_source, read_sources
from knowledge_base.sources.sync import SourceReport, SyncReport
from knowledge_base.sources.sync import sync as sync_sources


def sync(
    sources: Annotated[
        Path | None, typer.Option("--sources", help="The sources file; else MINERVA_SOURCES_FILE.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option("--index", help="Folder of the index; else that of the service.")
    ] = None,
    bulk: Annotated[
        Path | None,
        typer.Option(
            "--bulk",
            help="Folder for embedding by a Slurm job array: the first call writes the job, the call after the job "
            "takes its vectors.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Bring the index in step with all sources: folders, git repositories, documentation sites.

    Only what changed is read and embedded. A source that fails keeps what was read of it before, and the command
    ends with status 1 to say so.
    """
    settings = load_settings()
    file = sources or settings.sources_file
    wanted = read_sources(file) if file else SourcesFile()
    ours: list[AnySource] = [articles_source(settings.articles_dir)] if wanted.articles else []
    try:
        report = _synced(settings, [*ours, *wanted.source], index or settings.index_dir, bulk)
    except BulkPlanned as planned:
        typer.echo(str(planned))
        return
    typer.echo(json.dumps(asdict(report)) if as_json else "\n".join(_lines(report)))
    if report.failed:
        raise typer.Exit(1)


def _synced(settings: Settings, sources: Sequence[AnySource], index: Path, bulk: Path | None) -> SyncReport:
    encoder = _encoder(settings.embedding_model, bulk)
    if isinstance(settings.database, Path) and not settings.database.is_file():
        return sync_sources(sources, index, settings.source_cache_dir, encoder, vectors_url=settings.vectors_address)
    from agent.benchmarks import structured_rows  # noqa: PLC0415
    from agent.reuse import sync_with_answers  # noqa: PLC0415  # a second to import, for nothing without a database
    from agent.store.database import open_database  # noqa: PLC0415

    database = open_database(settings.database)
    try:
        return sync_with_answers(
            database,
            sources,
            index,
            settings.source_cache_dir,
            encoder,
            rows_for=partial(structured_rows, settings.bench_dir),
            vectors_url=settings.vectors_address,
        )
    finally:
        database.close()


def _encoder(model: str, bulk: Path | None) -> Encoder:
    if bulk is None:
        return SentenceEncoder(model)
    from knowledge_base.bulk import Bulk  # noqa: PLC0415  # half a second to import

    return Bulk(SentenceEncoder(model), bulk)


def _lines(report: SyncReport) -> Iterator[str]:
    made = f"{report.embedded} passages embedded" if report.new_snapshot else "nothing changed"
    yield f"{report.documents} documents, {report.passages} passages; {made}; {report.seconds:.1f} s"
    for source in report.sources:
        yield from _source_lines(source)


def _source_lines(source: SourceReport) -> Iterator[str]:
    name = source.name or "our articles"
    record = source.record
    held = f"{record.documents} documents" if record else "nothing in the index"
    commit = f" at {record.revision[:12]}" if record and record.revision else ""
    yield f"  {name}: {source.outcome}, {held}{commit}"
    if source.problem:
        since = f"; what was read at {record.read_at} stays" if record else ""
        yield f"    {source.problem}{since}"
    for title, items in (("skipped", source.skipped), ("repaired", source.repaired), ("look at", source.flagged)):
        for item in items:
            yield f"    {title} {item.path}: {item.reason}"
