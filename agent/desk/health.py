"""For machines: is it alive, and how much is there."""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter, HTTPException, Request, Response, status
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from agent.desk.session import DeskState
from agent.store import inbound, outbox, tickets

router = APIRouter()


@router.get("/healthz")
def healthz(desk: DeskState) -> Response:
    """200 when mail can be taken and worked on, 503 with the reason when not. Models may still be loading."""
    parts = {
        "database": "ok",
        "models": desk.models.state,
        "workers": desk.workflows.state,
        "listener": desk.intake.listener.state,
        "mailbox": desk.intake.mailbox,
        "chat": desk.workflows.chat,
    }
    try:
        with desk.database.read() as session:
            tickets.counts(session)
    except SQLAlchemyError as error:
        parts["database"] = type(error).__name__
    good = all(state in {"ok", "ready", "loading", "none"} for state in parts.values())
    parts["language_model"] = desk.language_model()  # drafts are made without it, so it is no trouble
    body = {"status": "ok" if good else "trouble", "parts": parts}
    return JSONResponse(body, status.HTTP_200_OK if good else status.HTTP_503_SERVICE_UNAVAILABLE)


@router.get("/metrics")
def metrics(request: Request, desk: DeskState) -> Response:
    """Prometheus text; counted at the time of asking, so nothing can drift."""
    if not desk.settings.metrics_public and not _is_local(request):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Metrics are served to this host only (MINERVA_METRICS_PUBLIC).")
    registry = CollectorRegistry()
    by_status = Gauge("minerva_tickets", "Tickets by status", ["status"], registry=registry)
    by_state = Gauge("minerva_outbound_mails", "Mails of the outbox by state", ["state"], registry=registry)
    waiting = Gauge("minerva_mails_waiting", "Accepted mails that are not filed yet", registry=registry)
    ready = Gauge("minerva_models_ready", "1 when the models are loaded", registry=registry)
    answers = Gauge("minerva_language_model_ready", "1 when a model server answers drafts", registry=registry)
    answers.set(desk.language_model() == "ok")
    with desk.database.read() as session:
        for name, count in tickets.counts(session).items():
            by_status.labels(name).set(count)
        for name, count in outbox.counts(session).items():
            by_state.labels(name).set(count)
        waiting.set(len(inbound.waiting(session)))
    ready.set(desk.models.state == "ready")
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _is_local(request: Request) -> bool:
    return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
