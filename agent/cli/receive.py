"""`minerva receive`: one mail from standard input, for a mail server's pipe. Exit codes as in sysexits.h."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from agent.errors import HelpdeskError

EX_USAGE = 64
EX_DATAERR = 65
EX_TEMPFAIL = 75
"""The mail server keeps the mail and tries again; every trouble of ours is this one."""


CONTEXT_SETTINGS = {"ignore_unknown_options": True, "allow_extra_args": True}
"""Lets wrong usage reach `receive`, which knows the exit code that a mail server expects."""


def receive(
    context: typer.Context,
    sender: Annotated[
        str | None,
        typer.Option(envvar="SENDER", help="Envelope sender; empty for the null sender.", show_default=False),
    ] = None,
    recipient: Annotated[
        list[str] | None,
        typer.Option(envvar="RECIPIENT", help="Envelope recipient; may be repeated.", show_default=False),
    ] = None,
) -> None:
    """Store one mail from standard input. Exit code 0: stored, 75: try again later, 64: wrong usage, 65: no mail.

    Works whether the service runs or not; the service takes the mail up within seconds.
    """
    if context.args:
        print(f"minerva: receive knows no {context.args[0]!r}; see minerva receive --help", file=sys.stderr)
        raise typer.Exit(EX_USAGE)
    try:
        raw = sys.stdin.buffer.read()
        if not raw.strip():
            print("minerva: standard input is empty, there is no mail to store", file=sys.stderr)
            raise typer.Exit(EX_DATAERR)
        _store(raw, sender, recipient or [])
    except (HelpdeskError, SQLAlchemyError, OSError, MemoryError) as error:
        print(f"minerva: the mail is not stored, try again later: {error}", file=sys.stderr)
        raise typer.Exit(EX_TEMPFAIL) from error


def _store(raw: bytes, sender: str | None, recipients: list[str]) -> None:
    from agent.mail.envelope import envelope_from, envelope_to, null_or_address  # noqa: PLC0415  # starts fast
    from agent.settings import load_settings  # noqa: PLC0415
    from agent.store.database import open_database  # noqa: PLC0415
    from agent.store.inbound import store_mail  # noqa: PLC0415

    database = open_database(load_settings().database)
    try:
        with database.write() as session:
            store_mail(
                session,
                raw,
                channel="pipe",
                peer=f"uid {os.getuid()}",
                envelope_from=envelope_from(raw) if sender is None else null_or_address(sender),
                envelope_to=recipients or envelope_to(raw),
            )
    finally:
        database.close()
