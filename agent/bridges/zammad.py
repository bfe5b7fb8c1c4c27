"""Zammad by its REST interface (https://docs.zammad.org/en/latest/api/intro.html)."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from agent.attachment import Attachment
from agent.bridges.http import DeskHttp
from agent.bridges.values import Opening, Person, Post, RemoteMessage, RemoteTicket
from agent.errors import BridgeError

NOBODY = 1
"""Zammad's own user, who owns what nobody owns."""
MAX_FILE_BYTES = 30 * 1024 * 1024
_ENDS = {"closed", "merged", "removed"}
_MAY_CREATE = {"full", "create"}


def zammad_page(address: str, remote_id: str) -> str:
    """Of a ticket, for people."""
    return f"{address}/#ticket/zoom/{quote(remote_id, safe='')}"


class Zammad:
    def __init__(self, address: str, group: str, token: str) -> None:
        self._group = group
        self._http = DeskHttp(f"{address}/api/v1/", f"Token token={token}")
        self._own: dict[str, Any] = {}
        self._states: dict[int, tuple[str, bool]] = {}

    def close(self) -> None:
        self._http.close()

    def check(self) -> None:
        rights = self._me().get("groups")
        rights = rights if isinstance(rights, dict) else {}
        if not _MAY_CREATE & set(rights.get(self._group, [])):
            known = ", ".join(sorted(rights)) or "none"
            raise BridgeError(
                f"our account may not create tickets in the group {self._group} (its groups: {known})", whole_desk=True
            )

    def find(self, tag: str) -> RemoteTicket | None:
        """Its search follows what was created within seconds; without Elasticsearch at once."""
        query = {"query": tag.strip("[]"), "limit": 50, "expand": "true"}
        _, found = self._http.call("GET", "tickets/search", params=query)
        us = self._me()["id"]
        mine = [row for row in found or [] if row.get("created_by_id") == us and tag in str(row.get("title", ""))]
        return self._ticket(min(mine, key=lambda row: row["id"])) if mine else None

    def create(self, opening: Opening) -> RemoteTicket:
        """Our account is the customer: Zammad would write to anybody else."""
        article = {**_article(opening.tag, opening.text, opening.files), "internal": False}
        fields = {
            "title": opening.subject,
            "group": self._group,
            "customer_id": self._me()["id"],
            "article": article,
        }
        _, made = self._http.call("POST", "tickets", json=fields)
        return self._ticket(made)

    def posted(self, remote_id: str) -> dict[str, str]:
        us = self._me()["id"]
        ours = [item for item in self._articles(remote_id) if item.get("created_by_id") == us]
        return {str(item.get("subject") or "").strip(): str(item["id"]) for item in ours}

    def post(self, remote_id: str, post: Post) -> str:
        """What the requester wrote is a public note there, what we did an internal one."""
        article = {**_article(post.tag, post.text, post.files), "ticket_id": int(remote_id)}
        _, made = self._http.call("POST", "ticket_articles", json={**article, "internal": not post.is_reply})
        return str(made["id"])

    def set_closed(self, remote_id: str, closed: bool) -> None:
        wanted = "closed" if closed else "open"
        _, changed = self._http.call("PUT", f"tickets/{int(remote_id)}", json={"state": wanted})
        there = self._ticket(changed)
        if there.closed != closed:
            raise BridgeError(f"Zammad did not set the ticket to {wanted}: it is {there.status}")

    def changed(self, since: str, known: Collection[str]) -> list[RemoteTicket]:  # noqa: ARG002
        """One call a ticket: a search for what changed needs Elasticsearch and lags behind."""
        found = []
        for remote_id in sorted(known, key=int):
            try:
                _, row = self._http.call("GET", f"tickets/{int(remote_id)}")
            except BridgeError as error:
                if error.whole_desk:
                    raise
                # Deleted there, or no longer ours to see: reading it says so.
                found.append(RemoteTicket(id=remote_id, number="", status="", closed=False, owner="", changed=""))
                continue
            found.append(self._ticket(row))
        return found

    def messages(self, remote_id: str, known: Collection[str]) -> list[RemoteMessage]:
        us = self._me()["id"]
        return [
            self._message(remote_id, item)
            for item in sorted(self._articles(remote_id), key=lambda item: int(item["id"]))
            if item.get("created_by_id") != us and item.get("sender") != "System" and str(item["id"]) not in known
        ]

    def person(self, login: str) -> Person:
        try:
            _, user = self._http.call("GET", f"users/{int(login)}")
        except BridgeError as error:
            if error.whole_desk:
                raise
            return Person(name=f"user {login}", address="")
        name = f"{user.get('firstname') or ''} {user.get('lastname') or ''}".strip()
        return Person(name=name or user.get("login") or f"user {login}", address=user.get("email") or "")

    def _me(self) -> dict[str, Any]:
        if not self._own:
            _, self._own = self._http.call("GET", "users/me", params={"expand": "true"})
        return self._own

    def _articles(self, remote_id: str) -> list[dict[str, Any]]:
        _, found = self._http.call("GET", f"ticket_articles/by_ticket/{int(remote_id)}")
        return list(found or [])

    def _state(self, state_id: int) -> tuple[str, bool]:
        """Name, and whether it ends a ticket: states that people add share the type of one that Zammad comes with."""
        if not self._states:
            _, rows = self._http.call("GET", "ticket_states")
            ends = {row["state_type_id"] for row in rows if row["name"] in _ENDS}
            self._states = {row["id"]: (str(row["name"]), row["state_type_id"] in ends) for row in rows}
        return self._states.get(state_id, (f"state {state_id}", False))

    def _ticket(self, row: dict[str, Any]) -> RemoteTicket:
        status, closed = self._state(row["state_id"])
        owner = row.get("owner_id") or NOBODY
        return RemoteTicket(
            id=str(row["id"]),
            number=str(row.get("number", "")),
            status=status,
            closed=closed,
            owner="" if owner == NOBODY else str(owner),
            changed=str(row.get("updated_at", "")),
        )

    def _message(self, remote_id: str, item: dict[str, Any]) -> RemoteMessage:
        files = [file for file in item.get("attachments") or [] if file.get("filename")]
        small = [file for file in files if int(file.get("size") or 0) <= MAX_FILE_BYTES]
        return RemoteMessage(
            id=str(item["id"]),
            is_note=bool(item.get("internal")),
            author=str(item.get("created_by_id") or NOBODY),
            text=str(item.get("body") or ""),
            is_html="html" in str(item.get("content_type") or ""),
            at=datetime.fromisoformat(item["created_at"]),
            files=tuple(self._file(remote_id, item, file) for file in small),
            left_out=tuple(str(file["filename"]) for file in files if file not in small),
        )

    def _file(self, remote_id: str, item: dict[str, Any], file: dict[str, Any]) -> Attachment:
        about = file.get("preferences") or {}
        kind = about.get("Content-Type") or about.get("Mime-Type") or "application/octet-stream"
        content = self._http.fetch(f"ticket_attachment/{int(remote_id)}/{int(item['id'])}/{int(file['id'])}")
        return Attachment(filename=str(file["filename"]), content_type=str(kind), content=content)


def _article(subject: str, text: str, files: Sequence[Attachment]) -> dict[str, Any]:
    attached = [
        {
            "filename": file.filename,
            "data": base64.b64encode(file.content).decode(),
            "mime-type": file.content_type,
        }
        for file in files
    ]
    article: dict[str, Any] = {"subject": subject, "body": text, "content_type": "text/plain", "type": "note"}
    return {**article, "attachments": attached} if attached else article
