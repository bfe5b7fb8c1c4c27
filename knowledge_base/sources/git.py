"""A branch of a git repository as a folder, through the git command."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from knowledge_base.errors import SourceFailedError

TIMEOUT_S = 600
_SAFE = ("-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "protocol.ext.allow=never")


def checked_out(url: str, branch: str, folder: Path) -> str:
    """Clone or update `folder` to the newest commit of the branch, and return that commit.

    Raises:
        SourceFailedError: git is missing, or the repository or branch cannot be reached; `folder` stays as it was.
    """
    if _is_clone_of(url, folder):
        _git(["fetch", "--quiet", "--force", "origin", f"+refs/heads/{branch}:refs/remotes/origin/{branch}"], folder)
        _git(["checkout", "--quiet", "--force", "--detach", f"refs/remotes/origin/{branch}"], folder)
        _git(["clean", "-ffdxq"], folder)
    else:
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _git(["clone", "--quiet", "--single-branch", "--branch", branch, "--", url, str(fresh)], folder.parent)
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
    return _git(["rev-parse", "HEAD"], folder).strip()


def days_of_change(folder: Path) -> dict[str, str]:
    """Day of the last commit that changed each file, ISO 8601, by path."""
    days: dict[str, str] = {}
    day = ""
    for line in _git(["log", "--format=%x00%cs", "--name-only", "--no-renames"], folder).splitlines():
        if line.startswith("\0"):
            day = line[1:]
        elif line:
            days.setdefault(line, day)
    return days


def _is_clone_of(url: str, folder: Path) -> bool:
    try:
        return (folder / ".git").is_dir() and _git(["remote", "get-url", "origin"], folder).strip() == url
    except SourceFailedError:
        return False


def _git(arguments: Sequence[str], folder: Path) -> str:
    quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8", "GIT_ALLOW_PROTOCOL": "https:http:ssh:git:file"}
    try:
        done = subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env={**os.environ, **quiet},
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SourceFailedError(f"git {arguments[0]}: {error}") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SourceFailedError(f"git {arguments[0]}: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout.decode("utf-8", "replace")
