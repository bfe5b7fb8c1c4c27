"""A request's text, taken apart: what the person wrote, and what a machine printed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import filterfalse

from triage.result import Request

HEAD_CHARS = 24_000
TAIL_CHARS = 6_000
"""Of a longer body the first and the last part are read: the ask stands at the start or the end of a long mail."""

FENCE = re.compile(r"```.*?(?:```|\Z)", re.S)
LINK = re.compile(r"(?:https?://|www\.)\S+|<?\S+@\S+\.\w+>?")
MACHINE_LINE = re.compile(
    r"""^\s*(?:
      \#!|\#SBATCH|\#PBS|\#BSUB|\$\s|>>>\s|\.\.\.\s|\[?\d{4}-\d\d-\d\d[T ]|\[?\d\d:\d\d:\d\d
      |\[rank\d|\[?rank\d+\]?:|\d+:\s
      |\[(?:INFO|WARN|WARNING|ERROR|DEBUG|[EWIF]\d*\b)|(?:INFO|WARNING|ERROR|DEBUG|FATAL|CRITICAL)\b[:\s]
      |Traceback\b|File\s"|\s{4,}\S.*[=(\[{;]|at\s\S+\(|srun:|slurmstepd|sbatch:|salloc:|torchrun\b
      |srun\b|sbatch\b|module\sload
      |pip\sinstall|conda\s(?:activate|create|install)|export\s\w+=|import\s\w+
      |from\s[\w.]+\simport|\w+\s?=\s?[\w.]+\(|def\s\w+\(
      |[\w.]*(?:Error|Exception|Warning):|-\s?`?\w+`?\sversion|[-|+=]{6,}|[A-Z_]{4,}=\S|\w+:\d+:\d+\s\[\d\]
      |.*(?:core\sdumped|Segmentation\sfault|undefined\ssymbol|No\ssuch\sfile|command\snot\sfound
      |CUDA\serror|NCCL\s(?:INFO|WARN))
    )""",
    re.X,
)
ERROR_LINE = re.compile(
    r"error|exception|fail|killed|denied|not found|no such|timeout|out of memory|fault|cannot|invalid", re.I
)
SENTENCE_END = re.compile(r"(?<=[.!?…;:])\s+|\n+|\s[–—]\s")
ASK = re.compile(
    r"\?|\b(?:(?:we|i)(?:'d| would| will|'re| are| am|'m)? (?:like|love|need|want|ask|look|seek|search"
    r"|request|apply|wish|hope|wonder)\w*"
    r"|please|could (?:you|some|any)\w*|can (?:you|some|any)\w*|would you|looking for|look for|help us"
    r"|help me|what we need|missing is|we miss"
    r"|question is|wanted|tell (?:me|us)|any (?:idea|hint|advice)\w*"
    r"|mocht\w*|brauch\w*|such(?:e|en|t)|bitte\w*|benotig\w*|wunsch\w*|konnten sie|konnt ihr|gesucht|frage"
    r"|fehlt|wurden wir"
    r"|souhait\w*|aimer\w*|voudr\w*|cherch\w*|demand\w*|besoin|pourriez|pouvez|pourrait"
    r"|il nous (?:faut|manque)|il me (?:faut|manque)|svp"
    r"|quer(?:emos|riamos|ria)|quisiera\w*|gustaria|buscamos|busco|necesit\w*|solicit\w*|pedimos|podria\w*"
    r"|podeis|pueden|hace falta|nos falta"
    r"|vorre\w*|cerc(?:o|hiamo)|chied\w*|bisogno|potreste|potete|potrebbe|serv(?:e|irebbe)|desider\w*"
    r"|ci manca|mi manca)\b"
)
QUOTED = re.compile(r"^\s*>(?!>>)")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadText:
    prose: str
    """Subject and the person's sentences, without machine lines, quoted lines and links."""
    machine: str
    """Pasted logs, scripts and code."""
    error: str
    """The last machine line that reports a failure; empty when there is none."""
    links: int

    @property
    def whole(self) -> str:
        return f"{self.prose}\n{self.machine}" if self.machine else self.prose

    @property
    def is_empty(self) -> bool:
        return not (self.prose.strip() or self.machine.strip())

    @property
    def only_links(self) -> bool:
        return bool(self.links) and not self.machine and len(re.findall(r"\w{2,}", self.prose)) < 3

    @property
    def only_machine(self) -> bool:
        return bool(self.machine) and len(re.findall(r"[^\W\d_]{2,}", self.prose)) < 4


def read(request: Request) -> ReadText:
    body = shortened(clean(request.body))
    body, fenced = take_fences(body)
    prose_lines, machine_lines = split_lines(body)
    machine = "\n".join([*machine_lines, *fenced]).strip()
    body_prose = "\n".join(prose_lines).strip()
    subject = re.sub(r"^\s*(?:(?:re|fw|fwd|aw|wg|tr|rv)\s*:\s*)+", "", clean(request.subject), flags=re.I).strip()
    prose, links = LINK.subn(" ", join_subject(subject[:500], body_prose))
    return ReadText(prose=prose.strip(), machine=machine, error=last_error(machine), links=links)


def clean(text: str) -> str:
    """NFC, without control characters other than line ends and tabs."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f\u200b\ufeff]", " ", text)


def shortened(text: str) -> str:
    if len(text) <= HEAD_CHARS + TAIL_CHARS:
        return text
    return f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def join_subject(subject: str, body: str) -> str:
    if not subject:
        return body
    return f"{subject}\n{body}" if subject[-1] in ".?!:" else f"{subject}.\n{body}"


def take_fences(text: str) -> tuple[str, list[str]]:
    """The text without its ```fenced``` blocks, and the blocks."""
    blocks = [block.strip("`\n") for block in FENCE.findall(text)]
    return FENCE.sub("\n", text), blocks


def split_lines(text: str) -> tuple[list[str], list[str]]:
    prose: list[str] = []
    machine: list[str] = []
    for line in text.split("\n"):
        if QUOTED.match(line):
            continue
        (machine if is_machine_line(line) else prose).append(line)
    return prose, machine


def is_machine_line(line: str) -> bool:
    stripped = line.strip()
    if not stripped:
        return False
    if MACHINE_LINE.match(line):
        return not reads_as_sentence(stripped)
    letters = sum(character.isalpha() or character.isspace() for character in stripped)
    return len(stripped) > 12 and letters / len(stripped) < 0.6


def reads_as_sentence(line: str) -> bool:
    """Long lines of common words are prose, whatever they start with (`export did not work for me because …`)."""
    words = line.split()
    plain = sum(word.strip(".,;:!?()'\"").isalpha() for word in words)
    return len(words) >= 9 and plain / len(words) > 0.8


def last_error(machine: str) -> str:
    lines = [line.strip() for line in machine.split("\n") if ERROR_LINE.search(line)]
    return lines[-1][:200] if lines else ""


def sentences(prose: str) -> list[str]:
    return [" ".join(sentence.split()) for sentence in SENTENCE_END.split(prose) if sentence.strip()]


def asking(found: Sequence[str]) -> list[bool]:
    """Which sentences put the request: questions and wishes, else the last one of some length."""
    marks = [bool(ASK.search(folded(sentence))) for sentence in found]
    if not any(marks):
        long = [at for at, sentence in enumerate(found) if len(sentence.split()) >= 4]
        last = long[-1] if long else len(found) - 1
        marks = [at == last for at in range(len(found))]
    return marks


def folded(text: str) -> str:
    """Lower case without accents, for matching across spellings (`Ü` and `ü` become `u`, `ß` becomes `ss`)."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(filterfalse(unicodedata.combining, decomposed))
