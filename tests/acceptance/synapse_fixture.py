"""A real Synapse (Matrix homeserver) on loopback, in a virtual environment of its own under `.cache/`, built once."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from helpdesk_process import REPOSITORY, free_port

CACHE = REPOSITORY / ".cache"
VENV = CACHE / "synapse"
VERSION = "1.163.2"
INSTALL_S, START_S = 900, 180
MORE = """
enable_registration: true
enable_registration_without_verification: true
suppress_key_server_warning: true
trusted_key_servers: []
rc_message: {per_second: 1000, burst_count: 1000}
rc_registration: {per_second: 1000, burst_count: 1000}
rc_login: {address: {per_second: 1000, burst_count: 1000}}
rc_joins: {local: {per_second: 1000, burst_count: 1000}}
"""


class NoSynapseError(Exception):
    """Synapse cannot be had here; the message says why."""


def build() -> None:
    """Raises NoSynapseError."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "synapse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (VENV / ".built").exists():
            _call([sys.executable, "-m", "venv", "--clear", str(VENV)])
            _call([str(VENV / "bin" / "pip"), "install", "-q", f"matrix-synapse=={VERSION}"])
            (VENV / ".built").touch()


def _call(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S)
    except (subprocess.SubprocessError, OSError) as error:
        raise NoSynapseError(f"matrix-synapse {VERSION} cannot be installed: {str(error)[:300]}") from error


@contextmanager
def running_synapse(folder: Path) -> Iterator[str]:
    """The address of the server. Raises NoSynapseError."""
    build()
    port = free_port()
    python, config = str(VENV / "bin" / "python"), folder / "homeserver.yaml"
    server = [python, "-m", "synapse.app.homeserver", "--config-path", str(config)]
    made = [*server, "--server-name", "minerva.test", "--generate-config", "--report-stats=no"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder)
    config.write_text(config.read_text().replace("port: 8008", f"port: {port}").replace("- ::1\n", "") + MORE)
    log = (folder / "synapse.log").open("wb")
    process = subprocess.Popen(server, cwd=folder, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, process, folder)
        yield url
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _wait(url: str, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise NoSynapseError(f"Synapse did not start: {(folder / 'synapse.log').read_text()[-2000:]}")


class Person:
    """Somebody with an account there."""

    def __init__(self, url: str, name: str) -> None:
        account = {"username": name, "password": f"{name}-password", "auth": {"type": "m.login.dummy"}}
        answer = httpx.post(f"{url}/_matrix/client/v3/register", json=account, timeout=60).raise_for_status().json()
        self.id, self.token = answer["user_id"], answer["access_token"]
        headers = {"Authorization": f"Bearer {self.token}"}
        self._http = httpx.Client(base_url=f"{url}/_matrix/client/v3/", headers=headers, timeout=60)
        self._serial = 0

    def call(self, method: str, path: str, body: object = None) -> dict[str, object]:
        answer = self._http.request(method, path, json=body).raise_for_status()
        return dict(answer.json())

    def room(self, *invited: str) -> str:
        room = self.call("POST", "createRoom", {"preset": "private_chat", "invite": list(invited)})
        return str(room["room_id"])

    def send(self, room: str, text: str, **more: object) -> str:
        self._serial += 1
        content = {"msgtype": "m.text", "body": text} | more
        return str(self.call("PUT", f"rooms/{room}/send/m.room.message/{self._serial}", content)["event_id"])

    def share(self, room: str, words: str, name: str, content: bytes, mentioned: str) -> str:
        """A file with words, said to somebody."""
        upload = self._http.post(f"{str(self._http.base_url)[:-10]}media/v3/upload", content=content).raise_for_status()
        more = {"url": upload.json()["content_uri"], "m.mentions": {"user_ids": [mentioned]}, "filename": name}
        return self.send(room, words, msgtype="m.file", **more)

    def thread(self, room: str, root: str) -> list[dict[str, object]]:
        found = self.call("GET", f"{str(self._http.base_url)[:-3]}v1/rooms/{room}/relations/{root}/m.thread?dir=f")
        return list(found["chunk"])  # type: ignore[call-overload]

    def members(self, room: str) -> set[str]:
        return set(self.call("GET", f"rooms/{room}/joined_members")["joined"])  # type: ignore[call-overload]

    def redact(self, room: str, event: str) -> None:
        self.call("PUT", f"rooms/{room}/redact/{event}/r{self._serial}", {})

    def close(self) -> None:
        self._http.close()
