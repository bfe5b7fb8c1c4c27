"""Slurm through its commands, as argument lists. Parsing is pure; running is one small Protocol with two transports.

FirecREST would be a third: its /jobs calls return the same fields.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench_runner.errors import SlurmError

TIMEOUT_S = 60


class Transport(Protocol):
    """Where commands run. `run` gives (exit code, output, errors); SlurmError when the place cannot be reached."""

    def run(self, argv: Sequence[str], *, stdin: str = "") -> tuple[int, str, str]: ...


@dataclass(frozen=True, slots=True)
class Local:
    environment: Mapping[str, str] | None = None

    def run(self, argv: Sequence[str], *, stdin: str = "") -> tuple[int, str, str]:
        return _run(list(argv), stdin, self.environment)


@dataclass(frozen=True, slots=True)
class Ssh:
    """Key, user and options come from the ssh configuration of the account that runs this."""

    host: str

    def run(self, argv: Sequence[str], *, stdin: str = "") -> tuple[int, str, str]:
        code, out, error = _run(["ssh", "-o", "BatchMode=yes", "--", self.host, shlex.join(argv)], stdin, None)
        if code == 255:
            raise SlurmError(f"{self.host} cannot be reached: {error.strip()[:200]}", permanent=False)
        return code, out, error


def _run(argv: list[str], stdin: str, environment: Mapping[str, str] | None) -> tuple[int, str, str]:
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            env=dict(environment) if environment is not None else None,
            check=False,
        )
    except FileNotFoundError as error:
        raise SlurmError(f"there is no program {argv[0]} here", permanent=True) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmError(f"{argv[0]} did not answer: {error}", permanent=False) from error
    return done.returncode, done.stdout, done.stderr


def transport_of(name: str) -> Transport:
    """`local` or `ssh:HOST`."""
    kind, _, host = name.partition(":")
    if kind == "ssh" and host and not host.startswith("-"):
        return Ssh(host)
    if name == "local":
        return Local()
    raise SlurmError(f"there is no transport {name!r}: use local or ssh:HOST", permanent=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueRow:
    job: str
    name: str
    state: str
    reason: str
    comment: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountRow:
    """One start of a job, or one of its steps; a requeued job has several with the same id."""

    job: str
    step: str
    """Number of the step; empty for the job itself."""
    name: str
    state: str
    elapsed_s: int
    gpus: int
    nodes: str
    submit: str

    @property
    def gpu_hours(self) -> float:
        return self.gpus * self.elapsed_s / 3600


QUEUE_FORMAT = "%i|%j|%T|%r|%k"
ACCOUNT_FIELDS = "JobIDRaw,JobName,State,ElapsedRaw,AllocTRES,NodeList,Submit"
_TEMPORARY = ("Socket timed out", "Unable to contact", "Connection refused", "try again", "Zero Bytes", "slow down")


def submit(transport: Transport, folder: str, script: str, *, name: str, comment: str) -> str:
    """Job id. Raises SlurmError with what sbatch says."""
    _checked(transport.run(["mkdir", "-p", "--", folder]), "mkdir")
    argv = ["sbatch", "--parsable", f"--job-name={name}", f"--comment={comment}"]
    out = _checked(transport.run(argv, stdin=script), "sbatch")
    job = out.strip().partition(";")[0]
    if not job.isdecimal():
        raise SlurmError(f"sbatch printed no job id: {out.strip()[:200]}", permanent=False)
    return job


def queue(transport: Transport) -> list[QueueRow]:
    """All of our jobs that the controller still knows, ended ones included, in one call."""
    out = _checked(
        transport.run(["squeue", "--me", "--noheader", "--states=all", f"--format={QUEUE_FORMAT}"]), "squeue"
    )
    return parse_queue(out)


def parse_queue(text: str) -> list[QueueRow]:
    rows = []
    for line in text.splitlines():
        parts = line.strip().split("|", 4)
        if len(parts) == 5:
            job, name, state, reason, comment = parts
            rows.append(QueueRow(job=job, name=name, state=state, reason=reason, comment=comment))
    return rows


def accounting(transport: Transport, jobs: Iterable[str], names: Iterable[str] = ()) -> list[AccountRow] | None:
    """All starts of all these jobs with their steps, by id and by name, in one call; None where accounting is off.

    sacct takes both lists as conditions that must hold together, so with names it is asked for all jobs of ours.
    """
    wanted, named = list(jobs), list(names)
    if not wanted and not named:
        return []
    argv = ["sacct", "--noheader", "--parsable2", "--duplicates", f"--format={ACCOUNT_FIELDS}"]
    argv += ["--starttime=now-30days"] if named else [f"--jobs={','.join(wanted)}"]
    code, out, error = transport.run(argv)
    if code != 0:
        if "accounting storage is disabled" in error.lower():
            return None
        raise _failed("sacct", error)
    return parse_accounting(out)


def parse_accounting(text: str) -> list[AccountRow]:
    rows = []
    for line in text.splitlines():
        parts = line.split("|")
        if len(parts) != 7:
            continue
        job, dot, step = parts[0].partition(".")
        if not job.isdecimal() or (dot and not step.isdecimal()):  # arrays, and the steps `batch` and `extern`
            continue
        _, name, state, elapsed, tres, nodes, submitted = parts
        rows.append(
            AccountRow(
                job=job,
                step=step,
                name=name,
                state=state.split(" ")[0],
                elapsed_s=int(elapsed) if elapsed.isdecimal() else 0,
                gpus=gpus_in(tres),
                nodes=nodes,
                submit=submitted,
            )
        )
    return rows


def gpus_in(tres: str) -> int:
    """`billing=2,cpu=2,gres/gpu=8,node=2` -> 8; typed ones (`gres/gpu:a100=8`) only when there is no total."""
    found = dict(part.partition("=")[::2] for part in tres.split(",") if "=" in part)
    if found.get("gres/gpu", "").isdecimal():
        return int(found["gres/gpu"])
    return sum(int(n) for name, n in found.items() if name.startswith("gres/gpu:") and n.isdecimal())


def cancel(transport: Transport, job: str) -> None:
    code, _, error = transport.run(["scancel", job])
    if code != 0 and "Invalid job id" not in error:
        raise _failed("scancel", error)


def touch(transport: Transport, folder: str, name: str) -> None:
    _checked(transport.run(["mkdir", "-p", "--", folder]), "mkdir")
    _checked(transport.run(["touch", "--", f"{folder}/{name}"]), "touch")


def read_text(transport: Transport, path: str, *, limit: int = 64 * 1024 * 1024) -> str | None:
    """A file of the run; None when there is none."""
    code, out, _ = transport.run(["head", "-c", str(limit), "--", path])
    return out if code == 0 else None


def tail(transport: Transport, path: str, lines: int = 80) -> str:
    code, out, _ = transport.run(["tail", "-n", str(lines), "--", path])
    return out if code == 0 else ""


def copy_to(transport: Transport, remote: str, local: Path) -> bool:
    """Fetch a file; False when there is none."""
    content = read_text(transport, remote)
    if content is None:
        return False
    local.parent.mkdir(parents=True, exist_ok=True)
    local.write_text(content, encoding="utf-8")
    return True


def _checked(done: tuple[int, str, str], program: str) -> str:
    code, out, error = done
    if code != 0:
        raise _failed(program, error)
    return out


def _failed(program: str, error: str) -> SlurmError:
    temporary = any(word in error for word in _TEMPORARY)
    return SlurmError(f"{program} refused: {error.strip()[:300]}", permanent=not temporary)
