"""What a request lacks to be answered, and the few questions that would supply it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from triage.errors import RulesFileError
from triage.result import Request, Topic
from triage.text import ReadText, folded

MISSING_FILE = Path(__file__).parent / "missing.yaml"
MAX_QUESTIONS = 3
LONG = 600
"""A report of more characters tells its story, whatever words it uses."""
QUOTED_ERROR = re.compile(
    r"[\"'`«„“][^\"'`«»„“”\n]{6,}[\"'`»“”]|\b\w*(?:Error|Exception)\b"
    r"|\b(?:exit|error|status) (?:code )?\d+|[A-Z]{2,}_[A-Z_]+"
)
JOB_ID = re.compile(r"\b\d{5,9}\b")
FIGURES = re.compile(
    r"\d\s*(?:%|s\b|ms\b|min\b|h\b|x\b|it/s|tok\w*|img|images|samples|hours?|minutes?|stunden|heures|horas|ore)"
)
SCRIPTS = (".sh", ".sbatch", ".slurm", ".job")
LOGS = (".log", ".out", ".err", ".txt")
IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".heic", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wants:
    reports: Mapping[str, re.Pattern[str]]
    """By kind of report, in the order in which they are tried."""
    wants: Mapping[str, Sequence[str]]
    questions: Mapping[str, Mapping[str, str]]
    """By what is wanted, then by language."""

    def ask(self, names: Sequence[str], language: str) -> tuple[str, ...]:
        return tuple(self.questions[name].get(language, self.questions[name]["en"]) for name in names[:MAX_QUESTIONS])


def load_wants(path: Path = MISSING_FILE) -> Wants:
    """The table of what is asked for.

    Raises:
        RulesFileError: the file cannot be read, a pattern is wrong, or something wanted has no question.
    """
    try:
        table = yaml.safe_load(path.read_text("utf-8"))
        reports = {name: re.compile("".join(lines.splitlines())) for name, lines in table["reports"].items()}
        found = Wants(reports=reports, wants=table["wants"], questions=table["questions"])
        for kind in reports:
            found.ask(found.wants[kind], "en")
    except (OSError, yaml.YAMLError, re.error, KeyError, TypeError, AttributeError) as error:
        raise RulesFileError(path, str(error)) from error
    return found


def report_kind(wants: Wants, text: ReadText) -> str | None:
    """The kind of failure that is reported; None when none is, or when the text says enough to go on."""
    if text.machine or len(text.prose) > LONG or QUOTED_ERROR.search(text.prose):
        return None
    words = re.sub(r"[ \t]+", " ", folded(text.prose))
    return next((kind for kind, pattern in wants.reports.items() if pattern.search(words)), None)


def lacking(wants: Wants, request: Request, text: ReadText, topics: Sequence[Topic]) -> tuple[str, ...]:
    """What a reported failure leaves open, most useful first; empty when nothing is reported or enough is told."""
    kind = report_kind(wants, text)
    if kind is None or has_file(request, LOGS):
        return ()
    told = {
        "system": any(topic.kind == "system" for topic in topics),
        "job_id": bool(JOB_ID.search(text.prose)),
        "script": has_file(request, SCRIPTS),
        "figures": bool(FIGURES.search(folded(text.prose))),
    }
    if kind == "slow" and told["figures"]:
        return ()
    return tuple(name for name in wants.wants[kind] if not told.get(name, False))


def has_file(request: Request, endings: tuple[str, ...]) -> bool:
    return any(name.casefold().endswith(endings) for name in request.attachments)
