"""colleagues who were asked to approve an answer too"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "secondopinion",
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("asker_id", sa.Integer(), nullable=False),
        sa.Column("colleague_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("given_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["ticket_id"], ["ticket.id"]),
        sa.ForeignKeyConstraint(["asker_id"], ["engineer.id"]),
        sa.ForeignKeyConstraint(["colleague_id"], ["engineer.id"]),
        sa.PrimaryKeyConstraint("ticket_id"),
    )
    op.create_index("ix_secondopinion_colleague_id", "secondopinion", ["colleague_id"])


def downgrade() -> None:
    op.drop_table("secondopinion")
