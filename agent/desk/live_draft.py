"""A draft while a model writes it, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from agent.desk.session import DeskState, Who
from agent.llm.live import Live
from agent.store import tickets

router = APIRouter()

LOOK_S = 0.02
LONGEST_S = 120.0
BEAT_S = 15.0


@router.get("/tickets/{number}/live")
def live(desk: DeskState, who: Who, number: str) -> Response:  # noqa: ARG001  # signed in
    """Each event is the whole text so far. Ends when nothing more is being written."""
    with desk.database.read() as session:
        tickets.by_number(session, number)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(desk.live, number), media_type="text/event-stream", headers=headers)


async def _events(live: Live, number: str) -> AsyncIterator[str]:
    begun = spoke = time.monotonic()
    shown = ""
    while time.monotonic() - begun < LONGEST_S:
        text = live.of(number)
        if text and text != shown:
            yield event_of(text)
            shown, spoke = text, time.monotonic()
        elif shown and not text:
            break
        elif time.monotonic() - spoke > BEAT_S:
            yield ": still here\n\n"
            spoke = time.monotonic()
        await asyncio.sleep(LOOK_S)
    yield "event: end\ndata:\n\n"


def event_of(text: str) -> str:
    """One event; every line of the text is one of its data lines."""
    return "".join(f"data: {line}\n" for line in text.replace("\r", "").split("\n")) + "\n"
