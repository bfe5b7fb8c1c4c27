"""The tables. Times are ISO 8601 in UTC with seconds, so that they sort as text; JSON is text.

The file is apart from the tickets': an import of a hundred thousand rows holds no lock that mail waits for.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

METADATA = MetaData()

ORIGINAL = Table(
    "original",
    METADATA,
    Column("sha256", Text, primary_key=True),
    Column("name", Text, nullable=False),  # base name of the file as first imported
    Column("format", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("texts_removed", Integer, nullable=False),  # bytes of prompts and answers that were left out
    Column("file", Text, nullable=False),  # in the folder of originals, gzip
    Column("stored_at", Text, nullable=False),
)

SPEC_COLUMNS = (
    "kind",
    "system",
    "partition",
    "framework",
    "model",
    "dataset",
    "task",
    "precision",
    "tp",
    "pp",
    "dp",
    "gpus",
    "gpus_per_node",
    "nodes",
    "concurrency",
    "num_prompts",
    "max_model_len",
)
"""Fields of `BenchmarkSpec` that are columns; flags and settings are in `record`."""
TEXT_COLUMNS = frozenset({"kind", "system", "partition", "framework", "model", "dataset", "task", "precision"})

RESULT = Table(
    "result",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("result_id", Text, nullable=False, unique=True),
    Column("original", Text, ForeignKey("original.sha256"), nullable=False),
    *(Column(name, Text if name in TEXT_COLUMNS else Integer) for name in SPEC_COLUMNS),
    Column("state", Text, nullable=False),  # finished, partial, failed
    Column("reason", Text),
    Column("measured_on", Text),  # date, None when the source states none
    # JSON: [[name, value, unit, how]]; names are defined in bench_runner.metrics
    Column("metrics", Text, nullable=False, server_default="[]"),
    Column("record", Text, nullable=False),  # JSON: server_flags, settings, provenance, original, not_measured, notes;
    # of a row of a table header and cells instead of original
    Column("verdict", Text, nullable=False),  # verified, suspect, invalid; open until it is judged
    Column("findings", Text, nullable=False),  # JSON: [[rule, level, reason, [metrics]]]
    Column("confirmed_by", Text, nullable=False),  # JSON: [rule]
    Column("imported_at", Text, nullable=False),
    Index("ix_result_series", "system", "model"),
)

HEADER = Table(
    "header",
    METADATA,
    Column("id", Text, primary_key=True),  # hash of the names
    Column("columns", Text, nullable=False),  # JSON: names of the columns of a table, which its rows do not repeat
)

RUN = Table(
    "run",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("spec_hash", Text, nullable=False),
    Column("spec", Text, nullable=False),  # the specification as YAML, one point of a sweep
    Column("title", Text, nullable=False),
    Column("system", Text, nullable=False),  # id of systems.yaml
    Column("project", Text, nullable=False),
    Column("state", Text, nullable=False),  # see reruns.runs.RunState
    Column("reason", Text, nullable=False),  # why it is in that state, for people
    Column("requested_by", Text, nullable=False),
    Column("origin", Text, nullable=False),  # command line, or the number of the ticket
    Column("requested_at", Text, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", Text),
    Column("reserved_gpu_hours", Float, nullable=False),
    Column("used_gpu_hours", Float),  # None until accounting has settled it
    Column("earlier_gpu_hours", Float, nullable=False),  # of attempts that failed before
    Column("script", Text, nullable=False),  # as it is submitted
    Column("work_dir", Text, nullable=False),
    Column("job", Text),
    Column("slurm_state", Text),
    Column("attempts", Integer, nullable=False),
    Column("submitted_at", Text),
    Column("ended_at", Text),
    Column("result_id", Text),
    Column("rerun_of", Text),
    Column("batch", Text),  # of the allocation that it shares with others
    Index("ix_run_state", "state"),
    Index("ix_run_spec_hash", "spec_hash"),
)

BUDGET = Table(
    "budget",
    METADATA,
    Column("holder", Text, primary_key=True),  # person, project or system
    Column("name", Text, primary_key=True),
    Column("gpu_hours", Float, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("set_at", Text, nullable=False),
)

SWITCH = Table(
    "switch",
    METADATA,
    Column("name", Text, primary_key=True),  # `stopped`: nothing is approved or submitted
    Column("set_by", Text, nullable=False),
    Column("set_at", Text, nullable=False),
)

RUN_EVENT = Table(
    "run_event",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("run", Text, ForeignKey("run.id"), nullable=False, index=True),
    Column("at", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", Text, nullable=False),
)
