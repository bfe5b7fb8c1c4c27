"""dir-*: how the #SBATCH lines are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.directives import Directive, Option, nearest_option, option_table
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change, last_directive

_PLACEHOLDER = re.compile(
    r"(?i)<[^>\s][^>]*>|\bx{3,}\b|x{3,}$|CHANGE_?ME|\bTODO\b|\bFIXME\b|your[-_ ]?(?:account|project|name|email|mail|group|budget|partition)|"
    r"project_4650*x+|\bmy[-_]?(?:account|project|budget)\b|foo@bar|@example\.(?:com|org)|\bREPLACE\b|_{3,}|\.{3}$"
)
_BODY_PLACEHOLDER = re.compile(
    r"(?i)/path/to/|<(?:your|my|the|project|account|user|path|model|name|env|data|dataset|output|insert|put|enter|fill)[^<>|&;]*>|CHANGE_?ME|"
    r"your[-_](?:account|project|env|environment|model|dataset|data|username|user|script|name)\b|project_4650*x+|\bproject_x{3,}"
)
_FOREIGN = re.compile(r"^#(?:PBS|BSUB|OAR|COBALT|MSUB|\$)(?= -|\s+-)")
_FOREIGN_VARIABLE = re.compile(r"\$\{?(PBS_\w+|LSB_\w+|SGE_\w+|NSLOTS|JOB_ID(?=\b)|LS_SUBCWD|OAR_\w+|COBALT_\w+)\b")
_FOREIGN_COMMANDS = ("qsub", "bsub", "qstat", "bjobs", "jsrun", "aprun", "oarsub")
_TRANSLATED = {
    "PBS_O_WORKDIR": "SLURM_SUBMIT_DIR",
    "PBS_JOBID": "SLURM_JOB_ID",
    "PBS_ARRAYID": "SLURM_ARRAY_TASK_ID",
    "PBS_ARRAY_INDEX": "SLURM_ARRAY_TASK_ID",
    "LSB_JOBID": "SLURM_JOB_ID",
    "LS_SUBCWD": "SLURM_SUBMIT_DIR",
    "SGE_TASK_ID": "SLURM_ARRAY_TASK_ID",
    "SGE_O_WORKDIR": "SLURM_SUBMIT_DIR",
    "LSB_JOBINDEX": "SLURM_ARRAY_TASK_ID",
    "PBS_JOBNAME": "SLURM_JOB_NAME",
    "NSLOTS": "SLURM_CPUS_PER_TASK",
    "PBS_NP": "SLURM_NTASKS",
    "PBS_NUM_NODES": "SLURM_JOB_NUM_NODES",
}


def after_command(job: Job) -> Iterator[Found]:
    late = [directive for directive in job.directives if directive.state == "late"]
    for directive in late:
        place = last_directive(job)
        moved = (Edit(place + 1, place, (directive.text.strip(),)), Edit(directive.line, directive.line, ()))
        yield Found(
            rule="dir-after-command",
            line=directive.line,
            column=directive.text.index("#") + 1,
            what=f"`{directive.text.strip()}` stands below the first command (line {job.block_end}) and is ignored",
            fix="move it up, directly under the other #SBATCH lines",
            edits=moved,
        )


def marker_ignored(job: Job) -> Iterator[Found]:
    given = {option.name for directive in job.directives if directive.state != "marker" for option in directive.options}
    for directive in job.directives:
        if directive.state != "marker" or _is_usage_comment(directive):
            continue
        names = {option.name for option in directive.options}
        doubled = directive.marker.startswith("##")
        vital = names & {"account", "partition", "time", "gres", "gpus", "gpus-per-node", "gpus-per-task"} - given
        if doubled and not vital:
            continue
        if not doubled and names and names <= given:
            continue
        yield Found(
            rule="dir-marker-ignored",
            line=directive.line,
            column=1,
            severity="warning" if doubled else None,
            what=f"`{directive.marker}` is not the marker `#SBATCH` in column 1: {directive.payload.strip()!r} is ignored",
            fix="write #SBATCH at the start of the line",
            edits=(Edit(directive.line, directive.line, (f"#SBATCH {directive.payload}",)),),
        )


def _is_usage_comment(directive: Directive) -> bool:
    """`# sbatch --nodes=2 job.sh`: how to submit, written as a comment."""
    lower = re.match(r"^\s*#+\s+sbatch$", directive.marker)
    return bool(lower) and bool(re.search(r"(?:^|\s)[^-\s]\S*\.\w+\S*\s*$|\bjob\b", directive.payload))


def unknown_option(job: Job) -> Iterator[Found]:
    for option in _all_options(job):
        if option.name == "exclusive" and option.value and option.value not in ("user", "mcs", "topo"):
            yield _unknown(job, option, f"`--exclusive={option.value}`: Slurm knows no such value", "--exclusive")
        if option.trouble == "takes-no-value":
            yield _unknown(job, option, f"`--{option.name}` takes no value", f"--{option.name}")
        if option.trouble not in ("unknown", "ambiguous", "underscore"):
            continue
        right = nearest_option(option.name)
        said = "fits several options" if option.trouble == "ambiguous" else "is no option of sbatch"
        wrong = option_table().wrong.get(option.name, "")
        advice = f"--{right}" if right else wrong
        written = f"--{option.name}" if option.raw.startswith("--") else option.raw
        fixed = _renamed(option, right) if right else ""
        yield _unknown(job, option, f"`{written}` {said}" + (f"; meant is `{advice}`" if advice else ""), fixed)


def _unknown(job: Job, option: Option, what: str, replacement: str) -> Found:
    edits = change(job, option.line, option.raw, replacement) if replacement else ()
    return Found(
        rule="dir-unknown-option",
        line=option.line,
        column=option.column,
        what=what,
        edits=edits,
        fix=f"write {replacement}" if replacement else "look the name up with sbatch --help",
    )


def _renamed(option: Option, right: str) -> str:
    value = f"={option.value}" if option.value and right not in option_table().no_value else ""
    return f"--{right}{value}"


def _all_options(job: Job) -> Iterator[Option]:
    for directive in job.directives:
        if directive.state == "marker" and (_is_usage_comment(directive) or directive.marker.startswith("##")):
            continue
        yield from directive.options


def srun_only(job: Job) -> Iterator[Found]:
    for option in _all_options(job):
        if option.trouble != "srun-only":
            continue
        yield Found(
            rule="dir-srun-only-option",
            line=option.line,
            column=option.column,
            what=f"`--{option.name}` is an option of srun; sbatch refuses it",
            fix=f"move it to the srun line: srun {option.raw} ...",
            edits=_to_srun(job, option),
        )


def _to_srun(job: Job, option: Option) -> tuple[Edit, ...]:
    directive = next(item for item in job.directives if item.line == option.line)
    rest = directive.text.replace(option.raw, "", 1).rstrip()
    removed = (Edit(option.line, option.line, () if rest.strip() in ("#SBATCH", "") else (rest,)),)
    sruns = [command for command in job.outer_commands if command.name == "srun" and not command.around.substitution]
    if not sruns:
        return removed
    line = sruns[0].line
    return (*removed, Edit(line, line, (re.sub(r"\bsrun\b", f"srun {option.raw}", job.lines[line - 1], count=1),)))


def dash_and_equals(job: Job) -> Iterator[Found]:
    for option in _all_options(job):
        right = _well_written(option)
        if right is None:
            continue
        yield Found(
            rule="dir-dash-and-equals",
            line=option.line,
            column=option.column,
            what=f"`{option.raw}` is not read as meant",
            fix=f"write {right}" if right else "remove it or quote the value",
            edits=change(job, option.line, option.raw, right) if right else (),
        )


def _well_written(option: Option) -> str | None:
    """How the option must be written; None when nothing is wrong with it, empty when nobody can tell."""
    short = {name: letter for letter, name in option_table().short.items()}
    if option.trouble in ("one-dash", "three-dashes"):
        name = nearest_option(option.name) or option.name
        return f"--{name}={option.value}" if option.value else f"--{name}"
    if option.trouble == "equals-after-short":
        return f"-{short[option.name]} {option.value}"
    if option.trouble == "blank-around-equals":
        if option.raw.startswith("--"):
            return f"--{nearest_option(option.name) or option.name}={option.value}"
        return f"-{short.get(option.name, option.name)} {option.value}"
    return "" if option.trouble == "stray-word" else None


def shell_syntax(job: Job) -> Iterator[Found]:
    for directive in job.directives:
        if directive.state == "marker" or "{{" in directive.payload:
            continue
        for option in directive.options:
            if not re.search(r"\$\w|\$\{|\$\(|`|^~/", option.value):
                continue
            yield Found(
                rule="dir-shell-syntax-in-directive",
                line=option.line,
                column=option.column,
                what=f"`{option.value}` is not expanded in a #SBATCH line; it is taken literally",
                fix=_literal_fix(option),
                edits=_literal_edit(job, option),
            )


def _literal_fix(option: Option) -> str:
    if option.name in ("output", "error", "chdir"):
        return "use file name patterns (%x job name, %j job id, %A_%a array, %u user) or a literal path"
    return f'write the value itself, or pass it when submitting: sbatch --{option.name}="..." job.sh'


def _literal_edit(job: Job, option: Option) -> tuple[Edit, ...]:
    if option.name not in ("output", "error"):
        return ()
    patterns = (
        (r"\$\{?SLURM_ARRAY_JOB_ID\}?", "%A"),
        (r"\$\{?SLURM_ARRAY_TASK_ID\}?", "%a"),
        (r"\$\{?SLURM_JOB_NAME\}?", "%x"),
        (r"\$\{?SLURM_JOB_?ID\}?", "%j"),
        (r"\$\{?USER\}?", "%u"),
    )
    value = option.value
    for pattern, right in patterns:
        value = re.sub(pattern, right, value)
    value = re.sub(r"^(?:\$\{?(?:SLURM_SUBMIT_DIR|PWD)\}?)/", "", value)
    value = re.sub(r"^(?:~|\$\{?\w+\}?)/", "", value)
    if re.search(r"[$`]", value):
        value = "%x-%j.out" if option.name == "output" else "%x-%j.err"
    return change(job, option.line, option.value, value)


def duplicate(job: Job) -> Iterator[Found]:
    seen: dict[str, Option] = {}
    for option in job.options:
        if job.het or not option.name or option.trouble == "stray-word":
            continue
        first = seen.get(option.name)
        seen[option.name] = option
        if first is None or not (option.active or first.active):
            continue
        same = first.value == option.value
        said = f"--{option.name} is given twice: {first.value!r} on line {first.line}, {option.value!r} on line {option.line}"
        for place in dict.fromkeys((first.line, option.line)):
            yield Found(
                rule="dir-duplicate",
                line=place,
                column=option.column if place == option.line else first.column,
                severity="hint" if same else None,
                what=f"{said}; the last one wins",
                fix=f"keep one --{option.name}; in force is {option.value!r}",
            )


def placeholder(job: Job) -> Iterator[Found]:
    for option in job.options:
        if _PLACEHOLDER.search(option.value) and option.name not in ("comment", "wrap"):
            yield Found(
                rule="dir-placeholder-left",
                line=option.line,
                column=option.column,
                what=f"`{option.value}` is a placeholder of a template",
                fix=_how_to_find(job, option.name),
            )
    for command in job.outer_commands:
        if command.name in ("echo", "printf", "#") or command.around.in_step:
            continue
        match = _BODY_PLACEHOLDER.search(re.sub(r"\$\{[^}]*\}", "", command.text))
        if match:
            offset = (
                command.text[: command.text.find(match.group())].count("\n") if match.group() in command.text else 0
            )
            yield Found(
                rule="dir-placeholder-left",
                line=command.line + offset,
                what=f"`{match.group()}` is a placeholder of a template",
                fix="put in the real value",
            )


def _how_to_find(job: Job, name: str) -> str:
    entry = (job.site.directives.get(name) or {}) if job.site else {}
    command = entry.get("how_to_find") if isinstance(entry, dict) else None
    return f"put in the real value; `{command}` lists it" if command else "put in the real value"


def foreign_scheduler(job: Job) -> Iterator[Found]:
    for number, line in enumerate(job.lines, start=1):
        match = _FOREIGN.match(line)
        if match:
            right = translated_directive(line)
            yield Found(
                rule="dir-foreign-scheduler",
                line=number,
                what=f"`{line.strip()}` is a directive of another batch system",
                fix=f"write {right}" if right else "remove it and use the #SBATCH option",
                edits=(Edit(number, number, (right,) if right else ()),),
            )
    for command in job.commands:
        if command.around.in_step:
            continue
        variable = _FOREIGN_VARIABLE.search(command.text)
        if variable and variable.group(1) not in job.variables:
            right = _TRANSLATED.get(variable.group(1), "")
            at = command.line + command.text[: variable.start()].count("\n")
            yield Found(
                rule="dir-foreign-scheduler",
                line=at,
                what=f"`${variable.group(1)}` belongs to another batch system and is empty under Slurm",
                fix=f"use ${right}" if right else "use the SLURM_* variable",
                edits=_each_variable(job, at) if right else (),
            )
        if command.name in _FOREIGN_COMMANDS:
            yield Found(
                rule="dir-foreign-scheduler",
                line=command.line,
                what=f"`{command.name}` is a command of another batch system",
                fix="use sbatch, squeue or srun",
            )


def _each_variable(job: Job, line: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    for wrong, right in _TRANSLATED.items():
        text = re.sub(rf"(?<=[${{]){wrong}\b", right, text)
    return (Edit(line, line, (text,)),)


def translated_directive(line: str) -> str:
    """The #SBATCH line for a simple directive of PBS, LSF or SGE; empty when it is not simple."""
    for pattern, form in (
        (r"#PBS\s+-l\s+walltime=([\d:\-]+)\s*$", "--time={0}"),
        (r"#PBS\s+-l\s+nodes=(\d+):ppn=(\d+)\s*$", "--nodes={0} --ntasks-per-node={1}"),
        (r"#PBS\s+-l\s+nodes=(\d+)\s*$", "--nodes={0}"),
        (r"#(?:PBS|BSUB)\s+-q\s+(\S+)\s*$", "--partition={0}"),
        (r"#(?:PBS|\$)\s+-N\s+(\S+)\s*$", "--job-name={0}"),
        (r"#BSUB\s+-J\s+(\S+)\s*$", "--job-name={0}"),
        (r"#(?:PBS|BSUB|\$)\s+-o\s+(\S+)\s*$", "--output={0}"),
        (r"#(?:PBS|BSUB|\$)\s+-e\s+(\S+)\s*$", "--error={0}"),
        (r"#(?:PBS|\$)\s+-[AP]\s+(\S+)\s*$", "--account={0}"),
        (r"#BSUB\s+-W\s+(\d+):(\d+)\s*$", "--time={0}:{1}:00"),
        (r"#BSUB\s+-n\s+(\d+)\s*$", "--ntasks={0}"),
        (r"#\$\s+-l\s+h_rt=([\d:]+)\s*$", "--time={0}"),
    ):
        match = re.match(pattern, line)
        if match:
            return "#SBATCH " + form.format(*match.groups())
    return ""


def output_dir(job: Job) -> Iterator[Found]:
    for name in ("output", "error"):
        option = job.effective.get(name)
        if option is None or "/" not in option.value or option.value.startswith("/dev/"):
            continue
        folder = option.value.rsplit("/", 1)[0]
        if folder in (".", "..") or re.search(r"[$~`<]", option.value):
            continue
        made = [
            c for c in job.outer_commands if c.name == "mkdir" and any(_same_folder(arg, folder) for arg in c.args())
        ]
        late = f" (the mkdir on line {made[0].line} runs too late)" if made else ""
        yield Found(
            rule="dir-output-dir-missing",
            line=option.line,
            column=option.column,
            severity="error" if made else "warning",
            what=f"Slurm does not create `{folder}`{late}; without it the job fails at once and leaves no log",
            fix=f"mkdir -p {folder} before sbatch, or --{name}=%x-%j.{'out' if name == 'output' else 'err'}",
        )


def _same_folder(argument: str, folder: str) -> bool:
    return argument.strip("./").rstrip("/") == folder.strip("./").rstrip("/") and not argument.startswith("-")


def output_collision(job: Job) -> Iterator[Found]:
    array = job.effective.get("array")
    for name in ("output", "error"):
        option = job.effective.get(name)
        if option is None or option.value.startswith("/dev/") or "$" in option.value:
            continue
        if array is None and re.search(r"%\d*[jJA]", option.value):
            continue
        if array is not None and re.search(r"%\d*[abjJ]", option.value):
            continue
        if job.value("open-mode") == "append" and (array is None or array.value.endswith("%1")):
            continue
        ending = "-%A_%a" if array else "-%j"
        right = re.sub(r"(\.\w+)?$", lambda m: ending + (m.group(1) or ".out"), option.value, count=1)
        said = "all tasks of the array write to it" if array else "the next run overwrites it"
        yield Found(
            rule="dir-output-collision",
            line=option.line,
            column=option.column,
            severity=None if array else "hint",
            what=f"`{option.value}` is one name for all: {said}",
            fix=f"--{name}={right}",
            edits=change(job, option.line, option.value, right),
        )


def script_path(job: Job) -> Iterator[Found]:
    for command in job.outer_commands:
        if command.around.in_step or command.name in ("echo", "printf"):
            continue
        if not re.search(
            r"(?:dirname|readlink|realpath)[^|;)]*(?:\$0|\$\{0\}|BASH_SOURCE)|\$\{(?:0|BASH_SOURCE(?:\[0\])?)%/\*\}",
            command.text,
        ):
            continue
        if command.around.substitution:
            continue
        line = job.lines[command.line - 1]
        fixed = re.sub(
            r'"?\$\(\s*(?:cd\s+"?\$\(\s*)?(?:dirname|realpath|readlink(?: -f)?)\s+(?:--\s+)?"?(?:\$\(\s*(?:readlink -f|realpath)\s+)?"?(?:\$0|\$\{0\}|\$\{?BASH_SOURCE(?:\[0\])?\}?)"?\)?"?\s*\)'
            r'(?:"?\s*(?:&>\s*/dev/null)?\s*&&\s*pwd(?: -P)?\s*\))?"?',
            '"$SLURM_SUBMIT_DIR"',
            line,
        )
        yield Found(
            rule="dir-script-path",
            line=command.line,
            column=command.column,
            what="the batch script runs from a copy in Slurm's spool folder: its own path is not where you submitted it",
            fix='use "$SLURM_SUBMIT_DIR" or an absolute path',
            edits=(Edit(command.line, command.line, (fixed,)),) if fixed != line else (),
        )


def sh_bashism(job: Job) -> Iterator[Found]:
    if not job.lines or not re.match(r"^#!\s*(?:/usr)?/bin/sh\b", job.lines[0]):
        return
    bashism = re.compile(
        r"\[\[|^\s*source\s|<\(|<<<|^\s*function\s|^\s*let\s|\$RANDOM|\$\{\w+:\d|\$\{\w+\[|pipefail|conda activate|^\s*\w+=\(|"
        r"^\s*module\s|^\s*ml\s|&>|^\s*declare\s|\(\(|\bdisown\b|\{\d+\.\.\d+\}",
        re.MULTILINE,
    )
    match = bashism.search(job.code)
    if match:
        yield Found(
            rule="form-sh-bashism",
            line=1,
            what=f"#!/bin/sh, but `{match.group().strip()}` is bash",
            fix="first line #!/bin/bash",
            edits=(Edit(1, 1, (re.sub(r"(?:/usr)?/bin/sh\b", "/bin/bash", job.lines[0]),)),),
        )


CHECKS: tuple[Check, ...] = (
    after_command,
    marker_ignored,
    unknown_option,
    srun_only,
    dash_and_equals,
    shell_syntax,
    duplicate,
    placeholder,
    foreign_scheduler,
    output_dir,
    output_collision,
    script_path,
    sh_bashism,
)
