"""Presets, whether they fit, the job script, the checks before the start, and what is read from Slurm and written down."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deploy
from agent.llm.endpoints import STALE, Endpoints, last_use
from agent.llm.records import EndpointRecord, EndpointState, write_record
from bench_runner.errors import SlurmError
from bench_runner.reruns.sites import Site
from deploy.llm.decide import MOST_FAILURES, Seen
from deploy.llm.errors import ServiceError
from deploy.llm.keeper import address_on
from deploy.llm.placement import USABLE, place
from deploy.llm.presets import preset, presets
from deploy.llm.queue import Row, parse
from deploy.llm.records import records_of
from deploy.llm.script import job_name, job_script, number_in
from deploy.llm.service import Job, Service, read_service, read_services, service_name, write_service

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
PREFLIGHT = Path(deploy.__file__).parent / "vllm" / "preflight.sh"
EUROPEAN = {"EU", "FR", "CH", "ES", "PL", "DE", "IT", "FI", "LV"}


def site(system: str = "hydra", **values: object) -> Site:
    given = {"partition": "gpu", "work_dir": "/work", **values}
    return Site(system=system, **given)  # type: ignore[arg-type]


def test_european_models_come_first_and_every_figure_is_of_the_facts() -> None:
    countries = [found.country for found in presets().values()]
    assert len(countries) >= 8
    first_other = next(at for at, country in enumerate(countries) if country not in EUROPEAN)
    assert first_other >= 8
    assert all(country not in EUROPEAN for country in countries[first_other:])
    assert all(found.serving_gb >= 2 * found.params_b for found in presets().values()), "two bytes a parameter at least"
    assert all(
        found.context_tokens is None or found.max_model_len <= found.context_tokens for found in presets().values()
    )
    with pytest.raises(ServiceError, match="there is no preset 'gpt-9'; there are eurollm-22b"):
        preset("gpt-9")


@pytest.mark.parametrize(
    ("name", "system", "shape"),
    [
        ("eurollm-22b", "lumi-g", (1, 1, 1)),
        ("eurollm-22b", "karolina", (1, 2, 1)),
        ("apertus-70b", "lumi-g", (1, 4, 1)),
        ("apertus-70b", "meluxina", (2, 4, 2)),
        ("apertus-70b", "discoverer-plus", (1, 2, 1)),
    ],
)
def test_the_fewest_gpus_that_hold_the_model(name: str, system: str, shape: tuple[int, int, int]) -> None:
    found = place(preset(name), site(system), 60)
    assert (found.nodes, found.tp, found.pp) == shape
    assert found.usable_gb >= preset(name).serving_gb


@given(serving=st.floats(1, 1200), per_node=st.integers(1, 16), memory=st.sampled_from([24.0, 40.0, 64.0, 80.0, 141.0]))
def test_a_placement_always_holds_the_model_and_half_of_it_never_would(
    serving: float, per_node: int, memory: float
) -> None:
    model = replace(preset("eurollm-22b"), serving_gb=serving)
    try:
        found = place(model, site(gpus_per_node=per_node, gpu_memory_gb=memory), 60)
    except ServiceError as error:
        assert "nodes of" in str(error)
        return
    assert found.usable_gb >= serving
    assert found.tp <= per_node
    assert found.tp * found.pp == 1 or USABLE * memory * found.tp * found.pp / 2 < serving * (1 + 1 / found.pp)


@pytest.mark.parametrize(
    ("where", "walltime", "complaint"),
    [
        (site("jean-zay"), 60, "state gpus_per_node in sites.yaml"),
        (site("deucalion"), 60, "state gpu_memory_gb in sites.yaml"),
        (site("lumi-g", partition="dev-g"), 600, "walltime_min: 600 is over 180 of dev-g"),
        (site(gpus_per_node=1, gpu_memory_gb=2), 60, "need 31 nodes of 1 x 2 GB"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_submitted(where: Site, walltime: int, complaint: str) -> None:
    with pytest.raises(ServiceError, match=complaint.replace(".", r"\.")):
        place(preset("eurollm-22b"), where, walltime)


HYDRA = {"gpus_per_node": 4, "gpu_memory_gb": 64}


def script_for(where: Site, name: str = "eurollm-22b") -> str:
    chosen = preset(name)
    return job_script(chosen, where, place(chosen, where, 60), folder="/work/llm/x-1", walltime_min=60)


def test_the_job_says_what_it_needs_and_never_its_key() -> None:
    text = script_for(site("mn5-acc", partition="acc", account="ehpc01", qos="acc_ehpc", setup=("module load vllm",)))
    head = [line for line in text.splitlines() if line.startswith("#SBATCH")]
    for wanted in (
        "--partition=acc", "--account=ehpc01", "--qos=acc_ehpc", "--nodes=1", "--gpus-per-node=1", "--time=60",
        "--no-requeue", "--chdir=/work/llm/x-1",
    ):  # fmt: skip
        assert f"#SBATCH {wanted}" in head
    assert "module load vllm\n" in text
    assert "vllm serve utter-project/EuroLLM-22B-Instruct-2512 --served-model-name eurollm-22b" in text
    assert "--max-model-len 16384 --dtype bfloat16" in text
    assert "--api-key" not in text
    assert "srun" not in text
    assert "apptainer" not in text


@pytest.mark.parametrize(
    ("system", "asked"),
    [
        ("lumi-g", ["--cpus-per-task=28", "--mem=216G"]),
        ("mn5-acc", ["--cpus-per-task=80"]),
        ("karolina", ["--cpus-per-task=128", "--mem=921G"]),
        ("hydra", []),
    ],
)
def test_cores_and_memory_are_those_that_belong_to_the_gpus(system: str, asked: list[str]) -> None:
    more = HYDRA if system == "hydra" else {}
    head = [line for line in script_for(site(system, **more), "apertus-70b").splitlines() if line.startswith("#SBATCH")]
    found = [line.removeprefix("#SBATCH ") for line in head if "--cpus" in line or "--mem" in line]
    assert found == asked


def test_a_container_gets_the_gpus_of_its_kind() -> None:
    nvidia, amd = (script_for(site(system, container="/sw/vllm.sif")) for system in ("mn5-acc", "lumi-g"))
    assert 'server=("$runner" exec --nv --bind "$work" /sw/vllm.sif "${server[@]}")' in nvidia
    outside = script_for(site(container="/sw/vllm.sif", models=(("eurollm-22b", "/data/m"),), **HYDRA))
    assert '--bind "$work" --bind /data/m /sw/vllm.sif' in outside
    assert "exec --rocm " in amd
    secured = script_for(site(llm_flags=("--ssl-keyfile", "/k e y"), **HYDRA))
    assert "--ssl-keyfile '/k e y')" in secured


def test_several_nodes_run_one_process_each() -> None:
    text = script_for(site("meluxina"), "apertus-70b")
    assert "#SBATCH --nodes=2" in text
    assert "--tensor-parallel-size 4 --pipeline-parallel-size 2" in text
    assert '--nnodes "$SLURM_NNODES" --node-rank "$SLURM_PROCID" --master-addr "$head"' in text
    assert "--headless" in text


@pytest.mark.parametrize("name", list(presets()))
@pytest.mark.parametrize("system", ["lumi-g", "meluxina"])
def test_every_script_is_shell(name: str, system: str) -> None:
    text = script_for(site(system, container="/sw/a b.sif"), name)
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@given(st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True), st.integers(1, 10**6))
def test_a_jobs_name_gives_its_number_back(service: str, number: int) -> None:
    assert number_in(job_name(service, number), service) == number
    assert number_in(job_name(f"{service}x", number), service) is None


def preflight(folder: Path, tool: str, output: str, *arguments: str) -> tuple[int, str]:
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    if output:
        (programs / tool).write_text(f"#!/bin/sh\ncat <<'E'\n{output}\nE\n")
        (programs / tool).chmod(0o755)
    done = subprocess.run(
        ["bash", str(PREFLIGHT), *arguments, str(folder)], env={**os.environ, "PATH": f"{programs}:/usr/bin:/bin"},
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model-00001.safetensors").touch()
    return folder


def test_a_node_that_is_as_expected_passes(tmp_path: Path, model: Path) -> None:
    rows = "580.65.06, 65536\n580.65.06, 65536"
    assert preflight(tmp_path, "nvidia-smi", rows, "nvidia", "2", "64", str(model)) == (0, "")
    cards = "device,Device Name\ncard0,AMD\ncard1,AMD"
    assert preflight(tmp_path, "rocm-smi", cards, "amd", "2", "64", str(model)) == (0, "")


@pytest.mark.parametrize(
    ("rows", "gpus", "complaint"),
    [
        ("", "1", "no nvidia-smi"),
        ("580.65, 65536", "4", "1 GPUs on"),
        ("470.57, 65536", "1", "driver 470.57 is older than 570"),
        ("580.65, 40960", "1", "a GPU has 40960 MiB, 64 GB were counted on"),
    ],
)
def test_a_node_that_is_not_is_named_with_what_is_wrong(
    tmp_path: Path, model: Path, rows: str, gpus: str, complaint: str
) -> None:
    code, said = preflight(tmp_path, "nvidia-smi", rows, "nvidia", gpus, "64", str(model))
    assert code == 4
    assert said.startswith("minerva: ")
    assert complaint in said


def test_a_model_that_is_not_there_is_named(tmp_path: Path, model: Path) -> None:
    rows = "580.65, 65536"
    (model / "model-00001.safetensors").unlink()
    assert "holds no weights" in preflight(tmp_path, "nvidia-smi", rows, "nvidia", "1", "64", str(model))[1]
    assert "no model folder /nowhere" in preflight(tmp_path, "nvidia-smi", rows, "nvidia", "1", "64", "/nowhere")[1]
    assert "is in no cache" in preflight(tmp_path, "nvidia-smi", rows, "nvidia", "1", "64", "org/name")[1]


def test_times_are_seconds_from_the_sites_own_clock() -> None:
    rows = parse(
        "1000000\n"
        "7|minerva-llm-a-1|RUNNING|None|999000|1003600\n"
        "8|minerva-llm-a-2|PENDING|Resources|1000900|N/A\n"
        "9|minerva-llm-a-3|PENDING|Priority|N/A|N/A\n"
        "10|somebody-elses|RUNNING|None|999000|1003600\n"
        "cut off\n"
    )
    assert [(row.job, row.left_s, row.starts_in_s) for row in rows] == [
        ("7", 3600, None),
        ("8", None, 900),
        ("9", None, None),
    ]
    with pytest.raises(SlurmError, match="printed no time"):
        parse("bash: date: not found\n")


@given(st.text(max_size=200), st.text(alphabet="0123456789|minerva-l_+N/A\n", max_size=300))
def test_whatever_squeue_prints_is_rows_or_an_error_in_words(clock: str, table: str) -> None:
    try:
        rows = parse(f"{clock}\n{table}")
    except SlurmError as error:
        assert "printed no time" in str(error)
        return
    assert all(row.job.isdecimal() for row in rows)


def test_parts_of_array_and_other_jobs_are_not_ours() -> None:
    assert parse("1\n12_3|minerva-llm-a-1|RUNNING|None|1|2\n12+0|minerva-llm-a-1|RUNNING|None|1|2\n") == []


def test_how_a_node_is_reached_is_checked_before_anything_is_submitted() -> None:
    assert address_on(site(), "nid001", "20001") == "http://nid001:20001/v1"
    proxied = site(llm_url="https://llm.example.org/{node}/{port}/v1")
    assert address_on(proxied, "n1", "20001") == "https://llm.example.org/n1/20001/v1"
    for pattern in ("http://{host}:{port}/v1", "http://{}/v1", "http://{node", "ftp://{node}:{port}", "{node}:{port}"):
        with pytest.raises(ServiceError, match=r"llm_url of hydra in sites\.yaml"):
            address_on(site(llm_url=pattern), "n1", "20001")


def made(**values: object) -> Service:
    given = {"name": "a-b", "preset": "a", "system": "b", "walltime_min": 60, "wanted_at": NOW}
    return Service(**{**given, **values})  # type: ignore[arg-type]


def row(state: str, **values: object) -> Seen:
    given = {"job": "7", "name": "minerva-llm-a-b-1", "reason": "Resources", "starts_in_s": None, "left_s": None}
    return Seen(row=Row(state=state, **{**given, **values}))  # type: ignore[arg-type]


def test_records_tell_what_a_person_or_a_client_needs() -> None:
    job = Job(number=1, job="7", submitted_at=NOW)
    (queued,) = records_of(made(jobs=(job,)), {"7": row("PENDING", starts_in_s=900)}, {}, NOW)
    assert (queued.state, queued.starts_at, queued.note) == (
        EndpointState.QUEUED,
        NOW + timedelta(minutes=15),
        "Resources",
    )
    ready = job.model_copy(update={"ready_since": NOW, "running_since": NOW})
    urls = {"7": "http://n1:20001/v1"}
    (record,) = records_of(made(jobs=(ready,)), {"7": row("RUNNING", left_s=600)}, urls, NOW)
    assert (record.state, record.url, record.expires_at) == (
        EndpointState.READY,
        urls["7"],
        NOW + timedelta(minutes=10),
    )
    assert record.key_file == "a-b-1.key"
    drained = ready.model_copy(update={"draining_since": NOW})
    assert records_of(made(jobs=(drained,)), {}, urls, NOW)[0].state == EndpointState.DRAINING
    (asleep,) = records_of(made(asleep_since=NOW), {}, {}, NOW)
    (given_up,) = records_of(made(failures=MOST_FAILURES, problem="no GPU"), {}, {}, NOW)
    assert (asleep.state, given_up.state) == (EndpointState.ASLEEP, EndpointState.FAILED)
    assert given_up.note.startswith("no GPU; see `minerva llm logs a`")


def test_a_service_is_read_as_it_was_written_and_a_broken_file_is_named(tmp_path: Path) -> None:
    service = made(name=service_name("a", "b"), jobs=(Job(number=3, job="7", submitted_at=NOW),), next_number=4)
    write_service(tmp_path, service)
    assert read_services(tmp_path) == [service]
    (tmp_path / "z.json").write_text("{")
    with pytest.raises(ServiceError, match=r"z\.json: .*run `minerva llm up` again"):
        read_service(tmp_path / "z.json")
    assert read_services(tmp_path) == [service], "one that is broken keeps none of the others away"


def test_news_of_a_server_on_its_way_grow_old(tmp_path: Path) -> None:
    record = EndpointRecord(
        name="a-b-1", url="http://not-yet.invalid/v1", model="a", state=EndpointState.QUEUED, updated_at=NOW
    )
    write_record(tmp_path, record)
    fresh = Endpoints(fixed=(), folder=tmp_path, models={}, now=lambda: NOW + STALE - timedelta(seconds=1))
    assert [item.name for item in fresh.waiting()] == ["a-b-1"]
    assert Endpoints(fixed=(), folder=tmp_path, models={}, now=lambda: NOW + STALE).waiting() == ()


def test_use_is_noted_where_servers_are_kept_up_and_nowhere_else(tmp_path: Path) -> None:
    nowhere = Endpoints(fixed=(), folder=tmp_path / "none", models={})
    nowhere.note_use()
    assert last_use(nowhere.folder) is None
    assert not nowhere.folder.exists()
    here = Endpoints(fixed=(), folder=tmp_path, models={})
    here.note_use()
    used = last_use(tmp_path)
    assert used is not None
    assert abs(used - datetime.now(UTC)) < timedelta(minutes=5)


def test_the_environment_and_the_image_are_of_one_version() -> None:
    pinned = next(line for line in (PREFLIGHT.parent / "requirements.txt").read_text().splitlines() if "==" in line)
    version = pinned.partition("==")[2]
    assert f"From: vllm/vllm-openai:v{version}" in (PREFLIGHT.parent / "vllm.def").read_text()
    assert shlex.split(pinned) == [f"vllm=={version}"]
