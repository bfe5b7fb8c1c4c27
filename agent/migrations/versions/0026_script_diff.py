"""what a corrected script changes, for the desk"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("draft", sa.Column("script_diff", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("draft", "script_diff")
