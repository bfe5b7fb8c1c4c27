"""rob-dependency-syntax, rob-array: several jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor import units
from triage.doctor.facts import facts
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change


def dependency(job: Job) -> Iterator[Found]:
    regex = re.compile(facts("script_rules")["dependency_format"]["regex"])
    option = job.effective.get("dependency")
    if (
        option
        and option.value
        and not re.search(r"[$<]", option.value)
        and not (regex.match(option.value) and not ("," in option.value and "?" in option.value))
    ):
        yield _dependency(job, option.line, option.value)
    captured = {
        name
        for name, values in job.assigned.items()
        for command, value in values
        if re.search(r"(?:\$\(|`)\s*sbatch\b", value)
        and "--parsable" not in value
        and not re.search(r"awk|cut|grep|sed|tail|\$NF|##\*", value)
    }
    for command in job.outer_commands:
        for name, word in command.assignments:
            if name in captured and re.search(r"sbatch\b", word.text):
                cut = re.search(rf"\$\{{{name}##\* \}}|echo \$?\"?\$\{{?{name}\}}? \| (?:awk|cut|grep)", job.code)
                if not cut:
                    fixed = re.sub(r"\bsbatch\b", "sbatch --parsable", job.lines[word.line - 1], count=1)
                    yield Found(
                        rule="rob-dependency-syntax",
                        line=word.line,
                        what="sbatch prints `Submitted batch job 5`, not the id alone",
                        fix="sbatch --parsable",
                        edits=(Edit(word.line, word.line, (fixed,)),),
                    )
        if command.name == "sbatch":
            match = re.search(r"(?:--dependency|-d)[= ](\"[^\"]*\"|(?:\$\([^)]*\)|\S)+)", command.text)
            if match:
                spec = match.group(1).replace('"', "")
                spec = re.sub(r"\$\{?\w+(?:##\* )?\}?|\$\([^)]*\)", "5", spec)
                if not regex.match(spec):
                    yield _dependency(job, command.line + command.text[: match.start()].count("\n"), match.group(1))


def _dependency(job: Job, line: int, value: str) -> Found:
    right = _repaired(value)
    return Found(
        rule="rob-dependency-syntax",
        line=line,
        what=f"`{value}` is no dependency that Slurm reads",
        fix=f"write {right}" if right != value else "afterok:<job id>",
        edits=change(job, line, value, right) if right != value else (),
    )


_PART = re.compile(r"(?i)\"?(?:after)?[-_]?(ok|any|notok|corr|burstbuffer)?[=:,]?((?:[\d$\"].*)?)")


def _repaired(value: str) -> str:
    """The dependency with its types and separators as Slurm writes them; unchanged where that cannot be told."""
    plain = re.sub(r"\s+", "", value)
    plain = re.sub(r"[;:](?=\+\d)", "", plain)
    plain = re.sub(r"(?i)[:;](?=after|singleton)", ",", plain).replace(";", ":")
    plain = re.sub(r"(?i)^(\"?after\w*),(?=[\d$])", r"\1:", plain)
    parts = re.split(r"([,?])", plain)
    found = []
    for part in parts:
        match = _PART.fullmatch(part)
        if re.fullmatch(r"[,?]|\d+", part) or not match:
            found.append(part.lower() if part.lower() == "singleton" else part)
        elif match.group(2):
            opened = '"' if part.startswith('"') else ""
            found.append(f"{opened}after{(match.group(1) or '').lower()}:{match.group(2)}")
    return "".join(found).strip(",?")


def array(job: Job) -> Iterator[Found]:
    option = job.effective.get("array")
    uses = re.search(r"SLURM_ARRAY_TASK_ID", job.code)
    if option is None:
        if uses and not re.search(
            r"\{SLURM_ARRAY_TASK_ID:?-|(?:\[|\btest) -[nz] \"?\$\{?SLURM_ARRAY_TASK_ID|sbatch[^\n]*--array",
            job.text,
        ):
            number = next(
                number
                for number, line in enumerate(job.lines, start=1)
                if "SLURM_ARRAY_TASK_ID" in line and not line.lstrip().startswith("#")
            )
            yield Found(
                rule="rob-array",
                line=number,
                severity="error",
                what="$SLURM_ARRAY_TASK_ID is used, but there is no --array: it is empty",
                fix="add #SBATCH --array=0-<n-1>",
            )
        loops = [command for command in job.outer_commands if command.name == "sbatch" and command.around.loop]
        if loops:
            yield from _submit_loop(job, loops[0].line)
        return
    if re.search(r"[$<{]", option.value) and not option.value.startswith("{"):
        return
    size = units.array_size(option.value)
    if size is None:
        yield Found(
            rule="rob-array",
            line=option.line,
            column=option.column,
            severity="error",
            what=f"`{option.value}` is no array that Slurm reads",
            fix="0-9, 1,3,5 or 0-99%10",
            edits=_array_edit(job, option.value, option.line),
        )
        return
    yield from _array_use(job, size, bool(uses))


def _array_edit(job: Job, value: str, line: int) -> tuple[Edit, ...]:
    match = re.fullmatch(r"[{\[]?(\d+)(?:\.\.|\s*-\s*|:)(\d+)[}\]]?(%\d+)?", value)
    if not match:
        return ()
    low, high = sorted((int(match.group(1)), int(match.group(2))))
    return change(job, line, value, f"{low}-{high}{match.group(3) or ''}")


_JOB_LIMITS = {"small-g": 210, "standard-g": 210, "dev-g": 2}
"""Jobs that a user may have queued."""


def _array_use(job: Job, size: tuple[int, int, int | None], uses: bool) -> Iterator[Found]:
    count, highest, throttle = size
    line = job.line_of("array")
    chain = throttle == 1
    if (
        not uses
        and not chain
        and count > 1
        and not any(launch.program.endswith((".sh", ".bash")) for launch in job.launches)
        and not re.search(r"%[aA]|SLURM_ARRAY", job.code)
        and not re.search(r"(?:bash|sh|source)\s+\S+\.sh|\./\S+\.sh", job.code)
    ):
        yield Found(
            rule="rob-array",
            line=line,
            what="the array index is never used: all tasks do the same",
            fix="use $SLURM_ARRAY_TASK_ID to choose the input",
        )
    if highest >= 1001:
        yield Found(
            rule="rob-array",
            line=line,
            what=f"index {highest} is above the usual maximum (MaxArraySize 1001, highest index 1000)",
            fix="fewer, larger tasks, or an offset",
            severity="error",
        )
    elif not chain and 0 < (limit := _JOB_LIMITS.get(job.value("partition"), 0)) < count:
        yield Found(
            rule="rob-array",
            line=line,
            what=f"{count} tasks, but {job.value('partition')} takes {limit} jobs of a user; each task counts as one",
            fix=f"at most {limit} tasks at a time, or several runs in each task",
        )
    elif count > 20 and throttle is None and job.asks_for_gpus:
        yield Found(
            rule="rob-array",
            line=line,
            what=f"{count} tasks at once without a throttle",
            severity="hint",
            fix=f"--array={job.value('array')}%10",
            edits=change(job, line, job.value("array"), f"{job.value('array')}%10"),
        )
    yield from _list_length(job, size)


def _list_length(job: Job, size: tuple[int, int, int | None]) -> Iterator[Found]:
    spec = job.value("array").split("%")[0]
    for match in re.finditer(r"\$\{(\w+)\[\"?\$?\{?(SLURM_ARRAY_TASK_ID|\w+)\}?([-+] ?1)?\"?\]\}", job.code):
        name, index = match.group(1), match.group(2)
        listed = job.variables.get(name, "")
        if (
            not listed.startswith("(")
            or "$" in listed
            or "*" in listed
            or (index != "SLURM_ARRAY_TASK_ID" and "SLURM_ARRAY_TASK_ID" not in job.variables.get(index, ""))
        ):
            continue
        if index != "SLURM_ARRAY_TASK_ID" and not re.fullmatch(
            r"\"?\$\{?SLURM_ARRAY_TASK_ID\}?\"?", job.variables.get(index, "")
        ):
            continue
        items = len(re.findall(r"\"[^\"]*\"|'[^']*'|[^\s()]+", listed.strip("()")))
        offset = -1 if match.group(3) and "-" in match.group(3) else 0
        first = int(re.match(r"\d+", spec).group()) if re.match(r"\d+", spec) else 0  # type: ignore[union-attr]
        if (
            size[1] + offset >= items
            or (first + offset > 0 and size[0] == items)
            or (size[0] < items and "," not in spec and first + offset == 0 and size[0] > 1)
        ):
            line = job.line_of("array")
            throttle = f"%{size[2]}" if size[2] else ""
            right = f"{-offset}-{items - 1 - offset}{throttle}"
            yield Found(
                rule="rob-array",
                line=line,
                what=f"indices {spec} for {name} with {items} entries (0 to {items - 1})",
                fix=f"--array={right}",
                edits=change(job, line, job.value("array"), right),
            )
            return


def _submit_loop(job: Job, line: int) -> Iterator[Found]:
    match = re.search(r"\{(\d+)\.\.(\d+)\}|seq\s+(?:\d+\s+)?(\d+)", job.code)
    if match and int(match.group(2) or match.group(3)) > 20:
        yield Found(
            rule="rob-array", line=line, what="many sbatch calls in a loop", fix="one job array with --array=0-n%k"
        )


CHECKS: tuple[Check, ...] = (
    dependency,
    array,
)
