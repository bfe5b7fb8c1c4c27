"""What models are writing at this moment, by ticket, for pages that are open. Kept in memory, gone when it is done."""

from __future__ import annotations

import json
import re
from threading import Lock

from agent.llm.chat import Told

MAX_TICKETS = 200
_TEXT = re.compile(r'"text"\s*:\s*"((?:[^"\\]|\\.)*)')


class Live:
    """May be used from several threads."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lock = Lock()

    def teller(self, ticket: str) -> Told:
        def tell(text: str) -> None:
            with self._lock:
                self._texts.pop(ticket, None)
                self._texts[ticket] = text
                while len(self._texts) > MAX_TICKETS:
                    self._texts.pop(next(iter(self._texts)))

        return tell

    def forget(self, ticket: str) -> None:
        with self._lock:
            self._texts.pop(ticket, None)

    def of(self, ticket: str) -> str:
        """The statements as far as they are written; empty when nothing is being written."""
        with self._lock:
            return statements_in(self._texts.get(ticket, ""))


def statements_in(partial: str) -> str:
    """The texts of the claims in the beginning of a JSON object, one a paragraph."""
    return "\n\n".join(_unescaped(found) for found in _TEXT.findall(partial))


def _unescaped(text: str) -> str:
    """An escape that is only half there is left out."""
    for end in (len(text), len(text) - 1, text.rfind("\\")):
        try:
            return str(json.loads(f'"{text[: max(end, 0)]}"', strict=False))
        except ValueError:
            continue
    return ""
