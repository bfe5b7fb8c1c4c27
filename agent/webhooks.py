"""Telling other programs what happens: signed as Standard Webhooks has it, in order, again until it is taken.

https://www.standardwebhooks.com. The history of the tickets is the queue: each webhook remembers how far it is, so
nothing is lost over a restart, and what was taken without our hearing of it comes twice with the same id.
"""

from __future__ import annotations

import json
import secrets
import threading
from base64 import b64encode
from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import structlog
from sqlalchemy import func
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, col, select
from standardwebhooks import Webhook as Signer

from agent.errors import HelpdeskError, NotFoundError
from agent.store.database import Database
from agent.store.tables import Event, Ticket, Webhook, now

log = structlog.get_logger()

POLL_S = 1.0
TIMEOUT_S = 10.0
BATCH = 100
RETRY_AFTER_S = (5, 30, 120, 600, 1800, 3600)
"""After so many failures in a row; the last one goes on for ever."""
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def add(session: Session, url: str, events: Collection[str] = ()) -> Webhook:
    """From the next event on. Raises HelpdeskError for an address that is in use or not HTTPS (but on this machine)."""
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not is_here and not (parts.scheme == "https" and parts.hostname):
        raise HelpdeskError(f"{url} is no address that can be used: it must begin with https://")
    if session.exec(select(Webhook).where(Webhook.url == url)).first():
        raise HelpdeskError(f"there is a webhook for {url} already")
    newest = session.exec(select(func.max(Event.id))).one() or 0
    secret = f"whsec_{b64encode(secrets.token_bytes(24)).decode()}"
    hook = Webhook(url=url, secret=secret, events=sorted(set(events)), last_event_id=newest)
    session.add(hook)
    session.flush()
    return hook


def remove(session: Session, url: str) -> None:
    """Raises NotFoundError."""
    hook = session.exec(select(Webhook).where(Webhook.url == url)).first()
    if hook is None:
        raise NotFoundError(f"there is no webhook for {url}")
    session.delete(hook)


def all_webhooks(session: Session) -> list[Webhook]:
    return list(session.exec(select(Webhook).order_by(col(Webhook.id))))


class Teller:
    """Delivers in a thread of its own; a receiver that is slow or down holds up nobody else's work."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=TIMEOUT_S)

    def _run(self) -> None:
        with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
            while not self._stopping.wait(POLL_S):
                try:
                    with self._database.turn("webhooks") as ours:
                        if ours:
                            tell(self._database, client)
                except SQLAlchemyError:
                    log.exception("webhooks_failed")  # a full or locked disk; the next round tries again


def tell(database: Database, client: httpx.Client) -> None:
    """Deliver what is due to each webhook, at most 100 events each."""
    with database.read() as session:
        due = session.exec(select(Webhook).where(col(Webhook.next_attempt_at) <= now())).all()
        news = {hook.id: _news(session, hook) for hook in due}
    for hook in due:
        _tell_one(database, client, hook, news[hook.id])


def _news(session: Session, hook: Webhook) -> list[tuple[Event, str]]:
    query = select(Event, Ticket.number).join(Ticket, col(Ticket.id) == Event.ticket_id)
    later = query.where(col(Event.id) > hook.last_event_id).order_by(col(Event.id)).limit(BATCH)
    return [(event, number) for event, number in session.exec(later)]


def _tell_one(database: Database, client: httpx.Client, hook: Webhook, news: list[tuple[Event, str]]) -> None:
    reached, problem = hook.last_event_id, None
    for event, number in news:
        problem = _post(client, hook, event, number) if not hook.events or event.what in hook.events else None
        if problem is not None:
            break
        reached = event.id or reached
    if news:
        with database.write() as session:
            kept = session.get(Webhook, hook.id)
            if kept is not None:  # removed meanwhile
                _note(kept, reached, problem)


def _note(hook: Webhook, reached: int, problem: str | None) -> None:
    hook.last_event_id, hook.last_error = reached, problem
    if problem is None:
        hook.failures = 0
        return
    wait = RETRY_AFTER_S[min(hook.failures, len(RETRY_AFTER_S) - 1)]
    hook.failures += 1
    hook.next_attempt_at = now() + timedelta(seconds=wait)
    log.warning("webhook_failed", webhook=hook.id, failures=hook.failures, problem=problem)


def _post(client: httpx.Client, hook: Webhook, event: Event, number: str) -> str | None:
    """What went wrong; None when it was taken. Neither texts nor people go out: the receiver asks for those."""
    body = json.dumps(
        {"type": event.what, "timestamp": event.at.isoformat(), "data": {"ticket": number, "actor": event.actor}}
    )
    name, at = f"event_{event.id}", now()
    headers = {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Signer(hook.secret).sign(name, at, body),
    }
    try:
        answer = client.post(hook.url, content=body, headers=headers)
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"[:300]
    return None if answer.is_success else f"answered {answer.status_code}"
