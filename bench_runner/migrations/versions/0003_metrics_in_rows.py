"""metrics in their row; ids of results from compact JSON"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

from bench_runner.jsontext import encoded, finite

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("result", sa.Column("metrics", sa.Text(), nullable=False, server_default="[]"))
    _fill(op.get_bind())
    op.drop_table("metric")
    op.drop_index("ix_result_spec_hash", table_name="result")
    op.drop_index("ix_result_original", table_name="result")
    op.drop_column("result", "spec_hash")  # nothing asked for it


def _fill(connection: sa.Connection) -> None:
    metrics: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    for row, *metric in connection.exec_driver_sql("SELECT result, name, value, unit, how FROM metric"):
        metrics[row].append(tuple(metric))
    rows = connection.exec_driver_sql("SELECT id, result_id, record FROM result").all()
    renamed = [(_identity(record), before) for _, before, record in rows]
    filled = [
        (encoded(metrics[row]).decode(), after, row) for (row, _, _), (after, _) in zip(rows, renamed, strict=True)
    ]
    if rows:
        connection.exec_driver_sql("UPDATE result SET metrics = ?, result_id = ? WHERE id = ?", filled)
        connection.exec_driver_sql("UPDATE run SET result_id = ? WHERE result_id = ?", renamed)


def _identity(record: str) -> str:
    """`bench_runner.result.result_id` as it is from this version on."""
    kept = json.loads(record)
    where = [kept["provenance"]["format"], kept["provenance"]["line"]]
    return hashlib.sha256(encoded([where, finite(kept["original"])], sort=True)).hexdigest()[:24]


def downgrade() -> None:
    raise NotImplementedError("restore a backup from before")
