"""`minerva parse-mail` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import typer
from click.testing import Result
from typer.testing import CliRunner

from agent.cli.parse_mail import parse_mail

KEYS = ["file", "message_id", "in_reply_to", "references", "from", "to", "cc", "reply_to", "subject", "date"]
KEYS += ["auto_generated", "bounce", "text", "visible_text", "attachments", "defects"]
KEYS += ["kind", "protection", "failed_recipients"]


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.callback()(lambda: None)
    app.command("parse-mail")(parse_mail)
    return CliRunner().invoke(app, ["parse-mail", *arguments])


def test_one_json_object_a_line(tmp_path: Path) -> None:
    first, second = tmp_path / "a.eml", tmp_path / "b.eml"
    first.write_bytes("From: Jörg <j@x.eu>\nDate: Mon, 23 Nov 2026 09:30:00 +0100\n\nGrüße\n".encode())
    second.write_bytes(b"\0\xff not a mail")
    result = run(str(first), str(second), "--jsonl")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert [list(line) for line in lines] == [KEYS, KEYS]
    assert lines[0]["from"] == {"name": "Jörg", "address": "j@x.eu"}
    assert lines[0]["date"] == "2026-11-23T09:30:00+01:00"
    assert lines[1]["from"] is None and lines[1]["date"] is None
    assert "Grüße" in result.stdout


def test_a_file_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path) -> None:
    good = tmp_path / "good.eml"
    good.write_bytes(b"From: a@b.eu\n\nhello\n")
    result = run(str(tmp_path / "missing.eml"), str(good), "--jsonl")
    assert result.exit_code == 1
    assert "missing.eml: cannot be read: No such file" in result.stderr
    assert json.loads(result.stdout)["text"] == "hello"


def test_the_human_form_names_the_attachments(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(b"From: a@b.eu\nSubject: log\nContent-Disposition: attachment; filename=run.log\n\nx\n")
    result = run(str(file))
    assert result.exit_code == 0
    assert "Attached: run.log" in result.stdout and "Subject:  log" in result.stdout


def test_a_part_without_a_name_has_none_and_is_shown_under_one(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(
        b"From: a@b.eu\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\n"
        b"--x\nContent-Type: application/pdf\n\n%PDF\n--x\nContent-Type: message/rfc822\n\nSubject: old\n\nx\n"
        b"--x\nContent-Type: text/plain; name=run.log\n\nx\n--x--\n"
    )
    attachments = json.loads(run(str(file), "--jsonl").stdout)["attachments"]
    assert [item["filename"] for item in attachments] == ["", "", "run.log"]
    assert [item["shown_as"] for item in attachments] == ["part-2.pdf", "old.eml", "run.log"]


def test_no_file_is_a_usage_error() -> None:
    assert run().exit_code == 2
