"""The client-server API behind `agent.chat.values.Channel` (https://spec.matrix.org/latest/client-server-api/)."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx

from agent.chat.phrases import phrases_for
from agent.chat.values import Channel, Heard, Reply, ReplyFile, Said, SharedFile, Spot
from agent.desk.markup import mail_html
from agent.errors import ChatError

CLIENT, TIMEOUT_S = "/_matrix/client/v3", 20
PERSON = "!ticket I agree"
"""Written in a thread: a person is wanted, and personal data may be processed for it."""


class MatrixChannel(Channel):
    name = "matrix"

    def __init__(self, url: str, token: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)
        self.me = str(self.call("GET", "account/whoami")["user_id"])

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Raises ChatError. A transaction id makes asking again safe, so nothing is ever uncertain."""
        try:
            answer = self._http.request(method, path if path[0] == "/" else f"{CLIENT}/{path}", json=body, **more)
        except httpx.HTTPError as error:
            raise ChatError(f"no answer from Matrix: {type(error).__name__}") from error
        if answer.status_code == 429:
            raise ChatError("Matrix asks us to wait", retry_after_s=answer.json().get("retry_after_ms", 1000) / 1000)
        if answer.is_error:
            raise ChatError(f"Matrix refused: {answer.text[:200]}", permanent=answer.status_code in {400, 403, 404})
        return answer.json()

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
            relation = self.call("GET", f"rooms/{quote(place)}/event/{quote(key)}")["content"].get("m.relates_to", {})
        mentioned = self.me in text or self.me in content.get("m.mentions", {}).get("user_ids", ())
        return Heard(
            kind="edited" if edited else "said",
            spot=Spot(place=place, thread=relation["event_id"] if relation.get("rel_type") == "m.thread" else key),
            id=key,
            sender=sender,
            text=text.replace(self.me, "").strip(" :"),
            files=(SharedFile(name=text, address=content["url"], size=0),) if content.get("url") else (),
            version=f"{body['origin_server_ts']:016d}" if edited else "",
            event=body["event_id"],
            direct=bool(body.get("direct")),
            addressed=bool(body.get("direct")) or mentioned,
        )

    def name_of(self, sender: str) -> str:
        return str(self.call("GET", f"profile/{quote(sender)}").get("displayname") or sender)

    def fetch(self, file: SharedFile) -> bytes:
        path = f"/_matrix/client/v1/media/download/{file.address.removeprefix('mxc://')}"
        return self._http.get(path).raise_for_status().content

    def history(self, spot: Spot) -> Sequence[Said]:
        room, root = f"rooms/{quote(spot.place)}", quote(spot.thread)
        replies = self.call("GET", f"/_matrix/client/v1/{room}/relations/{root}/m.thread?dir=f&limit=100")["chunk"]
        return [
            Said(
                id=event["event_id"],
                sender=event["sender"],
                name=self.name_of(event["sender"]),
                text=event["content"].get("body", ""),
                ours=event["sender"] == self.me,
            )
            for event in [self.call("GET", f"{room}/event/{root}"), *replies]
        ]

    def put(self, spot: Spot, key: str, reply: Reply, standing: str | None) -> str:
        content = _content(reply)
        if standing is not None:
            content |= {"m.new_content": _content(reply)}
            content["m.relates_to"] = {"rel_type": "m.replace", "event_id": standing}
            key = f"{key}:{zlib.crc32(content['body'].encode())}"
        elif spot.thread:
            content["m.relates_to"] = {"rel_type": "m.thread", "event_id": spot.thread}
        sent = self._send(spot, key, content)
        return standing or sent

    def _send(self, spot: Spot, key: str, content: Mapping[str, Any]) -> str:
        sent = self.call("PUT", f"rooms/{quote(spot.place)}/send/m.room.message/{quote(key, safe='')}", content)
        return str(sent["event_id"])

    def attach(self, spot: Spot, files: Sequence[ReplyFile]) -> None:
        relation = {"rel_type": "m.thread", "event_id": spot.thread}
        for file in files:
            upload = self._http.post("/_matrix/media/v3/upload", content=file.content).raise_for_status().json()
            content = {"msgtype": "m.file", "body": file.filename, "url": upload["content_uri"]}
            self._send(spot, f"{spot.thread}:{file.filename}", {**content, "m.relates_to": relation})

    def take_back(self, spot: Spot, standing: str) -> None:
        self.call("PUT", f"rooms/{quote(spot.place)}/redact/{quote(standing)}/{quote(standing)}", {})

    def find(self, spot: Spot, key: str, known: set[str]) -> str | None:
        """Posting again with the same transaction id is answered with the same message."""
        del spot, key, known
        return None

    def whisper(self, spot: Spot, sender: str, reply: Reply) -> None:
        room = {"preset": "trusted_private_chat", "invite": [sender], "is_direct": True}
        place = str(self.call("POST", "createRoom", room)["room_id"])
        self.put(Spot(place=place, thread=""), f"whisper:{spot.thread}", reply, None)

    def busy(self, spot: Spot, text: str) -> bool:
        typing = {"typing": bool(text), "timeout": 9000}
        self.call("PUT", f"rooms/{quote(spot.place)}/typing/{quote(self.me)}", typing)
        return True


def _content(reply: Reply) -> dict[str, Any]:
    """A notice, which other bots leave alone."""
    parts = [*reply.paragraphs, *reply.folded, reply.note]
    parts += ["\n".join(f"[{s.number}] {s.title} {s.url or ''}" for s in reply.sources)]
    parts += [f"{phrases_for(reply.language).person}: `{PERSON}`" if "person" in reply.buttons else ""]
    text = "\n\n".join(part for part in parts if part)
    formatted = {"format": "org.matrix.custom.html", "formatted_body": str(mail_html(text))}
    return {"msgtype": "m.notice", "body": text, **formatted}
