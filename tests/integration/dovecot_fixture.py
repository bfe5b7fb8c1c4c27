"""A real Dovecot of its own on loopback: configuration, mails and sockets under one short-lived folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpdesk_process import free_port
from imapclient import IMAPClient
from system_packages import need

PASSWORD = "correct-horse"
START_TIMEOUT_S = 20

CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = {ssl}
{certificate}
disable_plaintext_auth = no
auth_mechanisms = plain xoauth2 oauthbearer
default_internal_user = {owner}
default_login_user = {owner}
default_internal_group = {group}
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%u
mailbox_list_index = no
imap_capability = {capability}
passdb {{
  driver = static
  mechanisms = plain
  args = password={password}
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/oauth2.conf
}}
userdb {{
  driver = static
  args = uid={owner} gid={group} home={folder}/home/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""

OAUTH2 = """
introspection_mode = auth
introspection_url = {introspection_url}
username_attribute = username
active_attribute = active
active_value = true
"""


class Dovecot:
    """Start, stop, start again; any user name with `PASSWORD` has a mailbox of its own."""

    def __init__(self, *, idle: bool = True, introspection_url: str = "http://127.0.0.1:1/") -> None:
        # Not pytest's folder: that is closed to the user that Dovecot runs as, and its path is too long for sockets.
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.port, self.tls_port = free_port(), free_port()
        self.certificate = self.folder / "certificate.pem"
        self._key = self.folder / "key.pem"
        self._write_certificate()
        (self.folder / "oauth2.conf").write_text(OAUTH2.format(introspection_url=introspection_url))
        owner, group = ("nobody", "nogroup") if os.geteuid() == 0 else (str(os.geteuid()), str(os.getegid()))
        for name in ("mail", "home"):
            (self.folder / name).mkdir()
            if os.geteuid() == 0:
                shutil.chown(self.folder / name, owner, group)
        self._config = self.folder / "dovecot.conf"
        self._config.write_text(
            CONFIG.format(
                folder=self.folder, owner=owner, group=group, port=self.port, tls_port=self.tls_port,
                password=PASSWORD, ssl="yes", capability="" if idle else "IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE",
                certificate=f"ssl_cert = <{self.certificate}\nssl_key = <{self._key}",
            )
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [need("dovecot", package="dovecot-imapd"), "-F", "-c", str(self._config)],
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until and self._process.poll() is None:
            try:
                with IMAPClient("127.0.0.1", port=self.port, ssl=False, timeout=5):
                    return
            except OSError:
                time.sleep(0.05)
        log = self.folder / "log"
        raise AssertionError(f"Dovecot does not start: {log.read_text() if log.exists() else 'no log'}")

    def stop(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)  # with the processes that serve clients
            self._process.wait(timeout=20)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, user: str) -> IMAPClient:
        """Signed in, as a person's mail program is."""
        client = IMAPClient("127.0.0.1", port=self.port, ssl=False, timeout=20)
        client.login(user, PASSWORD)
        return client

    def deliver(self, user: str, *mails: bytes, folder: str = "INBOX") -> None:
        with self.client(user) as client:
            for mail in mails:
                client.append(folder, mail)

    def count_anew(self, user: str) -> None:
        """As after a restored back-up: another UIDVALIDITY and other UIDs for the same mails."""
        for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.cache", "dovecot.index.log"):
            (self.folder / "mail" / user / name).unlink(missing_ok=True)

    def _write_certificate(self) -> None:
        self_signed(self.certificate, self._key)


def self_signed(certificate: Path, key: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    need("openssl", package="openssl")
    server = Dovecot()
    server.start()
    yield server
    server.remove()
