"""Calls to the desk of a partner, and what their failures mean in words."""

from __future__ import annotations

import json
from typing import Any

import httpx

from agent.errors import BridgeError

TIMEOUT_S = 30.0
MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Base64 makes a third more of a file."""


class DeskHttp:
    def __init__(self, base: str, authorization: str) -> None:
        """`base` ends with a slash."""
        headers = {"Authorization": authorization, "Accept": "application/json", "User-Agent": "minerva-helpdesk"}
        self._client = httpx.Client(base_url=base, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)
        self._name = httpx.URL(base).host

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, **request: Any) -> tuple[httpx.Response, Any]:
        """The reply and its JSON. Raises BridgeError for everything but a success."""
        reply, body = self._send(method, path, **request)
        return reply, self._json(body)

    def fetch(self, path: str) -> bytes:
        """A file. Raises BridgeError."""
        return self._send("GET", path)[1]

    def _send(self, method: str, path: str, **request: Any) -> tuple[httpx.Response, bytes]:
        try:
            with self._client.stream(method, path, **request) as reply:
                body = self._body(reply)
        except httpx.HTTPError as error:
            raise BridgeError(
                f"{self._name} does not answer ({type(error).__name__}); it is tried again", whole_desk=True
            ) from error
        if not reply.is_success:
            raise self._error(reply, body)
        return reply, body

    def _body(self, reply: httpx.Response) -> bytes:
        pieces, size = [], 0
        for piece in reply.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > MAX_REPLY_BYTES:
                raise BridgeError(f"{self._name} sent more than {MAX_REPLY_BYTES // 2**20} MB at once")
        return b"".join(pieces)

    def _json(self, body: bytes) -> Any:
        """RT writes file names that it was given in Latin-1 as they are, so not all of it is always UTF-8."""
        try:
            return json.loads(body.decode("utf-8", "replace")) if body.strip() else None
        except ValueError as error:
            raise BridgeError(
                f"{self._name} answers, but not in JSON: is its address right?", whole_desk=True
            ) from error

    def _error(self, reply: httpx.Response, body: bytes) -> BridgeError:
        code = reply.status_code
        if code == 401:
            return BridgeError(f"{self._name} does not take our token: set a new one at Partners", whole_desk=True)
        if code >= 500 or code in {408, 429}:
            return BridgeError(f"{self._name} is in trouble ({code}); it is tried again", whole_desk=True)
        if 300 <= code < 400:
            return BridgeError(f"{self._name} sends us elsewhere ({code}): is its address right?", whole_desk=True)
        said = _said(body)
        return BridgeError(f"{self._name} refuses it ({code}){f': {said}' if said else ''}")


def _said(body: bytes) -> str:
    """RT says `message`, Zammad `error`; at most a line of it."""
    try:
        told = json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        return ""
    words = (told.get("message") or told.get("error")) if isinstance(told, dict) else ""
    return " ".join(str(words or "").split())[:200]
