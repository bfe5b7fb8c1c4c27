"""Which models fit into so much memory, of our table."""

from __future__ import annotations

import re
from collections.abc import Callable

from knowledge_base.rows.row import SURE, Row
from knowledge_base.tables import ModelRow, as_of, model_rows

TITLE = "Open models"
MAX_LISTED = 14


_USES = (
    (
        re.compile(r"qlora"),
        "qlora_4bit_min",
        "to tune with QLoRA (planning value: 0.9 GB per billion parameters plus 4)",
    ),
    (re.compile(r"\blora\b"), "lora_bf16_min", "to tune with LoRA in bf16 (planning value: 2.3 GB per billion plus 6)"),
    (re.compile(r"fine-?tun"), "full_ft_states", "for the states of full tuning with AdamW, before activations"),
    (re.compile(r"4[ -]?bit|int4"), "int4_weights", "for the 4-bit weights alone, before KV cache"),
)
_SERVING = ("bf16_serving_min", "to serve in bf16 (weights plus 20 %, 2.4 GB per billion parameters)")
_LICENCE_WORD = r"(?:licen[cs]e|licenza|licencia|lizenz)"
_LICENCES: tuple[tuple[re.Pattern[str], str, Callable[[ModelRow], bool]], ...] = (
    (re.compile("apache"), "Apache-2.0", lambda model: str(model.licence).startswith("Apache-2.0")),
    (
        re.compile(rf"{_LICENCE_WORD}[ -]mit\b|\bmit[ -](?:{_LICENCE_WORD}|licensed)"),
        "MIT",
        lambda model: model.licence == "MIT",
    ),
    (re.compile(r"\bosi\b|open[ -]source"), "an OSI licence", lambda model: model.licence_class == "osi"),
    (re.compile("cc-?by"), "CC-BY", lambda model: model.licence_class == "open-content"),
    (re.compile("commerc|kommerz"), "commercial use allowed", lambda model: model.commercial_use == "yes"),
)


def models_that_fit(memory_gb: int, sentence: str) -> list[Row]:
    """One row that lists them, largest first; a model whose row is not sure carries its status."""
    column, use = next(((name, said) for pattern, name, said in _USES if pattern.search(sentence)), _SERVING)
    wanted = [(name, test) for pattern, name, test in _LICENCES if pattern.search(sentence)]
    fitting = [
        model
        for model in model_rows()
        if column in model.memory_gb
        and model.memory_gb[column] <= memory_gb
        and all(test(model) for _, test in wanted)
        and model.licence
    ]
    fitting.sort(key=lambda model: -model.memory_gb[column])
    licence = f" under {' and '.join(name for name, _ in wanted)}" if wanted else ""
    slug = "-".join(re.sub(r"\W+", "-", name.lower()) for name, _ in wanted) or "any"
    day = as_of("models")
    head = f"{len(fitting)} models of our table{licence} need at most {memory_gb} GB {use} (facts of {day})"
    if not fitting:
        head = f"No model of our table{licence} fits into {memory_gb} GB {use} (facts of {day})"
    rest = f" and {len(fitting) - MAX_LISTED} smaller ones" if len(fitting) > MAX_LISTED else ""
    listed = "; ".join(_line(model, column) for model in fitting[:MAX_LISTED])
    return [
        Row(
            id=f"models/{column}/{memory_gb}/{slug}",
            title=TITLE,
            heading=f"Fits into {memory_gb} GB",
            text=f"{head}{': ' if listed else '.'}{listed}{rest}{'.' if listed else ''}",
            url=None,
            known=bool(fitting),
        )
    ]


def _line(model: ModelRow, column: str) -> str:
    status = "" if model.status in SURE else f", {model.status}"
    return f"{model.name} ({model.params_b:g} B, {model.memory_gb[column]:g} GB, {model.licence}{status})"
