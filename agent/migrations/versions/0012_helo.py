"""what the sending machine calls itself"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("stored_mail", schema=None) as batch_op:
        batch_op.add_column(sa.Column("helo", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("stored_mail", schema=None) as batch_op:
        batch_op.drop_column("helo")
