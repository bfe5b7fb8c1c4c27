"""Pages that stay open hear of what changes, as server-sent events; who else is there is told the same way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

from fastapi import APIRouter, Request, Response, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from sqlalchemy import func
from sqlmodel import select

from agent.desk.session import Checked, DeskState, Who
from agent.desk.state import Desk
from agent.store import people, tickets
from agent.store.tables import Event, Outbound

router = APIRouter()

LOOK_S = 0.5
LONGEST_S = 60.0
"""Then the browser connects again, and the session is looked at anew."""
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get("/tickets/{number}/stream")
def ticket_stream(request: Request, desk: DeskState, who: Who, number: str) -> Response:
    """Events `state`: `{"version", "others": [{"name", "typing"}]}`, whenever either changes."""
    me = people.key_of(who.engineer)
    with desk.database.read() as session:
        tickets.by_number(session, number)

    async def events() -> AsyncIterator[str]:
        with desk.presence.at(number, me, who.engineer.name):
            async for event in _changes(request, lambda: _state_of(desk, number, me)):
                yield event

    return StreamingResponse(events(), media_type="text/event-stream", headers=_HEADERS)


@router.get("/stream")
def inbox_stream(request: Request, desk: DeskState, who: Who) -> Response:  # noqa: ARG001  # signed in
    """Events `state`: `{"version"}`, whenever something has happened to any ticket."""
    events = _changes(request, lambda: _state_of_all(desk))
    return StreamingResponse(events, media_type="text/event-stream", headers=_HEADERS)


@router.post("/tickets/{number}/typing")
def typing(desk: DeskState, who: Checked, number: str) -> Response:
    desk.presence.types(number, people.key_of(who.engineer))
    return Response(status_code=status.HTTP_204_NO_CONTENT)


async def _changes(request: Request, look: Callable[[], dict[str, object]]) -> AsyncIterator[str]:
    begun, shown = time.monotonic(), None
    yield "retry: 1000\n\n"
    while time.monotonic() - begun < LONGEST_S and not await request.is_disconnected():
        seen = await run_in_threadpool(look)
        if seen != shown:
            yield f"event: state\ndata: {json.dumps(seen)}\n\n"
            shown = seen
        await asyncio.sleep(LOOK_S)


def _state_of(desk: Desk, number: str, me: int) -> dict[str, object]:
    with desk.database.read() as session:
        ticket = tickets.by_number(session, number)
        newest = session.exec(select(func.max(Event.id)).where(Event.ticket_id == ticket.id)).one()
        sent = session.exec(select(Outbound.id, Outbound.state).where(Outbound.ticket_id == ticket.id)).all()
    others = [{"name": seen.name, "typing": seen.typing} for seen in desk.presence.others(number, me)]
    return {"version": f"{newest} {[tuple(mail) for mail in sent]}", "others": others}


def _state_of_all(desk: Desk) -> dict[str, object]:
    with desk.database.read() as session:
        return {"version": tickets.newest_event(session)}
