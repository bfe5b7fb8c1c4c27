"""launch-early-expansion: per-task variables that the batch shell expands, where they are 0 for everybody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from triage.doctor.job import Job
from triage.doctor.launch import is_probe
from triage.doctor.rules.found import Check, Edit, Found
from triage.doctor.shell import Command, Word, here_documents
from triage.doctor.wrappers import srun_options

_EARLY = re.compile(r"(?<!\\)\$\{?(SLURM_PROCID|SLURM_LOCALID|SLURM_NODEID|SLURMD_NODENAME|SLURM_TASK_PID)\b\}?")
_FOR_READING = re.compile(r"(?i)log|out|dir|file|port|seed|tag|name")
_LOG_NAME = re.compile(r"(?i)log|out(?:put)?|\.txt|prof")
_RANK_OPTION = re.compile(r"--(?:node[-_]rank|machine[-_]rank)[= ]\"?\$\{?(SLURM_NODEID|SLURM_PROCID)")


def early_expansion(job: Job) -> Iterator[Found]:
    if job.tasks_total <= 1 and job.nodes <= 1:
        return
    set_early = [found for command in job.outer_commands for found in _assignments(job, command)]
    yield from _mapped_in_step(job, set_early)
    yield from _written_early(job)
    for command in job.outer_commands:
        if command.name in ("echo", "printf", "date") or command.around.substitution:
            continue
        if command.name == "srun" and command.words:
            yield from _srun_words(job, command)
        elif command.words and command.name not in ("export", "declare") and not command.around.in_step:
            yield from _rank_option(job, command)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Early:
    """A variable that the batch shell sets from a per-task variable."""

    name: str
    line: int
    value: str
    variable: str


def _assignments(job: Job, command: Command) -> Iterator[_Early]:
    if command.name not in ("", "export", "srun", "declare") or command.around.substitution:
        return
    for name, word in command.assignments:
        match = None if word.literal else _EARLY.search(word.raw)
        if match is None or (job.nodes == 1 and match.group(1) == "SLURM_NODEID"):
            continue
        if _FOR_READING.search(name) and not re.search(r"(?i)rank", name):
            continue
        yield _Early(name=name, line=word.line, value=word.raw, variable=match.group(1))


def _mapped_in_step(job: Job, early: Sequence[_Early]) -> Iterator[Found]:
    """One finding for each variable; the first one carries the change, which moves them all into the step."""
    edits = _moved_into_step(job, early)
    for index, item in enumerate(early):
        what = f"`{item.name}` is set in the batch shell, where {item.variable} is 0 for everybody"
        yield _found(item.line, item.variable, what, edits if index == 0 else ())


def _moved_into_step(job: Job, early: Sequence[_Early]) -> tuple[Edit, ...]:
    """The assignments taken out and put in front of the program, inside `bash -c` of each srun that starts one."""
    if not early or any(" " in item.value for item in early):
        return ()
    removed: dict[int, str] = {}
    for item in early:
        text = removed.get(item.line, job.lines[item.line - 1])
        removed[item.line] = re.sub(rf"\s*\b{item.name}=(?:\"[^\"]*\"|\S+)", "", text, count=1)
    mapping = " ".join(dict.fromkeys(f"{item.name}={item.value}" for item in early))
    started = _started_in_step(job, mapping, removed)
    if not started:
        return ()
    kept = {
        line: () if re.sub(r"\s#.*$", "", text).strip() in ("", "export", "declare") else (text,)
        for line, text in removed.items()
    }
    changed = {edit.first for edit in started}
    return (*started, *(Edit(line, line, texts) for line, texts in kept.items() if line not in changed))


def _started_in_step(job: Job, mapping: str, taken: Mapping[int, str]) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    for command in job.outer_commands:
        if command.name != "srun" or command.around.substitution or not command.words:
            continue
        words = [word.text for word in command.words]
        at = len(words) - len(srun_options(words[1:])[1])
        if at >= len(words) or (words[at] not in ("bash", "sh") and is_probe(words[at])):
            continue
        program = command.words[at]
        text = job.lines[program.line - 1]
        if program.line in taken:
            if command.line != command.end_line or not command.assignments:
                return ()
            head, rest = text[: program.column - 1], text[program.column - 1 :]
            for name, _ in command.assignments:
                head = re.sub(rf"\b{name}=(?:\"[^\"]*\"|\S+)\s+", "", head, count=1) if f"{name}=" in mapping else head
            edits.append(Edit(program.line, program.line, (f"{head}bash -c '{mapping} exec \"$@\"' bash {rest}",)))
            continue
        body = next((word for word in command.words[at:] if word.literal and words[at] in ("bash", "sh")), None)
        if body is not None:
            text = job.lines[body.line - 1]
            inside = f"{text[: body.column]}export {mapping}; {text[body.column :]}"
            edits.append(Edit(body.line, body.line, (inside,)))
        elif words[at] not in ("bash", "sh") and text.isascii():
            head, rest = text[: program.column - 1], text[program.column - 1 :]
            edits.append(Edit(program.line, program.line, (f"{head}bash -c '{mapping} exec \"$@\"' bash {rest}",)))
        else:
            return ()
    return tuple(edits)


def _written_early(job: Job) -> Iterator[Found]:
    """In a helper script that the job writes: a here-document without quotes is expanded while it is written."""
    for first, last, literal in here_documents(job.lines):
        written = re.search(r"(?:>\s*|\btee\s+)[\"']?\S+", job.lines[first - 1])
        for number in range(first + 1, last) if written and not literal else ():
            match = _EARLY.search(job.lines[number - 1])
            if match and not job.lines[number - 1].lstrip().startswith(("#", "echo")):
                escaped = _EARLY.sub(r"\\\g<0>", job.lines[number - 1])
                said = f"${match.group(1)} is expanded while the file is written, where it is 0 for everybody"
                yield _found(number, match.group(1), said, (Edit(number, number, (escaped,)),))


def _srun_words(job: Job, command: Command) -> Iterator[Found]:
    for word in command.words:
        match = _EARLY.search(word.raw)
        if match is None:
            continue
        if word.literal:
            if " " not in word.text and not _in_bash_c(command):
                said = f"{word.raw} in single quotes is never expanded"
                yield _found(word.line, match.group(1), said, _single_quoted(job, command, word))
            continue
        before = word.raw.split("$")[0].split()
        if before and _LOG_NAME.search(before[-1]):
            continue
        line = word.line + word.raw[: match.start()].count("\n")
        what = f"${match.group(1)} is expanded before srun starts, so every task gets the same value"
        yield _found(line, match.group(1), what, _in_the_step(job, command, word))


def _single_quoted(job: Job, command: Command, word: Word) -> tuple[Edit, ...]:
    """The program in `bash -c "..."`, the variable escaped in place of its single quotes."""
    program = len(command.words) - len(srun_options([item.text for item in command.words][1:])[1])
    line, text = command.line, job.lines[command.line - 1]
    if program >= len(command.words) or line != command.end_line or text.count("'") != 2 or '"' in text:
        return ()
    start, last = command.words[program].column - 1, command.words[-1]
    end = last.column - 1 + len(last.raw)
    inside = text[start:end].replace(word.raw, "\\" + word.text)
    return (Edit(line, line, (f'{text[:start]}bash -c "{inside}"{text[end:]}',)),)


def _in_bash_c(command: Command) -> bool:
    words = [word.text.rsplit("/", 1)[-1] for word in command.words]
    return any(one in ("bash", "sh") and re.match(r"-\w*c$", other) for one, other in pairwise(words))


def _in_the_step(job: Job, command: Command, word: Word) -> tuple[Edit, ...]:
    """Escaped inside bash -c "..."; else the whole program is put into bash -c."""
    if word.raw.startswith('"') and any(other.text == "-c" for other in command.words):
        lines = range(word.line, word.line + word.raw.count("\n") + 1)
        return tuple(
            Edit(at, at, (_EARLY.sub(r"\\\g<0>", job.lines[at - 1]),))
            for at in lines
            if _EARLY.search(job.lines[at - 1])
        )
    words = [item.text for item in command.words]
    program = len(words) - len(srun_options(words[1:])[1])
    if word.text.startswith("--export="):
        return _exported_in_step(job, command, word, program)
    if program >= len(words) or '"' in command.text or "'" in command.text or not command.text.isascii():
        return ()
    first, last = command.words[program], command.words[-1]
    return _wrapped(job, first, last)


_EARLY_ITEM = re.compile(r",?(\w+)=\"?\$\{?(SLURM_PROCID|SLURM_LOCALID|SLURM_NODEID)\}?\"?")


def _exported_in_step(job: Job, command: Command, word: Word, program: int) -> tuple[Edit, ...]:
    """`--export=ALL,RANK=$SLURM_PROCID` without the item, which bash -c sets in each task instead."""
    items = _EARLY_ITEM.findall(word.raw)
    start = command.words[program] if program < len(command.words) else None
    if not items or start is None or start.line != word.line or word.raw not in job.lines[word.line - 1]:
        return ()
    mapping = " ".join(f"{name}=${variable}" for name, variable in items)
    text = job.lines[word.line - 1]
    head, rest = text[: start.column - 1], text[start.column - 1 :]
    kept = _EARLY_ITEM.sub("", word.raw).replace("--export=,", "--export=").rstrip(",")
    head = head.replace(word.raw, "--export=ALL" if kept == "--export=" else kept, 1)
    return (Edit(word.line, word.line, (f"{head}bash -c '{mapping} exec \"$@\"' bash {rest}",)),)


def _wrapped(job: Job, first: Word, last: Word) -> tuple[Edit, ...]:
    """`bash -c "` in front of the first word and `"` behind the last, early variables escaped."""
    texts = [job.lines[at - 1] for at in range(first.line, last.line + 1)]
    end = last.column - 1 + len(last.raw)
    texts[-1] = f'{texts[-1][:end]}"{texts[-1][end:]}'
    start = first.column - 1
    texts[0] = f'{texts[0][:start]}bash -c "{texts[0][start:]}'
    return (Edit(first.line, last.line, tuple(_EARLY.sub(r"\\\g<0>", text) for text in texts)),)


def _rank_option(job: Job, command: Command) -> Iterator[Found]:
    match = _RANK_OPTION.search(command.text)
    if match and job.nodes > 1:
        line = command.line + command.text[: match.start()].count("\n")
        yield _found(line, match.group(1), f"{match.group()} is expanded outside the step", ())


def _found(line: int, variable: str, what: str, edits: tuple[Edit, ...]) -> Found:
    fix = f"expand it in the step: srun bash -c '... ${variable} ...' in single quotes"
    return Found(rule="launch-early-expansion", line=line, what=what, fix=fix, edits=edits)


CHECKS: tuple[Check, ...] = (early_expansion,)
