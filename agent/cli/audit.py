"""`minerva audit …`: who saw or did what on the desk."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from agent.settings import load_settings
from agent.store import audit
from agent.store.database import open_database

audit_app = typer.Typer(help="The audit log: every view of personal data and every action.", no_args_is_help=True)


@audit_app.command("verify")
def verify(
    head: Annotated[str, typer.Option(help="A digest that an earlier run printed; it must still be there.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check that no line was changed, taken out or cut off; exit 1 when one was."""
    database = open_database(load_settings().database)
    with database.read() as session:
        verdict = audit.verify(session, head)
    database.close()
    values = {"entries": verdict.entries, "head": verdict.head, "broken": verdict.broken, "sound": verdict.is_sound}
    if as_json:
        print(json.dumps(values))
    elif verdict.is_sound:
        print(f"{verdict.entries} entries, none changed; head {verdict.head}")
    elif verdict.broken is not None:
        print(f"entry {verdict.broken} was changed, or one before it taken out; {verdict.entries} before it are sound")
    else:
        print(f"{verdict.entries} entries are sound, but that head is not among them: the end was cut off")
    sys.exit(0 if verdict.is_sound else 1)


@audit_app.command("list")
def list_entries(
    limit: Annotated[int, typer.Option("-n", min=1, help="So many of the newest entries.")] = 50,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
) -> None:
    """The newest entries, the newest last."""
    database = open_database(load_settings().database)
    with database.read() as session:
        entries = audit.newest(session, limit)
    database.close()
    for entry in reversed(entries):
        if as_jsonl:
            print(entry.model_dump_json())
        else:
            print(f"{entry.at:%Y-%m-%d %H:%M:%S}\t{entry.actor}\t{entry.action}\t{entry.subject}\t{entry.detail}")
