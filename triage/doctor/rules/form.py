"""form-*: characters and line ends, mended before anything else is read."""

from __future__ import annotations

import re

from triage.doctor.directives import distance_at_most
from triage.doctor.pieces import Piece
from triage.doctor.rules.found import Found
from triage.doctor.rules.wrapping import Mended, continuations, unwrap

BLANKS = {0xA0: " ", 0x202F: " ", 0x2007: " ", 0x2009: " ", 0x3000: " "}
ZERO_WIDTH = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0x00AD))
DOUBLE_QUOTES = "“”„‟«»″"
SINGLE_QUOTES = "‘’‚‛′"
DASHES = "‐‑‒–—―−"
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&nbsp;": " ", "=3D": "="}
"""Left over when a mail was not decoded."""
ENCODED = "something left over from the encoding of the mail"
_ENTITY = re.compile("|".join(map(re.escape, ENTITIES)))
_ODD = re.compile(
    f"[\u00a0\u202f\u2007\u2009\u3000\u200b\u200c\u200d\u2060\ufeff\u00ad{DOUBLE_QUOTES}{SINGLE_QUOTES}{DASHES}]"
)
_QUOTE_MARK = re.compile(r"^(?:> ?)+")
_SHELLS = ("bash", "sh", "zsh", "ksh", "dash", "csh", "tcsh", "env", "perl", "Rscript", "julia", "expect", "fish")


def mend(piece: Piece, *, mailed: bool) -> Mended:
    """`mailed`: the text is a mail body, whose line ends and quote marks are the transport's."""
    mended = Mended(lines=list(piece.lines), origins=list(piece.numbers))
    in_mail = mailed or not piece.whole
    _line_ends(mended, mailed=mailed)
    _quotes_and_indent(mended, piece, mailed=mailed)
    _first_line(mended, piece, mailed=mailed)
    _soft_breaks(mended, in_mail=in_mail)
    if in_mail:
        unwrap(mended)
    _characters(mended, in_mail=in_mail)
    continuations(mended, in_mail=in_mail)
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
    if piece.whole and not mailed:
        _interpreter_up(mended)
    problem, right = _interpreter(lines[0])
    if (problem and lines[0].startswith("#SBATCH")) or (
        problem and right == "insert" and not lines[0].startswith(("#", "!"))
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


def _interpreter_up(mended: Mended) -> None:
    """Comments that stand above the interpreter line go below it."""
    comments = next((index for index, line in enumerate(mended.lines) if not re.match(r"#(?!!|SBATCH)|\s*$", line)), 0)
    if not comments or not mended.lines[comments].startswith("#!"):
        return
    mended.lines.insert(0, mended.lines.pop(comments))
    mended.origins.insert(0, mended.origins.pop(comments))
    first, place = mended.origins[1], mended.origins[0]
    what = "a comment stands before the interpreter line"
    mended.found.append(Found(rule="form-first-line", line=first, what=what, fix="#!/bin/bash must be line 1"))
    mended.found.append(
        Found(rule="form-first-line", line=place, severity="hint", what="this must be line 1", fix="move it up")
    )


def _interpreter(line: str) -> tuple[str, str]:  # noqa: PLR0911 (one return for each fault)
    """What is wrong with an interpreter line and how it should read; both empty when it is right."""
    if not line.startswith("#!"):
        almost = re.match(r"^(?:!#|#\s*!?|!)?\s*(/?(?:usr/)?bin/(?:env\s|\w*sh\b).*)$", line)
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


def _soft_breaks(mended: Mended, *, in_mail: bool) -> None:
    """Lines that a mail's quoted-printable encoding cut, in a text that was not decoded: they end in `=`."""
    if sum("=3D" in line for line in mended.lines) < 2:
        return
    index = 0
    while index + 1 < len(mended.lines):
        if not mended.lines[index].endswith("="):
            index += 1
            continue
        mended.lines[index] = mended.lines[index][:-1] + mended.lines[index + 1]
        mended.found.append(
            Found(
                rule="form-mail-characters",
                line=mended.origins[index],
                severity="warning" if in_mail else None,
                what="the encoding of the mail cut this line",
                fix="join it with the next line",
            )
        )
        mended.found.append(
            Found(
                rule="form-mail-characters",
                line=mended.origins[index + 1],
                severity="hint",
                what=f"the rest of line {mended.origins[index]}",
                fix="join it with the line above",
            )
        )
        del mended.lines[index + 1], mended.origins[index + 1]


def _characters(mended: Mended, *, in_mail: bool) -> None:
    here_word = ""
    for index, line in enumerate(mended.lines):
        if here_word:
            here_word = "" if line.strip() == here_word else here_word
            continue
        here = re.search(r"<<-?\s*[\"']?(\w+)", line)
        here_word = here.group(1) if here and "<<<" not in line and not line.startswith("#") else ""
        if not (_ODD.search(line) or _ENTITY.search(line)):
            continue
        right, what = _plain(line)
        if right != line:
            mended.lines[index] = right
            match = _ODD.search(line) or _ENTITY.search(line)
            column = match.start() + 1 if match else 1
            mended.found.append(
                Found(
                    rule="form-mail-characters",
                    line=mended.origins[index],
                    column=column,
                    severity="warning" if in_mail and what == ENCODED else None,
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
    decoded = _ENTITY.sub(lambda match: ENTITIES[match.group()], plain)
    said = said or (ENCODED if decoded != plain else "")
    plain = decoded
    if not show:
        dashes = rf"(?=-{{0,2}}[{DASHES}])[-{DASHES}]{{1,3}}"
        dashed = re.sub(rf"(^|[\s=\"']){dashes}(?=[A-Za-z])(\w*)", _dash, plain)
        dashed = re.sub(rf"(#SBATCH\s*){dashes}(\w*)", _dash, dashed)
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
