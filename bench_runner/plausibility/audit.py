"""All checks on a set of results, and a verdict for each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from bench_runner.plausibility import changes, common, inference, neighbours, training
from bench_runner.plausibility.findings import Finding, Judged, Rule, Verdict, about
from bench_runner.result import BenchmarkResult

RULES: tuple[Rule, ...] = (
    Rule(name="D1", title="GPUs = nodes x GPUs per node = TP x PP x DP", row=inference.gpu_count),
    Rule(name="D2", title="Every allocated GPU works", row=inference.idle_gpus, set=neighbours.flat_scaling),
    Rule(
        name="D3",
        title="More GPUs are not slower (with D16: nor more than proportionally faster)",
        set=neighbours.scaling,
    ),
    Rule(name="D4", title="A series does not move between two tables without a reason", set=changes.change_points),
    Rule(name="D5", title="Compared rows ran in the same mode", set=neighbours.frameworks_mixed),
    Rule(name="D6", title="Concurrency below the knee of the throughput", set=neighbours.plateau),
    Rule(name="D7", title="Little's law holds, with enough prompts", confirms=True, row=inference.little),
    Rule(name="D7", title="Little's law holds, with enough prompts", row=inference.enough_prompts),
    Rule(name="D8", title="Zero means not measured; answers of like length", row=inference.zero_latency),
    Rule(name="D9", title="Requests/s compare at equal output length", set=neighbours.answer_lengths),
    Rule(name="D10", title="A failed run is a state, never a number", row=inference.failed_run),
    Rule(name="D11", title="What is declared is not called measured", set=neighbours.declared_memory),
    Rule(name="D12", title="Identity never comes from a path", row=common.identity),
    Rule(name="D13", title="Training tokens are conserved", confirms=True, trained=True, row=training.tokens_conserved),
    Rule(
        name="D14",
        title="Global batch = micro batch x accumulation x world",
        confirms=True,
        trained=True,
        row=training.global_batch,
    ),
    Rule(name="D15", title="Trainable parameters fit the model", trained=True, row=training.trainable_parameters),
    Rule(name="D16", title="MFU <= 1 and no super-linear scaling", row=inference.model_utilisation),
    Rule(name="D16", title="MFU <= 1 and no super-linear scaling", trained=True, row=training.model_utilisation),
    Rule(name="D17", title="Every prompt was answered, with tokens", row=inference.completed_all),
    Rule(name="R1", title="Output tok/s = tokens / duration", confirms=True, row=inference.output_rate),
    Rule(name="R2", title="Req/s = completed requests / duration", confirms=True, row=inference.request_rate),
    Rule(name="R3", title="Total tok/s = all tokens / duration", confirms=True, row=inference.total_rate),
    Rule(name="R4", title="Totals agree with the single requests", confirms=True, row=inference.samples_agree),
    Rule(name="R5", title="No negative figures, percentiles in order", row=common.no_negative),
    Rule(name="R6", title="Requests fit the context", row=inference.within_context),
    Rule(name="R7", title="Averages below peaks, power below its limit", row=common.mean_below_peak),
    Rule(
        name="R8", title="Training samples are conserved", confirms=True, trained=True, row=training.samples_conserved
    ),
    Rule(name="O1", title="Repeats agree within their noise", set=neighbours.repeats),
)
_TRAINING = tuple((rule, rule.row) for rule in RULES if rule.row is not None)
_SERVING = tuple((rule, check) for rule, check in _TRAINING if not rule.trained)
UNCONFIRMED = Rule(name="R0", title="Something in the source confirms the figures")


def titles() -> dict[str, str]:
    """Rule -> what a sound row fulfils, in the order of the report."""
    found = {rule.name: rule.title for rule in RULES}
    return {**found, UNCONFIRMED.name: UNCONFIRMED.title}


def audit(results: Sequence[BenchmarkResult]) -> list[Judged]:
    """One judgement a result, in the same order. Rows are also held against each other, so give all at once."""
    from_sets: dict[int, list[Finding]] = defaultdict(list)
    for rule in RULES:
        if rule.set is not None:
            for index, finding in rule.set(results):
                from_sets[index].append(finding)
    return [_judge(result, from_sets.get(index, [])) for index, result in enumerate(results)]


def _judge(result: BenchmarkResult, findings: list[Finding]) -> Judged:
    values = result.values
    confirmed: list[str] = []
    found: list[Finding] = []
    for rule, check in _SERVING if result.spec.kind == "inference" else _TRAINING:
        said = check(result, values)
        if said is None:
            continue
        new = list(said)
        found.extend(new)
        if rule.confirms and not new:
            confirmed.append(rule.name)
    found.extend(findings)
    if not confirmed and not any(finding.level != "note" for finding in found):
        found.append(
            about(UNCONFIRMED.name, "suspect", "the source says nothing from which a figure could be recomputed")
        )
    return Judged(result=result, verdict=_verdict(found), findings=tuple(found), confirmed_by=tuple(confirmed))


def _verdict(findings: Sequence[Finding]) -> Verdict:
    levels = {finding.level for finding in findings}
    if "invalid" in levels:
        return "invalid"
    return "suspect" if "suspect" in levels else "verified"
