"""A real OpenSSH server on loopback with keys of its own, and an `ssh` that reads a configuration of the test's.

Needs Debian's openssh-server; `missing_for_ssh` says so.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd") or ("/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else "")
START_S = 20.0


def missing_for_ssh() -> str:
    """Why no server can be started here; empty when one can."""
    if os.geteuid() != 0:
        return "a local sshd needs root"
    return "" if SSHD and shutil.which("ssh") else "apt-get install openssh-server"


@dataclass(frozen=True, kw_only=True)
class Sshd:
    path: str
    """Put before PATH, it makes `ssh` use the configuration of the test: hosts `cluster` and `stranger`."""
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


@contextmanager
def running_sshd(folder: Path, *, environment: Mapping[str, str] | None = None) -> Iterator[Sshd]:
    """`environment` is what commands of its sessions see beside the usual."""
    for name in ("host", "user", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    port = _free_port()
    (folder / "sshd_config").write_text(_server(folder, port, environment or {}))
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL)
    running = Sshd(path=str(_client(folder, port)), process=process)
    try:
        _wait(port)
        yield running
    finally:
        running.stop()


def _server(folder: Path, port: int, environment: Mapping[str, str]) -> str:
    seen = " ".join(f"{name}={value}" for name, value in environment.items())
    return f"""Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/authorized
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
PidFile none
{f"SetEnv {seen}" if seen else ""}
"""


def _client(folder: Path, port: int) -> Path:
    host = (folder / "host.pub").read_text().split()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
    (folder / "ssh_config").write_text(
        f"Host cluster stranger\n  HostName 127.0.0.1\n  Port {port}\n  User {getpass.getuser()}\n  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {folder}/known\n"
        f"Host cluster\n  IdentityFile {folder}/user\nHost stranger\n  IdentityFile {folder}/stranger\n"
    )
    (folder / "bin").mkdir()
    program = folder / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)
    return program.parent


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
        return found


def _wait(port: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("sshd did not start")
