"""Which language a request is written in."""

from __future__ import annotations

import math
import re
import threading
from pathlib import Path

import yaml
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from triage.errors import RulesFileError
from triage.text import folded

LANGUAGES_FILE = Path(__file__).parent / "languages.yaml"
DEFAULT = "en"
MIN_LETTERS = 8
HEAD_CHARS = 2_000

FIELD_WORDS = re.compile(r"\b(?:\w*[\d_/\\=<>$#{}]\w*|[A-Z][A-Za-z]*[A-Z]\w*|\w+\.\w[\w.]*|--?\w[\w-]*)\b")
"""Names of programs, versions, paths and options say nothing about the language."""

PRIOR = {"en": 0.8, "de": 0.4, "fr": 0.4, "es": 0.4, "it": 0.4}
RARE_PRIOR = -0.8
"""Requests in the five main languages are far more frequent than in the others."""
COMMON_WEIGHT = 12.0
QUOTED = re.compile(
    r"(?<!\w)(?:'[^'\n]{8,200}'|\"[^\"\n]{8,200}\"|`[^`\n]+`|„[^“”\n]{8,200}[“”]|«[^»\n]{8,200}»)(?!\w)"
)
"""Quoted messages are the program's words, mostly English."""


class Languages:
    """py3langid restricted to Europe's languages, helped by common words: program names in short texts mislead it."""

    def __init__(self, path: Path = LANGUAGES_FILE) -> None:
        try:
            table = yaml.safe_load(path.read_text("utf-8"))
            candidates = set(table["candidates"].split())
            self._common = {str(code): frozenset(words.split()) for code, words in table["common"].items()}
        except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            raise RulesFileError(path, str(error)) from error
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._identifier.set_languages(sorted(candidates & set(self._identifier.labels)))
        self._lock = threading.Lock()

    def of(self, prose: str) -> str:
        """ISO 639-1 code of the main language; English when there is too little text to tell."""
        head = prose[:HEAD_CHARS]
        text = FIELD_WORDS.sub(" ", QUOTED.sub(" ", head.lower() if head.isupper() else head))
        if sum(map(str.isalpha, text)) < MIN_LETTERS:
            return DEFAULT
        with self._lock:
            ranked = dict(self._identifier.rank(text))
        words = re.findall(r"[^\W\d_]+", folded(text))
        votes = {str(code): self._vote(str(code), float(chance), words) for code, chance in ranked.items()}
        return max(votes, key=votes.__getitem__)

    def _vote(self, language: str, chance: float, words: list[str]) -> float:
        """Log probability, plus the share of words that are common in the language, plus how frequent it is here."""
        common = self._common.get(language, frozenset())
        share = sum(map(common.__contains__, words)) / len(words) if words and common else 0.0
        return math.log(chance + 1e-6) + COMMON_WEIGHT * share + PRIOR.get(language, RARE_PRIOR)
