"""Every option that a job gives to `vllm serve` is one that this version of vLLM knows: asked of vLLM itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess

import pytest
from vllm_fixture import PYTHON, NoVllmError, build

from bench_runner.reruns.sites import Site
from deploy.llm.placement import place
from deploy.llm.presets import presets
from deploy.llm.script import job_script

pytestmark = [pytest.mark.llm, pytest.mark.slow, pytest.mark.timeout(2700)]

PARSE = """
import json, sys
from vllm.entrypoints.launchers.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
for line in json.loads(sys.argv[1]):
    found = parser.parse_args(line)
    print(json.dumps([found.model_tag, found.served_model_name, found.tensor_parallel_size, found.nnodes]))
"""
SEVERAL = "--nnodes 2 --node-rank 1 --master-addr n1 --master-port 20001 --headless"


def test_vllm_knows_every_option_of_every_preset() -> None:
    try:
        build()
    except NoVllmError as error:
        pytest.skip(f"no vLLM here: {error}")
    site = Site(system="meluxina", partition="gpu", work_dir="/w")
    lines = []
    for found in presets().values():
        script = job_script(found, site, place(found, site, 60), folder="/w/x", walltime_min=60)
        (server,) = re.findall(r"^server=\((.*)\)$", script, re.MULTILINE)
        several = shlex.split(SEVERAL) if "srun" in script else ["--host", "0.0.0.0", "--port", "20001"]
        assert all(word in script for word in several if word.startswith("--"))
        lines.append([*shlex.split(server)[2:], *several])
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(PYTHON), "-c", PARSE, json.dumps(lines)], env=environment, text=True, capture_output=True, check=False,
        cwd="/tmp",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    understood = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [row[1] for row in understood] == [[name] for name in presets()]
    assert {row[3] for row in understood} == {1, 2}
