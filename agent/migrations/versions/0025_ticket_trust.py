"""whether the sender of a ticket's newest mail is verified, for the filter of the inbox"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ticket", sa.Column("trust", sa.String(), nullable=False, server_default="unknown"))
    op.execute(
        "UPDATE ticket SET trust = coalesce((SELECT m.trust FROM message m WHERE m.ticket_id = ticket.id "
        "AND m.direction = 'in' ORDER BY m.id DESC LIMIT 1), 'unknown')"
    )


def downgrade() -> None:
    op.drop_column("ticket", "trust")
