"""form-broken-continuation: commands that a blank, a comment or a mail client cut in two."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from triage.doctor.diagnosis import Severity
from triage.doctor.rules.found import Found

_FUNCTION = re.compile(r"^\s*(?:function\s+)?([\w-]+)\s*(?:\(\)|\{)")
_TRAILING = re.compile(r"\\[ \t]+$")
_COMMANDS = re.compile(
    r"^\s*(?:#|$|[A-Za-z_]\w*\+?=|[A-Za-z_][\w\-]*\s*\(\)|[{}()\[\];&|]|\$\{?\w|\./|\.\s|\"?\$|/[\w./\-]+(?:\s|$)|~/|(?:export|module|ml|source|srun|mpirun|mpiexec|torchrun|"
    r"python\d?(?:\.\d+)?|accelerate|deepspeed|vllm|singularity|apptainer|conda|mamba|micromamba|cd|mkdir|echo|printf|set|ulimit|if|then|else|elif|fi|for|do|done|while|"
    r"until|case|esac|function|trap|wait|sleep|exit|eval|exec|unset|rsync|cp|mv|rm|tar|wget|curl|git|pip\d?|uv|nvidia-smi|rocm-smi|date|hostname|scontrol|sbatch|scancel|squeue|"
    r"sacct|sstat|ray|nohup|time|env|cat|ls|ln|touch|kill|return|local|declare|readonly|read|shift|huggingface-cli|hf|wandb|head|tail|grep|awk|sed|sort|wc|find|xargs|test|true|false|"
    r"nproc|free|df|du|chmod|unzip|zstd|make|cmake|ninja|gcc|nvcc|hipcc|which|type|command|timeout|numactl|lfs|dd|tee|split|paste|cut|tr|jq|seq|pwd|uname|lscpu|break|continue|let|alias|shopt|sudo|docker|podman|pixi|poetry|jupyter|tensorboard|bash|sh|perl|Rscript|julia|idrcontmgr|setsid|screen|tmux|disown|pushd|popd|mktemp|basename|dirname|getent|nslookup|ssh|scp|rocminfo|lsof|ss|ip|getconf|stat|file|md5sum|sha256sum|hq|snakemake|nextflow|dvc|aws|rclone|globus)(?:\s|;|$|\())"
)


@dataclass(slots=True)
class Mended:
    """A script whose characters and lines are right; `origins` gives the source line of each."""

    lines: list[str]
    origins: list[int]
    found: list[Found] = field(default_factory=list)
    """Line numbers are those of the source."""
    mail_width: int = 0
    """Longest line when the script stands in a mail that may have been wrapped, else 0."""
    functions: frozenset[str] = frozenset()
    """Names of the functions that the script defines."""


WRAP_WIDTHS = range(60, 81)
"""Longest lines of a text that a mail client wrapped."""


def unwrap(mended: Mended) -> None:
    """Joins what a mail program cut: a line whose next word did not fit any more, and that goes on there."""
    width = _mail_width(mended.lines)
    if not width:
        return
    mended.mail_width = width
    mended.functions = _functions(mended.lines)
    index, here_word, quote = 0, "", ""
    last = len(mended.lines[0]) if mended.lines else 0  # of the line as the mail has it
    while index + 1 < len(mended.lines):
        line, after = mended.lines[index], mended.lines[index + 1]
        tight = bool(after.strip()) and last + 1 + len(after.split()[0]) > width
        last = len(after)
        if tight and not here_word and _is_rest(mended, index, quote):
            _wrapped(mended, index)
            continue
        here_word, quote = _here_word(line, here_word), _open_quote(line, quote)
        index += 1


def _mail_width(lines: Sequence[str]) -> int:
    """Where the mail program may have cut the lines; 0 when they are too long for that."""
    width = _longest(lines)
    return width if width in WRAP_WIDTHS else 72 if width < min(WRAP_WIDTHS) else 0


def _longest(lines: Sequence[str]) -> int:
    return max((len(line) for line in lines if " " in line.strip()), default=0)


def _functions(lines: Sequence[str]) -> frozenset[str]:
    return frozenset(match.group(1) for line in lines if (match := _FUNCTION.match(line)))


_ALSO_ENGLISH = re.compile(
    r"^(?:for(?!\s+\w+\s+in\b)|which|time|test|set|read|make|sort|date|file|head|cut|let|then|if|do|while|until|type|wait|local|"
    r"find|sleep|exit|cat|true|false|split|source|free|kill|ray|env|command|module|python|bash|in)\s[^$=;|&<>\"(){}\[\]/]*$"
)


def _is_prose(text: str) -> bool:
    in_brackets = re.match(r"^\([^$;|&]*\)\W*$", text)
    return not _COMMANDS.match(text) or bool(_ALSO_ENGLISH.match(text) or in_brackets)


def _is_rest(mended: Mended, index: int, quote: str) -> bool:
    line, after = mended.lines[index], mended.lines[index + 1]
    if line.startswith("#!") or after.lstrip().startswith("#"):
        return False
    comment = " #" in line if line.startswith("#SBATCH") else line.lstrip().startswith("#")
    if comment:
        return not quote and _is_prose(after)
    if line.rstrip().endswith(("\\", ";", "{", "}", "then", "do", "&")) or _in_array(mended.lines, index + 1):
        return False
    if re.match(r"^(?:-{1,2}[A-Za-z]|\d?>{1,2}\s?\S|&\s*$|\|\s)", after):
        return True
    if quote or line.startswith("#SBATCH"):
        return _goes_on(line, after)
    own = _is_known(mended, index) or re.match(r"^[A-Z_]{2,}=", after)  # not for sure the rest of an export
    return not own and (_goes_on(line, after) or _is_torn(line, after))


def continuations(mended: Mended, *, in_mail: bool = False) -> None:
    """`in_mail`: lines that are too long for the mail were most likely wrapped on the way, not in the user's file."""
    width = mended.mail_width or _longest(mended.lines)
    mended.mail_width = mended.mail_width or (_mail_width(mended.lines) if in_mail else 0)
    mended.functions = _functions(mended.lines)
    _cut_commands(mended)
    if width in WRAP_WIDTHS and any(item.what.startswith((_WRAPPED, _NO_BACKSLASH)) for item in mended.found):
        _wrapped_elsewhere(mended, width)


def _cut_commands(mended: Mended) -> None:
    index = 0
    open_quote = here_word = ""
    while index < len(mended.lines):
        line, first = mended.lines[index], index
        if line.startswith("#SBATCH") and line.rstrip().endswith("\\"):
            _directive_backslash(mended, index)
        elif (
            line.startswith("#SBATCH")
            and index + 1 < len(mended.lines)
            and re.match(r"^--?[a-z][\w\-]*[= ]\S+", mended.lines[index + 1])
        ):
            _wrapped(mended, index)
            continue
        elif line.lstrip().startswith("#"):
            if index + 1 < len(mended.lines) and _wrapped_comment(line, mended.lines[index + 1]):
                _cut_off(mended, index, "the mail client wrapped this comment: the rest is run as a command")
                mended.lines[index + 1] = f"# {mended.lines[index + 1]}"
        elif not open_quote and not here_word:
            index = _code_line(mended, index)
            if index < first:  # the next line was joined to this one: look at it again
                index = first
                continue
        open_quote = _open_quote(mended.lines[min(index, len(mended.lines) - 1)], open_quote)
        index += 1
        for at in range(first, min(index, len(mended.lines))):
            here_word = _here_word(mended.lines[at], here_word)


_WRAPPED, _NO_BACKSLASH = "the line was wrapped", "the backslash at the end is missing"
_PROGRAM = re.compile(r"^(?:python\d?|torchrun|accelerate|deepspeed|vllm|bash|singularity|apptainer)\s")
_STARTER = re.compile(r"^\s*(?:srun|mpirun|singularity|apptainer|numactl)\s[^|;&]*$")
_REST = re.compile(r"^(?:[\"'$/\d]|\.\.?/|-{1,2}[A-Za-z]|[\w.\-]+\.(?:py|sif|sh|json|ya?ml)\b|\d?>)")


def _wrapped_elsewhere(mended: Mended, width: int) -> None:
    """In a text that is known to be wrapped: the other lines whose next word did not fit any more."""
    index, here_word = 0, ""
    while index + 1 < len(mended.lines):
        line, after = mended.lines[index], mended.lines[index + 1]
        if not here_word and after.strip() and len(line) + 1 + len(after.split()[0]) > width and _goes_on(line, after):
            _wrapped(mended, index)
            continue
        here_word = _here_word(line, here_word)
        index += 1


def _goes_on(line: str, after: str) -> bool:
    if line.startswith("#SBATCH"):
        return bool(re.search(r"\s-{1,2}[A-Za-z][\w\-]*$", line) and not after.startswith("#"))
    if line.lstrip().startswith("#") or re.search(r"(?:\\|;|\bdo|\bthen|[{}])$", line.rstrip()):
        return False
    if re.match(r"^\s*export\s", line) and re.match(r"^[A-Z_]{2,}=\S", after):
        return True
    if re.search(r"(?:\s(?:export|exit|exec|head|tail)|[|=,])$", line.rstrip()):
        return not after.startswith("#")
    return bool(_REST.match(after) or (_STARTER.match(line) and _PROGRAM.match(after)))


def _code_line(mended: Mended, index: int) -> int:
    line = mended.lines[index]
    after = mended.lines[index + 1] if index + 1 < len(mended.lines) else ""
    beyond = mended.lines[index + 2] if index + 2 < len(mended.lines) else ""
    if _TRAILING.search(line) and not line.lstrip().startswith(("echo", "printf")):
        _broken(mended, index, "a blank follows the backslash, so the command ends here")
        mended.lines[index] = line = line.rstrip()
    if _here_word(line, "") or _open_quote(line, ""):  # what follows is text, no rest of this command
        return index
    if line.endswith("\\"):
        swallowed = not after.strip() or after.lstrip().startswith("#")
        deeper = beyond.strip() and _indent(beyond) > _indent(mended.lines[_start_of_command(mended.lines, index)])
        if (swallowed and deeper and not beyond.lstrip().startswith("#")) or (
            swallowed and re.match(r"^\s*(?:-{1,2}[A-Za-z]|\S+\s*\\$)", beyond) and not _COMMANDS.match(beyond.lstrip())
        ):
            comment = after.strip().rstrip("\\").rstrip()
            what = f"the comment `{comment}`" if comment else "an empty line"
            _broken(mended, index + 1, f"{what} inside the command cuts it off")
            moved, origin = mended.lines.pop(index + 1), mended.origins.pop(index + 1)
            if moved.strip():
                start = _start_of_command(mended.lines, index)
                mended.lines.insert(start, moved.strip().rstrip("\\").rstrip())
                mended.origins.insert(start, origin)
                return index + 1
        elif not after.strip() and index + 1 < len(mended.lines):
            _broken(mended, index, "an empty line follows the backslash: the command ends here", severity="warning")
            mended.lines[index] = line.rstrip("\\").rstrip()
        return index
    if (
        line.strip()
        and re.match(r"^\s*--?[A-Za-z][\w\-]*(?:[= ]|$)", after)
        and not after.lstrip().startswith(("-- ", "---"))
        and not line.rstrip().endswith(("(", "|", "&&", "||", "{", "then", "do", "\\"))
        and not _in_array(mended.lines, index + 1)
    ):
        _cut_off(mended, index, f"{_NO_BACKSLASH}: the options on the next line are run as a command")
        mended.lines[index] = line.rstrip() + " \\"
    elif (
        len(line) >= 58
        and after.strip()
        and _is_torn(line, after)
        and not _is_known(mended, index)
        and not _in_array(mended.lines, index + 1)
    ):
        _wrapped(mended, index)
        return index - 1
    return index


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _is_known(mended: Mended, index: int) -> bool:
    """Whether the next line begins with a function of the script, or with the same command as this line."""
    word, *_ = mended.lines[index + 1].split()
    return mended.lines[index].split()[:1] == [word] or word in mended.functions


def _is_torn(line: str, after: str) -> bool:
    """A line that a mail client cut at a blank: what follows is no command."""
    if re.search(r"\s--[a-z][\w\-]*$", line.rstrip()) and re.match(r"^[\"']?\$\{?\w+\}?[/\w.\-]*", after):
        return True
    if re.search(r"\b(?:singularity|apptainer)\s+exec\s(?:.*\s)?\S+\.sif$", line.rstrip()):
        return not after.lstrip().startswith("#")
    if re.match(r"^/\S*/bin/\S+(?:\s|$)", after):
        return False
    if (_COMMANDS.match(after) and not re.match(r"^/[\w./\-]+(?:\s|$)", after)) or re.match(r"^\s{2,}", after):
        return False
    if line.rstrip().endswith((";", "{", "}", "then", "do", "fi", "done", ")", "&")):
        return False
    ends_open = bool(re.search(r"(?:\s--?[A-Za-z][\w\-]*|\||=|,)$", line.rstrip()))
    launch = bool(
        re.search(
            r"\b(?:srun|python\d?|torchrun|accelerate|deepspeed|vllm|singularity|apptainer|mpirun|sbatch|export|curl|rsync)\b",
            line,
        )
    )
    bare = re.match(
        r"^(?:[\w./$\{}\-]+\.(?:py|yaml|yml|json|sif|sh|jsonl|txt)\b|\d[\w.\-]*(?:\s|$)|/[\w./\-]+|[\w\-]+=|[\w.\-]+/[\w./\-]+)",
        after,
    )
    return (ends_open or launch) and bool(bare or ends_open)


def _wrapped(mended: Mended, index: int) -> None:
    _cut_off(mended, index, f"{_WRAPPED}, by a mail client or an editor: its second half is run as a command")
    what = f"the rest of line {mended.origins[index]}, which was wrapped here"
    _broken(mended, index + 1, what, severity="hint")
    head, rest = mended.lines[index].rstrip(), mended.lines[index + 1].strip()
    in_word = re.search(r"[\w.]-$", head) and re.match(r"\w", rest)
    mended.lines[index] = f"{head}{'' if in_word else ' '}{rest}"
    del mended.lines[index + 1], mended.origins[index + 1]


def _cut_off(mended: Mended, index: int, what: str) -> None:
    """A fault of the file, or, where the next word did not fit into the mail, most likely one of the mail only."""
    line, after = mended.lines[index], mended.lines[index + 1].split()
    if mended.mail_width and after and len(line) + 1 + len(after[0]) > mended.mail_width:
        said = f"{_WRAPPED}, most likely by the mail program only: in the file it must be one line"
        _broken(mended, index, said, severity="warning")
    else:
        _broken(mended, index, what)


def _wrapped_comment(line: str, after: str) -> bool:
    if len(line) < 58 or not after.strip() or line.startswith("#SBATCH") or line.lstrip().startswith("#!"):
        return False
    return (
        not _COMMANDS.match(after)
        and bool(re.match(r"^[a-zà-ÿα-ωа-я(«“„][\w'’,.();:/\-«»“”„?!–— ]*$", after))
        and not after.startswith("-")
    )


def _broken(mended: Mended, index: int, what: str, *, severity: Severity | None = None) -> None:
    mended.found.append(
        Found(
            rule="form-broken-continuation",
            line=mended.origins[index],
            what=what,
            severity=severity,
            fix="one command on one line, or a backslash as the very last character of each line but the last",
        )
    )


def _directive_backslash(mended: Mended, index: int) -> None:
    _broken(mended, index, "a #SBATCH line cannot be continued with a backslash")
    mended.lines[index] = mended.lines[index].rstrip().rstrip("\\").rstrip()
    after = mended.lines[index + 1] if index + 1 < len(mended.lines) else ""
    options = re.match(r"^\s*-{1,2}[A-Za-z]", after) or re.match(r"^#\s+-{1,2}[A-Za-z]", after)
    if options:
        _broken(mended, index + 1, f"the rest of line {mended.origins[index]}: a directive of its own", severity="hint")
        mended.lines[index + 1] = f"#SBATCH {after.lstrip('# ').strip()}"


def _start_of_command(lines: list[str], index: int) -> int:
    while index and lines[index - 1].rstrip().endswith("\\"):
        index -= 1
    return index


def _open_quote(line: str, quote: str) -> str:
    """The quote that is open at the end of the line."""
    if not quote and line.lstrip().startswith("#"):
        return ""
    at = 0
    while at < len(line):
        char = line[at]
        if char == "\\" and quote != "'":
            at += 2
            continue
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "#" and (at == 0 or line[at - 1].isspace()):
            break
        at += 1
    return quote


def _here_word(line: str, word: str) -> str:
    """The word that ends the here-document which is open behind the line; `word`: the one open in front of it."""
    if word:
        return "" if line.strip() == word else word
    here = re.search(r"<<-?\s*[\"']?(\w+)", line)
    return here.group(1) if here and "<<<" not in line and not line.lstrip().startswith("#") else ""


def _in_array(lines: list[str], index: int) -> bool:
    """Inside name=( ... ) over several lines."""
    depth = 0
    for line in lines[:index]:
        if line.lstrip().startswith("#"):
            continue
        if re.search(r"\w\+?=\($|\w\+?=\([^)]*$", line):
            depth = 1
        elif depth and ")" in line:
            depth = 0
    return bool(depth)
