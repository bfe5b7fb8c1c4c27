"""The SMTP and LMTP listeners in a process of their own: taking mail in shares no interpreter with working on it.

The service starts it, gives it the sockets that it has bound, and hears a line for each commit. It ends when its
standard input does: when the service stops, and also when the service is killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.errors import HelpdeskError
from agent.mail.listener import Listening, listen
from agent.settings import Settings

log = structlog.get_logger()

PACKAGES = Path(__file__).parents[2]
"""Where the package `agent` lies that is running here."""
READY, STORED = b"ready\n", b"stored\n"
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
START_AGAIN_AFTER_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """A bound socket that mail comes in at."""

    socket: socket.socket
    lmtp: bool


class ListenerProcess:
    """Started again when it ends by itself; meanwhile connections wait at the sockets, which stay open here."""

    def __init__(self, settings: Settings, doors: Sequence[Door], stored: Callable[[], None]) -> None:
        """`stored` is called after each commit, in a thread."""
        self._settings = settings
        self._doors = doors
        self._stored = stored
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch, name="listener", daemon=True)
        self._thread.start()

    def wait_until_ready(self) -> None:
        """Raises HelpdeskError when it does not start."""
        until = time.monotonic() + START_TIMEOUT_S
        while not self._ready.wait(0.05):
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise HelpdeskError("the mail listener did not start; the lines above say why")

    @property
    def state(self) -> str:
        return "ok" if self._ready.is_set() and self._process.poll() is None else "stopped"

    def stop(self) -> None:
        """Mails that are coming in are finished first."""
        self._stopping.set()
        self._stop_process()
        self._thread.join(timeout=5)
        for door in self._doors:
            door.socket.close()

    def _start(self) -> subprocess.Popen[bytes]:
        sockets = [door.socket.fileno() for door in self._doors]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "agent.mail.listener_process"],  # -P: not what lies in the present folder
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGES), *_given_paths()])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=sockets,
        )
        assert process.stdin is not None
        pickle.dump((self._settings, [(door.socket.fileno(), door.lmtp) for door in self._doors]), process.stdin)
        process.stdin.flush()
        return process

    def _watch(self) -> None:
        while True:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                if line == READY:
                    self._ready.set()
                self._stored()
            self._process.wait()
            _close(self._process)
            if self._stopping.wait(START_AGAIN_AFTER_S):
                return
            log.error("listener_ended", exit_code=self._process.returncode)
            self._process = self._start()

    def _stop_process(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it may have ended already
            self._process.stdin.close()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _given_paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()


def run() -> None:
    """The process itself."""
    from agent.logs import configure_logs  # noqa: PLC0415  # only here
    from agent.store.acceptance import Acceptance  # noqa: PLC0415
    from agent.store.database import Database  # noqa: PLC0415

    for name in (signal.SIGINT, signal.SIGTERM):  # they reach both processes; the service says when to stop
        signal.signal(name, signal.SIG_IGN)
    settings, doors = pickle.load(sys.stdin.buffer)  # noqa: S301  # from the process that started us
    configure_logs(settings.log_format)
    database = Database(settings.database)
    acceptance = Acceptance(database, stored=lambda: _tell(STORED))
    listening: list[Listening] = []
    for number, lmtp in doors:
        bound = socket.socket(fileno=number)
        listening.append(listen(settings, acceptance.accept, bound, lmtp=lmtp))
    _tell(READY)
    sys.stdin.buffer.read()  # until the service stops or has died
    for listener in listening:
        listener.stop()
    acceptance.stop()
    database.close()


def _tell(line: bytes) -> None:
    """Nobody listens any more when the service has just died; then its successor finds the mail by itself."""
    with suppress(OSError):
        os.write(sys.stdout.fileno(), line)


if __name__ == "__main__":
    run()
