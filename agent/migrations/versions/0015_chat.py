"""conversations in chat"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from agent.store.tables import UtcDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NAMED = {"uq": "uq_%(table_name)s_%(column_0_name)s"}


def upgrade() -> None:
    _events()
    _conversations()
    _posts()
    op.create_table(
        "chat_account",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("engineer_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["engineer_id"], ["engineer.id"]),
        sa.PrimaryKeyConstraint("channel", "sender"),
    )
    op.create_index("ix_chat_account_engineer_id", "chat_account", ["engineer_id"])
    with op.batch_alter_table("outbound", naming_convention=_NAMED) as batch_op:
        batch_op.drop_constraint(_unique_approval(), type_="unique")
        batch_op.create_index("ix_outbound_approval_id", ["approval_id"])


def _unique_approval() -> str:
    """Named by PostgreSQL when 0001 made it; in SQLite it has no name, the convention gives it one."""
    return "outbound_approval_id_key" if op.get_bind().dialect.name == "postgresql" else "uq_outbound_approval_id"


def _events() -> None:
    op.create_table(
        "chat_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
    )
    op.create_index("ix_chat_event_state", "chat_event", ["state"])


def _conversations() -> None:
    op.create_table(
        "chat_thread",
        sa.Column("id", sa.Integer(), primary_key=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("channel", "place", "thread")),
        sa.Column("direct", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("asker", "asker_name", "language")),
        sa.Column("ticket_id", sa.Integer(), sa.ForeignKey("ticket.id"), nullable=True),
        sa.Column("mail", sa.String(), nullable=True),
        sa.Column("institution", sa.String(), nullable=False),
        sa.Column("consent_at", UtcDateTime(), nullable=True),
        sa.Column("resolved_told", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("channel", "place", "thread"),
    )
    op.create_index("ix_chat_thread_ticket_id", "chat_thread", ["ticket_id"])
    op.create_table(
        "chat_message",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("thread_id", sa.Integer(), sa.ForeignKey("chat_thread.id"), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("external_id", "sender", "sender_name", "text")),
        sa.Column("masked", sa.JSON(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.Column("warned", sa.Boolean(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.UniqueConstraint("thread_id", "external_id"),
    )
    op.create_index("ix_chat_message_thread_id", "chat_message", ["thread_id"])
    op.create_table(
        "chat_file",
        sa.Column("chat_message_id", sa.Integer(), sa.ForeignKey("chat_message.id"), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("filename", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
    )


def _posts() -> None:
    op.create_table(
        "chat_post",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(), nullable=False, unique=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("channel", "place", "thread")),
        sa.Column("content", sa.JSON(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("posted_version", sa.Integer(), nullable=False),
        sa.Column("files_posted", sa.Boolean(), nullable=False),
        sa.Column("external_id", sa.String(), nullable=True),
        sa.Column("uncertain", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", UtcDateTime(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
    )
    op.create_index("ix_chat_post_external_id", "chat_post", ["external_id"])
    op.create_index("ix_chat_post_state", "chat_post", ["state"])
    op.create_table(
        "chat_feedback",
        sa.Column("post_id", sa.Integer(), sa.ForeignKey("chat_post.id"), primary_key=True),
        sa.Column("sender", sa.String(), primary_key=True),
        sa.Column("helpful", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
    )


def downgrade() -> None:
    with op.batch_alter_table("outbound") as batch_op:
        batch_op.drop_index("ix_outbound_approval_id")
        batch_op.create_unique_constraint(_unique_approval(), ["approval_id"])
    for name in (
        "chat_account",
        "chat_feedback",
        "chat_post",
        "chat_file",
        "chat_message",
        "chat_thread",
        "chat_event",
    ):
        op.drop_table(name)
