"""The Slurm job of one model server. Pure.

In its folder the job finds `key`, and writes `address` (node and port) and `job.log`. The key never stands in a command
line or in the script. Several nodes: vLLM's own multi-node mode, one process a node started by srun.
"""

from __future__ import annotations

import shlex
from importlib import resources
from pathlib import PurePosixPath

from bench_runner.reruns.sites import Site
from deploy.llm.placement import Placement
from deploy.llm.presets import Preset

KEY, ADDRESS, LOG = "key", "address", "job.log"
PREFIX = "minerva-llm-"


def job_name(service: str, number: int) -> str:
    """By this name the job is found again, whatever else was forgotten."""
    return f"{PREFIX}{service}-{number}"


def number_in(name: str, service: str) -> int | None:
    """The number in such a name; None for another job."""
    begin, _, number = name.rpartition("-")
    return int(number) if begin == f"{PREFIX}{service}" and number.isdecimal() else None


def folder_of(site: Site, service: str, number: int) -> str:
    return str(PurePosixPath(site.work_dir) / "llm" / f"{service}-{number}")


def job_script(preset: Preset, site: Site, placement: Placement, *, folder: str, walltime_min: int) -> str:
    """What sbatch gets. No requeue: a lost server is replaced by another job, which has another key and port."""
    lines = [
        "#!/bin/bash",
        f"#SBATCH --partition={site.partition}",
        *([f"#SBATCH --account={site.account}"] if site.account else []),
        *([f"#SBATCH --qos={site.qos}"] if site.qos else []),
        f"#SBATCH --nodes={placement.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH {site.gpu_request.format(n=placement.gpus_per_node)}",
        *([f"#SBATCH --cpus-per-task={placement.cpus}"] if placement.cpus else []),
        *([f"#SBATCH --mem={placement.ram_gb}G"] if placement.ram_gb else []),
        f"#SBATCH --time={walltime_min}",
        "#SBATCH --no-requeue",
        f"#SBATCH --chdir={folder}",
        f"#SBATCH --output={folder}/{LOG}",
        "set -euo pipefail",
        f"rm -f {ADDRESS}",
        *site.setup,
        _check(preset, site, placement, folder),
        _ENVIRONMENT,
        f"server=({shlex.join(_server(preset, site, placement))})",
        *([_container(preset, site, placement, site.container)] if site.container else []),
        _SEVERAL_NODES if placement.nodes > 1 else _ONE_NODE,
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def model_of(preset: Preset, site: Site) -> str:
    """Folder on the system, by the preset's name or the model's; else the name that its cache knows."""
    models = dict(site.models)
    return models.get(preset.name) or models.get(preset.hf_id) or preset.hf_id


def _check(preset: Preset, site: Site, placement: Placement, folder: str) -> str:
    text = resources.files("deploy").joinpath("vllm/preflight.sh").read_text(encoding="utf-8")
    gpus = [placement.vendor, str(placement.gpus_per_node), f"{placement.gpu_memory_gb:g}"]
    given = [*gpus, model_of(preset, site), folder]
    return f"bash -s -- {shlex.join(given)} <<'MINERVA_PREFLIGHT'\n{text}MINERVA_PREFLIGHT"


def _container(preset: Preset, site: Site, placement: Placement, image: str) -> str:
    """The server's command inside the image, with the folders that it needs from outside."""
    flag, model = "--rocm" if placement.vendor == "amd" else "--nv", model_of(preset, site)
    binds = f" --bind {shlex.quote(model)}" if model.startswith("/") else ""
    return "\n".join(
        [
            "runner=$(command -v apptainer || command -v singularity) ||",
            '  { echo "minerva: no apptainer here: load its module in setup"; exit 5; }',
            f'server=("$runner" exec {flag} --bind "$work"{binds} {shlex.quote(image)} "${{server[@]}}")',
        ]
    )


def _server(preset: Preset, site: Site, placement: Placement) -> list[str]:
    return [
        "vllm", "serve", model_of(preset, site), "--served-model-name", preset.name,
        "--tensor-parallel-size", str(placement.tp), "--pipeline-parallel-size", str(placement.pp),
        "--max-model-len", str(preset.max_model_len), "--dtype", preset.dtype, *preset.flags, *site.llm_flags,
    ]  # fmt: skip


_ENVIRONMENT = f"""work=$(dirname "$PWD")  # of all jobs: what one has compiled the next one finds
VLLM_API_KEY=$(cat {KEY})
export VLLM_API_KEY VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 HF_HUB_OFFLINE=1
export VLLM_CACHE_ROOT="${{VLLM_CACHE_ROOT:-$work/cache}}"
free_port() {{
  local port
  for _ in $(seq 100); do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))  # below those that clients are given
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || {{ echo "$port"; return; }}
  done
  echo "minerva: no free port on $(hostname)" >&2
  return 5
}}
port=$(free_port)
printf '%s %s\\n' "${{SLURMD_NODENAME:-$(hostname)}}" "$port" > {ADDRESS}.partial
mv {ADDRESS}.partial {ADDRESS}"""

_ONE_NODE = 'exec "${server[@]}" --host 0.0.0.0 --port "$port"'

_SEVERAL_NODES = """head=$(hostname) master=$(free_port)
export port head master
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK  # srun does not take it over
exec srun --kill-on-bad-exit=1 bash -c '
  more=(--nnodes "$SLURM_NNODES" --node-rank "$SLURM_PROCID" --master-addr "$head" --master-port "$master")
  if [ "$SLURM_PROCID" = 0 ]; then more+=(--host 0.0.0.0 --port "$port"); else more+=(--headless); fi
  exec "$@" "${more[@]}"' minerva "${server[@]}\""""
