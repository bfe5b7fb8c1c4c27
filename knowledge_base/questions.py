"""Questions with known answers, for measuring the search."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from knowledge_base.errors import QuestionsError


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledQuestion:
    id: str
    question: str
    corpus: str
    gold_paths: frozenset[str]
    """Files that answer it, any of them; empty when the corpus does not answer it."""


def read_questions(file: Path) -> list[LabelledQuestion]:
    """One JSON object a line with id, question, corpus and gold_paths.

    Raises:
        QuestionsError: the file cannot be read, or a line is not of that form.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise QuestionsError(f"{file} cannot be read: {error}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                found.append(_question(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise QuestionsError(
                    f"{file}, line {number}: needs id, question, corpus, gold_paths: {error}"
                ) from error
    return found


def _question(row: dict[str, object]) -> LabelledQuestion:
    gold = row["gold_paths"]
    if not isinstance(gold, list):
        raise TypeError("gold_paths is no list")
    return LabelledQuestion(
        id=str(row["id"]), question=str(row["question"]), corpus=str(row["corpus"]), gold_paths=frozenset(gold)
    )
