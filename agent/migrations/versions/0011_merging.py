"""tickets merged into others"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("merged_into_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key("fk_ticket_merged_into_id_ticket", "ticket", ["merged_into_id"], ["id"])
        batch_op.create_index(op.f("ix_ticket_merged_into_id"), ["merged_into_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_index(op.f("ix_ticket_merged_into_id"))
        batch_op.drop_constraint("fk_ticket_merged_into_id_ticket", type_="foreignkey")
        batch_op.drop_column("merged_into_id")
