"""who wants the newsletter"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("requester", sa.Column("newsletter_at", sa.DateTime(), nullable=True))


def downgrade() -> None:
    op.drop_column("requester", "newsletter_at")
