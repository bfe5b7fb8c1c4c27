"""Request Tracker 5 by REST2 (https://docs.bestpractical.com/rt/5.0.5/RT/REST2.html)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from agent.attachment import Attachment
from agent.bridges.http import DeskHttp
from agent.bridges.values import Opening, Person, Post, RemoteMessage, RemoteTicket
from agent.errors import BridgeError

PAGE = 100
"""RT gives no more at once."""
ZONES = timedelta(hours=15)
"""RT reads times in a search in the zone of the account; no zone is further from UTC."""
MAX_FILE_BYTES = 30 * 1024 * 1024
_FIELDS = "Status,Owner,LastUpdated"
_WRITTEN = {"Correspond", "Comment"}


def rt_page(address: str, remote_id: str) -> str:
    """Of a ticket, for people."""
    return f"{address}/Ticket/Display.html?id={quote(remote_id, safe='')}"


class RequestTracker:
    def __init__(self, address: str, queue: str, token: str) -> None:
        """`token` is an auth token of RT, or `user:password`."""
        self._queue = queue
        encoded = base64.b64encode(token.encode()).decode()
        self._us = ""
        self._http = DeskHttp(f"{address}/REST/2.0/", f"Basic {encoded}" if ":" in token else f"token {token}")

    def close(self) -> None:
        self._http.close()

    def check(self) -> None:
        try:
            _, queue = self._http.call("GET", f"queue/{quote(self._queue, safe='')}")
        except BridgeError as error:
            if error.whole_desk:
                raise
            raise BridgeError(f"there is no queue {self._queue} that our account may see", whole_desk=True) from error
        # RT leaves the link out where the account may not create.
        if not any(link.get("ref") == "create" for link in queue.get("_hyperlinks", [])):
            raise BridgeError(f"our account may not create tickets in the queue {self._queue}", whole_desk=True)

    def find(self, tag: str) -> RemoteTicket | None:
        found = self._search(f"Creator = '__CurrentUser__' AND Subject LIKE '{_quoted(tag)}'")
        return self._get(found[0]["id"]) if found else None

    def create(self, opening: Opening) -> RemoteTicket:
        """Without a requestor: RT would write to them, and what requesters get is approved here."""
        fields = {"Queue": self._queue, "Subject": opening.subject, "Content": opening.text}
        _, made = self._http.call("POST", "ticket", files=_form(fields, opening.files))
        return self._get(str(made["id"]))

    def posted(self, remote_id: str) -> dict[str, str]:
        us = self._creator(remote_id)
        ours = [item for item in self._history(remote_id) if _login(item.get("Creator")) == us]
        return {str(item.get("Data", "")).strip(): str(item["id"]) for item in ours if item["Type"] in _WRITTEN}

    def post(self, remote_id: str, post: Post) -> str:
        """What the requester wrote is correspondence, what we did a comment, which opens nothing again."""
        way = "correspond" if post.is_reply else "comment"
        fields = {"Subject": post.tag, "Content": post.text}
        reply, _ = self._http.call("POST", f"ticket/{remote_id}/{way}", files=_form(fields, post.files))
        return str(reply.headers.get("location", "")).rpartition("/")[2]

    def set_closed(self, remote_id: str, closed: bool) -> None:
        wanted = "resolved" if closed else "open"
        _, said = self._http.call("PUT", f"ticket/{remote_id}", json={"Status": wanted})
        if self._get(remote_id).closed != closed:  # RT answers 200 also when it has changed nothing
            told = "; ".join(str(line) for line in said or [])[:200]
            raise BridgeError(f"RT did not set the ticket to {wanted}: {told}")

    def changed(self, since: str, known: Collection[str]) -> list[RemoteTicket]:
        after = ""
        if since:
            after = f" AND LastUpdated >= '{datetime.fromisoformat(since) - ZONES:%Y-%m-%d %H:%M:%S}'"
        found = []
        for state, closed in (("__Active__", False), ("__Inactive__", True)):
            rows = self._search(f"Creator = '__CurrentUser__' AND Status = '{state}'{after}")
            found += [_ticket(row, closed=closed) for row in rows]
        return [ticket for ticket in found if ticket.id in known]

    def messages(self, remote_id: str, known: Collection[str]) -> list[RemoteMessage]:
        us = self._creator(remote_id)
        return [
            self._message(item)
            for item in self._history(remote_id)
            if item["Type"] in _WRITTEN and _login(item.get("Creator")) != us and str(item["id"]) not in known
        ]

    def person(self, login: str) -> Person:
        try:
            _, user = self._http.call("GET", f"user/{quote(login, safe='')}")
        except BridgeError as error:
            if error.whole_desk:
                raise
            return Person(name=login, address="")
        return Person(name=user.get("RealName") or login, address=user.get("EmailAddress") or "")

    def _get(self, remote_id: str) -> RemoteTicket:
        rows = self._search(f"id = {int(remote_id)} AND Status = '__Inactive__'")
        _, row = self._http.call("GET", f"ticket/{remote_id}")
        return _ticket(row, closed=bool(rows) or row.get("Status") == "deleted")

    def _creator(self, remote_id: str) -> str:
        """Our account, which has created each of our tickets; asked once, since signing in takes RT long."""
        if not self._us:
            _, row = self._http.call("GET", f"ticket/{remote_id}")
            self._us = _login(row.get("Creator"))
        return self._us

    def _search(self, query: str) -> list[dict[str, Any]]:
        return list(self._pages("tickets", {"query": query, "fields": _FIELDS, "orderby": "id"}))

    def _history(self, remote_id: str) -> Iterator[dict[str, Any]]:
        fields = {"fields": "Type,Creator,Created,Data", "orderby": "id"}
        return self._pages(f"ticket/{remote_id}/history", fields)

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """Until a page is empty: RT leaves out what the account may not see, so a short one is not the last."""
        page = 1
        while True:
            _, found = self._http.call("GET", path, params={**query, "per_page": PAGE, "page": page})
            yield from found["items"]
            if not found["items"] or (found.get("pages") is not None and page >= found["pages"]):
                return
            page += 1

    def _message(self, item: dict[str, Any]) -> RemoteMessage:
        names = {"fields": "ContentType,Filename,ContentLength", "orderby": "id"}
        parts = list(self._pages(f"transaction/{item['id']}/attachments", names))
        body = next((part for kind in ("text/plain", "text/html") for part in parts if _is_body(part, kind)), None)
        named = [part for part in parts if part.get("Filename") and part is not body]
        small = [part for part in named if int(part.get("ContentLength") or 0) <= MAX_FILE_BYTES]
        return RemoteMessage(
            id=str(item["id"]),
            is_note=item["Type"] == "Comment",
            author=_login(item.get("Creator")),
            text=self._content(body).decode("utf-8", "replace") if body else "",
            is_html=body is not None and body["ContentType"] == "text/html",
            at=datetime.fromisoformat(item["Created"]),
            files=tuple(
                Attachment(filename=part["Filename"], content_type=part["ContentType"], content=self._content(part))
                for part in small
            ),
            left_out=tuple(part["Filename"] for part in named if part not in small),
        )

    def _content(self, part: dict[str, Any]) -> bytes:
        _, found = self._http.call("GET", f"attachment/{part['id']}")
        return base64.b64decode(found.get("Content") or "")


def _is_body(part: dict[str, Any], kind: str) -> bool:
    return part.get("ContentType") == kind and not part.get("Filename")


def _ticket(row: dict[str, Any], *, closed: bool) -> RemoteTicket:
    owner = _login(row.get("Owner"))
    return RemoteTicket(
        id=str(row["id"]),
        number=str(row["id"]),
        status=str(row.get("Status", "")),
        closed=closed,
        owner="" if owner == "Nobody" else owner,
        changed=str(row.get("LastUpdated", "")),
    )


def _login(user: Any) -> str:
    return str(user.get("id", "")) if isinstance(user, dict) else ""


def _quoted(text: str) -> str:
    """For TicketSQL, where a backslash takes the meaning of a quote away."""
    return re.sub(r"(['\\])", r"\\\1", text)


def _form(fields: dict[str, str], files: Sequence[Attachment]) -> list[tuple[str, tuple[str | None, str | bytes, str]]]:
    """Multipart: in JSON, RT would take the bytes of a file name for Latin-1."""
    told = json.dumps({**fields, "ContentType": "text/plain"})
    form: list[tuple[str, tuple[str | None, str | bytes, str]]] = [("JSON", (None, told, "application/json"))]
    form += [("Attachments", (file.filename, file.content, file.content_type)) for file in files]
    return form
