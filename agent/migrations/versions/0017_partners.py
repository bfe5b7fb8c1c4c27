"""partners; selection, plan and report of workshops and embedded support"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "partner",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("name", sa.String(), nullable=False, unique=True),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("expertise", sa.JSON(), nullable=False),
        sa.Column("systems", sa.JSON(), nullable=False),
        sa.Column("days_per_month", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
    )
    with op.batch_alter_table("ticket") as batch_op:
        batch_op.add_column(sa.Column("partner_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key("fk_ticket_partner", "partner", ["partner_id"], ["id"])
        batch_op.create_index("ix_ticket_partner_id", ["partner_id"])
    with op.batch_alter_table("engineer") as batch_op:
        batch_op.add_column(sa.Column("partner_id", sa.Integer(), nullable=True))
        batch_op.create_foreign_key("fk_engineer_partner", "partner", ["partner_id"], ["id"])
    _selection()


def _ticket() -> sa.Column[int]:
    return sa.Column("ticket_id", sa.Integer(), sa.ForeignKey("ticket.id"), primary_key=True)


def _selection() -> None:
    op.create_table(
        "evaluation",
        _ticket(),
        sa.Column("engineer_id", sa.Integer(), sa.ForeignKey("engineer.id"), primary_key=True),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "selection",
        _ticket(),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.String(), nullable=False),
        sa.Column("engineer_id", sa.Integer(), sa.ForeignKey("engineer.id"), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "engagement",
        _ticket(),
        sa.Column("partner_id", sa.Integer(), sa.ForeignKey("partner.id"), nullable=False),
        sa.Column("starts", sa.Date(), nullable=False),
        sa.Column("ends", sa.Date(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("milestones", sa.JSON(), nullable=False),
        sa.Column("report", sa.String(), nullable=False),
    )
    op.create_index("ix_engagement_partner_id", "engagement", ["partner_id"])


def downgrade() -> None:
    for name in ("engagement", "selection", "evaluation"):
        op.drop_table(name)
    with op.batch_alter_table("engineer") as batch_op:
        batch_op.drop_constraint("fk_engineer_partner", type_="foreignkey")
        batch_op.drop_column("partner_id")
    with op.batch_alter_table("ticket") as batch_op:
        batch_op.drop_index("ix_ticket_partner_id")
        batch_op.drop_constraint("fk_ticket_partner", type_="foreignkey")
        batch_op.drop_column("partner_id")
    op.drop_table("partner")
