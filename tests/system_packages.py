"""Programs that tests need from the system's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEM_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
INSTALL_TIMEOUT_S = 240


def need(program: str, *, package: str) -> str:
    """The program's path; installs the Debian package when it may, else skips the test and names the package."""
    found = shutil.which(program, path=SYSTEM_PATH)
    if found is None and os.geteuid() == 0 and Path("/etc/debian_version").exists():
        _install(package)
        found = shutil.which(program, path=SYSTEM_PATH)
    if found is None:
        pytest.skip(f"{program} is missing: apt-get install {package}")
    return found


def _install(package: str) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    for command in (install, ["apt-get", "update"], install):
        try:
            done = subprocess.run(command, env=environment, capture_output=True, timeout=INSTALL_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return
        if done.returncode == 0 and command is install:
            return
