"""A real Request Tracker 5 of its own on loopback: SQLite, configuration and logs under one folder, mails to nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import httpx
from helpdesk_process import free_port
from system_packages import SYSTEM_PATH, need

SERVER = "/usr/share/request-tracker5/libexec/rt-server"
START_TIMEOUT_S, SETUP_TIMEOUT_S = 60, 120
QUEUE = "HPC support"
US, PASSWORD = "minerva", "minerva-password"

CONFIG = """
Set($rtname, 'partner');
Set($Organization, 'partner.example');
Set($CorrespondAddress, 'rt@partner.example');
Set($CommentAddress, 'rt-comment@partner.example');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebPath, '');
Set($WebBaseURL, 'http://127.0.0.1:{port}');
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{folder}/rt.sqlite');
Set($DatabaseHost, '');
Set($DatabasePort, '');
Set($DatabaseUser, '');
Set($DatabasePassword, '');
Set($DatabaseAdmin, '');
Set($BcryptCost, 4);  # every call signs in, and 12 takes half a second
Set($MailCommand, 'testfile');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($Timezone, 'America/Los_Angeles');
$RT::VarPath = '{folder}';
$RT::MasonDataDir = '{folder}/mason';
$RT::MasonSessionDir = '{folder}/session';
1;
"""

DATA = """
@Queues = ({{ Name => '{queue}', CorrespondAddress => 'hpc@partner.example' }});
@Users = map {{
  {{ Name => $_, EmailAddress => "$_\\@partner.example", RealName => "\\u$_ Partner", Password => "$_-password", Privileged => 1 }}
}} qw({us} greta olaf);
@ACL = map {{ my $user = $_; map {{ {{ UserId => $user, Queue => '{queue}', Right => $_ }} }}
  qw(SeeQueue ShowTicket ShowTicketComments CreateTicket ReplyToTicket CommentOnTicket ModifyTicket OwnTicket TakeTicket)
}} qw({us} greta);
@Final = (sub {{
  my $user = RT::User->new(RT->SystemUser);
  $user->Load('{us}');
  my ($id, $said, $token) = RT::AuthToken->new(RT->SystemUser)->Create(Owner => $user->id, Description => 'helpdesk');
  die $said unless $id;
  open my $file, '>', '{folder}/token' or die $!;
  print $file $token;
}});
1;
"""


class RequestTrackerServer:
    """Start, stop, start again; a person of the partner works there as `greta`."""

    def __init__(self, folder: Path) -> None:
        setup = need("rt-setup-database-5", package="request-tracker5")
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name in ("mason", "session", "more"):
            (folder / name).mkdir()
        (folder / "RT_SiteConfig.pm").write_text(CONFIG.format(folder=folder, port=self.port))
        (folder / "data.pl").write_text(DATA.format(folder=folder, queue=QUEUE, us=US))
        self._environment = {
            **os.environ,
            "PATH": SYSTEM_PATH,
            "RT_SITE_CONFIG": str(folder / "RT_SiteConfig.pm"),
            "RT_SITE_CONFIG_DIR": str(folder / "more"),
        }
        self._call(setup, "--action", "init", "--skip-create")
        self._call(setup, "--action", "insert", "--skip-create", "--datafile", str(folder / "data.pl"))
        self.token = (folder / "token").read_text().strip()
        self._process: subprocess.Popen[bytes] | None = None
        self._greta = httpx.Client(base_url=f"{self.url}/REST/2.0/", auth=("greta", "greta-password"), timeout=60)

    def _call(self, *command: str) -> None:
        done = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, timeout=SETUP_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        log = (self.folder / "server.log").open("ab")
        command = ["perl", SERVER, "--server", "Standalone", "--host", "127.0.0.1", "--port", str(self.port)]
        self._process = subprocess.Popen(
            command, env=self._environment, stdout=log, stderr=log, start_new_session=True, cwd=self.folder
        )
        log.close()
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                if httpx.get(f"{self.url}/REST/2.0/rt", timeout=5).status_code == 401:
                    return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "server.log").read_text()[-2000:])

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._greta.close()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """As Greta, who works at the partner."""
        return self._greta.request(method, path, **request).raise_for_status().json()

    def write(self, remote_id: str, text: str, *, way: str = "correspond", **more: Any) -> None:
        self.call("POST", f"ticket/{remote_id}/{way}", json={"Content": text, "ContentType": "text/plain", **more})

    def ticket(self, remote_id: str) -> Any:
        return self.call("GET", f"ticket/{remote_id}")

    def tickets(self) -> list[str]:
        found = self.call("GET", "tickets", params={"query": "id > 0", "per_page": 100})
        return [item["id"] for item in found["items"]]

    def texts(self, remote_id: str) -> list[str]:
        """Of all that was written in a ticket, the oldest first, with the names of files."""
        return [text for _, text in self.parts(remote_id)]

    def parts(self, remote_id: str) -> list[tuple[str, str]]:
        found = self.call("GET", f"ticket/{remote_id}/attachments", params={"per_page": 100, "fields": "Filename"})
        parts = [self.call("GET", f"attachment/{item['id']}") for item in found["items"]]
        return [
            (part.get("Filename") or "", b64decode(part["Content"]).decode("utf-8", "replace"))
            for part in parts
            if part.get("Content")
        ]
