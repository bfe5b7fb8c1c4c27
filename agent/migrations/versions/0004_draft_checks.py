"""what the checks say of a draft, and how it was made"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LISTS = ("commands", "next_steps", "checks", "outcome_reasons")


def upgrade() -> None:
    with op.batch_alter_table("draft", schema=None) as batch_op:
        for name in _LISTS:
            batch_op.add_column(sa.Column(name, sa.JSON(), nullable=False, server_default="[]"))
        batch_op.add_column(sa.Column("generation", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("draft", schema=None) as batch_op:
        for name in ("generation", *_LISTS):
            batch_op.drop_column(name)
