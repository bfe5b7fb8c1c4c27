"""Rules of thumb worked out for the figures of a question: GPU hours, checkpoints, memory, learning rates."""

from __future__ import annotations

from knowledge_base.catalogue import read_yaml
from knowledge_base.rows import catalogue_words as words
from knowledge_base.rows.asked import Asked
from knowledge_base.rows.catalogue_question import models_with_rates
from knowledge_base.rows.row import Row, standing
from knowledge_base.tables import LearningRate, as_of, learning_rates, memory_rule, system_rows

TITLE = "Recipes"
FILE = "training_recipes"
CHECKPOINT_BYTES = 13
"""For each parameter of a checkpoint to resume from; the facts say 12 to 14."""
_ACCELERATORS = {
    "a100": ("A100", "a100", "A100"),
    "h100": ("H100", "h100", "H100"),
    "gh200": ("GH200", "gh200", "GH200"),
    "mi250x": ("MI250X GCD", "mi250x_gcd", "MI250X_GCD"),
}
"""Name, key of the assumed MFU, key of the peak."""


def gpu_hours(asked: Asked) -> list[Row]:
    """6 N D by the peak and the MFU that the facts assume, for the accelerators of the question or all four."""
    facts = read_yaml(f"facts/{FILE}.yaml")
    mfu = facts["gpu_hour_estimates"]["assumed_mfu"]
    peaks = next(row["tflops"] for row in facts["peak_bf16_tflops"] if row["id"] == "table")
    params, tokens = asked.params_b or 0.0, asked.tokens_b or 0.0
    flop = 6 * params * 1e9 * tokens * 1e9
    parts = []
    for kind in _accelerators(asked):
        name, key, peak = _ACCELERATORS[kind]
        hours = flop / (peaks[peak] * 1e12 * mfu[key] * 3600)
        parts.append(f"{_rounded(hours)} hours on {name} ({peaks[peak]:g} TFLOPS, MFU {mfu[key]:.0%})")
    said = (
        f"Training {params:g} B parameters on {tokens:,g} B tokens takes about {flop:.1e} FLOP (6 N D), by estimate "
        f"{', '.join(parts)}; add 10 to 20 % for restarts, evaluation and failed starts"
    )
    return [_row("gpu_hour_estimates", f"{params:g}B-{tokens:g}B", "GPU hours", said, "derived")]


def _accelerators(asked: Asked) -> list[str]:
    named = {name.rstrip("x") for name in words.ACCELERATOR.findall(asked.sentence)}
    if not named:
        nodes = [node for system in system_rows() if system.id in asked.systems for node in system.nodes]
        named = {name.rstrip("x") for node in nodes for name in words.ACCELERATOR.findall(node.accelerator.lower())[:1]}
    return [kind for kind in _ACCELERATORS if kind.rstrip("x") in named] or list(_ACCELERATORS)


def _rounded(hours: float) -> str:
    """Three figures."""
    return f"{float(f'{hours:.3g}'):,.0f}"


def checkpoint_size(params_b: float) -> list[Row]:
    terabytes = params_b * CHECKPOINT_BYTES / 1000
    said = (
        f"A checkpoint of {params_b:g} B parameters to resume from takes about {terabytes:.2g} TB ({CHECKPOINT_BYTES} "
        f"bytes a parameter: weights, fp32 copy and two moments); the weights alone in bf16 {params_b * 2:g} GB"
    )
    return [_row("checkpoint_size", f"{params_b:g}B", "Checkpoint", said, "derived")]


def tuning_memory(params_b: float, sentence: str) -> list[Row]:
    kind = next(name for name, pattern in words.TUNING.items() if pattern.search(sentence))
    key, gigabytes = {
        "qlora": ("qlora", 0.9 * params_b + 4),
        "lora": ("lora", 2.3 * params_b + 6),
        "full": ("full_ft", 18 * params_b),
    }[kind]
    rule = memory_rule(key)
    name = {"qlora": "QLoRA", "lora": "LoRA", "full": "full fine-tuning"}[kind]
    said = f"{name} of {params_b:g} B parameters: about {gigabytes:g} GB. Rule: {rule['rule']}"
    text = f"{said} {standing(rule['status'], as_of('models'))}."
    return [Row(id=f"models/memory_rules/{key}/{params_b:g}B", title=TITLE, heading=name, text=text, url=None)]


def rates_of(sentence: str) -> list[Row]:
    """Of the models that the sentence names; of one stage where it names one."""
    named = models_with_rates(sentence)
    rates = [rate for rate in learning_rates() if rate.model in named]
    stages = [rate for rate in rates if rate.stage in sentence]
    return [_rate_row(rate) for rate in stages or rates]


def _rate_row(rate: LearningRate) -> Row:
    more = f", batch {rate.batch}" if rate.batch else ""
    said = f"{rate.model}, {rate.stage}: learning rate {rate.rate}{more}"
    return _row(f"learning_rate_and_batch/{rate.stage}", rate.model, "Learning rate", said, rate.status)


def _row(section: str, key: str, heading: str, said: str, status: str) -> Row:
    text = f"{said} {standing(status, as_of(FILE))}."
    return Row(id=f"recipes/{section}/{key}", title=TITLE, heading=heading, text=text, url=None)
