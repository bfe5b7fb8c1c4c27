"""Rows that answer a question, or none when it is not a structured one."""

from __future__ import annotations

from knowledge_base.rows.access_rows import modes_for
from knowledge_base.rows.model_rows import models_that_fit
from knowledge_base.rows.question import Asked, Intent, asked_of
from knowledge_base.rows.row import BenchmarkRows, Row
from knowledge_base.rows.system_rows import gpus_per_node, max_walltime, telling_partitions
from knowledge_base.rows.throughput_rows import published, throughput_of


def rows_for(text: str, measured: BenchmarkRows = tuple) -> tuple[Row, ...]:
    """The rows that answer the first structured question in the text; empty when there is none.

    `measured` gives results beside the published ones, when throughput is asked for. A row with `known` False says
    that the tables hold no answer.
    """
    asked = asked_of(text, tuple(telling_partitions()))
    return tuple(_rows(asked, measured)) if asked else ()


def _rows(asked: Asked, measured: BenchmarkRows) -> list[Row]:
    match asked.intent:
        case Intent.GPUS_PER_NODE:
            return gpus_per_node(asked.systems, asked.sentence)
        case Intent.MAX_WALLTIME:
            return max_walltime(asked.systems, asked.sentence)
        case Intent.MODELS_FIT:
            return models_that_fit(asked.memory_gb or 0, asked.sentence)
        case Intent.THROUGHPUT:
            return throughput_of(asked.sentence, asked.systems, [*measured(), *published()])
        case Intent.ACCESS_AMOUNT:
            return modes_for(asked.hours or 0, asked.unit)
