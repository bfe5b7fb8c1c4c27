"""Finds scripts and logs in a mail: in attachments, fenced, indented or quoted blocks, or pasted raw."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

SCRIPT_NAMES = (".sh", ".sbatch", ".slurm", ".job", ".bash", ".batch", ".pbs", ".bsub", ".lsf")
OTHER_NAMES = (".py", ".yaml", ".yml", ".json", ".md", ".toml", ".cfg", ".ini", ".csv", ".html", ".ipynb", ".pdf")
MAX_PIECE_CHARS = 4_000_000

DIRECTIVE = re.compile(r"^\s{0,8}#{1,2} {0,2}(?:SBATCH|sbatch|PBS|BSUB|OAR|MSUB|COBALT)\b|^#\$ -[a-zA-Z]")
SHEBANG = re.compile(r"^\s{0,12}\W{0,3}(?:#!|!#|#(?=/)|#!(?=\w)) ?/?[\w./]*(?:sh|python\d?|env|bin/\w{2,6})\b")
BARE_INTERPRETER = re.compile(r"^/(?:usr/)?bin/(?:env\s{1,4})?\w{0,3}sh\s*$")
_QUOTE = re.compile(r"^(?:> ?)+")
_FENCE = re.compile(r"^(?:> ?)*\s{0,3}(?:```|~~~)")
_SIGNATURE = re.compile(r"^-- ?$")
_CODE = re.compile(
    r"^\s*(?:#|$|[A-Za-z_]\w*=|\. |[\w\-]+\(\)|[{}()\[\]]|--?[A-Za-z]|\\|&&|\|\||[|;&]|\"|'|\$|\./|/[\w.]|~|(?:"
    r"export|module|ml|source|srun|mpirun|mpiexec|torchrun|python\d?|accelerate|deepspeed|vllm|singularity|apptainer|"
    r"conda|mamba|cd|mkdir|echo|set|ulimit|if|then|else|elif|fi|for|do|done|while|until|case|esac|function|trap|wait|"
    r"sleep|exit|eval|exec|unset|rsync|cp|mv|rm|tar|wget|curl|git|pip\d?|uv|nvidia-smi|rocm-smi|date|hostname|scontrol|"
    r"sbatch|ray|nohup|time|env|printf|cat|ls|ln|touch|kill|return|local|declare|read|shift|huggingface-cli|hf|wandb|"
    r"EOF|END)\b)"
)
_PROSE = re.compile(r"^[A-ZÀ-ÞΑ-Ωa-zà-þα-ωЀ-ӿ][\wÀ-ӿ'’,;:()/.\- ]{14,}[.!?:,]?$")
_GREETING = re.compile(
    r"(?i)^(?:thanks|thank you|many thanks|best|kind|regards|cheers|merci|cordialement|bien à vous|danke|viele grüße|"
    r"mit freundlichen|gracias|saludos|un saludo|grazie|cordiali|saluti|obrigad|cumprimentos|kiitos|terveisin|tack|mvh|"
    r"hilsen|dziękuj|pozdraw|děkuj|s pozdrav|hvala|lep pozdrav|srdačan|ευχαριστ|με εκτίμηση|благодар|поздрави|"
    r"(?:med )?vänliga|med ven(?:lig|nlig)|ystävällisin|parimat|pagarbiai|ar cieņu|üdvözlettel|köszön|cu stimă|"
    r"mulțum|mersi|met vriendelijke|groet|bedankt|liebe grüße|beste grüße|vielen dank|any (?:idea|help|hint)|"
    r"what (?:is|am|could)|could you|can you|please|hi\b|hello|dear)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    kind: Literal["script", "log"]
    where: str
    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    """Line number of each line in the text it was found in."""
    whole: bool
    """Whether the script is all of its text, so that its first line must be an interpreter line."""


def pieces_of(text: str, attachments: Sequence[tuple[str, str]] = ()) -> Iterator[Piece]:
    yield from _pieces_of_mail(text)
    for name, content in attachments:
        yield from pieces_of_file(name, content)


def pieces_of_file(name: str, content: str) -> Iterator[Piece]:
    """An attachment or a file given by name; its line ends are its own."""
    content = content[:MAX_PIECE_CHARS]
    if name.lower().endswith(OTHER_NAMES):
        return
    lines = content.split("\n")
    if name.lower().endswith(SCRIPT_NAMES) or looks_like_script(lines):
        yield from _pieces_of_mail(content, name=name, script_name=name.lower().endswith(SCRIPT_NAMES))
    else:
        yield _piece("log", name, lines, 1)


def pieces_of_script_file(name: str, content: str) -> Iterator[Piece]:
    """A file that is said to hold a script: the script itself, or a mail around it."""
    content = content[:MAX_PIECE_CHARS]
    meant = name.lower().endswith(SCRIPT_NAMES) or _mostly_commands(content.split("\n")[:400])
    yield from _pieces_of_mail(content, name=name, script_name=meant)


def _mostly_commands(lines: Sequence[str]) -> bool:
    filled = [line for line in lines if line.strip()]
    return sum(bool(_CODE.match(line)) for line in filled) * 2 >= len(filled)


def looks_like_script(lines: Sequence[str]) -> bool:
    head = [line for line in lines[:400] if line.strip()]
    return any(DIRECTIVE.match(_QUOTE.sub("", line)) for line in head) or bool(head and SHEBANG.match(head[0]))


def _piece(
    kind: Literal["script", "log"], where: str, lines: Sequence[str], first: int, *, whole: bool = True
) -> Piece:
    numbers = tuple(range(first, first + len(lines)))
    return Piece(kind=kind, where=where, lines=tuple(lines), numbers=numbers, whole=whole)


def _pieces_of_mail(text: str, *, name: str = "text", script_name: bool = False) -> Iterator[Piece]:
    lines = text[:MAX_PIECE_CHARS].split("\n")
    if not (script_name or looks_like_script(lines)):
        yield _piece("log", name, lines, 1)
        return
    own_file = script_name and bool(SHEBANG.match(lines[0]) or BARE_INTERPRETER.match(lines[0]))
    blocks = list(_script_blocks(lines, own_file=own_file))
    if not blocks and script_name:
        blocks = [(0, len(lines))]
    if blocks and script_name and all(re.match(r"#(?!!)|\s*$", line) for line in lines[: blocks[0][0]]):
        above = next((index for index, line in enumerate(lines) if line.strip()), 0)
        blocks[0] = (min(above, blocks[0][0]), blocks[0][1])
    taken: set[int] = set()
    for start, end in blocks:
        taken.update(range(start, end))
        around = [line for line in (*lines[:start], *lines[end:]) if line.strip() and not _FENCE.match(line)]
        yield _piece("script", name, lines[start:end], start + 1, whole=not around)
    rest = ["" if index in taken else line for index, line in enumerate(lines)]
    if any(line.strip() for line in rest):
        yield _piece("log", name, rest, 1, whole=False)


def _script_blocks(lines: Sequence[str], *, own_file: bool = False) -> Iterator[tuple[int, int]]:
    """Half-open ranges of lines that are scripts; `own_file`: it begins as a script, and only a farewell ends it."""
    at = 0
    while at < len(lines):
        bare = _QUOTE.sub("", lines[at])
        if not (SHEBANG.match(bare) or DIRECTIVE.match(bare)):
            at += 1
            continue
        start, end = _start_of_script(lines, at), max(at + 1, _end_of_script(lines, at, own_file=own_file))
        yield start, end
        at = end


def _start_of_script(lines: Sequence[str], at: int) -> int:
    """Up over comment lines that belong to the script."""
    start = at
    while start and not SHEBANG.match(_QUOTE.sub("", lines[at])):
        above = _QUOTE.sub("", lines[start - 1])
        if not (above.startswith("#") or BARE_INTERPRETER.match(above)) or _FENCE.match(lines[start - 1]):
            break
        start -= 1
    return start


def _end_of_script(lines: Sequence[str], start: int, *, own_file: bool = False) -> int:
    fenced = any(_FENCE.match(line) for line in lines[max(0, start - 3) : start])
    end, here_word, prose = start, "", 0
    for at in range(start, len(lines)):
        bare = _QUOTE.sub("", lines[at]).rstrip("\r")
        if here_word:
            here_word = "" if bare.strip() == here_word else here_word
            end = at + 1
            continue
        if at > start and (_FENCE.match(lines[at]) or _SIGNATURE.match(bare)):
            return at
        here = re.search(r"<<-?\s*[\"']?(\w+)", bare)
        here_word = here.group(1) if here and "<<<" not in bare else ""
        if not fenced and (_GREETING.match(bare.strip()) if own_file else _is_prose(bare, lines, at)):
            prose += 1
            if prose == 1 and not _goes_on(lines, at):
                return end
            continue
        if bare.strip():
            end = at + 1
        prose = 0
    return end if fenced or own_file else _without_name(lines, start, end)


_NAME = re.compile(r"^[^\W\d_a-z][\w'’.\- ]{1,40},?$")


def _without_name(lines: Sequence[str], start: int, end: int) -> int:
    """The end without a last paragraph that is a name or a greeting in a language that we do not know."""
    at = end
    while at > start and lines[at - 1].strip():
        at -= 1
    last = [_QUOTE.sub("", line).strip() for line in lines[at:end]]
    named = 0 < len(last) <= 4 and all(_NAME.match(line) and not _CODE.match(line) for line in last)
    return at if at > start + 1 and named else end


def _is_prose(bare: str, lines: Sequence[str], at: int) -> bool:
    if not bare.strip() or bare.startswith("#"):
        return False
    if (at and lines[at - 1].rstrip().endswith(("\\", "="))) or re.search(r"\s--\w", bare):
        return False
    if _GREETING.match(bare.strip()):
        return True
    return not _CODE.match(bare) and bool(_PROSE.match(bare.strip())) and bare.count(" ") >= 3


def _goes_on(lines: Sequence[str], at: int) -> bool:
    """Whether the script clearly goes on after a line that looks like prose (a wrapped comment, a custom command)."""
    after = [_QUOTE.sub("", line) for line in lines[at + 1 : at + 5]]
    return any(
        DIRECTIVE.match(line) or re.match(r"\s*(?:srun|export|module|torchrun|source|mpirun)\s", line) for line in after
    )
