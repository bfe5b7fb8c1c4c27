"""Matrix behind `agent.chat.values.Channel`: https://spec.matrix.org/latest/client-server-api/"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.chat.answering import text_of
from agent.chat.runner import Service
from agent.chat.service import Chat
from agent.chat.values import Channel, Heard, Reply, ReplyFile, Said, SharedFile, Spot
from agent.chat.web import answer_of
from agent.desk.markup import mail_html
from agent.errors import ChatError

log = structlog.get_logger()
TIMEOUT_S, POLL_S, AGAIN_AFTER_S = 20, 20, 2.0
ROOMS = "client/v3/rooms"


class MatrixChannel(Channel):
    name = "matrix"

    def __init__(self, url: str, token: str) -> None:
        self.http = httpx.Client(
            base_url=f"{url}/_matrix", headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S
        )
        self.me = str(self.call("GET", "client/v3/account/whoami")["user_id"])

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return answer_of(self.http.request, method, path, json=body, **more).json()

    def heard(self, kind: str, body: Mapping[str, Any]) -> Heard | None:
        content, sender, place = body.get("content", {}), body.get("sender", ""), body.get("room_id", "")
        if kind != "event" or sender == self.me or content.get("msgtype") == "m.notice":
            return None
        if body.get("type") == "m.room.redaction":
            gone = body.get("redacts") or content.get("redacts", "")
            return Heard(kind="deleted", spot=Spot(place=place, thread=gone), id=gone, sender=sender)
        if body.get("type") != "m.room.message" or not isinstance(content.get("body"), str):
            return None
        relation, text = content.get("m.relates_to", {}), content.get("m.new_content", content)["body"]
        edited = relation.get("rel_type") == "m.replace"
        key = relation["event_id"] if edited else body["event_id"]
        if edited:
            relation = self._event(place, key)["content"].get("m.relates_to", {})
        return Heard(
            kind="edited" if edited else "said",
            spot=Spot(place=place, thread=relation["event_id"] if relation.get("rel_type") == "m.thread" else key),
            id=key,
            sender=sender,
            text=text.replace(self.me, "").strip(" :"),
            files=(SharedFile(name=content.get("filename", text), address=content["url"]),) if "url" in content else (),
            version=f"{body['origin_server_ts']:016d}" if edited else "",
            event=body["event_id"],
            direct=body["direct"],
            addressed=body["direct"] or self.me in text or self.me in content.get("m.mentions", {}).get("user_ids", ()),
        )

    def _event(self, place: str, key: str) -> Any:
        return self.call("GET", f"{ROOMS}/{quote(place)}/event/{quote(key)}")

    def name_of(self, sender: str) -> str:
        return str(self.call("GET", f"client/v3/profile/{quote(sender)}").get("displayname") or sender)

    def fetch(self, file: SharedFile) -> bytes:
        return answer_of(self.http.get, f"client/v1/media/download/{file.address.removeprefix('mxc://')}").content

    def history(self, spot: Spot) -> Sequence[Said]:
        thread = f"client/v1/rooms/{quote(spot.place)}/relations/{quote(spot.thread)}/m.thread"
        replies = self.call("GET", f"{thread}?dir=f&limit=100")["chunk"]
        return [self._said(event) for event in (self._event(spot.place, spot.thread), *replies)]

    def _said(self, event: Mapping[str, Any]) -> Said:
        sender, text = event["sender"], event["content"].get("body", "")
        return Said(id=event["event_id"], sender=sender, name=self.name_of(sender), text=text, ours=sender == self.me)

    def put(self, spot: Spot, key: str, reply: Reply, standing: str | None) -> str:
        """A notice, which other bots leave alone. The key is its transaction id: posted again it is the same one."""
        html = {"format": "org.matrix.custom.html", "formatted_body": str(mail_html(text_of(reply)))}
        content: dict[str, Any] = {"msgtype": "m.notice", "body": text_of(reply), **html}
        if standing is None:
            return self._send(spot, key, content)
        changed = {"m.new_content": content, "m.relates_to": {"rel_type": "m.replace", "event_id": standing}}
        self._send(Spot(place=spot.place, thread=""), uuid.uuid4().hex, content | changed)
        return standing

    def _send(self, spot: Spot, key: str, content: dict[str, Any]) -> str:
        if spot.thread:
            content |= {"m.relates_to": {"rel_type": "m.thread", "event_id": spot.thread}}
        sent = self.call("PUT", f"{ROOMS}/{quote(spot.place)}/send/m.room.message/{quote(key, safe='')}", content)
        return str(sent["event_id"])

    def attach(self, spot: Spot, files: Sequence[ReplyFile]) -> None:
        for file in files:
            upload = answer_of(self.http.post, "media/v3/upload", content=file.content).json()
            content = {"msgtype": "m.file", "body": file.filename, "url": upload["content_uri"]}
            self._send(spot, f"{spot.thread}:{file.filename}", content)

    def take_back(self, spot: Spot, standing: str) -> None:
        self.call("PUT", f"{ROOMS}/{quote(spot.place)}/redact/{quote(standing)}/{quote(standing)}", {})

    def whisper(self, spot: Spot, sender: str, reply: Reply) -> None:
        room = {"preset": "trusted_private_chat", "invite": [sender], "is_direct": True}
        place = str(self.call("POST", "client/v3/createRoom", room)["room_id"])
        self.put(Spot(place=place, thread=""), f"whisper:{spot.thread}", reply, None)


def matrix_service(chat: Chat, channel: MatrixChannel) -> Service:
    stopping = threading.Event()
    thread = threading.Thread(target=_watch, args=(chat, channel, stopping), name="matrix", daemon=True)
    thread.start()
    return Service(chat=chat, close=stopping.set, state=lambda: "ok" if thread.is_alive() else "stopped")


def _watch(chat: Chat, channel: MatrixChannel, stopping: threading.Event) -> None:
    """From where we were; what comes twice after a crash is stored once. Old messages are nobody's question."""
    mark = chat.settings.data_dir / "matrix.since"
    since = mark.read_text() if mark.exists() else ""
    while not stopping.is_set():
        where = f"timeout={POLL_S * 1000}&since={quote(since)}" if since else "timeout=0"
        try:
            news = channel.call("GET", f"client/v3/sync?{where}", timeout=POLL_S + 10)
            _keep(chat, channel, news.get("rooms", {}), first=not since)
        except (ChatError, SQLAlchemyError) as error:
            log.warning("matrix_away", problem=str(error))
            stopping.wait(AGAIN_AFTER_S)
            continue
        since = news["next_batch"]
        mark.write_text(since)
    channel.http.close()


def _keep(chat: Chat, channel: MatrixChannel, rooms: Mapping[str, Any], *, first: bool) -> None:
    for place in rooms.get("invite", {}):
        channel.call("POST", f"client/v3/join/{quote(place)}", {})
    for place, room in {} if first else rooms.get("join", {}).items():
        for event in room.get("timeline", {}).get("events", ()):
            members = channel.call("GET", f"{ROOMS}/{quote(place)}/joined_members")["joined"]
            chat.keep(event["event_id"], "event", {**event, "room_id": place, "direct": len(members) == 2})
            chat.wake()
