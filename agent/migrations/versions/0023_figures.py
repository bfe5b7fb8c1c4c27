"""what the pages of figures read, by time"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_ticket_created_at", "ticket", ["created_at"])
    op.create_index("ix_event_what_at", "event", ["what", "at"])
    op.create_index("ix_draft_outcome_created", "draft", ["outcome", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_draft_outcome_created", "draft")
    op.drop_index("ix_event_what_at", "event")
    op.drop_index("ix_ticket_created_at", "ticket")
