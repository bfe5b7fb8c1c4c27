"""Which of the lines kept from a log came first, by `how_to_name_the_first_cause` of error_signatures.yaml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from triage.doctor.lastwords import NEAR, PASSED_OVER, WEAK, closing_words
from triage.doctor.logscan import MESSAGE_LINES, RECOVERED_AFTER, Hit, Scan, is_progress
from triage.doctor.signatures import PROGRAM_ERROR, load_signatures

GUESSED = 0.3
"""How sure it is that a log's last line tells of a failure, when nothing else does."""
Standing = Literal["cause", "weak", "symptom", "wait"]

_STRONG = re.compile(r"(?i)\b\w*(?:Error|Exception)\b ?[:(]|\bfatal\b|\berror:|\baborted\b|NCCL WARN")
_KILLED_FROM_OUTSIDE = re.compile(
    r"^(?:KeyboardInterrupt|SystemExit|\S{0,80}SignalException|\S{0,60}CancelledError|BrokenPipeError)"
)
_SUCCESS = re.compile(
    rb"Finished mdrun on rank|\nTotal wall time: |PROGRAM ENDED AT|# Avg bus bandwidth|"
    rb"train_runtime|Serving Benchmark Result|Application shutdown complete|COMPLETED[ |]{1,24}0:0|(?i:"
    rb"(?:training|fine-?tuning|pre-?training|inference|evaluation|benchmark(?:ing)?|run|job|experiment|"
    rb"tokeni[sz]ation|preprocessing|all (?:tasks|steps|jobs|epochs|runs)) (?:(?:has|have|is|was) )?"
    rb"(?:successfully )?(?:completed?|finished|done)\b|"
    rb"(?:completed|finished|ended|exited|saved|uploaded|written) (?:successfully|normally|without errors?)|"
    rb"successfully (?:saved|completed|finished|trained|built|installed)|"
    rb"saved (?:final |best )?(?:model|checkpoint|weights)|"
    rb"(?:final|best) (?:model|checkpoint|eval|loss|accuracy|test|validation)|"
    rb"exit(?:ed with)? (?:code|status)(?: of [\w./-]{1,40})?[ :=]{1,3}0\b|\ball done\b)"
)
_IGNORED = re.compile(
    r"(?i)\bwill (?:try to )?continue\b|\bignor(?:ing|ed)\b|\bfalling back\b|\bskipping\b|\bproceeding\b"
)
_DEVICES = re.compile(r"(?i)\b(?:cuda|gpus?|hip|rocm|nvidia|devices?)\b")
_RECOVERABLE = ("environment", "network_offline", "dataloader_filesystem", "permissions_quota")
_SAYS_LITTLE = frozenset(
    {"slurm_task_failed", "launcher_child_failed", "exit_1", "exit_2", "exit_143", "cpp_terminate"}
)
_SAYS_SOMETHING_ELSE_ENDED = frozenset({"nccl_remote_exit", "slurm_cancelled"})
_OFTEN_HARMLESS = frozenset(
    {"nccl_net_plugin_missing", "loss_scale_overflow", "tf_no_gpu", "container_no_gpu_libraries"}
)
"""Told at the start of programs that then run without."""
_ALWAYS_FATAL = frozenset({"slurm_time_limit", "oom_cpu_slurm", "slurm_node_fail", "slurm_preempted_or_requeued"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    hit: Hit
    standing: Standing
    confidence: float


def causes_of(scan: Scan) -> tuple[Cause, ...]:
    """One for each signature, first cause first; empty when nothing failed."""
    standing = _first_of_each([(hit, _standing(hit)) for hit in scan.hits])
    if not standing:
        return _said_at_the_end(scan)
    if _went_well(standing, scan):
        return ()
    causes = [hit for hit, kind in standing if kind == "cause" and not _recovered(hit, standing)]
    weak = [hit for hit, kind in standing if kind == "weak" and not _recovered(hit, standing)]
    own_words = _last_words(scan)
    weak = [hit for hit in weak if hit.signature.id != PROGRAM_ERROR]
    symptoms = [hit for hit, kind in standing if kind == "symptom"]
    waits = [hit for hit, kind in standing if kind == "wait"]
    recovered = [hit for hit, kind in standing if kind in ("cause", "weak") and _recovered(hit, standing)]
    weak_causes = [hit for hit in weak if hit.signature.role == "cause"]
    telling = [hit for hit in symptoms if hit.signature.id not in _SAYS_LITTLE]
    first = (
        _first(causes, telling, [hit for hit in weak_causes if not _waited(hit)])
        or _first(weak_causes, [])
        or _first([hit for hit in weak if _stopped(hit)], [])
        or next((hit for hit in own_words if all(_before(hit, symptom) for symptom in telling)), None)
        or _first_symptom([hit for hit in telling if hit.signature.id not in _SAYS_SOMETHING_ELSE_ENDED])
        or _first_symptom([hit for hit in telling if not _told_before(hit, symptoms)])
        or _first(weak, [])
        or next(iter(own_words), None)
        or _said_above(symptoms, scan)
        or _first_symptom(symptoms)
        or _first(recovered, [])
        or _first(waits, [])
    )
    if first is None:
        return ()
    if first.signature.fallback:
        above = [hit for hit in weak if _explains(hit, first) or _warned_of_devices(hit, first)]
        first = _told_just_below(first, causes) or _first(above, []) or first
    rest = [
        hit for hit in (*_ordered(causes), *_ordered(symptoms), *_ordered(weak), *_ordered(waits)) if hit is not first
    ]
    confident = _confidence(first, causes, weak)
    named = {id(hit): kind for hit, kind in standing}
    return (
        Cause(hit=first, standing=named.get(id(first), "weak"), confidence=confident),
        *(Cause(hit=hit, standing=named[id(hit)], confidence=round(confident * 0.4, 2)) for hit in rest),
    )


def _standing(hit: Hit) -> Standing:
    role = hit.signature.role
    if role == "wait":
        return "wait"
    if role == "symptom" or _KILLED_FROM_OUTSIDE.match(hit.text):
        return "symptom"
    if hit.caught and hit.progress_after and hit.signature.id not in _ALWAYS_FATAL:
        return "weak"
    if hit.signature.id == PROGRAM_ERROR or PASSED_OVER.search(hit.text) or _IGNORED.search(hit.text):
        return "weak"
    doubtful = WEAK.search(hit.text) or (role == "either" and not hit.signature.fallback)
    return "weak" if doubtful and not _STRONG.search(hit.text) else "cause"


def _first_of_each(hits: Sequence[tuple[Hit, Standing]]) -> list[tuple[Hit, Standing]]:
    """The earliest hit of each signature, in its strongest standing."""
    best: dict[str, tuple[Hit, Standing]] = {}
    for hit, kind in hits:
        key = hit.signature.id
        held = best.get(key)
        stronger = held is None or _strength(hit, kind) > _strength(*held)
        if held is None or stronger or (kind == held[1] and _before(hit, held[0])):
            best[key] = (hit, kind)
    return sorted(best.values(), key=lambda pair: pair[0].line)


def _strength(hit: Hit, kind: Standing) -> tuple[int, bool]:
    """What a program went on after counts less than what it did not, among lines that are no certain cause."""
    return ("wait", "weak", "symptom", "cause").index(kind), kind == "weak" and not hit.progress_after


def _before(one: Hit, other: Hit) -> bool:
    if one.stamp and other.stamp and one.stamp != other.stamp:
        return one.stamp < other.stamp
    return one.line < other.line


def _ordered(hits: Sequence[Hit]) -> list[Hit]:
    """By time stamp when every hit has one, by line otherwise."""
    if all(hit.stamp for hit in hits):
        return sorted(hits, key=lambda hit: (hit.stamp or (), hit.line))
    return sorted(hits, key=lambda hit: hit.line)


def _recovered(hit: Hit, standing: Sequence[tuple[Hit, Standing]]) -> bool:
    """Whether the program went on after it and something else failed later."""
    if hit.progress_after < RECOVERED_AFTER or hit.signature.id in _ALWAYS_FATAL:
        return False
    if hit.signature.category in ("precision_nan", "environment", "slurm"):
        return False
    return any(
        other.line > hit.line
        and kind in ("cause", "symptom")
        and other.signature.id != hit.signature.id
        and other.progress_after < RECOVERED_AFTER
        for other, kind in standing
    )


def _first(hits: Sequence[Hit], symptoms: Sequence[Hit], weak: Sequence[Hit] = ()) -> Hit | None:
    """The earliest, or what it is a known consequence of."""
    if not hits:
        return None
    candidates = _ordered(hits)
    first = candidates[0]
    for _ in range(4):
        known = first.signature.consequence_of
        earlier = [hit for hit in (*candidates, *_ordered(weak)) if hit.signature.id in known and hit is not first]
        if not earlier:
            break
        first = earlier[0]
    hung = [hit for hit in symptoms if hit.signature.id in first.signature.consequence_of and _before(hit, first)]
    return hung[0] if hung and len(candidates) == 1 else first


def _explains(hit: Hit, fallback: Hit) -> bool:
    """A named line above an exception that nothing names, after which the program did not go on."""
    said_little = hit.caught or hit.progress_after or WEAK.search(hit.text) or PASSED_OVER.search(hit.text)
    return not said_little and not hit.signature.fallback and hit.line < fallback.line


def _warned_of_devices(hit: Hit, fallback: Hit) -> bool:
    """PyTorch only warns of a driver that is too old; what fails then is the program's own question for a GPU."""
    before = hit.line < fallback.line and not hit.progress_after
    return before and hit.signature.category in ("cuda", "rocm") and bool(_DEVICES.search(fallback.text))


def _told_just_below(fallback: Hit, causes: Sequence[Hit]) -> Hit | None:
    """A named line of the same process in the message of an exception that nothing names."""
    below = [hit for hit in causes if 0 < hit.line - fallback.line <= MESSAGE_LINES and hit.rank == fallback.rank]
    return min((hit for hit in below if not hit.signature.fallback), key=lambda hit: hit.line, default=None)


def _said_at_the_end(scan: Scan) -> tuple[Cause, ...]:
    hit = None if _last_success_line(scan) else closing_words(scan, load_signatures(), above=None)
    return (Cause(hit=hit, standing="weak", confidence=GUESSED),) if hit else ()


def _said_above(symptoms: Sequence[Hit], scan: Scan) -> Hit | None:
    """What the program said above the first line that says no more than that it ended."""
    if not symptoms:
        return None
    return closing_words(scan, load_signatures(), above=min(hit.line for hit in symptoms))


def _stopped(hit: Hit) -> bool:
    """A line that may be the cause, is no mere warning, and after which the program did not go on."""
    goes_on = hit.caught or hit.progress_after or WEAK.search(hit.text) or PASSED_OVER.search(hit.text)
    return not goes_on and hit.signature.id not in _OFTEN_HARMLESS


def _last_words(scan: Scan) -> list[Hit]:
    """The first of the program's own last lines that speak of an error, with at most NEAR lines between two."""
    said = [hit for hit in scan.hits if hit.signature.id == PROGRAM_ERROR and _stopped(hit)]
    first = said[-1:]
    for hit in reversed(said):
        if first[0].line - hit.line <= NEAR:
            first = [hit]
    return first


def _told_before(hit: Hit, symptoms: Sequence[Hit]) -> bool:
    """A cancelled step is what follows when one of its tasks has ended."""
    return hit.signature.id == "slurm_cancelled" and any(
        other.signature.id in _SAYS_LITTLE and _before(other, hit) for other in symptoms
    )


def _first_symptom(symptoms: Sequence[Hit]) -> Hit | None:
    """The symptom that no other present symptom explains."""
    present = {hit.signature.id for hit in symptoms}
    roots = [hit for hit in symptoms if not present & set(hit.signature.consequence_of)] or list(symptoms)
    ordered = _ordered(roots)
    return ordered[0] if ordered else None


def _went_well(standing: Sequence[tuple[Hit, Standing]], scan: Scan) -> bool:
    """Nothing failed: what looked like it was passed over, and the log ends as a finished run does."""
    kinds = {kind for _, kind in standing}
    if kinds <= {"wait"}:
        return False
    last_serious = max(
        (hit for hit, kind in standing if kind in ("cause", "symptom") and not _step_ended_by_script(hit, scan)),
        key=lambda hit: hit.line,
        default=None,
    )
    success = _last_success_line(scan)
    if last_serious is None:
        return success > 0 or all(_passed(hit, scan) or _step_ended_by_script(hit, scan) for hit, _ in standing)
    if success < last_serious.line:
        running = _ends_in_progress(scan)
        return all(_still_runs(hit, kind, running=running) for hit, kind in standing)
    return last_serious.progress_after > 0 or last_serious.signature.category in _RECOVERABLE


def _step_ended_by_script(hit: Hit, scan: Scan) -> bool:
    """A step that runs beside the work is cancelled when that is done, and the script goes on."""
    return hit.signature.id == "slurm_cancelled" and "*** STEP " in hit.text and scan.lines > hit.line


def _waited(hit: Hit) -> bool:
    """A step that had to wait and was then made."""
    return hit.signature.id == "slurm_step_busy" and hit.caught


def _passed(hit: Hit, scan: Scan) -> bool:
    """The program went on, or says that it does, and something follows."""
    if hit.signature.id == PROGRAM_ERROR:
        return not any(scan.lines - last.line <= NEAR for last in _last_words(scan))
    if hit.signature.id in _OFTEN_HARMLESS and scan.lines - hit.line > 1:
        return True
    mere = _IGNORED.search(hit.text) or PASSED_OVER.search(hit.text)
    said = hit.caught or (mere and hit.line < scan.lines)
    return bool(said) or hit.progress_after >= RECOVERED_AFTER


def _still_runs(hit: Hit, kind: Standing, *, running: bool) -> bool:
    """The log ends in normal progress, after something that programs recover from."""
    probed = running and hit.signature.category == "python" and not hit.rank
    recoverable = probed or hit.signature.fallback or hit.signature.category in _RECOVERABLE or kind in ("weak", "wait")
    enough = 1 if running else RECOVERED_AFTER
    return recoverable and kind != "symptom" and hit.progress_after >= enough


def _ends_in_progress(scan: Scan) -> bool:
    """The last line of the log is one of normal progress: nothing had stopped the program then."""
    last = scan.tail.rstrip().rsplit(b"\n", 1)[-1].rsplit(b"\r", 1)[-1]
    return is_progress(last)


def _last_success_line(scan: Scan) -> int:
    """Line of the last sign of a normal end, 0 when there is none in the last 64 KiB."""
    ends = [match.start() for match in _SUCCESS.finditer(scan.tail)]
    return scan.lines + 1 - scan.tail.count(b"\n", ends[-1]) if ends else 0


def _confidence(first: Hit, causes: Sequence[Hit], weak: Sequence[Hit]) -> float:
    if first in causes:
        return 0.7 if first.signature.fallback else 0.95 if len(causes) == 1 else 0.85
    if first.signature.role == "wait":
        return 0.8
    return 0.5 if first in weak else 0.4
