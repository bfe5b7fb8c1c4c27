"""mail folders"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

import agent.store.tables

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mail_folder",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("floor_uid", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("since", agent.store.tables.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "name"),
    )
    op.create_table(
        "folder_mail",
        sa.Column("folder_id", sa.Integer(), nullable=False),
        sa.Column("uid_validity", sa.BigInteger(), nullable=False),
        sa.Column("uid", sa.BigInteger(), nullable=False),
        sa.Column("stored_mail_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["folder_id"], ["mail_folder.id"]),
        sa.ForeignKeyConstraint(["stored_mail_id"], ["stored_mail.id"]),
        sa.PrimaryKeyConstraint("folder_id", "uid_validity", "uid"),
    )
    with op.batch_alter_table("folder_mail", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_folder_mail_stored_mail_id"), ["stored_mail_id"], unique=False)
    with op.batch_alter_table("stored_mail", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stored_mail_sha256"), ["sha256"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("stored_mail", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_stored_mail_sha256"))

    with op.batch_alter_table("folder_mail", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_folder_mail_stored_mail_id"))

    op.drop_table("folder_mail")
    op.drop_table("mail_folder")
