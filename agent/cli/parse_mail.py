"""`minerva parse-mail FILE...`: what the product reads in a raw mail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ingest.json_form import message_as_dict
from ingest.mail import parse_mail as read_mail
from ingest.message import Address, InboundMessage


def parse_mail(
    files: Annotated[list[Path], typer.Argument(help="Raw mails (.eml), one mail a file.", show_default=False)],
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
) -> None:
    """Show how raw mails are read. Exit code 1 when a file could not be read.

    In JSON a part that has no name in the mail has an empty `filename`; `shown_as` is the name that the desk gives it.
    """
    failed = False
    for file in files:
        try:
            raw = file.read_bytes()
        except OSError as error:
            failed = True
            typer.echo(f"{file}: cannot be read: {error.strerror or error}", err=True)
            continue
        message = read_mail(raw)
        name = str(file).encode("utf-8", "replace").decode("utf-8")
        _write(json.dumps(message_as_dict(name, message), ensure_ascii=False) if jsonl else _summary(name, message))
    if failed:
        raise typer.Exit(1)


def _write(line: str) -> None:
    """UTF-8 whatever the terminal's encoding."""
    sys.stdout.buffer.write(line.encode("utf-8") + b"\n")
    sys.stdout.buffer.flush()


def _summary(file: str, message: InboundMessage) -> str:
    kind = "bounce" if message.bounce else "automatic" if message.auto_generated else "written by a person"
    lines = [
        file,
        f"  From:     {_shown(message.sender) if message.sender else '-'}",
        f"  To:       {', '.join(_shown(address) for address in message.to[:5]) or '-'}{_more(len(message.to))}",
        f"  Subject:  {message.subject}",
        f"  Date:     {message.date.isoformat() if message.date else '-'}",
        f"  Kind:     {kind}",
        *(f"  Attached: {item.filename} ({item.content_type}, {item.size} bytes)" for item in message.attachments),
        *(f"  Defect:   {defect}" for defect in message.defects),
        "",
        *(f"  {line}" for line in message.visible_text.split("\n")),
    ]
    return "\n".join(lines) + "\n"


def _shown(address: Address) -> str:
    return f"{address.name} <{address.address}>" if address.name else address.address


def _more(count: int) -> str:
    return f" and {count - 5} more" if count > 5 else ""
