"""Alembic's entry: runs the migrations on the connection that was passed (`agent.store.database`)."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import agent.store.bridge_tables  # fills SQLModel.metadata
import agent.store.chat_tables
import agent.store.partner_tables
import agent.store.tables  # noqa: F401

context.configure(
    connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata, render_as_batch=True
)
with context.begin_transaction():
    context.run_migrations()
