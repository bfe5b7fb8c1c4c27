"""What can go wrong with evidence."""

from __future__ import annotations

from pathlib import Path


class KnowledgeBaseError(Exception):
    """Root of this package's errors; the message says what to do next."""


class ModelMissingError(KnowledgeBaseError):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no embedding model at {folder}: leave MINERVA_EMBEDDING_MODEL out for the packaged one, or point it at a "
            "folder that holds model.onnx and tokenizer.json, or a sentence-transformers model"
        )


class TrainingExtraMissingError(KnowledgeBaseError):
    def __init__(self, model: str) -> None:
        super().__init__(
            f"the embedding model {model!r} needs sentence-transformers, which is not installed: run "
            '`pip install --constraint constraints.txt "minerva-helpdesk[models]"`, or leave MINERVA_EMBEDDING_MODEL '
            "out for the packaged model"
        )


class UnreadableError(KnowledgeBaseError):
    """A document is broken; the message is the reason that the build report gives."""


class SourceMissingError(KnowledgeBaseError):
    def __init__(self, source: Path) -> None:
        super().__init__(f"no folder {source}: give --source the folder that holds the documents")


class EmptySourceError(KnowledgeBaseError):
    def __init__(self, source: Path, skipped: int) -> None:
        super().__init__(
            f"nothing to index in {source}: no readable Markdown, reStructuredText, HTML, PDF or notebook "
            f"was found ({skipped} skipped); "
            "the index was left as it was"
        )


class IndexMissingError(KnowledgeBaseError):
    def __init__(self, index: Path) -> None:
        super().__init__(f"no index at {index}: run `minerva kb build --source DIR --index {index}`")


class IndexDamagedError(KnowledgeBaseError):
    def __init__(self, index: Path, detail: str) -> None:
        super().__init__(
            f"the index at {index} cannot be read ({detail}): "
            f"run `minerva kb build --source DIR --index {index}` to build it again"
        )


class SchemaMismatchError(KnowledgeBaseError):
    def __init__(self, index: Path, found: object, expected: int) -> None:
        super().__init__(
            f"the index at {index} has layout {found}, this version reads layout {expected}: "
            f"run `minerva kb build --source DIR --index {index}`"
        )


class EncoderMismatchError(KnowledgeBaseError):
    def __init__(self, index: Path, built_with: str, asked_with: str) -> None:
        super().__init__(
            f"the index at {index} was built with the embedding model {built_with!r}, not {asked_with!r}: "
            f"run `minerva kb build --source DIR --index {index}` with the model in use, or set "
            f"MINERVA_EMBEDDING_MODEL to {built_with!r}"
        )


class FactsError(KnowledgeBaseError):
    """A facts file is missing or not in the form described by its README."""


class QuestionsError(KnowledgeBaseError):
    """A file of labelled questions cannot be used; the message names the line."""


class IndexUnwritableError(KnowledgeBaseError):
    def __init__(self, index: Path, problem: object) -> None:
        super().__init__(
            f"the index at {index} cannot be written ({problem}); the one before, if any, is still in place: "
            "check the folder's permissions and free space, or give another --index"
        )


class SourcesFileError(KnowledgeBaseError):
    def __init__(self, file: Path, problems: list[str]) -> None:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        super().__init__(f"the sources file {file} cannot be used (see docs/knowledge-base.md):{listed}")


class SourceFailedError(KnowledgeBaseError):
    """A source cannot be reached or read; the message is the reason that the report gives."""


class SyncRunningError(KnowledgeBaseError):
    def __init__(self, index: Path) -> None:
        super().__init__(f"another sync is at work on {index}: wait until it is done")


class BulkError(KnowledgeBaseError):
    """A folder of `minerva kb sync --bulk` cannot be used, or its job has not run to its end."""


class BulkPlanned(Exception):  # noqa: N818  # not an error: the first of two steps is done
    """The job is written and waits for its submission."""

    def __init__(self, script: Path, texts: int, shards: int) -> None:
        super().__init__(
            f"{texts} passages to embed in {shards} shards: look at {script}, run `sbatch {script}`, and when the job "
            "has ended the same command again"
        )


class VectorStoreError(KnowledgeBaseError):
    def __init__(self, problem: object) -> None:
        super().__init__(
            f"the vectors in PostgreSQL cannot be reached ({str(problem).strip()}): check MINERVA_VECTORS_URL, that "
            "the server runs, and that the extension pgvector is installed there (docs/knowledge-base.md)"
        )
