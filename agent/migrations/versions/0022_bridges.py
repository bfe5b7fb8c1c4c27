"""desks of partners, and tickets handed over to them"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_desk",
        sa.Column("partner_id", sa.Integer(), sa.ForeignKey("partner.id"), primary_key=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("queue", sa.String(), nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("cursor", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_round_at", sa.DateTime(), nullable=False),
        sa.Column("last_ok_at", sa.DateTime(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
    )
    _hand_over()
    op.create_table(
        "hand_over_message",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("hand_over_id", sa.Integer(), sa.ForeignKey("hand_over.id"), nullable=False),
        sa.Column("message_id", sa.Integer(), sa.ForeignKey("message.id"), nullable=False),
        sa.Column("remote_id", sa.String(), nullable=True),
        sa.UniqueConstraint("hand_over_id", "message_id"),
        sa.UniqueConstraint("hand_over_id", "remote_id"),
    )
    op.create_index("ix_hand_over_message_message_id", "hand_over_message", ["message_id"])


def _hand_over() -> None:
    texts = ("by", "request", "remote_number", "remote_status", "remote_owner", "remote_owner_address")
    flags = ("with_notes", "change_told", "remote_closed", "read_again", "closed_here", "resolve_due", "draft_due")
    op.create_table(
        "hand_over",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("ticket_id", sa.Integer(), sa.ForeignKey("ticket.id"), nullable=False),
        sa.Column("partner_id", sa.Integer(), sa.ForeignKey("partner.id"), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in (*texts, "remote_changed")),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in flags),
        sa.Column("remote_id", sa.String(), nullable=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(), nullable=False),
        sa.Column("last_synced_at", sa.DateTime(), nullable=True),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.UniqueConstraint("ticket_id", "partner_id"),
    )
    op.create_index("ix_hand_over_partner_id", "hand_over", ["partner_id"])
    op.create_index("ix_hand_over_remote_id", "hand_over", ["remote_id"])


def downgrade() -> None:
    for name in ("hand_over_message", "hand_over", "external_desk"):
        op.drop_table(name)
