"""A real Slurm on this machine: one controller, several nodes with simulated GPUs, with accounting on request.

Needs root on Debian or Ubuntu with slurm-wlm, slurm-wlm-basic-plugins and munge. `missing_for_slurm` names what is not there.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED = {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "sbatch": "slurm-wlm", "munged": "munge"}
NEEDED_FOR_ACCOUNTS = {"slurmdbd": "slurmdbd", "mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server"}
MUNGE_SOCKET = Path("/run/munge/munge.socket.2")
START_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Slurm:
    folder: Path
    environment: dict[str, str]
    nodes: dict[str, subprocess.Popen[bytes]]
    """Daemons by node name, to be killed and started again by tests."""

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self.environment, cwd=cwd, text=True, capture_output=True, check=False)

    def test_only(self, script: str) -> subprocess.CompletedProcess[str]:
        """`sbatch --test-only`: checked by the controller, never run."""
        path = self.folder / "job.sh"
        path.write_text(script)
        return self.run("sbatch", "--test-only", str(path), cwd=self.folder)


def missing_for_slurm(*, accounts: bool = False) -> str:
    """Why no Slurm can be started here; empty when one can."""
    if os.geteuid() != 0:
        return "a local Slurm needs root"
    needed = NEEDED | (NEEDED_FOR_ACCOUNTS if accounts else {})
    packages = sorted({package for program, package in needed.items() if shutil.which(program) is None})
    plugins = any(Path("/usr/lib").glob("*/slurm*/select_cons_tres.so"))
    packages += [] if plugins else ["slurm-wlm-basic-plugins"]
    return f"apt-get install {' '.join(packages)}" if packages else ""


@contextmanager
def running_slurm(
    folder: Path,
    *,
    partitions: str,
    nodes: int = 4,
    cpus: int = 32,
    gpus: int = 4,
    memory_mb: int = 100_000,
    accounts: bool = False,
) -> Iterator[Slurm]:
    """`partitions`: PartitionName lines of slurm.conf for nodes n1 to n<nodes>."""
    for name in ("state", "spool", "log", "run"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    first = _free_ports(nodes + 3)
    database, dbd = first + nodes + 1, first + nodes + 2
    partitions += _ACCOUNTING.format(port=dbd) if accounts else ""
    conf = folder / "slurm.conf"
    conf.write_text(_slurm_conf(folder, partitions, port=first, nodes=nodes, cpus=cpus, gpus=gpus, memory_mb=memory_mb))
    (folder / "gres.conf").write_text(
        f"AutoDetect=off\nNodeName=n[1-{nodes}] Name=gpu File={folder}/gpu[0-{gpus - 1}]\n"
    )
    for number in range(gpus):
        subprocess.run(["mknod", str(folder / f"gpu{number}"), "c", "1", "3"], check=True)
    slurm = Slurm(folder=folder, environment={**os.environ, "SLURM_CONF": str(conf)}, nodes={})
    with ExitStack() as stack:
        if not _munge_answers():
            MUNGE_SOCKET.unlink(missing_ok=True)  # of one that was killed
            _start_munge(stack, folder)
        if accounts:
            _start_accounting(stack, slurm, database, dbd)
        _start(stack, slurm, "slurmctld", "-D", "-i")
        for number in range(1, nodes + 1):
            slurm.nodes[f"n{number}"] = _start(stack, slurm, "slurmd", "-D", "-N", f"n{number}")
        _wait_for_idle(slurm, nodes)
        yield slurm


def _slurm_conf(folder: Path, partitions: str, *, port: int, nodes: int, cpus: int, gpus: int, memory_mb: int) -> str:
    host = socket.gethostname().split(".")[0]
    ports = f"[{port + 1}-{port + nodes}]" if nodes > 1 else str(port + 1)
    names = f"n[1-{nodes}]" if nodes > 1 else "n1"
    return f"""ClusterName=doctor
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
MpiDefault=none
ReturnToService=2
EnforcePartLimits=ALL
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
NodeName={names} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs={cpus} RealMemory={memory_mb} Gres=gpu:{gpus}
{partitions}
"""


def _free_ports(count: int) -> int:
    """First of `count` ports in a row that nobody listens on."""
    for first in range(17_000, 19_000, count + 1):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    raise RuntimeError("no free ports for a local Slurm between 17000 and 19000")


def _munge_answers() -> bool:
    return MUNGE_SOCKET.exists() and subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode == 0


def _start_munge(stack: ExitStack, folder: Path) -> None:
    MUNGE_SOCKET.parent.mkdir(exist_ok=True)
    shutil.chown(MUNGE_SOCKET.parent, "munge", "munge")
    log = stack.enter_context((folder / "log/munged.out").open("wb"))
    process = subprocess.Popen(["runuser", "-u", "munge", "--", "munged", "--foreground"], stdout=log, stderr=log)
    stack.callback(_stop, process)
    _wait(_munge_answers, "munged did not start")


def _start(stack: ExitStack, slurm: Slurm, *command: str) -> subprocess.Popen[bytes]:
    log = stack.enter_context((slurm.folder / "log" / f"{'-'.join(command).replace('/', '_')[:60]}.out").open("wb"))
    process = subprocess.Popen(command, env=slurm.environment, stdout=log, stderr=log)
    stack.callback(_stop, process)
    return process


_ACCOUNTING = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
SlurmdTimeout=10
SchedulerParameters=bf_interval=3,sched_interval=2
"""


def _start_accounting(stack: ExitStack, slurm: Slurm, database: int, dbd: int) -> None:
    """MariaDB and slurmdbd on loopback, in the folder of this Slurm."""
    data = slurm.folder / "mysql"
    options = ["--user=root", f"--datadir={data}"]
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    (slurm.folder / "init.sql").write_text(
        "CREATE DATABASE slurm_acct_db;\n"  # one statement a line
        "CREATE USER 'slurm'@'127.0.0.1' IDENTIFIED BY 'slurm';\n"
        "CREATE USER 'slurm'@'localhost' IDENTIFIED BY 'slurm';\n"
        "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'127.0.0.1';\n"
        "GRANT ALL ON slurm_acct_db.* TO 'slurm'@'localhost';\n"
    )
    _start(
        stack, slurm, "mariadbd", "--no-defaults", *options, "--bind-address=127.0.0.1", f"--port={database}",
        f"--socket={slurm.folder}/mysql.sock", f"--init-file={slurm.folder}/init.sql", "--innodb-buffer-pool-size=32M",
    )  # fmt: skip
    _wait(lambda: _listens(database), "mariadbd did not start")
    conf = slurm.folder / "slurmdbd.conf"
    conf.write_text(
        f"AuthType=auth/munge\nDbdAddr=127.0.0.1\nDbdHost=localhost\nDbdPort={dbd}\nSlurmUser=root\n"
        f"LogFile={slurm.folder}/log/slurmdbd.log\nPidFile={slurm.folder}/run/slurmdbd.pid\n"
        f"StorageType=accounting_storage/mysql\nStorageHost=127.0.0.1\nStoragePort={database}\n"
        "StorageUser=slurm\nStoragePass=slurm\nStorageLoc=slurm_acct_db\n"
    )
    conf.chmod(0o600)
    _start(stack, slurm, "slurmdbd", "-D")
    _wait(lambda: _listens(dbd), "slurmdbd did not start")
    _wait(lambda: slurm.run("sacctmgr", "-i", "add", "cluster", "doctor").returncode == 0, "no cluster in the accounts")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_idle(slurm: Slurm, nodes: int) -> None:
    def ready() -> bool:
        return slurm.run("sinfo", "-h", "-N", "-o", "%t").stdout.split().count("idle") >= nodes

    _wait(ready, f"the nodes did not become idle; see {slurm.folder}/log")


def _wait(ready: object, problem: str) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if callable(ready) and ready():
            return
        time.sleep(0.2)
    raise RuntimeError(problem)
