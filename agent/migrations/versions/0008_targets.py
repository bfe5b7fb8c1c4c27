"""targets: until when a ticket wants its first answer and its resolution"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import agent.store.tables

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TIMES = ("first_answered_at", "due_at", "warn_at")
_WORDS = ("due_for", "warned_for")


def upgrade() -> None:
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        for name in _TIMES:
            batch_op.add_column(sa.Column(name, agent.store.tables.UtcDateTime(), nullable=True))
        for name in _WORDS:
            batch_op.add_column(sa.Column(name, sa.String(), nullable=True))
        batch_op.create_index("ix_ticket_warn", ["status", "warn_at"])
    op.execute(
        "UPDATE ticket SET first_answered_at = (SELECT min(approval.at) FROM approval JOIN draft "
        "ON draft.id = approval.draft_id WHERE draft.ticket_id = ticket.id AND approval.decision <> 'rejected')"
    )


def downgrade() -> None:
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_index("ix_ticket_warn")
        for name in (*_WORDS, *_TIMES):
            batch_op.drop_column(name)
