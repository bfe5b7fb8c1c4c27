"""assignees, tags, snoozing, notes, undo, and the words of tickets"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

import agent.store.tables

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ticket_tag",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"]),
        sa.PrimaryKeyConstraint("ticket_id", "tag"),
    )
    op.create_index("ix_ticket_tag_tag", "ticket_tag", ["tag"])
    op.create_table(
        "mention",
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("engineer_id", sa.Integer(), nullable=False),
        sa.Column("seen_at", agent.store.tables.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["engineer_id"], ["engineer.id"]),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.PrimaryKeyConstraint("message_id", "engineer_id"),
    )
    op.create_index("ix_mention_engineer_id", "mention", ["engineer_id"])
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("assignee_id", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("snoozed_until", agent.store.tables.UtcDateTime(), nullable=True))
        batch_op.create_foreign_key("fk_ticket_assignee", "engineer", ["assignee_id"], ["id"])
        batch_op.create_index("ix_ticket_status_updated", ["status", "updated_at"])
        batch_op.create_index("ix_ticket_assignee", ["assignee_id", "updated_at"])
        batch_op.create_index("ix_ticket_views", ["status", "assignee_id", "type", "snoozed_until"])
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("batch", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("before", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("after", sa.JSON(), nullable=True))
        batch_op.create_index("ix_event_batch", ["batch"])
    if op.get_bind().dialect.name == "postgresql":  # such a store is made empty: there are no words yet
        _words_in_postgresql()
    else:
        _words_in_sqlite()


def _words_in_postgresql() -> None:
    op.create_table(
        "ticket_words",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("words", TSVECTOR(), nullable=False),
    )
    op.create_index("ix_ticket_words_ticket_id", "ticket_words", ["ticket_id"])
    op.create_index("ix_ticket_words_words", "ticket_words", ["words"], postgresql_using="gin")


def _words_in_sqlite() -> None:
    op.execute(
        "CREATE VIRTUAL TABLE ticket_words USING fts5(words, ticket_id UNINDEXED, "
        "tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3')"
    )
    op.execute(
        "INSERT INTO ticket_words (words, ticket_id) SELECT substr(ticket.number || char(10) || message.subject || "
        "char(10) || message.sender_name || char(10) || message.sender_address || char(10) || message.text, "
        "1, 200000), "
        "ticket.id FROM message JOIN ticket ON ticket.id = message.ticket_id"
    )


def downgrade() -> None:
    op.execute("DROP TABLE ticket_words")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index("ix_event_batch")
        batch_op.drop_column("after")
        batch_op.drop_column("before")
        batch_op.drop_column("batch")
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_views")
        batch_op.drop_index("ix_ticket_assignee")
        batch_op.drop_index("ix_ticket_status_updated")
        batch_op.drop_constraint("fk_ticket_assignee", type_="foreignkey")
        batch_op.drop_column("snoozed_until")
        batch_op.drop_column("assignee_id")
    op.drop_table("mention")
    op.drop_table("ticket_tag")
