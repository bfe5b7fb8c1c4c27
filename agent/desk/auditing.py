"""What of a request goes into the audit log: every action, and every view of what people wrote to us."""

from __future__ import annotations

import re

from fastapi import Request

from agent.desk.state import desk_of
from agent.store import audit
from agent.store.tables import Engineer

_PERSONAL = re.compile(r"/(?:tickets|mails|outbox)/|/people|/audit")
_SIGNS = ("/stream", "/live", "/typing", "/passkeys/options")
"""Ends of addresses that an open page asks by itself."""
_PART = "hx-request"
"""Header of an open page that asks for a part of itself again; what it shows was seen already."""


def record(request: Request, status_code: int) -> None:
    """Nothing for pages without personal data, and for what was not shown or done."""
    engineer: Engineer | None = getattr(request.state, "engineer", None)
    is_view = request.method == "GET"
    if engineer is None or not _is_kept(request, status_code, is_view=is_view):
        return
    action = "view" if is_view else deed(request)
    with desk_of(request).database.write() as session:
        audit.append(
            session,
            actor=engineer.email,
            action=action if status_code < 400 else f"{action}, refused",
            detail=getattr(request.state, "audit_detail", ""),
            subject=request.url.path + (f"?{request.url.query}" if is_view and request.url.query else ""),
        )


def deed(request: Request) -> str:
    """The last word of the address that is no key: `people` of `/people/3`."""
    route = request.scope.get("route")
    path: str = getattr(route, "path", request.url.path)
    return next((part for part in reversed(path.split("/")) if part and "{" not in part), "")


def _is_kept(request: Request, status_code: int, *, is_view: bool) -> bool:
    if request.url.path.endswith(_SIGNS):
        return False
    if not is_view:
        return True
    is_part = request.headers.get(_PART) == "true" and "/evidence/" not in request.url.path
    searches = request.url.path == "/" and "q=" in request.url.query
    return status_code < 300 and not is_part and (searches or bool(_PERSONAL.match(request.url.path)))
