"""Mails and what is attached to them: the original to keep, and views in which nothing of it can act."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from agent.desk.mail_html import POLICY, mail_page
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.desk.state import Desk
from agent.errors import NotFoundError
from agent.store import inbound, tickets
from agent.store.tables import Outbound
from ingest.attached_text import attached_texts, files_of, shortened
from ingest.file_types import detect_type
from ingest.mail import mail_html, parse_mail
from ingest.masking import mask_secrets
from ingest.message import Attachment

router = APIRouter()

PICTURES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
"""What a browser shows and cannot run."""
MAX_SHOWN = 200_000
"""Characters of a text; the file itself has all of it."""


@router.get("/mails/{stored_mail_id}.eml")
def original(desk: DeskState, who: Who, stored_mail_id: int) -> Response:  # noqa: ARG001  # signed in
    return download(_raw(desk, stored_mail_id), f"mail-{stored_mail_id}.eml")


@router.get("/mails/{stored_mail_id}/html")
def html(desk: DeskState, who: Who, stored_mail_id: int) -> Response:  # noqa: ARG001
    """For a frame: cleaned, without anything from elsewhere."""
    raw = _raw(desk, stored_mail_id)
    files = files_of(parse_mail(raw).attachments)
    pictures = {
        file.content_id: f"/mails/{stored_mail_id}/attachments/{position}/picture"
        for position, file in enumerate(files)
        if file.content_id
    }
    shown = mail_page(mail_html(raw), pictures, title=f"Mail {stored_mail_id}")
    headers = {"Content-Security-Policy": POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return Response(shown, media_type="text/html", headers=headers)


@router.get("/mails/{stored_mail_id}/attachments/{position}")
def attachment(desk: DeskState, who: Who, stored_mail_id: int, position: int) -> Response:  # noqa: ARG001
    file = _file(_raw(desk, stored_mail_id), position)
    return download(file.content, file.filename)


@router.get("/mails/{stored_mail_id}/attachments/{position}/picture")
def picture(desk: DeskState, who: Who, stored_mail_id: int, position: int) -> Response:  # noqa: ARG001
    file = _file(_raw(desk, stored_mail_id), position)
    kind = detect_type(file.content, file.filename)
    if kind not in PICTURES:
        raise NotFoundError("attachment {position} is no picture that can be shown", position=position)
    return Response(file.content, media_type=kind, headers={"Content-Security-Policy": "sandbox"})


@router.get("/mails/{stored_mail_id}/attachments/{position}/view")
def view(request: Request, desk: DeskState, who: Who, stored_mail_id: int, position: int) -> Response:
    """The picture, or the text with secrets masked."""
    raw = _raw(desk, stored_mail_id)
    file = _file(raw, position)
    is_picture = detect_type(file.content, file.filename) in PICTURES
    text, note = ("", "") if is_picture else _text(file)
    with desk.database.read() as session:
        ticket = tickets.of_stored_mail(session, stored_mail_id)
    return page(
        request, "attachment.html", who=who, ticket=ticket, file=file, text=text, note=note, is_picture=is_picture,
        address=f"/mails/{stored_mail_id}/attachments/{position}",
    )  # fmt: skip


@router.get("/outbox/{outbound_id}/attachments/{position}")
def sent_attachment(desk: DeskState, who: Who, outbound_id: int, position: int) -> Response:  # noqa: ARG001
    with desk.database.read() as session:
        mail = tickets.by_id(session, Outbound, outbound_id)
    file = _file(mail.content, position)
    return download(file.content, file.filename)


def download(content: bytes, filename: str) -> Response:
    """Always a download of unknown type: nothing from a mail is opened inside the desk's origin."""
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename, safe='')}",
            "Content-Security-Policy": "sandbox",
        },
    )


def _raw(desk: Desk, stored_mail_id: int) -> bytes:
    with desk.database.read() as session:
        return inbound.raw_of(session, stored_mail_id)


def _file(raw: bytes, position: int) -> Attachment:
    files = files_of(parse_mail(raw).attachments)
    if not 0 <= position < len(files):
        raise NotFoundError("this mail has no attachment {position}", position=position)
    return files[position]


def _text(file: Attachment) -> tuple[str, str]:
    """Of the file as if it were the only one; with why there is none."""
    read = attached_texts([replace(file, content_type="application/octet-stream")])[0]
    text = mask_secrets(read.text).text
    cut = "" if len(text) <= MAX_SHOWN else "only its beginning and its end are shown"
    return shortened(text, MAX_SHOWN), read.note or cut
