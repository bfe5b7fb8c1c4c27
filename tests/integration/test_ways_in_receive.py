"""`minerva receive` as a mail server's pipe calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpdesk_process import REPOSITORY
from test_ways_in_smtp import RAW, raws, stored

from agent.store import inbound
from agent.store.database import open_database


def receive(
    folder: Path, *arguments: str, stdin: bytes = RAW, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MINERVA_")}
    return subprocess.run(
        [sys.executable, "-m", "agent", "receive", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), "MINERVA_DATA_DIR": str(folder / "var"), **environment},
        input=stdin,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_a_mail_is_stored_once_with_its_envelope(tmp_path: Path) -> None:
    raw = RAW.replace(b"\r\n", b"\n") + b"\x00\xff\n"
    given = ("--sender", "ada@example.org", "--recipient", "support@x.org", "--recipient", "help@x.org")
    assert receive(tmp_path, *given, stdin=raw).returncode == 0
    done = receive(tmp_path, stdin=raw, SENDER="", RECIPIENT="support@x.org")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    bounce = raw.replace(b"<1@", b"<2@")
    assert receive(tmp_path, "--sender", "", stdin=bounce, RECIPIENT="support@x.org").returncode == 0
    database = open_database(tmp_path / "var" / "minerva.sqlite")
    first, second = stored(database)
    assert raws(database) == [raw, bounce]
    assert (first.channel, first.envelope_from, first.deliveries) == ("pipe", "ada@example.org", 2)
    assert first.envelope_to == ["support@x.org", "help@x.org"]
    assert (second.envelope_from, second.envelope_to) == ("", ["support@x.org"])
    with database.read() as session:
        assert [mail.id for mail in inbound.waiting(session)] == [first.id, second.id]
    database.close()


@pytest.mark.parametrize(
    ("arguments", "stdin", "code"),
    [(("--bogus",), RAW, 64), (("file.eml",), RAW, 64), ((), b"", 65), ((), b"\r\n \n", 65)],
    ids=["unknown option", "argument", "empty", "blank"],
)
def test_what_is_no_mail_and_no_usage(tmp_path: Path, arguments: tuple[str, ...], stdin: bytes, code: int) -> None:
    done = receive(tmp_path, *arguments, stdin=stdin)
    assert done.returncode == code
    assert done.stderr.startswith(b"minerva: ")
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("trouble", ["settings", "folder", "database"])
def test_trouble_of_ours_lets_the_server_try_again(tmp_path: Path, trouble: str) -> None:
    environment = {}
    if trouble == "settings":
        environment["MINERVA_SMTP_PORT"] = "99999"
    elif trouble == "folder":
        (tmp_path / "var").write_text("a file")
    else:
        (tmp_path / "var").mkdir()
        (tmp_path / "var" / "minerva.sqlite").write_bytes(b"no database " * 100)
    done = receive(tmp_path, **environment)
    assert done.returncode == 75
    assert b"Traceback" not in done.stderr
