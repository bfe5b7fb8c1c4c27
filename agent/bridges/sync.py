"""Bringing a ticket here and its ticket at a partner's desk in step. Every step may be cut off and run again:
what stands there already is found by its tag, what stands here by the id that it has there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlmodel import Session, select

from agent.attachment import Attachment
from agent.bridges.request_tracker import RequestTracker, rt_page
from agent.bridges.taking import settle, take_message, take_state
from agent.bridges.texts import (
    change_tag_of,
    change_text,
    files_to_send,
    opening_text,
    post_tag_of,
    post_text,
    tag_of,
)
from agent.bridges.values import DeskClient, Opening, Person, Post, RemoteTicket
from agent.bridges.zammad import Zammad, zammad_page
from agent.errors import BridgeError
from agent.settings import Settings
from agent.store import bridges, inbound, tickets
from agent.store.bridge_tables import DeskKind, ExternalDesk, HandOver
from agent.store.database import Database
from agent.store.tables import Message, Outbound, Partner, Ticket, now
from agent.store.views import ENDED
from ingest.mail import parse_mail

log = structlog.get_logger()

NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, AttributeError)
"""JSON of another form than the one that was published."""
_CONTENT_TYPE = re.compile(r"(?:text|image|audio|video|application)/[\w.+-]+", re.ASCII)
MAX_SUBJECT_CHARS = 190
"""RT keeps 200."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bridge:
    """What a round works with."""

    database: Database
    settings: Settings


def client_for(desk: ExternalDesk) -> DeskClient:
    """Raises BridgeError for a desk that has no such interface."""
    if desk.kind == DeskKind.RT:
        return RequestTracker(desk.address, desk.queue, desk.token)
    if desk.kind == DeskKind.ZAMMAD:
        return Zammad(desk.address, desk.queue, desk.token)
    raise BridgeError(f"there is no bridge to {desk.kind}", whole_desk=True)


def web_address(desk: ExternalDesk, remote_id: str) -> str:
    """The page of a ticket there; empty where there is none."""
    if desk.kind == DeskKind.ZAMMAD:
        return zammad_page(desk.address, remote_id)
    return rt_page(desk.address, remote_id) if desk.kind == DeskKind.RT else ""


def run_round(bridge: Bridge, desk: ExternalDesk, client: DeskClient) -> None:
    """Tell the desk what is due there, then read what is new there. Raises BridgeError about the whole desk."""
    if desk.last_ok_at is None or desk.failures:
        client.check()
    tell_due(bridge, desk, client)
    read_news(bridge, desk, client)


def tell_due(bridge: Bridge, desk: ExternalDesk, client: DeskClient) -> None:
    """Raises BridgeError about the whole desk; what is wrong with one ticket is noted with it."""
    with bridge.database.read() as session:
        due = bridges.due(session, desk.partner_id)
    for key in due:
        _noting(bridge, key, lambda key=key: _tell(bridge, client, key))  # type: ignore[misc]


def read_news(bridge: Bridge, desk: ExternalDesk, client: DeskClient) -> None:
    """Raises as `tell_due` does. How far we are moves on only when all of it has been read."""
    with bridge.database.read() as session:
        here = {one.remote_id: one for one in bridges.at_desk(session, desk.partner_id) if one.remote_id}
    found = client.changed(desk.cursor, here)
    all_read = True
    for remote in found:
        known = here[remote.id]
        # What changed in the second that was read last is read again: more may have happened in it.
        if remote.changed != known.remote_changed or known.read_again or remote.changed >= desk.cursor:
            key = known.id or 0
            all_read &= _noting(bridge, key, lambda key=key, remote=remote: _read(bridge, client, key, remote))  # type: ignore[misc]
    with bridge.database.write() as session:
        for hand_over in here.values():
            settle(session, bridges.by_id(session, hand_over.id or 0))
        if all_read:
            kept = session.get_one(ExternalDesk, desk.partner_id)
            kept.cursor = max([kept.cursor, *(remote.changed for remote in found)])


def _noting(bridge: Bridge, key: int, work: Callable[[], None]) -> bool:
    """What goes wrong with one ticket is noted with it, so that the others go on. True when it went well."""
    problem = None
    try:
        work()
    except BridgeError as error:
        if error.whole_desk:
            raise
        problem = str(error)
    except NOT_UNDERSTOOD:
        log.exception("hand_over_not_understood", hand_over=key)
        problem = "what that desk says of it is not understood, see the log"
    with bridge.database.write() as session:
        hand_over = bridges.by_id(session, key)
        if problem is None:
            hand_over.failures, hand_over.last_error = 0, None
            hand_over.last_synced_at = hand_over.next_attempt_at = now()
        else:
            bridges.note_failure(hand_over, problem)
            log.warning("hand_over_failed", hand_over=key, failures=hand_over.failures, problem=problem)
    return problem is None


def _tell(bridge: Bridge, client: DeskClient, key: int) -> None:
    with bridge.database.read() as session:
        hand_over = bridges.by_id(session, key)
        ticket = session.get_one(Ticket, hand_over.ticket_id)
    remote_id = hand_over.remote_id or _find_or_create(bridge, client, hand_over)
    if not hand_over.change_told:
        _tell_change(bridge, client, hand_over, ticket, remote_id)
    if hand_over.ended_at is None and remote_id is not None:
        _post_due(bridge, client, key, remote_id)
        _step_status(bridge, client, key, remote_id)


def _find_or_create(bridge: Bridge, client: DeskClient, hand_over: HandOver) -> str | None:
    """The id there; None when it was taken back before it ever got there."""
    key = hand_over.id or 0
    with bridge.database.write() as session:
        kept = bridges.by_id(session, key)
        opening = _opening(session, kept)
        kept.next_attempt_at = now() + bridges.LEASE
    remote = client.find(opening.tag)
    if remote is None and hand_over.ended_at is not None:
        return None
    remote = remote or client.create(opening)
    with bridge.database.write() as session:
        kept = bridges.by_id(session, key)
        kept.remote_id, kept.remote_number = remote.id, remote.number
        kept.remote_status, kept.remote_closed = remote.status, remote.closed
        partner, ticket = session.get_one(Partner, kept.partner_id), session.get_one(Ticket, kept.ticket_id)
        tickets.note_event(session, ticket, "minerva", "is at the partner's desk", f"{partner.name}, #{remote.number}")
    return remote.id


def _opening(session: Session, hand_over: HandOver) -> Opening:
    ticket, partner = session.get_one(Ticket, hand_over.ticket_id), session.get_one(Partner, hand_over.partner_id)
    messages = bridges.opening_messages(session, hand_over)
    files, left_out = files_to_send([file for message in messages for file in attachments_of(session, message)])
    tag = tag_of(ticket)
    return Opening(
        tag=tag,
        subject=f"{tag} {' '.join(ticket.subject.split())}"[:MAX_SUBJECT_CHARS],
        text=opening_text(ticket, hand_over, partner, messages, left_out=left_out),
        files=files,
    )


def attachments_of(session: Session, message: Message) -> list[Attachment]:
    """Of a message that came in or was sent; the bytes stand in the mail."""
    if not message.attachments:
        return []
    if message.stored_mail_id is not None:
        raw = inbound.raw_of(session, message.stored_mail_id)
    else:
        raw = session.exec(select(Outbound.content).where(Outbound.message_id == message.message_id)).first() or b""
    return [
        Attachment(filename=file.filename, content_type=_content_type(file.content_type), content=file.content)
        for file in parse_mail(raw).attachments
    ]


def _content_type(declared: str) -> str:
    """As the sender declares it, where that is one of a plain file."""
    return declared if _CONTENT_TYPE.fullmatch(declared) else "application/octet-stream"


def _tell_change(
    bridge: Bridge, client: DeskClient, hand_over: HandOver, ticket: Ticket, remote_id: str | None
) -> None:
    """That it was taken back, or handed over again."""
    if remote_id is not None:
        tag, is_reply = change_tag_of(ticket, hand_over), hand_over.ended_at is None
        if tag not in client.posted(remote_id):
            client.post(remote_id, Post(tag=tag, text=change_text(hand_over), files=(), is_reply=is_reply))
    with bridge.database.write() as session:
        kept = bridges.by_id(session, hand_over.id or 0)
        if (kept.at, kept.ended_at) == (hand_over.at, hand_over.ended_at):
            kept.change_told = True


def _post_due(bridge: Bridge, client: DeskClient, key: int, remote_id: str) -> None:
    with bridge.database.read() as session:
        hand_over = bridges.by_id(session, key)
        ticket = session.get_one(Ticket, hand_over.ticket_id)
        due = [(message, attachments_of(session, message)) for message in bridges.due_messages(session, hand_over)]
    posted = client.posted(remote_id) if due else {}
    for message, attached in due:
        files, left_out = files_to_send(attached)
        tag, is_reply = post_tag_of(ticket, message), message.direction == "in"
        post = Post(tag=tag, text=post_text(message, left_out), files=files, is_reply=is_reply)
        there = posted.get(tag) or client.post(remote_id, post)
        if is_reply and hand_over.remote_closed:
            client.set_closed(remote_id, closed=False)
        with bridge.database.write() as session:
            kept = bridges.by_id(session, key)
            bridges.note_message(session, kept, message, there)
            kept.remote_closed = kept.remote_closed and not is_reply


def _step_status(bridge: Bridge, client: DeskClient, key: int, remote_id: str) -> None:
    """Resolved here is resolved there, open again here is open there. A merged ticket goes on elsewhere."""
    with bridge.database.read() as session:
        hand_over = bridges.by_id(session, key)
        ticket = session.get_one(Ticket, hand_over.ticket_id)
    closed = ticket.status in ENDED
    if closed == hand_over.closed_here or ticket.merged_into_id is not None:
        return
    if closed != hand_over.remote_closed:
        client.set_closed(remote_id, closed=closed)
    with bridge.database.write() as session:
        kept = bridges.by_id(session, key)
        kept.closed_here = kept.remote_closed = closed


def _read(bridge: Bridge, client: DeskClient, key: int, remote: RemoteTicket) -> None:
    """Messages first: what was said with the resolution is passed on before anything is resolved here."""
    with bridge.database.read() as session:
        known = bridges.known_ids(session, bridges.by_id(session, key))
    fresh = client.messages(remote.id, known)
    logins = {message.author for message in fresh} | {remote.owner}
    people = {login: client.person(login) if login else Person(name="", address="") for login in logins}
    for message in fresh:
        with bridge.database.write() as session:
            take_message(session, bridge.settings, bridges.by_id(session, key), message, people[message.author])
    with bridge.database.write() as session:
        hand_over = bridges.by_id(session, key)
        if hand_over.ended_at is None:
            take_state(session, hand_over, remote, people[remote.owner])
        hand_over.read_again = remote.changed != hand_over.remote_changed
        hand_over.remote_changed = remote.changed
