"""`minerva llm keep` as a process of its own beside the service: a site that answers slowly holds up no mail.

The agent knows nothing of Slurm; it starts the command and reads the endpoint records that come of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import structlog

log = structlog.get_logger()

PACKAGES = Path(__file__).parents[2]
START_AGAIN_AFTER_S = 10.0
STOP_S = 10.0


class KeeperProcess:
    """Started again when it ends; it ends by itself when its standard input does, so it never outlives the service."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._process = _start()
        threading.Thread(target=self._watch, name="llm-keeper", daemon=True).start()

    @property
    def state(self) -> str:
        return "ok" if self._process.poll() is None else "stopped"

    def stop(self) -> None:
        """The jobs go on: a restart of the service interrupts no model."""
        self._stopping.set()
        process = self._process
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _watch(self) -> None:
        while True:
            code = self._process.wait()
            if self._stopping.wait(START_AGAIN_AFTER_S):
                return
            log.error("llm_keeper_ended", exit_code=code)
            self._process = _start()


def _start() -> subprocess.Popen[bytes]:
    given = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "agent", "llm", "keep", "--until-input-ends"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), *given])},
        stdin=subprocess.PIPE,
    )
