"""form-*: characters and line ends, mended before anything else is read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from triage.doctor.directives import distance_at_most
from triage.doctor.pieces import Piece
from triage.doctor.rules.found import Found

BLANKS = {0xA0: " ", 0x202F: " ", 0x2007: " ", 0x2009: " ", 0x3000: " "}
ZERO_WIDTH = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD))
DOUBLE_QUOTES = "“”„‟«»″"
SINGLE_QUOTES = "‘’‚‛′"
DASHES = "‐‑‒–—―−"
_ODD = re.compile(
    f"[\u00a0\u202f\u2007\u2009\u3000\u200b\u200c\u200d\u2060\ufeff\u00ad{DOUBLE_QUOTES}{SINGLE_QUOTES}{DASHES}]"
)
_QUOTE_MARK = re.compile(r"^(?:> ?)+")
_SHELLS = ("bash", "sh", "zsh", "ksh", "dash", "csh", "tcsh", "env", "perl", "Rscript", "julia", "expect", "fish")
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


def mend(piece: Piece, *, mailed: bool) -> Mended:
    """`mailed`: the text is a mail body, whose line ends and quote marks are the transport's."""
    mended = Mended(lines=list(piece.lines), origins=list(piece.numbers))
    _line_ends(mended, mailed=mailed)
    _quotes_and_indent(mended, piece, mailed=mailed)
    _first_line(mended, piece, mailed=mailed)
    _characters(mended)
    _continuations(mended)
    while len(mended.lines) > 1 and not mended.lines[-1].strip():
        mended.lines.pop()
        mended.origins.pop()
    return mended


def _line_ends(mended: Mended, *, mailed: bool) -> None:
    broken = [index for index, line in enumerate(mended.lines) if line.endswith("\r")]
    if broken and not mailed:
        mended.found.append(
            Found(
                rule="form-crlf",
                line=mended.origins[broken[0]],
                what=f"{len(broken)} line(s) end in CR LF, as Windows editors write them",
                fix="dos2unix job.sh",
            )
        )
    mended.lines = [line.rstrip("\r") for line in mended.lines]


def _quotes_and_indent(mended: Mended, piece: Piece, *, mailed: bool) -> None:
    filled = [line for line in mended.lines if line.strip()]
    quoted = [line for line in filled if line.startswith(">")]
    if filled and len(quoted) * 2 > len(filled):
        mended.lines = [_QUOTE_MARK.sub("", line) for line in mended.lines]
        if piece.whole and not mailed:
            mended.found.append(
                Found(
                    rule="form-first-line",
                    line=mended.origins[0],
                    what="mail quote marks stand before the lines",
                    fix="remove the > marks",
                )
            )
        filled = [line for line in mended.lines if line.strip()]
    cut = min((len(line) - len(line.lstrip(" \t")) for line in filled), default=0)
    if cut:
        mended.lines = [line[cut:] if line.strip() else "" for line in mended.lines]
        if piece.whole and not mailed:
            mended.found.append(
                Found(
                    rule="form-first-line",
                    line=mended.origins[0],
                    what="blanks stand before #!",
                    fix="#! must be the first two characters of the file",
                )
            )


def _first_line(mended: Mended, piece: Piece, *, mailed: bool) -> None:
    lines, at = mended.lines, mended.origins[0] if mended.origins else 1
    if not lines:
        return
    if lines[0].startswith("\ufeff"):
        lines[0] = lines[0].lstrip("\ufeff")
        mended.found.append(
            Found(
                rule="form-first-line",
                line=at,
                what="a byte order mark stands before #!",
                fix="save the file as UTF-8 without BOM",
            )
        )
    if piece.whole and at > 1 and not mailed and lines[0].startswith("#!"):
        mended.found.append(
            Found(
                rule="form-first-line",
                line=1,
                what="something stands before the interpreter line",
                fix="#!/bin/bash must be line 1",
            )
        )
    problem, right = _interpreter(lines[0])
    if (problem and lines[0].startswith("#SBATCH")) or (
        problem and not lines[0].startswith("#") and not lines[0].startswith("!")
    ):
        if piece.whole and not mailed:
            mended.found.append(
                Found(
                    rule="form-first-line",
                    line=at,
                    what="the first line is no interpreter line",
                    fix="put #!/bin/bash in line 1",
                )
            )
            lines.insert(0, "#!/bin/bash")
            mended.origins.insert(0, at)
    elif problem:
        if right == "insert":
            if piece.whole and not mailed:
                mended.found.append(
                    Found(rule="form-first-line", line=at, what=problem, fix="put #!/bin/bash in line 1")
                )
                lines.insert(0, "#!/bin/bash")
                mended.origins.insert(0, at)
            return
        mended.found.append(Found(rule="form-first-line", line=at, what=problem, fix=f"write {right}"))
        lines[0] = right


def _interpreter(line: str) -> tuple[str, str]:  # noqa: PLR0911 (one return for each fault)
    """What is wrong with an interpreter line and how it should read; both empty when it is right."""
    if not line.startswith("#!"):
        almost = re.match(r"^(?:!#|#\s*!?|!)\s*(/?(?:usr/)?bin/\S+.*)$", line)
        if almost:
            return (
                f"`{line.strip()}` is no interpreter line",
                f"#!{'' if almost.group(1).startswith('/') else '/'}{almost.group(1)}",
            )
        return "the first line is no interpreter line", "insert"
    words = line[2:].split()
    if not words:
        return "the interpreter is missing", "#!/bin/bash"
    if not words[0].startswith("/"):
        return f"`{words[0]}` is no absolute path", f"#!/{' '.join(words)}" if "/" in words[
            0
        ] else f"#!/bin/{' '.join(words)}"
    name = words[0].rsplit("/", 1)[-1]
    if name == "env" and len(words) > 2 and not words[1].startswith("-"):
        return "env takes one word unless -S is given", f"#!/bin/bash {' '.join(words[2:])}".rstrip()
    if name not in _SHELLS and not name.startswith("python") and distance_at_most(name, "bash", 2):
        return f"there is no interpreter `{name}`", f"#!/bin/bash {' '.join(words[1:])}".rstrip()
    if words[0] in ("/bash", "/usr/bash", "/bin/bin/bash", "/bin/", "/bin"):
        return f"there is no interpreter `{words[0]}`", "#!/bin/bash"
    return "", ""


def _characters(mended: Mended) -> None:
    here_word = ""
    for index, line in enumerate(mended.lines):
        if here_word:
            here_word = "" if line.strip() == here_word else here_word
            continue
        here = re.search(r"<<-?\s*[\"']?(\w+)", line)
        here_word = here.group(1) if here and "<<<" not in line and not line.startswith("#") else ""
        if not _ODD.search(line):
            continue
        right, what = _plain(line)
        if right != line:
            mended.lines[index] = right
            match = next(iter(_ODD.finditer(line)))
            mended.found.append(
                Found(
                    rule="form-mail-characters",
                    line=mended.origins[index],
                    column=match.start() + 1,
                    what=f"{what} where the shell wants plain ASCII",
                    fix=f"write {right.strip()}",
                )
            )


def _plain(line: str) -> tuple[str, str]:
    """The line in plain characters where that matters, and what was found in it."""
    directive = bool(re.match(r"^\W{0,3}#\W{0,2}SBATCH", line.translate(ZERO_WIDTH)))
    if line.lstrip().startswith("#") and not directive and not line.startswith("#!"):
        return line, ""
    head, comment = _split_comment(line)
    said = next(
        (
            name
            for name, marks in (("a no-break space", BLANKS), ("a zero-width character", ZERO_WIDTH))
            if any(chr(mark) in head for mark in marks)
        ),
        "",
    )
    show = re.match(r"^\s*(?:echo|printf)\b", head)
    plain = head.translate(ZERO_WIDTH).translate(BLANKS)
    if not show:
        dashed = re.sub(rf"(^|[\s=\"'])[{DASHES}]{{1,2}}(?=[A-Za-z])(\w*)", _dash, plain)
        dashed = re.sub(rf"(#SBATCH\s*)[{DASHES}]{{1,2}}(\w*)", _dash, dashed)
        dashed = re.sub(r"(?<=\w)[‐‑](?=\w)", "-", dashed) if directive or "--" in dashed else dashed
        dashed = re.sub(rf"(?<=[\s=])[{DASHES}](?=\d)", "-", dashed)
        said = said or ("a typographic dash" if dashed != plain else "")
        quoted = _straight_quotes(dashed)
        said = said or ("typographic quotes" if quoted != dashed else "")
        plain = quoted
    return plain + comment, said


def _split_comment(line: str) -> tuple[str, str]:
    if line.lstrip().startswith("#"):
        at = line.find(" #", line.find("SBATCH")) if "SBATCH" in line else -1
    else:
        match = re.search(r"(?<=\s)#(?!\!)", line)
        at = (
            match.start()
            if match and line[: match.start()].count('"') % 2 == 0 and line[: match.start()].count("'") % 2 == 0
            else -1
        )
    return (line, "") if at < 0 else (line[:at], line[at:])


def _dash(match: re.Match[str]) -> str:
    word = match.group(2)
    return f"{match.group(1)}{'--' if len(word) > 1 else '-'}{word}"


def _straight_quotes(text: str) -> str:
    """Typographic quotes outside of plain double quotes made straight; an apostrophe inside a word stays."""
    parts = re.split(r'("[^"]*")', text)
    for index in range(0, len(parts), 2):
        part = re.sub(f"[{DOUBLE_QUOTES}]", '"', parts[index])
        parts[index] = re.sub(rf"(?<!\w)[{SINGLE_QUOTES}]|[{SINGLE_QUOTES}](?!\w)", "'", part)
    return "".join(parts)


def _continuations(mended: Mended) -> None:
    index = 0
    open_quote = ""
    while index < len(mended.lines):
        line = mended.lines[index]
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
                _broken(mended, index, "the mail client wrapped this comment: the rest is run as a command")
                mended.lines[index + 1] = f"# {mended.lines[index + 1]}"
        elif not open_quote and not _in_here_document(mended.lines, index):
            index = _code_line(mended, index)
        open_quote = _open_quote(mended.lines[min(index, len(mended.lines) - 1)], open_quote)
        index += 1


def _code_line(mended: Mended, index: int) -> int:
    line = mended.lines[index]
    after = mended.lines[index + 1] if index + 1 < len(mended.lines) else ""
    beyond = mended.lines[index + 2] if index + 2 < len(mended.lines) else ""
    if _TRAILING.search(line) and not line.lstrip().startswith(("echo", "printf")):
        _broken(mended, index, "a blank follows the backslash, so the command ends here")
        mended.lines[index] = line = line.rstrip()
    if line.endswith("\\"):
        swallowed = not after.strip() or after.lstrip().startswith("#")
        if swallowed and re.match(r"^\s*(?:-{1,2}[A-Za-z]|\S+\s*\\$)", beyond) and not _COMMANDS.match(beyond.lstrip()):
            what = "an empty line" if not after.strip() else "a comment"
            _broken(mended, index + 1, f"{what} inside the command cuts it off")
            moved, origin = mended.lines.pop(index + 1), mended.origins.pop(index + 1)
            if moved.strip():
                start = _start_of_command(mended.lines, index)
                mended.lines.insert(start, moved.strip().rstrip("\\").rstrip())
                mended.origins.insert(start, origin)
                return index + 1
        return index
    if (
        line.strip()
        and re.match(r"^\s*--?[A-Za-z][\w\-]*(?:[= ]|$)", after)
        and not after.lstrip().startswith(("-- ", "---"))
        and not line.rstrip().endswith(("(", "|", "&&", "||", "{", "then", "do", "\\"))
        and not _in_array(mended.lines, index + 1)
    ):
        _broken(mended, index, "the backslash at the end is missing: the options on the next line are run as a command")
        mended.lines[index] = line.rstrip() + " \\"
    elif len(line) >= 58 and after.strip() and _is_torn(line, after) and not _in_array(mended.lines, index + 1):
        _wrapped(mended, index)
        return index - 1
    return index


def _is_torn(line: str, after: str) -> bool:
    """A line that a mail client cut at a blank: what follows is no command."""
    if re.search(r"\s--[a-z][\w\-]*$", line.rstrip()) and re.match(r"^[\"']?\$\{?\w+\}?[/\w.\-]*", after):
        return True
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
    _broken(mended, index, "the line was wrapped, by a mail client or an editor: its second half is run as a command")
    mended.lines[index] = f"{mended.lines[index].rstrip()} {mended.lines[index + 1].strip()}"
    del mended.lines[index + 1], mended.origins[index + 1]


def _wrapped_comment(line: str, after: str) -> bool:
    if len(line) < 58 or not after.strip() or line.startswith("#SBATCH") or line.lstrip().startswith("#!"):
        return False
    return (
        not _COMMANDS.match(after)
        and bool(re.match(r"^[a-zà-ÿα-ωа-я(][\w'’,.();:/\- ]*$", after))
        and not after.startswith("-")
    )


def _broken(mended: Mended, index: int, what: str) -> None:
    mended.found.append(
        Found(
            rule="form-broken-continuation",
            line=mended.origins[index],
            what=what,
            fix="one command on one line, or a backslash as the very last character of each line but the last",
        )
    )


def _directive_backslash(mended: Mended, index: int) -> None:
    _broken(mended, index, "a #SBATCH line cannot be continued with a backslash")
    mended.lines[index] = mended.lines[index].rstrip().rstrip("\\").rstrip()
    after = mended.lines[index + 1] if index + 1 < len(mended.lines) else ""
    if re.match(r"^\s*-{1,2}[A-Za-z]", after):
        mended.lines[index + 1] = f"#SBATCH {after.strip()}"
    elif after.startswith("#") and re.match(r"^#\s+-{1,2}[A-Za-z]", after):
        mended.lines[index + 1] = f"#SBATCH {after.lstrip('# ')}"


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


def _in_here_document(lines: list[str], index: int) -> bool:
    word = ""
    for line in lines[:index]:
        if word:
            word = "" if line.strip() == word else word
            continue
        here = re.search(r"<<-?\s*[\"']?(\w+)", line)
        word = here.group(1) if here and "<<<" not in line and not line.lstrip().startswith("#") else ""
    return bool(word)


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
