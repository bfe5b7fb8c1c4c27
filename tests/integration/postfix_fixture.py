"""A real Postfix of its own on loopback, which relays everything to one port. Needs root, as Postfix does."""

from __future__ import annotations

import os
import pwd
import shutil
import smtplib
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from helpdesk_process import free_port
from system_packages import need

START_TIMEOUT_S = 20

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
myhostname = relay.example.org
mydestination =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = {clients}
relayhost =
default_transport = {transport}:[127.0.0.1]:{port}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_authorized_xclient_hosts = 127.0.0.1
smtp_tls_security_level = {tls}
smtp_tls_loglevel = 1
notify_classes =
bounce_queue_lifetime = 0
default_destination_concurrency_failed_cohort_limit = 0
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
message_size_limit = 50000000
alias_maps =
alias_database =
"""

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
showq unix n - n - - showq
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
"""


class Postfix:
    """`transport` is smtp or lmtp, `tls` a security level of Postfix; `clients_named` lets tests name a client by
    XCLIENT, from anywhere.
    """

    def __init__(
        self, to_port: int, *, transport: str = "smtp", tls: str = "none", clients_named: bool = False
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("Postfix runs as root only")
        self._postfix = need("postfix", package="postfix")
        self._postqueue = need("postqueue", package="postfix")
        self.folder = Path(tempfile.mkdtemp(prefix="postfix-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self._config = self.folder / "config"
        for name in ("config", "spool", "data"):
            (self.folder / name).mkdir(mode=0o755)
        owner = pwd.getpwnam("postfix")
        os.chown(self.folder / "data", owner.pw_uid, owner.pw_gid)
        clients = "0.0.0.0/0" if clients_named else "127.0.0.0/8"
        main = MAIN.format(folder=self.folder, port=to_port, transport=transport, tls=tls, clients=clients)
        (self._config / "main.cf").write_text(main)
        (self._config / "master.cf").write_text(MASTER.format(port=self.port))

    @property
    def log(self) -> str:
        path = self.folder / "mail.log"
        return path.read_text() if path.exists() else ""

    def start(self) -> None:
        self._run(self._postfix, "start")
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"Postfix does not start: {self.log}")

    def send(self, sender: str, recipient: str, raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as server:
            server.sendmail(sender, [recipient], raw)

    def flush(self) -> None:
        self._run(self._postqueue, "-f")

    def waiting(self) -> int:
        """Mails in the queue."""
        done = self._run(self._postqueue, "-j")
        return len(done.stdout.splitlines())

    def remove(self) -> None:
        self._run(self._postfix, "stop", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [program, "-c", str(self._config), *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        assert not check or done.returncode == 0, f"{program}: {done.stderr}\n{self.log}"
        return done
