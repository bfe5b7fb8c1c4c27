"""Why a job waits or failed, for people, and whether to try again. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bench_runner.reruns.accounts import NO_TURN, NODE_TROUBLE

NEVER_STARTS: Mapping[str, str] = {
    "AssocGrpGRESMinutes": "the account's GPU budget at the site is spent",
    "AssocGrpCPUMinutesLimit": "the account's CPU budget at the site is spent",
    "AssocGrpBillingMinutes": "the account's budget at the site is spent",
    "AssocMaxWallDurationPerJobLimit": "the wall time is over the account's limit",
    "QOSMaxWallDurationPerJobLimit": "the wall time is over the QoS limit",
    "QOSMaxGRESPerUser": "more GPUs than the QoS lets one user have",
    "PartitionTimeLimit": "the wall time is over the partition's limit",
    "PartitionNodeLimit": "more nodes than the partition allows",
    "BadConstraints": "no node fulfils the request",
    "InvalidAccount": "the account is not valid",
    "InvalidQOS": "the QoS is not valid",
    "DependencyNeverSatisfied": "what it waits for failed",
    "JobHeldUser": "it is held by its user",
    "JobHeldAdmin": "it is held by an administrator",
    "launch_failed_requeued_held": "it failed to launch and is held",
}
_PASSING = {"PREEMPTED": "preempted by another job", NO_TURN: "the allocation ended before its turn"}

_OOM = ("CUDA out of memory", "torch.OutOfMemoryError", "HIP out of memory", "No available memory for the cache blocks")


def cause_of(state: str, tail: str) -> tuple[bool, str]:
    """Whether to try again, and what to tell: trouble of a node passes, what the run itself did does not."""
    base = state.partition(" ")[0]
    if base in NODE_TROUBLE or base == NO_TURN:
        return True, _PASSING.get(base, f"a node failed ({base})")
    if base == "CANCELLED":
        return False, "the job was cancelled"
    if base == "OUT_OF_MEMORY":
        return False, "host memory ran out: use more nodes, or fewer --cpu-offload-gb"
    if any(word in tail for word in _OOM):
        return False, "GPU memory ran out: raise tp or pp, lower max_model_len or --gpu-memory-utilization, or quantise"
    if base in ("TIMEOUT", "DEADLINE"):
        return False, "the wall time was too short: raise walltime_min, or lower num_prompts"
    return False, f"the job ended as {base}. {last_words(tail)}"


def last_words(tail: str) -> str:
    lines = [line.strip() for line in tail.splitlines() if line.strip()]
    return f"Last words of its log: {lines[-1][:200]}" if lines else "Its log is empty."
