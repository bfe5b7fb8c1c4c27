"""Part of `make bench`: what the job doctor costs. `python tests/bench_doctor.py` runs it alone."""

from __future__ import annotations

import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "evals"))

from doctor_cases import correct_scripts, faulty_scripts, foreign

from triage.doctor.check import check_script
from triage.doctor.facts import facts
from triage.doctor.logs import diagnose_log
from triage.doctor.pieces import pieces_of_script_file

LOG_MB = 50
RANKS = 64
TAIL = (
    "[rank17]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.\n"
    "srun: error: n1: task 17: Exited with exit code 1\n"
)


def scripts() -> None:
    texts = [script.text for script in (*correct_scripts(), *foreign("foreign_correct.txt"), *faulty_scripts())]
    texts += [script.text for script in (*foreign("third_correct.txt"), *faulty_scripts("third_faults.txt"))]
    pieces = [next(iter(pieces_of_script_file("job.sh", text))) for text in texts]
    check_script(pieces[0])
    costs = []
    for piece in pieces:
        begun = time.process_time()
        check_script(piece)
        costs.append(time.process_time() - begun)
    costs.sort()
    print(
        f"check a job script, {len(costs)} scripts: p50 {1000 * statistics.median(costs):.1f} ms, "
        f"p95 {1000 * costs[int(0.95 * len(costs))]:.1f} ms, max {1000 * costs[-1]:.1f} ms of CPU (bar 50)"
    )


def write_log(path: Path) -> None:
    """Interleaved ranks, progress bars, colours, retried warnings, then one failure at the end."""
    lines = []
    for step in range(2000):
        lines += [
            f"[rank{rank}]: step {step} loss {2 + rank / 97:.3f} grad_norm 0.{step % 97:02} tok/s 10{rank}\n"
            for rank in range(RANKS)
        ]
        lines.append(f"\x1b[32mINFO\x1b[0m {step / 20:.0f}%|####      | {step}/2000 [00:10<01:30,  2.31it/s]\r")
        lines.append(
            f"WARNING: HTTPSConnectionPool(host='hub', port=443): Max retries exceeded. Retrying in {step % 8}s\n"
        )
    block = "".join(lines).encode()
    with path.open("wb") as stream:
        while stream.tell() < LOG_MB * 1_000_000:
            stream.write(block)
        stream.write(TAIL.encode())


def write_worst_log(path: Path) -> None:
    """Nothing but errors, each with words of its own, and one line of several megabytes."""
    with path.open("wb") as stream:
        number = 0
        while stream.tell() < LOG_MB * 1_000_000:
            number += 1
            stream.write(
                b"ValueError: %x failed: exception in %x, Killed %d\n" % (number * 7919, number * 104729, number)
            )
            if number == 1000:
                stream.write(b"error " * 1_000_000 + b"\n")


def write_mixed_log(path: Path) -> None:
    """Every line of the signatures' examples in turn, each time with other words in it."""
    table = facts("error_signatures")
    rows = [*table["entries"], *table["exit_codes"], *table["harmless"]]
    examples = [line for row in rows for example in row["examples"] for line in example.split("\n")]
    chance = random.Random(1)
    with path.open("wb") as stream:
        while stream.tell() < LOG_MB * 1_000_000:
            words = chance.choice(examples).split(" ")
            words.insert(chance.randint(1, len(words)), f"{chance.randrange(1 << 32):x}")
            stream.write(f"{' '.join(words)} {chance.randrange(1 << 32):x}\n".encode())


def log_in_one_process(path: str) -> None:
    """Prints the CPU seconds and the memory of a process that reads this log and does nothing else."""
    diagnose_log(BytesIO(b""), "warm")  # the signatures are compiled once
    begun = time.process_time()
    with Path(path).open("rb") as stream:
        found = diagnose_log(stream, "log")
    cpu = time.process_time() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = Path(path).stat().st_size / 1e6
    print(
        f"read a log of {size:.0f} MB: {cpu:.2f} s of CPU (bar 3), {memory:.0f} MB resident "
        f"(bar 200), first cause {found[0].id if found else 'none'}"
    )


def start_up(folder: Path) -> None:
    (folder / "job.sh").write_text(correct_scripts()[0].text)
    spent = []
    for command in (["-c", "pass"], ["-m", "agent", "check-job", str(folder / "job.sh")]):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    print(f"minerva check-job from start to end: {spent[1]:.2f} s of CPU, an empty Python {spent[0]:.2f} s")


def main() -> None:
    scripts()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "job.log"
        write_log(log)
        subprocess.run([sys.executable, __file__, str(log)], check=True)
        print("nothing but errors, no two lines alike: ", end="", flush=True)
        write_worst_log(log)
        subprocess.run([sys.executable, __file__, str(log)], check=True)
        print("all kinds of errors mixed, no two lines alike: ", end="", flush=True)
        write_mixed_log(log)
        subprocess.run([sys.executable, __file__, str(log)], check=True)
        start_up(Path(folder))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        log_in_one_process(sys.argv[1])
    else:
        main()
