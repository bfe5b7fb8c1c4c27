"""`minerva store …`: the database of the tickets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agent.errors import HelpdeskError
from agent.settings import load_settings

store_app = typer.Typer(help="The database of the tickets.", no_args_is_help=True)


@store_app.callback()
def _group() -> None:
    """A group of commands, though there is one so far."""


@store_app.command("copy")
def copy_store(
    source: Annotated[Path, typer.Argument(help="The SQLite file, such as var/minerva.sqlite.", metavar="FILE")],
) -> None:
    """Copy all tickets of a SQLite file into the new PostgreSQL that MINERVA_DATABASE_URL names.

    Stop the helpdesk first. The file stays as it is. Workflows are not copied: what is unfinished is begun anew.
    """
    from agent.serve import lock_folder  # noqa: PLC0415  # seconds to import
    from agent.store.copying import copy  # noqa: PLC0415
    from agent.store.database import open_database  # noqa: PLC0415

    settings = load_settings()
    if isinstance(settings.database, Path):
        raise HelpdeskError("MINERVA_DATABASE_URL names no PostgreSQL to copy to: see docs/operations.md")
    if not source.is_file():
        raise HelpdeskError(f"there is no file {source}")
    with lock_folder(source.parent):
        before, after = open_database(source), open_database(settings.database)
        try:
            counts = copy(before, after)
        finally:
            before.close()
            after.close()
    for name, count in counts.items():
        if count:
            print(f"{count:8d} {name}")
    print("Copied. Keep the file until you have looked at the desk, and run `minerva audit verify`.")
