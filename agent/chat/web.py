"""HTTP to a chat service, apart from its library."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from agent.errors import ChatError

_FOR_GOOD = {400, 403, 404}


def answer_of(ask: Callable[..., httpx.Response], *what: Any, **more: Any) -> httpx.Response:
    """What a method of httpx brings. Raises ChatError."""
    try:
        answer = ask(*what, **more)
    except httpx.HTTPError as error:
        raise ChatError(f"no answer from the chat service: {type(error).__name__}") from error
    if answer.status_code == 429:
        wait_s = float(answer.headers.get("Retry-After", 1))
        raise ChatError("the chat service asks us to wait", retry_after_s=wait_s)
    if answer.is_error:
        what_it_said = f"{answer.status_code} {answer.text[:200]}"
        raise ChatError(f"the chat service refused: {what_it_said}", permanent=answer.status_code in _FOR_GOOD)
    return answer
