"""corrections of placings, tickets that belong together"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import agent.store.tables

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("topics", sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("placed_by", sa.String(), nullable=True))
    op.create_table(
        "correction",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Integer(), nullable=False),
        sa.Column("engineer_id", sa.Integer(), nullable=False),
        sa.Column("level_before", sa.String(), nullable=True),
        sa.Column("type_before", sa.String(), nullable=True),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("at", agent.store.tables.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["engineer_id"], ["engineer.id"]),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"]),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_correction_ticket_id"), "correction", ["ticket_id"], unique=False)
    op.create_table(
        "ticket_fingerprint",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("encoder", sa.String(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("systems", sa.JSON(), nullable=False),
        sa.Column("at", agent.store.tables.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"]),
        sa.PrimaryKeyConstraint("ticket_id"),
    )
    op.create_index(op.f("ix_ticket_fingerprint_at"), "ticket_fingerprint", ["at"], unique=False)
    op.create_table(
        "ticket_link",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("at", agent.store.tables.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["first_id"], ["ticket.id"]),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"]),
        sa.PrimaryKeyConstraint("ticket_id"),
    )
    op.create_index(op.f("ix_ticket_link_first_id"), "ticket_link", ["first_id"], unique=False)


def downgrade() -> None:
    op.drop_table("ticket_link")
    op.drop_table("ticket_fingerprint")
    op.drop_table("correction")
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_column("placed_by")
        batch_op.drop_column("topics")
