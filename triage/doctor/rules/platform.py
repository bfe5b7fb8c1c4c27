"""env-vendor-mismatch, env-arch-mismatch: software for other hardware."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Found

_CUDA = re.compile(
    r"\b(?:cuda|cudnn|nvhpc)/[\w.\-]+|\bnvcr\.io/|/whl/cu1\d\d|--extra-index-url\s+\S*cu1[123]\d|\+cu1\d\d\b|\bnsys\b|\bnvidia-smi\b"
)
_ROCM = re.compile(r"\brocm/[\w.\-]+|/whl/rocm|\+rocm\d|\brocm-smi\b|PYTORCH_ROCM_ARCH|gfx90a|gfx942|docker://rocm")


def vendor_mismatch(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    amd = job.site.vendor == "amd"
    for number, line in enumerate(job.lines, start=1):
        if line.lstrip().startswith(("#", "echo")) or re.search(r"\|\|\s*rocm-smi|\|\|\s*true|command -v|which ", line):
            continue
        code = line.split(" #")[0]
        match = (_CUDA if amd else _ROCM).search(code)
        if amd and not match:
            match = re.search(
                r"(?:singularity|apptainer)\s.*?\s(--nv)\b|^\s*(?:module load|ml)\s.*?\b((?:cuda|cudnn|CUDA|"
                r"nccl)(?:/|\s|$))|pip\d?\s+install\s.*?\b(flash-attn|bitsandbytes)\b",
                code,
            )
        elif not amd and not match:
            match = re.search(
                r"(?:singularity|apptainer)\s.*?\s(--rocm)\b|^\s*(?:module load|ml)\s.*?\b((?:rocm|ROCm)(?:/|\s|$))",
                code,
            )
        if match:
            word = (
                next((group for group in match.groups() if group), match.group()) if match.groups() else match.group()
            )
            yield Found(
                rule="env-vendor-mismatch",
                line=number,
                column=match.start() + 1,
                what=f"`{word.strip()}` is for {'NVIDIA' if amd else 'AMD'} GPUs; {job.site.name} has "
                f"{'AMD' if amd else 'NVIDIA'} ones",
                fix="use the site's ROCm container or modules" if amd else "use CUDA builds and nvidia-smi",
            )
    if job.site.id == "adastra-mi300a" and "gfx90a" in job.code:
        number = next(number for number, line in enumerate(job.lines, start=1) if "gfx90a" in line)
        yield Found(
            rule="env-vendor-mismatch",
            line=number,
            what="gfx90a builds do not run on MI300A, which needs gfx942",
            fix="build for gfx942",
        )


def arch_mismatch(job: Job) -> Iterator[Found]:
    if job.site is None:
        return
    arm = job.site.arch == "aarch64" and job.value("partition") not in ("cpu", "fat", "small", "large", "test")
    for number, line in enumerate(job.lines, start=1):
        code = line.split(" #")[0]
        if line.lstrip().startswith(("#", "echo")):
            continue
        wrong = (
            re.search(
                r"x86[-_]64|manylinux\w*x86|linux/amd64|[-_/.]amd64\b|[-_/.]x86\b|skylake|-march=(?:znver\d|x86)", code
            )
            if arm
            else None
        )
        if arm and not wrong and job.site.id == "jupiter-booster":
            wrong = re.search(
                r"\bpip\d?\s+install\s+(?:-\S+\s+)*torch(?:==[\d.]+)?(?=\s|$)(?!.*(?:index-url|find-links))", code
            )
        if not arm and job.site.arch == "x86_64" and "arm" not in job.value("partition"):
            wrong = re.search(r"aarch64|linux/arm64|[-_/.]arm64\b|sbsa", code)
        if wrong:
            yield Found(
                rule="env-arch-mismatch",
                line=number,
                column=wrong.start() + 1,
                what=f"`{wrong.group().strip()}` is not for the {job.site.arch} nodes of {job.site.name}",
                fix=f"take the {job.site.arch} build, made in a job or on the matching login node",
            )


CHECKS: tuple[Check, ...] = (
    vendor_mismatch,
    arch_mismatch,
)
