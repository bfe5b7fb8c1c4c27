"""Whether the code of a draft can be read by what it is for. Nothing is run: Bash only reads (`-n`)."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import warnings
from functools import lru_cache

import yaml

from agent.checks.code import Snippet
from triage.doctor.check import check_script
from triage.doctor.pieces import Piece

BASH = shutil.which("bash")
BASH_TIMEOUT_S = 5
SHELL = {"bash", "sh", "shell", "console", "zsh", "slurm", "sbatch"}
OTHER = {
    "text",
    "txt",
    "output",
    "log",
    "ini",
    "toml",
    "diff",
    "dockerfile",
    "markdown",
    "md",
    "csv",
    "xml",
    "c",
    "cpp",
}

_PLACEHOLDER = re.compile(r"<[A-Za-z][\w .|/-]{0,40}>|\[\.\.\.\]|…|(?<![\w.])\.\.\.(?![\w.])")
_DIRECTIVE = re.compile(r"^[ \t]*#SBATCH\b", re.MULTILINE)
_DANGER = (
    ("deletes without asking", re.compile(r"\brm\s+(?:-\w*\s+)*-\w*[rf]\w*|\bfind\b[^\n|;]*-delete|\bshred\b|\bmkfs|\bdd\s+if=")),
    ("runs what it downloads", re.compile(r"\b(?:curl|wget)\b[^\n]*\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b|\b(?:ba)?sh\s+<\(\s*curl|\beval\b[^\n]*\b(?:curl|wget|base64)")),
    ("decodes something and runs it", re.compile(r"base64\s+(?:-d|--decode)[^\n]*\|\s*\w*sh\b")),
    ("asks for rights that users do not have", re.compile(r"(?:^|[;&|]\s*|\s)(?:sudo|su\s+-|doas)\b", re.MULTILINE)),
    ("opens files to everyone", re.compile(r"\bchmod\s+(?:-R\s+)?(?:0?777|a\+rwx|o\+w)")),
    ("sends data away", re.compile(r"\b(?:nc|ncat|netcat)\s+-?\w|/dev/tcp/|\bcurl\b[^\n]*(?:\s-d\b|--data|\s-F\b|\s-T\b|--upload-file)|\b(?:scp|rsync)\b[^\n]*@")),
    ("reads keys or passwords", re.compile(r"\.ssh/(?:id_|authorized_keys)|/etc/(?:shadow|passwd)|\.netrc|\.aws/credentials|HF_TOKEN\b.*(?:echo|curl)|\bprintenv\b|\benv\s*\|")),
    ("never ends", re.compile(r":\(\)\s*\{|\bwhile\s+(?:true|:)\s*;?\s*do\b[^\n]*&")),
)  # fmt: skip

_NEVER = {"deletes without asking", "runs what it downloads", "decodes something and runs it", "never ends"}
_LEFT_TO_THE_READER = {"dir-placeholder-left", "res-account"}
"""Rules of the doctor that an example may break."""


def dangers_in(code: str) -> tuple[str, ...]:
    """What a command would do that no answer should ask of anybody without its evidence saying so."""
    return tuple(what for what, pattern in _DANGER if pattern.search(code))


def is_never_sent(danger: str) -> bool:
    """Whether even evidence is no excuse: documents can be poisoned, and these cannot be undone."""
    return danger in _NEVER


@lru_cache(maxsize=512)
def problem_of(snippet: Snippet) -> str | None:
    """Why it cannot be used as it stands; None when it parses, or when nobody can tell."""
    text = _PLACEHOLDER.sub("PLACEHOLDER", snippet.text)
    if not text.strip() or snippet.language in OTHER:
        return None
    if snippet.language == "json":
        return _json_problem(text)
    if snippet.language in {"yaml", "yml"}:
        return _yaml_problem(text)
    if snippet.language in {"python", "py"}:
        return _python_problem(text)
    if _DIRECTIVE.search(snippet.text):
        return _bash_problem(text) or _job_problem(text)
    return _bash_problem(text) if snippet.language in SHELL else None


def _json_problem(text: str) -> str | None:
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is no JSON: {error}"
    return None


def _yaml_problem(text: str) -> str | None:
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):  # events only: no aliases are expanded
            pass
    except (yaml.YAMLError, RecursionError) as error:
        return f"is no YAML: {' '.join(str(error).split())}"
    return None


def _python_problem(text: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"is no Python: {error}"
    return None


def _bash_problem(text: str) -> str | None:
    if BASH is None:
        return None
    try:
        read = subprocess.run(
            [BASH, "--norc", "--noprofile", "-n"],
            input=text.encode(), capture_output=True, timeout=BASH_TIMEOUT_S, env={"LC_ALL": "C"}, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "could not be read by bash"
    said = read.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"is not read by bash: {said[0].removeprefix('bash: ')}" if read.returncode and said else None


def _job_problem(text: str) -> str | None:
    """What the job doctor calls an error, outside what only the whole script could tell."""
    lines = tuple(text.rstrip("\n").split("\n"))
    piece = Piece(kind="script", where="draft", lines=lines, numbers=tuple(range(1, len(lines) + 1)), whole=False)
    found = check_script(piece).findings
    errors = [item for item in found if item.severity == "error" and item.id not in _LEFT_TO_THE_READER]
    return f"line {errors[0].line}: {errors[0].what}" if errors else None
