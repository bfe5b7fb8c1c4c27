"""`minerva triage train --with-corrections`: engineers' corrections of a real database, learned from or refused."""

from __future__ import annotations

import json
from email.message import EmailMessage
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from agent.cli.evaluate import eval_triage
from agent.cli.triage import triage_app
from agent.filing import file_mail
from agent.settings import Settings
from agent.store import inbound, people, placings, tickets
from agent.store.database import open_database
from agent.store.tables import Ticket
from ingest.mail import parse_mail
from triage.dataset import DATA_FOLDER, LEVELS, Labelled, load_all

app = typer.Typer()
app.add_typer(triage_app, name="triage")
app.command("eval-triage")(eval_triage)

VOICES = {"examples", "plain-de", "plain-fr", "plain-it", "inbox-a", "inbox-b", "inbox-c", "inbox-e-t", "terse-t"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def rows() -> list[Labelled]:
    return [row for row in load_all() if row.voice in VOICES]


@pytest.fixture(scope="module")
def data(rows: list[Labelled], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lines of a few voices, two frozen ones among them: what trains here trains in seconds."""
    folder = tmp_path_factory.mktemp("data")
    wanted = {row.request.id for row in rows}
    lines = [line for path in sorted(DATA_FOLDER.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    kept = [line for line in lines if str(json.loads(line)["id"]) in wanted]
    (folder / "few.jsonl").write_text("\n".join(kept) + "\n", "utf-8")
    return folder


@pytest.fixture
def helpdesk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """A helpdesk of its own, as the command line finds it."""
    monkeypatch.setenv("MINERVA_DATA_DIR", str(tmp_path / "var"))
    return Settings(data_dir=tmp_path / "var")


def correct(helpdesk: Settings, corrected: list[tuple[Labelled, str]]) -> None:
    """Mails that came in, and the level that an engineer gave to each."""
    database = open_database(helpdesk.database)
    try:
        with database.write() as session:
            engineer = people.add_engineer(session, name="Grace", email=f"{len(corrected)}@minerva.example")
            for number, (row, level) in enumerate(corrected):
                raw = mail_of(row, number)
                stored = inbound.store_mail(
                    session, raw, channel="smtp", peer="", envelope_from="ada@example.org", envelope_to=["s@x.example"]
                )
                filed = file_mail(session, helpdesk, stored, parse_mail(raw), "en")
                ticket = tickets.by_id(session, Ticket, filed.ticket_id)
                placings.correct(session, ticket, level=level, type_=row.type, engineer=engineer)
    finally:
        database.close()


def mail_of(row: Labelled, number: int) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = f"ada{number}@example.org", "s@x.example"
    message["Message-ID"] = f"<{number}@example.org>"
    message["Subject"] = row.request.subject
    message.set_content(row.request.body)
    return message.as_bytes()


def trained(data: Path, helpdesk: Settings) -> dict[str, bytes]:
    """The files of a model that the helpdesk calls its own."""
    made = run("triage", "train", "--data", str(data), "--model", str(helpdesk.triage_model_dir))
    assert made.exit_code == 0, made.output
    return {path.name: path.read_bytes() for path in helpdesk.triage_model_dir.iterdir()}


def test_without_corrections_nothing_is_trained(data: Path, helpdesk: Settings) -> None:
    result = run("triage", "train", "--data", str(data), "--with-corrections")
    assert result.exit_code == 1
    assert "no corrections" in result.stderr
    assert not helpdesk.triage_model_dir.exists()


def test_corrections_that_make_the_frozen_test_worse_are_refused(
    rows: list[Labelled], data: Path, helpdesk: Settings
) -> None:
    before = trained(data, helpdesk)
    frozen = [row for row in rows if row.is_test and row.in_scope]
    correct(helpdesk, [(row, LEVELS[(LEVELS.index(row.level) + 2) % 5]) for row in frozen])
    result = run("triage", "train", "--data", str(data), "--with-corrections")
    assert result.exit_code == 1
    assert "refused: of" in result.stderr
    assert "the model in use stays" in result.stderr
    assert {path.name: path.read_bytes() for path in helpdesk.triage_model_dir.iterdir()} == before


def test_good_corrections_make_the_helpdesks_own_model(rows: list[Labelled], data: Path, helpdesk: Settings) -> None:
    before = trained(data, helpdesk)
    frozen = [row for row in rows if row.is_test and row.in_scope]
    correct(helpdesk, [(row, row.level) for row in frozen])
    result = run("triage", "train", "--data", str(data), "--with-corrections")
    assert result.exit_code == 0, result.output
    assert f"with {len(frozen)} corrections" in result.stdout
    assert (helpdesk.triage_model_dir / "triage.npz").read_bytes() != before["triage.npz"]
    evaluated = run("eval-triage", str(data / "few.jsonl"))
    assert evaluated.exit_code == 0
    assert "level macro-F1" in evaluated.stdout
