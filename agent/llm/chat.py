"""What is asked of a language model and what comes back; whoever answers is a function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Purpose = Literal["draft", "query", "triage", "verification"]
PURPOSES: tuple[Purpose, ...] = ("draft", "query", "triage", "verification")


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """One question. The parts that repeat come first, so that the server's prefix cache holds them."""

    purpose: Purpose
    prompt: str
    """Name and version of the instructions."""
    messages: tuple[tuple[str, str], ...]
    """(role, content)."""
    schema: Mapping[str, Any]
    """JSON schema of the reply."""
    salt: str = ""
    """Keeps the cache of one ticket apart from that of another."""
    max_tokens: int = 1200

    @property
    def sha256(self) -> str:
        """Of all that the model sees."""
        seen = json.dumps([self.messages, self.schema], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(seen.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    text: str
    model: str
    endpoint: str
    prompt_tokens: int
    completion_tokens: int
    first_token_s: float | None
    """None when nothing was said."""
    latency_s: float


Told = Callable[[str], None]
"""Is told the text so far, again and again while it is written; it may start anew on another server."""
Ask = Callable[[Chat, Told], Reply]
"""Raises LanguageModelError."""


def tell_nobody(_text: str) -> None:
    """For those who wait for the whole reply."""
