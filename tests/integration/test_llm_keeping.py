"""The keeper beside the service: started with it, started again when it dies, and gone when the service is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpdesk_process import REPOSITORY, Helpdesk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOLD = """
import time
from agent.llm import keeping
keeping.START_AGAIN_AFTER_S = 0.2
process = keeping.KeeperProcess()
while True:
    time.sleep(0.1)
"""


def keepers_of(parent: int) -> list[int]:
    """Process ids of the keepers that this process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            above = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if b"--until-input-ends" in command and above == parent:
            found.append(int(folder.name))
    return found


def until(wanted: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if wanted():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_a_keeper_that_dies_is_started_again_and_never_outlives_a_killed_service(tmp_path: Path) -> None:
    environment = {**os.environ, "MINERVA_DATA_DIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    service = subprocess.Popen([sys.executable, "-c", HOLD], env=environment)
    try:
        until(lambda: keepers_of(service.pid))
        (first,) = keepers_of(service.pid)
        until((tmp_path / "llm" / "targets.json").exists)
        os.kill(first, signal.SIGKILL)
        until(lambda: set(keepers_of(service.pid)) - {first})
        (second,) = set(keepers_of(service.pid)) - {first}
    finally:
        service.kill()
        service.wait()
    until(lambda: not is_there(second))


def test_the_service_starts_it_when_it_is_told_to_and_ends_it_with_itself(small_index: Path, tmp_path: Path) -> None:
    helpdesk = Helpdesk(tmp_path, llm_keep="true")
    shutil.copytree(small_index, helpdesk.data / "index", symlinks=True)
    helpdesk.start()
    service = helpdesk.processes()["service"]
    until(lambda: keepers_of(service))
    (keeper,) = keepers_of(service)
    helpdesk.stop()
    until(lambda: not is_there(keeper))
