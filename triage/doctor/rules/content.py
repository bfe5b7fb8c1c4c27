"""dir-*, form-sh-bashism: what directives and body say that Slurm does not read as meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change, delete
from triage.doctor.rules.translate import translated_directive
from triage.doctor.shell import Command

PLACEHOLDER = re.compile(
    r"(?i)<[^>\s][^>]*>|\bx{3,}\b|x{3,}$|CHANGE_?ME|\bTODO\b|\bFIXME\b|your[-_ ]?(?:account|project|name|email|"
    r"mail|group|budget|partition)|"
    r"project_4650*x+|\bmy[-_]?(?:account|project|budget)\b|foo@bar|@example\.(?:com|org)|\bREPLACE\b|"
    r"[-_ ]here\b|\bFILL[-_ ]?IN\b|"
    r"^(?:the[-_])?(?:account|project|partition|budget|qos|allocation)[-_]?(?:name|id|code|number)$|"
    r"^(?-i:ACCOUNT|PROJECT|PARTITION|QOS)$|"
    r"^(?:votre|mon|ton|dein|mein|ihr|tu|mi|su|tuo|mio|vas|vase|moj|twoj|min|din|o[-_]?seu)[-_](?:projekt|projet|compte|konto|"
    r"proyecto|cuenta|progetto|projeto|conta|account|budget|mail|e?mail|courriel|correo)\b|\bXX[-_]|_{3,}|\.{3}$"
)
_BODY_PLACEHOLDER = re.compile(
    r"(?i)/path/to/|<(?:your|my|the|script|file|port|input|version|token|key|job|host|node|partition|project|account|user|path|model|name|env|data|dataset|output|insert|put|enter|fill)[^<>|&;]*>|CHANGE_?ME|"
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
    "PBS_NUM_PPN": "SLURM_NTASKS_PER_NODE",
    "PBS_QUEUE": "SLURM_JOB_PARTITION",
    "LSB_DJOB_NUMPROC": "SLURM_NTASKS",
    "LSB_JOBNAME": "SLURM_JOB_NAME",
    "OAR_JOB_ID": "SLURM_JOB_ID",
    "OAR_JOBID": "SLURM_JOB_ID",
    "OAR_WORKDIR": "SLURM_SUBMIT_DIR",
    "OAR_WORKING_DIRECTORY": "SLURM_SUBMIT_DIR",
    "COBALT_JOBID": "SLURM_JOB_ID",
    "JOB_ID": "SLURM_JOB_ID",
}


def placeholder(job: Job) -> Iterator[Found]:
    for option in job.options:
        if PLACEHOLDER.search(option.value) and option.name not in ("comment", "wrap"):
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
        text = f"{command.text} {''.join(command.redirects)}"  # `<env>/bin/activate` is a redirection to the shell
        match = _BODY_PLACEHOLDER.search(re.sub(r"\$\{[^}]*\}", "", text)) or _placeholder_value(command)
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


_PLACEHOLDER_VALUE = re.compile(
    r"(?i)TODO|FIXME|T\.?B\.?D\.?|X{3,}|CHANGE_?ME|REPLACE(?:_?ME)?|FILL_?(?:ME|IN)|<[^<>]+>"
)


def _placeholder_value(command: Command) -> re.Match[str] | None:
    values = (_PLACEHOLDER_VALUE.fullmatch(word.text) for _, word in command.assignments)
    return next((match for match in values if match), None)


def _how_to_find(job: Job, name: str) -> str:
    entry = (job.site.directives.get(name) or {}) if job.site else {}
    command = entry.get("how_to_find") if isinstance(entry, dict) else None
    return f"put in the real value; `{command}` lists it" if command else "put in the real value"


def foreign_scheduler(job: Job) -> Iterator[Found]:
    slurm = is_for_slurm(job)
    for number, line in enumerate(job.lines, start=1):
        match = _FOREIGN.match(line)
        if match:
            right = translated_directive(line)
            yield Found(
                rule="dir-foreign-scheduler",
                line=number,
                what=f"`{line.strip()}` is a directive of another batch system",
                severity=None if slurm else "warning",
                fix=f"write {right}" if right else "use the #SBATCH option that means the same",
                edits=_translated(job, number, right or f"# {line.strip()}") if slurm else (),
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
                severity=None if slurm else "warning",
                fix=f"use ${right}" if right else "use the SLURM_* variable",
                edits=(_each_variable(job, at) if right else _host_file(job, command, at)) if slurm else (),
            )
        if command.name in _FOREIGN_COMMANDS:
            yield Found(
                rule="dir-foreign-scheduler",
                line=command.line,
                what=f"`{command.name}` is a command of another batch system",
                severity=None if slurm else "warning",
                fix="use sbatch, squeue or srun",
                edits=_submitted(job, command) if slurm else (),
            )


_HOST_FILES = ("PBS_NODEFILE", "LSB_DJOB_HOSTFILE", "OAR_NODEFILE", "OAR_FILE_NODES", "COBALT_NODEFILE")
_READERS = ("cat", "sort", "uniq", "wc", "head", "tail", "awk", "sed", "grep", "mapfile", "readarray", "paste")


def _host_file(job: Job, command: Command, line: int) -> tuple[Edit, ...]:
    """The file with the names of the hosts that another batch system writes, read from scontrol instead."""
    if command.name not in _READERS:
        return ()
    text = job.lines[line - 1]
    names = "|".join(_HOST_FILES)
    fixed = re.sub(
        rf"\"?\$\{{?(?:{names})\}}?\"?", lambda _: '<(scontrol show hostnames "$SLURM_JOB_NODELIST")', text, count=1
    )
    return (Edit(line, line, (fixed,)),) if fixed != text else ()


def _submitted(job: Job, command: Command) -> tuple[Edit, ...]:
    """`qsub job.sh` or `bsub < job.lsf` by sbatch; nothing where options would have to be translated."""
    options = any(word.text.startswith("-") for word in command.words)
    if command.name not in ("qsub", "bsub", "oarsub") or options or not (len(command.words) == 2 or command.redirects):
        return ()
    return change(job, command.line, command.name, "sbatch")


def _translated(job: Job, number: int, right: str) -> tuple[Edit, ...]:
    """The directive as Slurm's, or without it when #SBATCH lines give all of its options already."""
    names = re.findall(r"--([\w-]+)", right) if right.startswith("#SBATCH") else []
    return (
        delete(number)
        if names and job.directives and all(job.has(name) for name in names)
        else (Edit(number, number, (right,)),)
    )


def is_for_slurm(job: Job) -> bool:
    """Slurm is meant: the script has its directives or commands, or the system is one on record (all run Slurm)."""
    return bool(job.directives) or job.guess.system is not None or bool(re.search(r"\bsrun\b|SLURM_", job.code))


def _each_variable(job: Job, line: int) -> tuple[Edit, ...]:
    text = job.lines[line - 1]
    for wrong, right in _TRANSLATED.items():
        text = re.sub(rf"(?<=[${{]){wrong}\b", right, text)
    return (Edit(line, line, (text,)),)


def output_dir(job: Job) -> Iterator[Found]:
    yield from _working_folder(job)
    for name in ("output", "error"):
        option = job.effective.get(name)
        if option is None or "/" not in option.value or option.value.startswith("/dev/"):
            continue
        folder = option.value.rsplit("/", 1)[0]
        if folder in (".", "..") or re.search(r"[$~`<]", option.value) or _is_used(job, folder):
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


def _working_folder(job: Job) -> Iterator[Found]:
    option = job.effective.get("chdir")
    if option and option.value.strip("./") and not re.search(r"[$~`<]", option.value):
        made = [c for c in job.outer_commands if c.name == "mkdir" and option.value in c.args()]
        yield Found(
            rule="dir-output-dir-missing",
            line=option.line,
            column=option.column,
            severity="error" if made else "hint",
            what=f"Slurm does not create `{option.value}`; without it the job fails at once",
            fix=f"mkdir -p {option.value} before sbatch",
        )


def _is_used(job: Job, folder: str) -> bool:
    """Whether the script enters this folder, or sets up its environment from below it: then it is there."""
    paths = [word for c in job.outer_commands if c.name in ("cd", "source", ".", "conda") for word in c.args()]
    return folder.startswith("/") and any(f"{path}/".startswith(f"{folder}/") for path in paths)


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
        stem, dot, kind = option.value.rpartition(".")
        right = f"{stem}{ending}.{kind}" if dot and "/" not in kind else f"{option.value}{ending}.out"
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
        fixed = _submit_directory(line, named=job.has("job-name"))
        yield Found(
            rule="dir-script-path",
            line=command.line,
            column=command.column,
            what="the batch script runs from a copy in Slurm's spool folder: its own path is not where you "
            "submitted it",
            fix='use "$SLURM_SUBMIT_DIR" or an absolute path',
            edits=(Edit(command.line, command.line, (fixed,)),) if fixed != line else (),
        )


_OWN_FOLDER = re.compile(r"dirname|%/\*")


def _submit_directory(line: str, *, named: bool) -> str:
    """The line with the expression for the script's own folder replaced; unchanged when its end cannot be told.

    `named`: the job has a name of its own, so that the script's name cannot be told from it.
    """
    short = re.sub(r"\$\{(?:0|BASH_SOURCE(?:\[0\])?)%/\*\}", "$SLURM_SUBMIT_DIR", line)
    if short != line:
        return short
    own = r"\"?\$\{?(?:0|BASH_SOURCE(?:\[0\])?)\}?\"?"
    short = re.sub(rf"`\s*dirname\s+{own}\s*`", "$SLURM_SUBMIT_DIR", line)
    if short != line:
        return short
    start = line.find("$(")
    depth = 0
    for at in range(start, len(line)):
        depth += {"(": 1, ")": -1}.get(line[at], 0)
        if depth == 0 and line[at] == ")":
            inside = line[start : at + 1]
            name = re.fullmatch(rf"\$\(\s*(?:realpath|readlink)\s+(?:-\w+\s+)*{own}\s*\)", inside)
            if not _OWN_FOLDER.search(inside) and (not name or named):
                return line
            quoted = start > 0 and line[start - 1] == '"'
            folder = "$SLURM_SUBMIT_DIR/$SLURM_JOB_NAME" if name else "$SLURM_SUBMIT_DIR"
            folder = folder if quoted else f'"{folder}"'
            return f"{line[:start]}{folder}{line[at + 1 :]}"
    return line


_PLAIN_SH = re.compile(r"^#!\s*(?:/usr)?/bin/(?:env\s+)?(?:da)?sh\b")


def sh_bashism(job: Job) -> Iterator[Found]:
    if not job.lines or not _PLAIN_SH.match(job.lines[0]):
        return
    bashism = re.compile(
        r"\[\[|^\s*source\s|<\(|<<<|^\s*function\s|^\s*let\s|\$\{\w+:\d|\$\{\w+\[|pipefail|"
        r"conda activate|^\s*\w+=\(|"
        r"^\s*module\s|^\s*ml\s|&>|^\s*declare\s|(?<!\$)\(\(|\bRANDOM\b|\bdisown\b|\{\d+\.\.\d+\}",
        re.MULTILINE,
    )
    match = bashism.search(_outside_of_bash(job))
    if match:
        yield Found(
            rule="form-sh-bashism",
            line=1,
            also=(job.code[: match.end()].count("\n") + 1,),
            what=f"{job.lines[0].strip()}, but `{match.group().strip()}` is bash",
            fix="first line #!/bin/bash",
            edits=(Edit(1, 1, (_PLAIN_SH.sub("#!/bin/bash", job.lines[0]),)),),
        )


def _outside_of_bash(job: Job) -> str:
    """The code without what is handed to `bash -c`."""
    code = job.code
    for command in job.outer_commands:
        if any(word.text.rsplit("/", 1)[-1] == "bash" for word in command.words):
            for word in command.words:
                code = code.replace(word.raw, "\n" * word.raw.count("\n")) if word.raw[:1] in ("'", '"') else code
    return code


CHECKS: tuple[Check, ...] = (
    placeholder,
    foreign_scheduler,
    output_dir,
    output_collision,
    script_path,
    sh_bashism,
)
