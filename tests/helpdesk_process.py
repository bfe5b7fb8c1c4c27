"""A real `minerva serve` in a process of its own, for tests and benchmarks."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import socket
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path

import httpx
from sqlalchemy import make_url

REPOSITORY = Path(__file__).parents[1]
START_TIMEOUT_S = 240
SUPPORT = "support@minerva.example"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def mail(
    number: int, text: str = "My job stays pending with AssocGrpGRES. What does it mean?", **headers: str
) -> EmailMessage:
    message = EmailMessage()
    message["From"] = headers.pop("From", f"Ada {number} <ada{number}@example.org>")
    message["To"] = SUPPORT
    message["Subject"] = headers.pop("Subject", f"Request {number}")
    message["Message-ID"] = f"<{number}.{time.time_ns()}@example.org>"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def _status_mb(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]


class Helpdesk:
    """Start, kill, start again; everything lies under `folder`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.data = folder / "var"
        self.smtp_port, self.desk_port = free_port(), free_port()
        url = settings.get("database_url")
        self.database = make_url(url) if url else self.data / "minerva.sqlite"
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MINERVA_")},
            "MINERVA_DATA_DIR": str(self.data),
            "MINERVA_SMTP_PORT": str(self.smtp_port),
            "MINERVA_DESK_PORT": str(self.desk_port),
            "MINERVA_SUPPORT_ADDRESS": SUPPORT,
            "MINERVA_UNDO_S": "0",
            "MINERVA_SECOND_APPROVAL": "",
            "PYTHONPATH": str(REPOSITORY),
            **{f"MINERVA_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / "serve.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.desk_port}"

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "agent", *arguments], cwd=self.folder, env=self._environment,
            input=stdin, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip

    def start(self) -> float:
        """Returns the seconds until it was ready for mail."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "agent", "serve"], cwd=self.folder, env=self._environment, stdout=log, stderr=log
            )
        while time.monotonic() - begun < START_TIMEOUT_S:
            if self._process.poll() is not None:
                break
            try:
                with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=5) as server:
                    if server.noop()[0] == 250:
                        return time.monotonic() - begun
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"not ready:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=30)

    def stop(self) -> int:
        """As Ctrl-C does; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(timeout=60)

    def send(self, message: EmailMessage | bytes, sender: str = "ada@example.org") -> None:
        raw = message if isinstance(message, bytes) else message.as_bytes()
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=30) as server:
            server.sendmail(sender, [SUPPORT], raw)

    def processes(self) -> dict[str, int]:
        """Process ids: of the service, and of the listener that it has started."""
        assert self._process is not None
        pid = self._process.pid
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        return {"service": pid, "listener": int(child)}

    def resident_mb(self) -> float:
        """Of both processes."""
        return sum(_status_mb(pid, "VmRSS") for pid in self.processes().values())

    def peaks_mb(self) -> dict[str, float]:
        return {name: _status_mb(pid, "VmHWM") for name, pid in self.processes().items()}

    def cpu_s(self) -> float:
        """Processor time used so far, by both."""
        ticks = 0
        for pid in self.processes().values():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def sign_in_link(self) -> str:
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if links := re.findall(r"http://\S+/sign-in/\S+", self.log.read_text()):
                return str(links[-1])
            time.sleep(0.05)
        raise AssertionError("no sign-in link was printed")

    def browser(self) -> httpx.Client:
        """An HTTP client that is signed in."""
        client = httpx.Client(base_url=self.url, follow_redirects=True, timeout=30)
        assert client.get(self.sign_in_link()).status_code == 200
        return client

    def wait_until_ready(self, timeout_s: float = 120) -> None:
        """Until the models are loaded."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=5).json()["parts"]["models"] == "ready":
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        raise AssertionError(f"models not ready:\n{self.log.read_text()[-4000:]}")
