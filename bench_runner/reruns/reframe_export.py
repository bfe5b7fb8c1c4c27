"""A plan as a ReFrame test, for sites whose engine is ReFrame; its run reports come back through `bench import`."""

from __future__ import annotations

import json
import re

from bench_runner.reruns.request import Plan
from bench_runner.reruns.script import RESULT, job_script

_DIRECTIVE = re.compile(
    r"#SBATCH (?:--chdir|--output|--open-mode|--partition|--account|--qos|--time|--nodes|--ntasks\S*)\b.*"
)

_TEST = '''"""{title}. Written by `minerva bench run --reframe`; use `reframe -c FILE -r`, import the report."""

import json

import reframe as rfm
import reframe.utility.sanity as sn


@rfm.simple_test
class {name}(rfm.RunOnlyRegressionTest):
    descr = {descr}
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = "bash"
    executable_opts = ["minerva_job.sh"]
    num_tasks = {nodes}
    num_tasks_per_node = 1
    time_limit = "{minutes}m"
    spec = variable(dict, value={spec})

    @run_before("run")
    def write_job(self):
        self.prerun_cmds = ["cat > minerva_job.sh <<'MINERVA_JOB'\\n" + {script} + "MINERVA_JOB"]
        self.job.options = {options}

    @sanity_function
    def all_prompts_completed(self):
        return sn.assert_eq(self._result("completed"), {prompts})

    @deferrable
    def _result(self, name):
        with open(f"{{self.stagedir}}/{result}") as file:
            return json.load(file)[name]

    @performance_function("tok/s")
    def output_throughput(self):
        return self._result("output_throughput")

    @performance_function("req/s")
    def request_throughput(self):
        return self._result("request_throughput")

    @performance_function("ms")
    def ttft_mean(self):
        return self._result("mean_ttft_ms")

    @performance_function("ms")
    def tpot_mean(self):
        return self._result("mean_tpot_ms")
'''


_STATED = (
    *("system", "partition", "framework", "model", "dataset", "precision", "tp", "pp", "gpus", "gpus_per_node"),
    *("nodes", "concurrency", "num_prompts", "max_model_len"),
)


def reframe_test(plan: Plan) -> str:
    """Python source of one test. Scheduler options beyond GPUs and tasks are the site's, in its ReFrame settings."""
    lines = [line for line in job_script(plan, "reframe").splitlines() if _DIRECTIVE.fullmatch(line) is None]
    gpus = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    script = "\n".join(line for line in lines if not line.startswith("#SBATCH")) + "\n"
    spec = plan.spec
    stated = {name: value for name in _STATED if (value := getattr(spec, name)) is not None}
    stated["server_flags"] = list(spec.server_flags)
    return _TEST.format(
        title=plan.title,
        name=f"Minerva_{plan.hash[:12]}",
        descr=json.dumps(plan.title),
        nodes=spec.nodes,
        minutes=plan.walltime_min,
        spec=stated,
        script=repr(script),
        options=gpus,
        prompts=spec.num_prompts,
        result=RESULT,
    )
