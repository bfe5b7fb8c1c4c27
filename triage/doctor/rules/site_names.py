"""res-account, res-partition, res-qos-constraint: names that the system must know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.content import PLACEHOLDER
from triage.doctor.rules.found import Check, Edit, Found, add_directive, change
from triage.doctor.rules.resource import AS_OF, near, without_option
from triage.doctor.rules.signs import gpu_sign, is_preparation, submitted_with
from triage.doctor.rules.site_resource import CPU_PARTITIONS, best_partition
from triage.doctor.systems import systems


def account(job: Job) -> Iterator[Found]:
    if job.site is None or not job.directives:
        return
    entry = job.site.directives.get("account") or {}
    option = job.effective.get("account")
    if option is None:
        if entry.get("required") is True and not submitted_with(job, "account", "A", "SBATCH_ACCOUNT", "SLURM_ACCOUNT"):
            how = f" ({entry['how_to_find']} lists yours)" if entry.get("how_to_find") else ""
            yield Found(
                rule="res-account",
                line=job.line_of("partition", "job-name"),
                severity="warning" if job.fragment else None,
                what=f"no --account, which {job.site.name} needs",
                fix=f"add #SBATCH --account=<project>{how}",
            )
        return
    value = option.value
    if not value or "$" in value or PLACEHOLDER.search(value):
        return
    problem = _account_problem(job, value, entry.get("regex"))
    if problem:
        single = job.site.id == "jean-zay" and "@" not in value  # enough for who has one kind of hours only
        unsure = single or (job.site.id in _LOOSE_ACCOUNTS and not _of_another_site(job.site.id, value))
        yield Found(
            rule="res-account",
            line=option.line,
            column=option.column,
            severity="warning" if unsure else None,
            what=problem,
            fix=f"the project id as {job.site.name} writes it, for example {entry.get('example')}",
        )


_LOOSE_ACCOUNTS = ("mn5-acc", "karolina", "adastra-mi250x", "adastra-mi300a")
"""Their account names are known from examples only."""


def _of_another_site(system: str, value: str) -> bool:
    for other, row in systems().items():
        regex = ((row["directives"] or {}).get("account") or {}).get("regex")
        if regex and other.split("-")[0] != system.split("-", maxsplit=1)[0] and re.fullmatch(regex, value):
            return True
    return False


def _account_problem(job: Job, value: str, regex: str | None) -> str:  # noqa: PLR0911 (one for each system)
    site = job.site
    if site is None:
        return ""
    if site.id == "jean-zay":
        suffix = value.partition("@")[2]
        kind = job.node_type
        if not suffix:
            return f"`{value}` has no suffix: @{kind['id'] if kind else 'cpu'} says which hours are charged"
        wanted = str(kind["account_suffix"]).strip("@") if kind else "cpu"
        return f"account suffix @{suffix}, but these nodes are charged to @{wanted}" if suffix != wanted else ""
    if regex and not re.match(regex, value):
        return f"`{value}` does not look like an account of {site.name}"
    if site.id == "deucalion" and "a100" in job.value("partition") and not value.lower().endswith("g"):
        return f"`{value}` does not end in g, which the A100 partitions need"
    if site.id == "arrhenius" and job.value("partition") == "gpu" and not value.endswith("-gpu"):
        return f"`{value}` does not end in -gpu, which partition gpu needs"
    return ""


def partition(job: Job) -> Iterator[Found]:
    site = job.site
    if site is None or not job.directives:
        return
    option = job.effective.get("partition")
    gpu_job = job.asks_for_gpus or bool(gpu_sign(job))
    if option is None:
        if site.required("partition") and not submitted_with(job, "partition", "p", "SBATCH_PARTITION"):
            choice = best_partition(job)
            yield Found(
                rule="res-partition",
                line=job.line_of("gres", "gpus-per-node", "gpus", "nodes"),
                severity="warning" if job.fragment else None,
                what=f"no --partition, which {site.name} needs",
                fix=f"add #SBATCH --partition={choice}" if choice else "add --partition",
                edits=add_directive(job, f"--partition={choice}") if choice else (),
            )
        return
    cpu = CPU_PARTITIONS.get(site.id, ())
    for name in option.value.split(","):
        if name.strip() in cpu:
            if gpu_job and not (is_preparation(job) and not job.asks_for_gpus):
                choice = best_partition(job)
                yield Found(
                    rule="res-partition",
                    line=option.line,
                    column=option.column,
                    what=f"partition `{name}` has no GPUs",
                    fix=f"--partition={choice}",
                    edits=change(job, option.line, option.value, choice) if choice else (),
                )
        elif (
            site.id not in ("mn5-acc", "adastra-mi250x", "adastra-mi300a", "jean-zay")
            and not _known(job, name)
            and not re.search(r"[<$]", name)
        ):
            meant = near(name, site.partition_names) or (best_partition(job) if job.asks_for_gpus else "")
            yield Found(
                rule="res-partition",
                line=option.line,
                column=option.column,
                what=f"`{name}` is not among the partitions of {site.name} ({AS_OF})",
                fix=f"--partition={meant}" if meant else "sinfo -s shows the partitions",
                edits=change(job, option.line, option.value, meant) if meant else (),
            )


def _known(job: Job, name: str) -> bool:
    return bool(
        job.site
        and (
            name in job.site.partition_names
            or name.startswith(tuple(f"{known}_" for known in job.site.partition_names - {"gpu", "cpu", "fat"}))
        )
    )


def qos_and_constraint(job: Job) -> Iterator[Found]:
    site = job.site
    if site is None or not job.directives:
        return
    checks = {
        "mn5-acc": _mn5_qos,
        "meluxina": _required_qos,
        "discoverer-plus": _required_qos,
        "adastra-mi250x": _adastra,
        "adastra-mi300a": _adastra,
        "jean-zay": _jean_zay,
        "leonardo-booster": _leonardo_qos,
    }
    check = checks.get(site.id)
    if check:
        yield from check(job)


def _rule(job: Job, what: str, fix: str, *names: str, edits: tuple[Edit, ...] = ()) -> Found:
    return Found(
        rule="res-qos-constraint",
        line=job.line_of(*names),
        what=what,
        fix=fix,
        edits=edits,
        severity="warning" if job.fragment else None,
    )


_MN5_QOS = frozenset(("acc_ehpc", "acc_debug", "acc_bench", "acc_interactive", "acc_bscls", "acc_resa", "acc_training"))


def _mn5_qos(job: Job) -> Iterator[Found]:
    qos = job.value("qos")
    if not qos and not submitted_with(job, "qos", "q", "SBATCH_QOS"):
        yield _rule(
            job,
            "no --qos, which chooses the partition on MareNostrum 5",
            "add #SBATCH --qos=acc_ehpc (bsc_queues lists yours)",
            "gres",
            "account",
            edits=add_directive(job, "--qos=acc_ehpc"),
        )
    elif qos.startswith("gp_") and job.asks_for_gpus:
        yield _rule(
            job,
            f"QoS `{qos}` belongs to the CPU partition",
            "--qos=acc_ehpc",
            "qos",
            edits=change(job, job.line_of("qos"), qos, qos.replace("gp_", "acc_", 1)),
        )
    elif qos and not re.search(r"[<$]", qos) and (not re.match(r"acc_|gp_", qos) or near(qos, _MN5_QOS)):
        yield _rule(
            job,
            f"QoS `{qos}` is not one of MareNostrum 5 (acc_...)",
            "--qos=acc_ehpc (bsc_queues lists yours)",
            "qos",
            edits=change(
                job,
                job.line_of("qos"),
                qos,
                near(qos, _MN5_QOS) or "acc_ehpc",
            ),
        )


def _required_qos(job: Job) -> Iterator[Found]:
    if job.has("qos") or submitted_with(job, "qos", "q", "SBATCH_QOS"):
        known = {part.qos for part in (job.site.partitions if job.site else ()) if part.qos} | {"gpudev", "urgent"}
        if (
            job.site
            and job.site.id == "meluxina"
            and job.value("qos") not in known
            and not re.search(r"[<$]", job.value("qos"))
        ):
            yield _rule(
                job,
                f"QoS `{job.value('qos')}` is not on record for MeluXina",
                "--qos=default",
                "qos",
                edits=change(job, job.line_of("qos"), job.value("qos"), "default"),
            )
        if (
            job.site
            and job.site.id == "discoverer-plus"
            and job.value("qos") in ("normal", "2cpu-single-host")
            and job.asks_for_gpus
        ):
            project = job.value("account") if re.fullmatch(r"[\w\-]+", job.value("account")) else ""
            yield _rule(
                job,
                f"QoS `{job.value('qos')}` gives no GPU on Discoverer+",
                f"--qos={project or '<project name>'}",
                "qos",
                edits=change(job, job.line_of("qos"), job.value("qos"), project) if project else (),
            )
        return
    if job.site and job.site.id == "meluxina":
        yield _rule(
            job,
            "no --qos, which MeluXina needs",
            "add #SBATCH --qos=default",
            "partition",
            edits=add_directive(job, "--qos=default"),
        )
    else:
        project = job.value("account")
        named = bool(re.fullmatch(r"[\w\-]+", project))
        yield _rule(
            job,
            "no --qos: the default QoS gives 1 minute and no GPU",
            f"add #SBATCH --qos={project if named else '<project name>'}",
            "partition",
            edits=add_directive(job, f"--qos={project}") if named else (),
        )


def _adastra(job: Job) -> Iterator[Found]:
    value = job.value("constraint")
    wanted = "MI300" if job.site and job.site.id == "adastra-mi300a" else "MI250"
    if not value:
        yield _rule(
            job,
            "no --constraint, which chooses the node type on Adastra",
            f"add #SBATCH --constraint={wanted}",
            "account",
            "nodes",
            edits=add_directive(job, f"--constraint={wanted}"),
        )
        return
    software = "MI300" if "gfx942" in job.code else "MI250" if "gfx90a" in job.code else ""
    if software and software not in value and ("MI250" in value or "MI300" in value):
        yield _rule(
            job,
            f"constraint {value}, but the software is built for {software}",
            f"--constraint={software} or the other build",
            "constraint",
            edits=change(job, job.line_of("constraint"), value, software)
            if _fits_nodes(job, software)
            else _other_build(job, software),
        )
    elif not re.search(r"MI250|MI300|GENOA|HPDA", value):
        yield _rule(
            job,
            f"constraint `{value}` is not one of Adastra",
            f"--constraint={wanted}",
            "constraint",
            edits=change(job, job.line_of("constraint"), value, wanted),
        )


def _other_build(job: Job, software: str) -> tuple[Edit, ...]:
    """The module of the target that the nodes have."""
    wrong, right = ("gfx942", "gfx90a") if software == "MI300" else ("gfx90a", "gfx942")
    lines = (n for n, text in enumerate(job.lines, start=1) if f"craype-accel-amd-{wrong}" in text)
    return tuple(edit for n in lines for edit in change(job, n, f"amd-{wrong}", f"amd-{right}"))


def _fits_nodes(job: Job, kind: str) -> bool:
    """Whether as many GPUs are asked for as a node of that kind has."""
    return job.gpus_per_node in (0, {"MI250": 8, "MI300": 4}[kind])


def _jean_zay(job: Job) -> Iterator[Found]:
    constraint, qos = job.value("constraint"), job.value("qos")
    wants = next(
        (kind for kind in ("h100", "a100") if f"arch/{kind}" in job.code or job.value("account").endswith(f"@{kind}")),
        "",
    )
    partition = job.value("partition")
    if not constraint and wants and partition not in ("gpu_p5", "gpu_p6", "prepost", "compil_h100"):
        yield _rule(
            job,
            f"{wants} is wanted, but without -C {wants} the job goes to the V100 nodes",
            f"add #SBATCH --constraint={wants}",
            "account",
            "gres",
            edits=add_directive(job, f"--constraint={wants}"),
        )
    kind = job.node_type
    table = kind.get("qos") if kind else None
    if qos and isinstance(table, dict) and qos not in table and not re.search(r"[<$]", qos) and kind:
        right = next(iter(table))
        same = qos.rsplit("-", 1)[-1]
        right = next((name for name in table if name.endswith(f"-{same}")), right)
        yield _rule(
            job,
            f"QoS `{qos}` does not belong to {kind['id']} nodes",
            f"--qos={right}",
            "qos",
            edits=change(job, job.line_of("qos"), qos, right),
        )
    if (
        constraint
        and not re.fullmatch(r"(?:h100|a100|v100(?:-16g|-32g)?|[&|])+", constraint)
        and not re.search(r"[<$]", constraint)
    ):
        yield _rule(
            job,
            f"constraint `{constraint}` is not one of Jean Zay",
            "-C h100, a100, v100-16g or v100-32g",
            "constraint",
        )


_LEONARDO_QOS = frozenset(("normal", "boost_qos_dbg", "boost_qos_bprod", "boost_qos_lprod"))


def _leonardo_qos(job: Job) -> Iterator[Found]:
    qos, nodes = job.value("qos"), job.nodes
    meant = near(qos, _LEONARDO_QOS)
    if qos == "boost_qos_dbg" and (nodes > 2 or (job.minutes or 0) > 30):
        yield _rule(
            job,
            f"boost_qos_dbg allows 2 nodes and 30 minutes ({AS_OF})",
            "drop the QoS for production, or stay within it",
            "qos",
            edits=without_option(job, "qos"),
        )
    elif qos == "boost_qos_bprod" and nodes < 65:
        yield _rule(
            job,
            f"boost_qos_bprod starts at 65 nodes ({AS_OF})",
            "drop the QoS",
            "qos",
            edits=without_option(job, "qos"),
        )
    elif nodes > 64 and qos != "boost_qos_bprod" and job.value("partition") == "boost_usr_prod":
        yield _rule(
            job,
            f"more than 64 nodes need boost_qos_bprod ({AS_OF})",
            "add #SBATCH --qos=boost_qos_bprod",
            "nodes",
            edits=add_directive(job, "--qos=boost_qos_bprod") if not qos else (),
        )
    elif qos and qos not in _LEONARDO_QOS and qos.startswith(("boost_", "acc_", "qos_")):
        yield _rule(
            job,
            f"QoS `{qos}` is not on record for Leonardo Booster",
            "drop it or take the one of the site's table",
            "qos",
            edits=change(job, job.line_of("qos"), qos, meant) if meant else without_option(job, "qos"),
        )


CHECKS: tuple[Check, ...] = (
    account,
    partition,
    qos_and_constraint,
)
