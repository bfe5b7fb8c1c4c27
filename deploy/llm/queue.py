"""What Slurm says of our servers' jobs, in one call a site, in seconds from its own clock: clocks may differ."""

from __future__ import annotations

from dataclasses import dataclass

from bench_runner.errors import SlurmError
from bench_runner.reruns.slurm import Transport
from deploy.llm.script import PREFIX

FORMAT = "%i|%j|%T|%r|%S|%e"
PENDING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SUSPENDED"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    job: str
    name: str
    state: str
    reason: str
    starts_in_s: int | None
    """Of a waiting job, as far as the scheduler has planned it."""
    left_s: int | None
    """Of a running job's walltime."""

    @property
    def is_alive(self) -> bool:
        return self.state in PENDING | {"RUNNING"}

    @property
    def is_ending(self) -> bool:
        """Over, and Slurm does not say yet how."""
        return self.state == "COMPLETING"


def our_jobs(transport: Transport) -> list[Row]:
    """Those that run a model server, ended ones as long as Slurm keeps them. Raises SlurmError."""
    asked = f"date +%s && SLURM_TIME_FORMAT=%s squeue --me --noheader --states=all --format='{FORMAT}'"
    code, out, error = transport.run(["sh", "-c", asked])
    if code != 0:
        raise SlurmError(f"squeue refused: {error.strip()[:300]}", permanent=False)
    return parse(out)


def parse(text: str) -> list[Row]:
    """Raises SlurmError when the first line is no time."""
    clock, _, table = text.partition("\n")
    if not clock.strip().isdecimal():
        raise SlurmError(f"the site printed no time: {clock[:80]!r}", permanent=False)
    rows = [line.strip().split("|") for line in table.splitlines()]
    return [_row(int(clock), row) for row in rows if len(row) == 6 and row[0].isdecimal() and row[1].startswith(PREFIX)]


def _row(clock: int, row: list[str]) -> Row:
    job, name, state, reason, starts, ends = row
    return Row(
        job=job,
        name=name,
        state=state,
        reason=reason,
        starts_in_s=max(0, int(starts) - clock) if state in PENDING and starts.isdecimal() else None,
        left_s=max(0, int(ends) - clock) if state == "RUNNING" and ends.isdecimal() else None,
    )
