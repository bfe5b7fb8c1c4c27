"""Model servers as jobs of a real Slurm: kept up over walltimes of two minutes, lost nodes, full queues and sleep."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from integration.slurm_fixture import Slurm, missing_for_slurm, running_slurm
from vllm_fixture import MODEL, PYTHON, NoVllmError, build

from agent.errors import LanguageModelError
from agent.llm.chat import Chat, tell_nobody
from agent.llm.client import Client, Limits
from agent.llm.endpoints import Endpoints
from agent.llm.keeping import KeeperProcess
from agent.llm.records import EndpointRecord, EndpointState, read_records
from bench_runner.reruns.sites import Site
from bench_runner.reruns.slurm import Local
from deploy.llm.decide import serving
from deploy.llm.keeper import Keeper
from deploy.llm.service import Service, read_services, write_service

missing = missing_for_slurm()
pytestmark = [pytest.mark.skipif(bool(missing), reason=missing), pytest.mark.slow, pytest.mark.timeout(900)]

STAND_IN = Path(__file__).with_name("vllm_stand_in.py")
NAME = "salamandra-7b-hydra"
CHAT = Chat(purpose="draft", prompt="x", messages=(("user", "Say something"),), schema={"type": "object"})
PARTITIONS = """
PartitionName=gpu Nodes=n[1-2] Default=YES MaxTime=01:00:00 State=UP PriorityTier=1 PreemptMode=CANCEL
PartitionName=urgent Nodes=n[1-2] MaxTime=01:00:00 State=UP PriorityTier=9
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SlurmdTimeout=10
KillWait=5
SchedulerParameters=bf_interval=2,sched_interval=2
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with running_slurm(
        tmp_path_factory.mktemp("slurm"), partitions=PARTITIONS, nodes=2, cpus=2, memory_mb=2000
    ) as made:
        yield made
        for daemon in made.nodes.values():
            daemon.terminate()
            daemon.wait(20)


@dataclass(frozen=True, kw_only=True)
class World:
    cluster: Slurm
    folder: Path
    """The helpdesk's data folder."""
    keeper: Keeper

    @property
    def client(self) -> Client:
        endpoints = Endpoints(fixed=(), folder=self.keeper.endpoints, models={})
        return Client(endpoints, Limits(concurrency=4, timeout_s=20, tokens_per_day=10**9))

    def want(self, **values: object) -> None:
        given = {"name": NAME, "preset": "salamandra-7b", "system": "hydra", "walltime_min": 2}
        self.keeper.up(Service(**{**given, "wanted_at": datetime.now(UTC), **values}))  # type: ignore[arg-type]

    def service(self) -> Service:
        return read_services(self.keeper.services)[0]

    def records(self) -> list[EndpointRecord]:
        return list(read_records(self.keeper.endpoints).records)

    def jobs(self, *states: str) -> list[str]:
        """Ids of this model's jobs in these states."""
        said = self.cluster.run("squeue", "-h", "--states=all", "-o", "%i|%j|%T").stdout.split()
        rows = [line.split("|") for line in said]
        return [job for job, name, state in rows if name.startswith("minerva-llm-") and state in states]

    def until(self, wanted: Callable[[], object], seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.keeper.tick()
            if wanted():
                return
            time.sleep(0.5)
        shown = self.cluster.run("squeue", "--states=all").stdout
        raise AssertionError(
            f"{self.service()}\n{self.records()}\n{shown}\n{self.keeper.newest_log(self.service(), 20)}"
        )

    def serves(self) -> bool:
        return any(record.state == EndpointState.READY for record in self.records())


@pytest.fixture
def world(cluster: Slurm, tmp_path: Path) -> Iterator[World]:
    programs, model, work = tmp_path / "bin", tmp_path / "model", tmp_path / "work"
    for folder in (programs, model, work / "llm"):
        folder.mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"")
    program(programs / "vllm", f'exec {sys.executable} {STAND_IN} "$@"')
    program(programs / "nvidia-smi", 'printf "580.65, 65536\\n%.0s" 1 2 3 4')
    site = {
        "partition": "gpu", "work_dir": str(work), "gpus_per_node": 4, "gpu_memory_gb": 64,
        "gpu_request": "--gres=gpu:{n}", "llm_url": "http://127.0.0.1:{port}/v1",
        "setup": [f"export PATH={programs}:$PATH"], "models": {"salamandra-7b": str(model)},
    }  # fmt: skip
    (tmp_path / "var" / "bench").mkdir(parents=True)
    (tmp_path / "var" / "bench" / "sites.yaml").write_text(json.dumps({"sites": {"hydra": site}}))
    given = {**site, "setup": tuple(site["setup"]), "models": tuple(site["models"].items())}  # type: ignore[arg-type,attr-defined]
    keeper = Keeper(
        services=tmp_path / "var" / "llm" / "services",
        endpoints=tmp_path / "var" / "llm" / "endpoints",
        sites={"hydra": Site(system="hydra", **given)},  # type: ignore[arg-type]
        transport=lambda _name: Local(cluster.environment),
    )
    yield World(cluster=cluster, folder=tmp_path / "var", keeper=keeper)
    cluster.run("scancel", "--me")
    end = time.monotonic() + 60
    while cluster.run("squeue", "-h").stdout.strip() and time.monotonic() < end:
        time.sleep(0.5)


def program(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)


@contextmanager
def asking(client: Client) -> Iterator[list[str]]:
    """Questions one after the other, two at a time, as long as this lasts; what went wrong is in the list."""
    problems: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            try:
                assert client.ask(CHAT, tell_nobody).text.endswith("w7 ")
            except LanguageModelError as error:
                problems.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield problems
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def test_no_question_fails_over_two_renewals(world: World) -> None:
    before = set(world.jobs("TIMEOUT", "FAILED", "NODE_FAIL"))
    world.want()
    world.until(world.serves)
    with asking(world.client) as problems:
        world.until(lambda: [job.number for job in serving(world.service())] == [3], seconds=300)
        world.until(lambda: [job.number for job in world.service().jobs] == [3], seconds=60)
    assert problems == []
    assert set(world.jobs("TIMEOUT", "FAILED", "NODE_FAIL")) <= before, (
        "each was ended by us, drained, before its walltime"
    )
    keys = list(world.keeper.endpoints.glob("*.key"))
    assert len(keys) == len(world.records()) == 1, "a key a job, gone with it"


def test_a_lost_node_is_replaced(world: World) -> None:
    world.want(walltime_min=30)
    world.until(world.serves)
    (lost,) = world.jobs("RUNNING")
    node = world.cluster.run("squeue", "-h", "-j", lost, "-o", "%N").stdout.strip()
    world.cluster.nodes[node].send_signal(signal.SIGKILL)
    kill_processes_of(lost)
    try:
        world.until(lambda: [job for job in world.jobs("RUNNING") if job != lost] and world.serves(), seconds=150)
        assert world.service().failures == 0
        assert world.client.ask(CHAT, tell_nobody).text
    finally:
        world.cluster.nodes[node].wait(20)
        with (world.cluster.folder / "log" / f"again-{node}.out").open("wb") as log:
            world.cluster.nodes[node] = subprocess.Popen(
                ["slurmd", "-D", "-N", node], env=world.cluster.environment, stdout=log, stderr=log
            )
        end = time.monotonic() + 60
        while (
            "idle" not in world.cluster.run("sinfo", "-h", "-N", "-n", node, "-o", "%t").stdout
            and time.monotonic() < end
        ):
            world.cluster.run("scontrol", "update", f"nodename={node}", "state=resume")
            time.sleep(1)


def kill_processes_of(job: str) -> None:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"SLURM_JOB_ID={job}\0".encode() in environment or (
            b"slurmstepd" in command and f"[{job}".encode() in command
        ):
            os.kill(int(folder.name), signal.SIGKILL)


def test_preempted_into_a_full_queue_people_are_told_when_it_starts_and_it_comes_back(world: World) -> None:
    world.want(walltime_min=30)
    world.until(world.serves)
    said = world.cluster.run(
        "sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--exclusive", "--time=10", "--wrap=sleep 600",
        cwd=world.folder,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    world.until(lambda: "queued, starts about" in world.client.state())
    (queued,) = [record for record in world.records() if record.state == EndpointState.QUEUED]
    assert queued.starts_at is not None
    assert timedelta(minutes=5) < queued.starts_at - datetime.now(UTC) < timedelta(minutes=12)
    assert world.service().failures == 0
    assert not world.client.is_configured()
    world.cluster.run("scancel", said.stdout.strip())
    world.until(world.serves)


def test_it_sleeps_and_the_next_question_wakes_it(world: World) -> None:
    world.want(walltime_min=30, idle_min=1)
    world.until(world.serves)
    world.until(lambda: not world.jobs("RUNNING", "PENDING"), seconds=100)
    assert world.client.state() == "salamandra-7b is asleep"
    world.keeper.tick()
    assert not world.jobs("RUNNING", "PENDING")
    world.client.wake()
    world.until(world.serves)
    assert world.client.ask(CHAT, tell_nobody).text


def test_two_keepers_at_once_submit_once_and_one_that_died_in_between_is_followed(world: World) -> None:
    service = Service(name=NAME, preset="salamandra-7b", system="hydra", walltime_min=30, wanted_at=datetime.now(UTC))
    world.keeper.services.mkdir(parents=True)
    write_service(world.keeper.services, service)
    keepers = [
        Keeper(
            services=world.keeper.services, endpoints=world.keeper.endpoints, sites=world.keeper.sites,
            transport=world.keeper.transport,
        )
        for _ in range(4)
    ]  # fmt: skip
    threads = [threading.Thread(target=keeper.tick) for keeper in keepers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (job,) = world.jobs("PENDING", "RUNNING")
    assert json.loads((world.folder / "llm" / "targets.json").read_text()) == []
    write_service(world.keeper.services, service)  # as if sbatch was the last that the keeper ever did
    world.until(world.serves)
    assert world.jobs("PENDING", "RUNNING") == [job]
    assert world.service().jobs[0].job == job
    (target,) = json.loads((world.folder / "llm" / "targets.json").read_text())
    (address,) = target["targets"]
    assert "vllm:num_requests_running" in httpx.get(f"http://{address}{target['labels']['__metrics_path__']}").text


def test_a_clock_that_goes_wrong_by_an_hour_costs_nothing(world: World) -> None:
    def later() -> datetime:
        return datetime.now(UTC) + timedelta(hours=1)

    keeper = Keeper(
        services=world.keeper.services, endpoints=world.keeper.endpoints, sites=world.keeper.sites,
        transport=world.keeper.transport, now=later,
    )  # fmt: skip
    skewed = World(cluster=world.cluster, folder=world.folder, keeper=keeper)
    skewed.want(walltime_min=2, wanted_at=later())
    skewed.until(skewed.serves)
    (record,) = skewed.records()
    assert record.expires_at is not None
    assert timedelta(seconds=60) < record.expires_at - later() <= timedelta(seconds=120)
    assert [e.name for e in Endpoints(fixed=(), folder=keeper.endpoints, models={}, now=later).for_purpose("draft")]


def test_a_job_that_cannot_start_says_why_and_is_not_tried_at_once(world: World) -> None:
    model = dict(world.keeper.sites["hydra"].models)["salamandra-7b"]
    Path(model, "model.safetensors").unlink()
    world.want()
    world.until(lambda: world.service().failures)
    assert f"{model} holds no weights (*.safetensors)" in world.service().problem
    world.keeper.tick()
    assert not world.jobs("PENDING", "RUNNING")


def test_a_model_over_two_nodes_is_one_process_on_each(world: World) -> None:
    model = dict(world.keeper.sites["hydra"].models)["salamandra-7b"]
    site = replace(world.keeper.sites["hydra"], gpus_per_node=2, models=(("apertus-70b", model),))
    two = replace(world, keeper=replace(world.keeper, sites={"hydra": site}))
    two.want(name="apertus-70b-hydra", preset="apertus-70b", walltime_min=30)
    two.until(two.serves)
    said = two.keeper.newest_log(two.service(), 40)
    started = {line for line in said.splitlines() if line.startswith("arguments: serve")}
    assert len(started) == 2
    (first,) = [line for line in started if "--headless" not in line]
    (second,) = started - {first}
    assert "--tensor-parallel-size 2 --pipeline-parallel-size 2" in first
    assert "--nnodes 2 --node-rank 0 --master-addr" in first
    assert "--port" in first
    assert "--nnodes 2 --node-rank 1 --master-addr" in second
    assert first.split("--master-addr")[1].split()[:3] == second.split("--master-addr")[1].split()[:3]


def minerva(world: World, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**world.cluster.environment, "MINERVA_DATA_DIR": str(world.folder)}
    return subprocess.run(
        [sys.executable, "-m", "agent", "llm", *arguments], env=environment, text=True, capture_output=True, check=False
    )


def test_the_commands_and_the_keeper_beside_the_service(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**world.cluster.environment, "MINERVA_DATA_DIR": str(world.folder)}.items():
        monkeypatch.setenv(name, value)
    sites = world.folder / "bench" / "sites.yaml"
    sites.rename(sites.with_suffix(".away"))
    beside = KeeperProcess()
    time.sleep(3)
    sites.with_suffix(".away").rename(sites)  # what operators write while it runs is heeded
    try:
        shown = minerva(world, "up", "salamandra-7b", "--dry-run")
        assert "#SBATCH --gres=gpu:1" in shown.stdout
        assert minerva(world, "up", "apertus-70b", "--walltime-min", "30").returncode == 0
        up = minerva(world, "up", "salamandra-7b", "--walltime-min", "30")
        assert up.returncode == 0, up.stderr
        assert "1 nodes x 1 GPUs, TP1 PP1, 18.7 of 58 GB needed" in up.stdout
        end = time.monotonic() + 90
        while not world.serves() and time.monotonic() < end:
            time.sleep(0.5)
        assert world.serves(), minerva(world, "status").stdout
        assert beside.state == "ok"
    finally:
        beside.stop()
    assert beside.state == "stopped"
    status = minerva(world, "status").stdout
    assert re.search(rf"{NAME}-\d+ job", status), status
    assert "ready, until" in status
    assert "apertus-70b-hydra" in status
    assert "--served-model-name salamandra-7b" in minerva(world, "logs", "salamandra-7b").stdout
    key = next(world.keeper.endpoints.glob("salamandra*.key")).read_text()
    assert key not in "".join(path.read_text() for path in (world.folder.parent / "work").rglob("job.log"))
    assert minerva(world, "down", "salamandra-7b").returncode == 0
    assert minerva(world, "down", "apertus-70b").returncode == 0
    assert list(world.keeper.endpoints.glob("*.*")) == []
    assert not list((world.folder.parent / "work").rglob("key"))
    refused = minerva(world, "down", "salamandra-7b")
    assert refused.returncode == 1
    assert "wanted is nothing" in refused.stderr


@pytest.mark.llm
@pytest.mark.timeout(2700)
def test_the_same_job_starts_a_real_vllm_which_answers_to_its_key_alone(world: World) -> None:
    try:
        build()
    except NoVllmError as error:
        pytest.skip(f"no vLLM here: {error}")
    site = world.keeper.sites["hydra"]
    programs = world.folder.parent / "bin"
    options = "--enforce-eager --dtype float32 --structured-outputs-config.backend xgrammar "
    options += "--structured-outputs-config.disable_any_whitespace true"
    program(
        programs / "vllm",
        "shift; model=$1; shift\nunset PYTHONPATH VIRTUAL_ENV\nexport VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind\n"
        f'exec {PYTHON} -m vllm.entrypoints.openai.api_server --model "$model" "$@" {options}',
    )
    keeper = replace(world.keeper, sites={"hydra": replace(site, models=(("salamandra-7b", str(MODEL)),))})
    real = World(cluster=world.cluster, folder=world.folder, keeper=keeper)
    real.want(walltime_min=50)
    real.until(real.serves, seconds=1500)
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 20}}, "required": ["a"]}
    chat = replace(CHAT, schema=schema, max_tokens=60)
    limits = Limits(concurrency=1, timeout_s=240, tokens_per_day=10**6)
    endpoints = Endpoints(fixed=(), folder=keeper.endpoints, models={})
    reply = Client(endpoints, limits).ask(chat, tell_nobody)
    assert (reply.model, set(json.loads(reply.text))) == ("salamandra-7b", {"a"})
    (record,) = real.records()
    assert httpx.get(f"{record.url}/models", timeout=60).status_code == 401
    real.keeper.tick()
    assert real.serves(), "its metrics are read by the keeper"
