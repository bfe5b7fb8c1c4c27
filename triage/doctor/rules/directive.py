"""dir-*: how the #SBATCH lines are written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from triage.doctor.directives import Directive, Option, nearest_option, option_table
from triage.doctor.job import Job
from triage.doctor.rules.found import Check, Edit, Found, change, delete, last_directive
from triage.doctor.rules.translate import translated_directive


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
            what=f"`{directive.marker}` is not the marker `#SBATCH` in column 1: {directive.payload.strip()!r} "
            f"is ignored",
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
        if option.name == "requeue" and option.value:
            yield _unknown(
                job, option, f"`--requeue={option.value}`: most versions of Slurm take no value here", "--requeue"
            )
        if option.trouble == "takes-no-value":
            yield _unknown(job, option, f"`--{option.name}` takes no value", f"--{option.name}")
        if option.trouble not in ("unknown", "ambiguous", "underscore"):
            continue
        right = nearest_option(option.name)
        said = "fits several options" if option.trouble == "ambiguous" else "is no option of sbatch"
        wrong = option_table().wrong.get(option.name, "")
        advice = f"--{right}" if right else wrong
        written = f"--{option.name}" if option.raw.startswith("--") else option.raw
        if right == "partition" and job.site and any(part.qos == option.value for part in job.site.partitions):
            right, advice = "qos", "--qos"
        fixed = _renamed(option, right) if right else _of_pbs(option)
        advice = advice or fixed
        found = _unknown(job, option, f"`{written}` {said}" + (f"; meant is `{advice}`" if advice else ""), fixed)
        given = job.effective.get(right) if right else None
        if (
            given
            and given is not option
            and given.value == option.value
            and job.lines[option.line - 1].split(maxsplit=1)[1:] == [option.raw]
        ):
            found = replace(found, fix=f"remove it: line {given.line} says so already", edits=delete(option.line))
        yield found


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


def _of_pbs(option: Option) -> str:
    """What `-l walltime=...` and its like of PBS say, in options of sbatch; empty when it is none of those."""
    return translated_directive(f"#PBS {option.raw}").removeprefix("#SBATCH ")


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
    before: Option | None = None
    for option in _all_options(job):
        right, last = _well_written(option), before
        before = option
        if right is None:
            continue
        joined = _joined(last, option) if last and not right and last.line == option.line else None
        if last and joined:
            yield Found(
                rule="dir-dash-and-equals",
                line=option.line,
                column=option.column,
                what=f"`{option.raw}` is not read as meant: a value ends at the first blank",
                fix=f"write {joined}",
                edits=change(job, option.line, job.lines[option.line - 1][last.column - 1 :].rstrip(), joined),
            )
            continue
        if last and last.name == "time" and last.line == option.line and option.trouble == "stray-word":
            what = f"`{last.raw} {option.raw}` is no walltime that Slurm reads: a value ends at the first blank"
            yield Found(
                rule="res-time-format",
                line=option.line,
                column=last.column,
                what=what,
                fix="--time=HH:MM:SS, or D-HH:MM:SS",
            )
            continue
        yield Found(
            rule="dir-dash-and-equals",
            line=option.line,
            column=option.column,
            what=f"`{option.raw}` is not read as meant",
            fix=f"write {right}" if right else "remove it or quote the value",
            edits=change(job, option.line, option.raw, right) if right else (),
        )


_NO_BLANKS = frozenset(
    {"export", "mem", "mem-per-cpu", "mem-per-gpu", "time", "gres", "partition", "array", "dependency"}
)


def _joined(option: Option, rest: Option) -> str:
    """The option with the word behind it in its value; empty when the option has none to go on."""
    if not option.value or option.trouble or (option.name == "time" and not re.fullmatch(r"[\d:-]+", rest.raw)):
        return ""
    short = not option.raw.startswith("--")
    glue = "" if option.name in _NO_BLANKS else " "
    glue = ":" if option.name == "dependency" and re.fullmatch(r"after\w*", option.value) else glue
    value = f"{option.value}{glue}{rest.raw}"
    quoted = f'"{value}"' if " " in value else value
    return f"-{option.raw[1]} {quoted}" if short else f"--{option.name}={quoted}"


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
    if option.trouble == "stray-word":
        name = option.name.partition("=")[0]
        return f"--{option.name}" if "=" in option.name and name in option_table().names else ""
    return None


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
        return _given_or_on_the_command_line(job, option)
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


def _given_or_on_the_command_line(job: Job, option: Option) -> tuple[Edit, ...]:
    """The value that the script itself gives the variable, else a comment that says how to submit."""
    variable = re.fullmatch(r"\$\{?(\w+)\}?", option.value)
    literal = job.variables.get(variable.group(1), "") if variable else ""
    if literal and re.fullmatch(r"[\w.:,@+\-]+", literal):
        return change(job, option.line, option.value, literal)
    directive = next(item for item in job.directives if item.line == option.line)
    rest = directive.text.replace(option.raw, "", 1).rstrip()
    value = re.sub(r"^~/", "$HOME/", option.value).replace('"', "")
    kept = () if rest.strip() in ("#SBATCH", "") else (rest,)
    return (Edit(option.line, option.line, (*kept, f'# submit with: sbatch --{option.name}="{value}" job.sh')),)


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
        said = (
            f"--{option.name} is given twice: {first.value!r} on line {first.line}, {option.value!r} on line "
            f"{option.line}"
        )
        for place in dict.fromkeys((first.line, option.line)):
            yield Found(
                rule="dir-duplicate",
                line=place,
                column=option.column if place == option.line else first.column,
                severity="hint" if same else None,
                what=f"{said}; the last one wins",
                fix=f"keep one --{option.name}; in force is {option.value!r}",
            )


CHECKS: tuple[Check, ...] = (
    after_command,
    marker_ignored,
    unknown_option,
    srun_only,
    dash_and_equals,
    shell_syntax,
    duplicate,
)
