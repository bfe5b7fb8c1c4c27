"""Rows that answer a question, or none when it is not a structured one."""

from __future__ import annotations

from collections.abc import Callable

from knowledge_base.rows.access_rows import modes_for
from knowledge_base.rows.asked import Asked, Intent
from knowledge_base.rows.data_rows import data_sets_for, named_data_sets, text_of_language
from knowledge_base.rows.model_rows import models_that_fit
from knowledge_base.rows.question import asked_of
from knowledge_base.rows.recipe_rows import checkpoint_size, gpu_hours, rates_of, tuning_memory
from knowledge_base.rows.row import BenchmarkRows, Row
from knowledge_base.rows.system_rows import gpus_per_node, max_walltime, telling_partitions
from knowledge_base.rows.throughput_rows import published, throughput_of
from knowledge_base.rows.training_rows import trainings_for


def rows_for(text: str, measured: BenchmarkRows = tuple) -> tuple[Row, ...]:
    """The rows that answer the first structured question in the text; empty when there is none.

    `measured` gives results beside the published ones, when throughput is asked for. A row with `known` False says
    that the tables hold no answer.
    """
    asked = asked_of(text, tuple(telling_partitions()))
    return tuple(_ROWS[asked.intent](asked, measured)) if asked else ()


_ROWS: dict[Intent, Callable[[Asked, BenchmarkRows], list[Row]]] = {
    Intent.GPUS_PER_NODE: lambda asked, _: gpus_per_node(asked.systems, asked.sentence),
    Intent.MAX_WALLTIME: lambda asked, _: max_walltime(asked.systems, asked.sentence),
    Intent.MODELS_FIT: lambda asked, _: models_that_fit(asked.memory_gb or 0, asked.sentence),
    Intent.THROUGHPUT: lambda asked, measured: throughput_of(
        asked.sentence, asked.systems, [*measured(), *published()]
    ),
    Intent.ACCESS_AMOUNT: lambda asked, _: modes_for(asked.hours or 0, asked.unit),
    Intent.DATA_SET: lambda asked, _: named_data_sets(asked.sentence),
    Intent.DATA_SETS: lambda asked, _: data_sets_for(asked.sentence),
    Intent.TEXT_SIZE: lambda asked, _: text_of_language(asked.sentence),
    Intent.GPU_HOURS: lambda asked, _: gpu_hours(asked),
    Intent.CHECKPOINT_SIZE: lambda asked, _: checkpoint_size(asked.params_b or 0),
    Intent.TUNING_MEMORY: lambda asked, _: tuning_memory(asked.params_b or 0, asked.sentence),
    Intent.LEARNING_RATE: lambda asked, _: rates_of(asked.sentence),
    Intent.TRAININGS: lambda asked, _: trainings_for(asked.sentence),
}
