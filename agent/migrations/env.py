"""Alembic's entry: runs the migrations on a connection that was passed, or on the configured address."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine
from sqlmodel import SQLModel

import agent.store.bridge_tables  # fills SQLModel.metadata
import agent.store.chat_tables
import agent.store.partner_tables
import agent.store.tables  # noqa: F401


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url") or "").connect() as opened:
        run(opened)
