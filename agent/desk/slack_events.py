"""Where Slack sends its events over HTTP; Bolt checks signature and time before anything else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

if TYPE_CHECKING:
    from slack_bolt import App

PATH = "/slack/events"
MAX_BYTES = 2_000_000


def take_events(desk: FastAPI, app: App) -> None:
    from slack_bolt import BoltRequest  # noqa: PLC0415  # only where Slack is configured

    @desk.post(PATH, include_in_schema=False)
    async def events(request: Request) -> Response:
        body = await request.body()
        if len(body) > MAX_BYTES:
            return Response(status_code=413)
        asked = BoltRequest(body=body.decode("utf-8", "replace"), headers=dict(request.headers))
        answer = await run_in_threadpool(app.dispatch, asked)
        headers = {name: ", ".join(values) for name, values in answer.headers.items()}
        return Response(answer.body, status_code=answer.status, headers=headers)
