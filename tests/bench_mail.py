"""What `make bench` measures of mail: how fast it is accepted beside a bare handler, how fast and how lean it is read."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import encodebytes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from aiosmtpd.controller import Controller
from helpdesk_process import REPOSITORY, SUPPORT, Helpdesk, free_port

from ingest.mail import parse_mail

BURST = 200
ROUNDS = 3
BODY = "My job stays pending with AssocGrpGRES.\r\n" * 100
BACKLOG = 60
MIB = 1024 * 1024


class FsyncHandler:
    """The bare minimum that does not lose mail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0

    async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:
        self._count += 1
        await asyncio.to_thread(self._write, self._folder / f"{self._count}.eml", envelope.content)  # type: ignore[attr-defined]
        return "250 OK"

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())


def serve_bare(port: int, folder: str) -> None:
    """A process of its own, as ours is."""
    controller = Controller(FsyncHandler(Path(folder)), hostname="127.0.0.1", port=port)
    controller.start()
    signal.sigwait({signal.SIGTERM})
    controller.stop()


def _deliver(port: int, tag: str, mails: int) -> None:
    """Over one connection, each command after the answer to the one before."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as line:
        answers = line.makefile("rb")

        def ask(command: bytes, code: bytes) -> None:
            line.sendall(command)
            while (answer := answers.readline())[3:4] == b"-":
                pass
            assert answer.startswith(code), answer

        ask(b"", b"220")
        ask(b"EHLO bench\r\n", b"250")
        for number in range(mails):
            ask(b"MAIL FROM:<a@b.org>\r\n", b"250")
            ask(f"RCPT TO:<{SUPPORT}>\r\n".encode(), b"250")
            ask(b"DATA\r\n", b"354")
            name = f"{tag}.{number}.{time.time_ns()}@b.org"
            ask(f"From: {tag}@b.org\r\nMessage-ID: <{name}>\r\nSubject: x\r\n\r\n{BODY}.\r\n".encode(), b"250")
        line.sendall(b"QUIT\r\n")
        answers.close()


def burst(port: int, tag: str, connections: int) -> float:
    """Mails a second."""
    begun = time.monotonic()
    with ThreadPoolExecutor(connections) as clients:
        each = BURST // connections
        for work in [clients.submit(_deliver, port, f"{tag}-{number}", each) for number in range(connections)]:
            work.result()
    return BURST / (time.monotonic() - begun)


def accept_rates(helpdesk: Helpdesk) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        call = f"import bench_mail; bench_mail.serve_bare({port}, {folder!r})"
        paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests")])
        bare = subprocess.Popen([sys.executable, "-c", call], env={**os.environ, "PYTHONPATH": paths})
        try:
            _wait_for(port)
            for state in ("idle", "drafting"):
                for connections in (1, 10):
                    _compare(helpdesk, port, state, connections)
        finally:
            bare.terminate()
            bare.wait(20)


def _compare(helpdesk: Helpdesk, port: int, state: str, connections: int) -> None:
    ours, theirs = [], []
    for number in range(ROUNDS):
        tag = f"{state}{connections}{number}"
        for rates, to in ((ours, helpdesk.smtp_port), (theirs, port)):
            if state == "idle":
                _wait_until_idle(helpdesk)
            else:
                _deliver(helpdesk.smtp_port, f"backlog{tag}{to}", BACKLOG)
                time.sleep(3)  # past the burst: they are being filed and drafted
            rates.append(burst(to, f"{tag}{to}", connections))
    mine, bare = statistics.median(ours), statistics.median(theirs)
    print(f"mails accepted, 4 KB, {connections:2d} connections, {state}: ours {mine:.0f}/s, bare {bare:.0f}/s, "
          f"ratio {mine / bare:.2f} (rounds {', '.join(f'{a / b:.2f}' for a, b in zip(ours, theirs, strict=True))})",
          flush=True)  # fmt: skip


def _wait_for(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


def _wait_until_idle(helpdesk: Helpdesk) -> None:
    """Until the service has used next to no processor time for a second."""
    until = time.monotonic() + 600
    while time.monotonic() < until:
        before = helpdesk.cpu_s()
        time.sleep(1)
        if helpdesk.cpu_s() - before < 0.1:
            return


def parse_times() -> None:
    for name, size, times in (("5 KB", 5_000, 300), ("50 KB", 50_000, 200), ("5 MB", 5 * MIB, 20)):
        raw = with_attachment(size)
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            parse_mail(raw)
            took.append((time.perf_counter() - begun) * 1000)
        took.sort()
        print(f"parse a mail of {name}: p50 {statistics.median(took):.1f} ms, p95 {took[int(0.95 * times)]:.1f} ms")


def with_attachment(size: int) -> bytes:
    """A quarter text, the rest an attachment."""
    text = ("Zeile für Zeile, gerade so viel wie nötig.\r\n" * (size // 4 // 46)).encode()
    file = encodebytes(os.urandom(size * 3 // 4 * 3 // 4)).replace(b"\n", b"\r\n")
    head = (
        b"From: Ada <ada@example.org>\r\nTo: support@minerva.example\r\nSubject: big\r\nMessage-ID: <%d@b.org>\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' % time.time_ns()
    )
    part = b"--b\r\nContent-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n"
    return b"".join(
        [head, part % (b"text/plain; charset=utf-8", b"8bit"), text, b"\r\n",
         part % (b'application/octet-stream; name="data.bin"', b"base64"), file, b"--b--\r\n"]
    )  # fmt: skip


def big_mail_memory(helpdesk: Helpdesk) -> None:
    """Of 25 MB: what reading it takes in a fresh process, and what the running processes take."""
    raw = with_attachment(25 * MIB)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.eml"
        path.write_bytes(raw)
        code = (
            "import re, sys, pathlib; from ingest.mail import parse_mail; parse_mail(b'From: a@b.c\\r\\n\\r\\nx');"
            "status = pathlib.Path('/proc/self/status');"  # ru_maxrss would carry the parent's over
            "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1]) * 1024; before = peak();"
            "raw = pathlib.Path(sys.argv[1]).read_bytes(); parse_mail(raw); print((peak() - before) / len(raw))"
        )
        told = subprocess.run([sys.executable, "-c", code, str(path)], cwd=REPOSITORY, capture_output=True, text=True,
                              check=True)  # fmt: skip
    print(f"read a mail of {len(raw) / MIB:.0f} MiB: {float(told.stdout):.1f} times its size, the mail included")
    before = helpdesk.peaks_mb()
    helpdesk.send(raw)
    time.sleep(15)
    for name, after in helpdesk.peaks_mb().items():
        grown = after - before.get(name, 0)
        print(
            f"  through the {name}: peak {after:.0f} MB, {grown * 1e6 / len(raw):.1f} times its size more than before"
        )
