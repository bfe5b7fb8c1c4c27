"""Checks of one row of a training benchmark."""

from __future__ import annotations

from collections.abc import Iterator

from bench_runner.metrics import number
from bench_runner.plausibility.findings import Finding, Values, about, closeness
from bench_runner.plausibility.hardware import accelerator_of, active_parameters, parameters
from bench_runner.result import BenchmarkResult

SHARDS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


def _setting(result: BenchmarkResult, *names: str) -> float | None:
    return next((found for name in names if (found := number(result.spec.setting(name))) is not None), None)


def epochs_of(result: BenchmarkResult, values: Values) -> float | None:
    """Passes over the data that were made, or else planned."""
    return values.get("epochs") or _setting(result, "num_train_epochs", "epochs")


def tokens_conserved(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """D13: tok/s x time <= samples x longest sequence x epochs."""
    rate, runtime = values.get("train_tokens_per_second"), values.get("train_runtime")
    samples, epochs = values.get("train_samples"), epochs_of(result, values)
    longest = (
        _setting(result, "max_seq_length", "max_len", "cutoff_len", "sequence_length") or result.spec.max_model_len
    )
    if rate is None or runtime is None or samples is None or epochs is None or not longest:
        return None
    return _conserved(rate * runtime, samples * longest, epochs)


def _conserved(tokens: float, one_epoch: float, epochs: float) -> Iterator[Finding]:
    if tokens > one_epoch * epochs * 1.02:
        text = f"tok/s x time are {tokens:.4g} tokens, {tokens / (one_epoch * epochs):.1f} times what the data holds"
        yield about("D13", "invalid", f"{text} if every sample were of full length", "train_tokens_per_second")
    elif epochs > 1.01 and closeness(tokens, one_epoch, relative=0.005):
        text = f"tok/s counts one pass over padded samples, but {epochs:g} epochs were trained"
        yield about("D13", "suspect", text, "train_tokens_per_second")


def samples_conserved(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """R8: samples/s x time = samples x epochs."""
    rate, runtime = values.get("train_samples_per_second"), values.get("train_runtime")
    samples, epochs = values.get("train_samples"), epochs_of(result, values)
    if rate is None or runtime is None or not samples or not epochs:
        return None
    made, expected = rate * runtime, samples * epochs
    if closeness(made, expected, relative=0.05):
        return iter(())
    text = f"samples/s x time are {made:.4g} samples, {samples:g} x {epochs:g} epochs are {expected:.4g}"
    return iter((about("R8", "suspect", text, "train_samples_per_second"),))


def global_batch(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """D14: global batch = micro batch x accumulation x world = samples/s / steps/s."""
    stated = _setting(result, "global_batch_size", "total_train_batch_size")
    micro, accumulation = (
        _setting(result, "per_device_train_batch_size"),
        _setting(result, "gradient_accumulation_steps"),
    )
    world = _setting(result, "world_size") or result.spec.gpus
    product = micro * (accumulation or 1) * world if micro and world else None
    samples, steps = values.get("train_samples_per_second"), values.get("train_steps_per_second")
    measured = samples / steps if samples and steps else None
    again = values.get("summary_samples_per_second")
    if samples and again and not closeness(samples, again, relative=0.1):
        return _twice(samples, again)
    known = [
        (name, value)
        for name, value in (
            ("the stated global batch", stated),
            ("micro batch x accumulation x world", product),
            ("samples/s over steps/s", measured),
        )
        if value
    ]
    return _batches(known) if len(known) > 1 else None


def _twice(samples: float, again: float) -> Iterator[Finding]:
    factor = max(samples, again) / min(samples, again)
    text = f"the Trainer prints {samples:g} samples/s, its summary {again:g}: {factor:.3g}-fold apart"
    yield about("D14", "suspect", text, "train_samples_per_second")


def _batches(known: list[tuple[str, float]]) -> Iterator[Finding]:
    (first, one), *others = known
    for name, value in others:
        if not closeness(value, one, relative=0.1):
            factor = max(value, one) / min(value, one)
            text = f"{first} is {one:.4g}, {name} is {value:.4g}: {factor:.3g}-fold apart"
            yield about("D14", "suspect", text, "train_samples_per_second")


def trainable_parameters(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """D15: trainable parameters against the model's size; one shard of a sharded model is a known trap."""
    trainable, size = values.get("trainable_parameters"), parameters(result.spec.model)
    if trainable is None or size is None:
        return None
    return _trainable(trainable, size, result.spec.model or "")


def _trainable(trainable: float, size: float, model: str) -> Iterator[Finding]:
    if trainable > size * 1.5:
        yield about(
            "D15", "suspect", f"{trainable:g} trainable parameters exceed those of {model}", "trainable_parameters"
        )
        return
    for shards in SHARDS:
        if closeness(trainable * shards, size, relative=0.05):
            text = f"{trainable:.0f} trainable parameters for {model} are one of {shards} shards"
            yield about("D15", "suspect", text, "trainable_parameters")
            return


def model_utilisation(result: BenchmarkResult, values: Values) -> Iterator[Finding] | None:
    """D16: training needs 6 FLOP per parameter and token, and MFU <= 1."""
    spec = result.spec
    rate = values.get("train_tokens_per_second")
    accelerator, size = accelerator_of(spec), active_parameters(spec.model)
    gpus = spec.engaged_gpus or spec.allocated_gpus
    if spec.kind != "training" or rate is None or accelerator is None or size is None or not gpus:
        return None
    share = 6 * size * rate / (gpus * accelerator.peak_tflops * 1e12 * (2.0 if accelerator.has_fp8 else 1.0))
    if share <= 1:
        return iter(())
    text = f"{rate:g} tok/s need {share:.1f} times the peak of {gpus} {accelerator.name}"
    return iter((about("D16", "invalid", text, "train_tokens_per_second"),))
