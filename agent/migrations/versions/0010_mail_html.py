"""whether a mail has HTML"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.add_column(sa.Column("has_html", sa.Boolean(), nullable=False, server_default=sa.false()))
    if op.get_bind().dialect.name == "postgresql":  # such a store is made empty: there are no mails yet
        return
    op.execute(
        "UPDATE message SET has_html = 1 WHERE EXISTS (SELECT 1 FROM raw_mail WHERE raw_mail.stored_mail_id = "
        "message.stored_mail_id AND instr(lower(CAST(raw AS TEXT)), 'content-type: text/html') > 0)"
    )


def downgrade() -> None:
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.drop_column("has_html")
