"""`minerva status`: asks every part how it is."""

from __future__ import annotations

import json
import smtplib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import httpx
import typer

from agent.errors import HelpdeskError
from agent.settings import Settings, load_settings
from knowledge_base.errors import KnowledgeBaseError

TIMEOUT_S = 3


def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Ping every part of a running helpdesk. Exit code 1 when one of them does not answer well."""
    settings = load_settings()
    checks: dict[str, Callable[[Settings], str]] = {
        "database": _database,
        "index": _index,
        "sources": _sources,
        "smtp": _smtp,
        "desk": _desk,
        "outbox": _outbox,
        "desks of partners": _partner_desks,
        "language model": language_model,
    }
    parts = {name: _ask(check, settings) for name, check in checks.items()}
    good = all(part["ok"] for part in parts.values())
    if as_json:
        print(json.dumps({"ok": good, "parts": parts}, ensure_ascii=False))
    else:
        for name, part in parts.items():
            print(f"{'ok  ' if part['ok'] else 'FAIL'} {name}: {part['detail']}")
    if not good:
        sys.exit(1)


def _ask(check: Callable[[Settings], str], settings: Settings) -> dict[str, object]:
    try:
        return {"ok": True, "detail": check(settings)}
    except (HelpdeskError, KnowledgeBaseError, OSError, smtplib.SMTPException, httpx.HTTPError) as error:
        return {"ok": False, "detail": str(error) or type(error).__name__}


def _database(settings: Settings) -> str:
    from agent.store import tickets  # noqa: PLC0415
    from agent.store.database import name_of, open_database  # noqa: PLC0415

    if isinstance(settings.database, Path) and not settings.database.is_file():
        raise HelpdeskError(f"no database at {settings.database}: `minerva serve` makes it")
    database = open_database(settings.database)
    try:
        with database.read() as session:
            return f"{sum(tickets.counts(session).values())} tickets in {name_of(settings.database)}"
    finally:
        database.close()


def _partner_desks(settings: Settings) -> str:
    """As the running service found them the last time; a desk that fails is a fault, and so is a ticket there."""
    from agent.store import bridges  # noqa: PLC0415
    from agent.store.database import open_database  # noqa: PLC0415

    if isinstance(settings.database, Path) and not settings.database.is_file():
        return "none"
    database = open_database(settings.database)
    try:
        with database.read() as session:
            told, failed = bridges.states(session)
    finally:
        database.close()
    if failed:
        raise HelpdeskError("; ".join(failed))
    return "; ".join(told) or "none"


def _index(settings: Settings) -> str:
    from knowledge_base.index import open_index  # noqa: PLC0415
    from knowledge_base.vectors import vector_store  # noqa: PLC0415

    opened = open_index(settings.index_dir, vector_store(settings.vectors_address))
    return f"{len(opened)} passages in {settings.index_dir}"


def _sources(settings: Settings) -> str:
    """How the last sync went; a source that failed then is a fault, though the index keeps what was read before."""
    from knowledge_base.sources.sync import last_sync  # noqa: PLC0415

    report = last_sync(settings.index_dir)
    if report is None:
        return "never synced: the index was built from one folder, or not yet"
    failed = [
        f"{source['name'] or 'our articles'} ({source['problem']})" for source in report["sources"] if source["problem"]
    ]
    told = f"{len(report['sources'])} at the last sync, {report['finished_at']}"
    if failed:
        raise HelpdeskError(f"{told}; failed, and kept as read before: {', '.join(failed)}")
    return told


def language_model(settings: Settings) -> str:
    """Never a fault: drafts are made without one."""
    from agent.llm.client import client_of  # noqa: PLC0415
    from agent.llm.endpoints import endpoints_of  # noqa: PLC0415

    told = []
    for item in endpoints_of(settings).for_purpose("draft"):
        try:
            headers = {"Authorization": f"Bearer {item.key}"} if item.key else {}
            code = httpx.get(f"{item.url}/models", headers=headers, timeout=TIMEOUT_S).status_code
            told.append(f"{item.model} at {item.url} {'answers' if code == 200 else f'answers {code}'}")
        except httpx.HTTPError as error:
            told.append(f"{item.model} at {item.url} does not answer ({type(error).__name__})")
    return "; ".join(told) or client_of(settings).state()


def _smtp(settings: Settings) -> str:
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S) as server:
        code, _ = server.ehlo()
    if code != 250:
        raise HelpdeskError(f"the listener answers {code}")
    return f"listening on {settings.smtp_host}:{settings.smtp_port}"


def _desk(settings: Settings) -> str:
    answer = httpx.get(f"http://{settings.desk_host}:{settings.desk_port}/healthz", timeout=TIMEOUT_S)
    body = answer.json()
    if answer.status_code != 200:
        raise HelpdeskError(f"trouble: {body['parts']}")
    return f"on {settings.desk_host}:{settings.desk_port}, models {body['parts']['models']}"


def _outbox(settings: Settings) -> str:
    if settings.relay_host is None:
        return f"folder {settings.outbox_dir}"
    with smtplib.SMTP(settings.relay_host, settings.relay_port, timeout=TIMEOUT_S) as relay:
        relay.noop()
    return f"relay {settings.relay_host}:{settings.relay_port} answers"
