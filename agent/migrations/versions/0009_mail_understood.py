"""who sent a mail and what kind it is, masked secrets, bounces"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(), nullable=False, server_default="person"))
        batch_op.add_column(sa.Column("trust", sa.String(), nullable=False, server_default="unknown"))
        batch_op.add_column(sa.Column("trust_reason", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("protection", sa.String(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("masked", sa.JSON(), nullable=False, server_default="[]"))
    op.execute("UPDATE message SET kind = 'automatic' WHERE auto_generated")
    op.execute("UPDATE message SET kind = 'delivery report' WHERE bounce")
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.add_column(sa.Column("undelivered", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("outbound", schema=None) as batch_op:
        batch_op.add_column(sa.Column("bounced", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("bounce_detail", sa.String(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("outbound", schema=None) as batch_op:
        batch_op.drop_column("bounce_detail")
        batch_op.drop_column("bounced")
    with op.batch_alter_table("ticket", schema=None) as batch_op:
        batch_op.drop_column("undelivered")
    with op.batch_alter_table("message", schema=None) as batch_op:
        for name in ("masked", "protection", "trust_reason", "trust", "kind"):
            batch_op.drop_column(name)
