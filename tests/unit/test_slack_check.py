from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from pydantic import ValidationError
from slack_fixture import light_ports, people_of
from slack_stand_in import SlackStandIn
from slack_stand_in.methods import BOT_SCOPES, EVENT_SCOPES
from slack_stand_in.server import APP_TOKEN, BOT_TOKEN
from typer.testing import CliRunner

from agent.chat.runner import Chats
from agent.cli import app
from agent.errors import SettingsError
from agent.settings import Settings
from agent.slack.check import SCOPES, _clock, check_slack
from agent.slack.service import connect_slack
from agent.store.database import Database

MANIFEST = Path(__file__).parents[2] / "deploy" / "slack" / "manifest.yaml"


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    server = SlackStandIn().start()
    people_of(server)
    yield server
    server.stop()


def settings_for(slack: SlackStandIn, folder: Path, **more: Any) -> Settings:
    values = {"slack_bot_token": BOT_TOKEN, "slack_app_token": APP_TOKEN, "slack_engineers_channel": "G1CARDS", **more}
    rules = folder / "rules.toml"
    rules.write_text('[channels.C1HELP]\nanswer = "all"\n')
    return Settings(data_dir=folder, slack_api_url=slack.url, chat_rules_file=rules, **values)


def failed(slack: SlackStandIn, folder: Path, **more: Any) -> dict[str, str]:
    findings = check_slack(settings_for(slack, folder, **more))
    return {finding.what: finding.detail for finding in findings if not finding.ok}


def test_all_is_well(slack: SlackStandIn, tmp_path: Path) -> None:
    assert failed(slack, tmp_path) == {}


def test_a_wrong_token(slack: SlackStandIn, tmp_path: Path) -> None:
    assert "invalid_auth" in failed(slack, tmp_path, slack_bot_token="xoxb-no")["bot token"]
    assert "not_allowed_token_type" in failed(slack, tmp_path, slack_app_token=BOT_TOKEN)["events"]


def test_missing_scopes_are_named(slack: SlackStandIn, tmp_path: Path) -> None:
    slack.scopes -= {"files:write", "im:history"}
    assert failed(slack, tmp_path)["scopes"].startswith("missing: files:write, im:history;")


def test_channels(slack: SlackStandIn, tmp_path: Path) -> None:
    slack.channels["C1HELP"].members.discard("U0MINERVA")
    found = failed(slack, tmp_path, slack_engineers_channel="C2ALL")
    assert "no member" in found["channel C1HELP"]
    assert "public" in found["channel C2ALL"]
    slack.channels["C1HELP"].archived = True
    assert "archived" in failed(slack, tmp_path)["channel C1HELP"]
    del slack.channels["C1HELP"]
    assert "channel_not_found" in failed(slack, tmp_path)["channel C1HELP"]


def test_unusable_rules(slack: SlackStandIn, tmp_path: Path) -> None:
    settings = settings_for(slack, tmp_path)
    (tmp_path / "rules.toml").write_text('[channels.C1]\nanswer = "sometimes"\n')
    found = {finding.what: finding for finding in check_slack(settings)}
    assert "channels.C1.answer" in found["channel rules"].detail


def test_the_clock() -> None:
    at = datetime(2026, 11, 29, 8, 0, tzinfo=UTC)
    headers = {"Date": "Sun, 29 Nov 2026 08:00:00 GMT"}
    assert _clock(headers, at + timedelta(seconds=5)).ok
    assert not _clock(headers, at - timedelta(minutes=3)).ok


def test_without_a_token_it_says_where_to_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINERVA_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["slack", "check", "--json"])
    assert result.exit_code == 1
    assert "docs/slack.md" in json.loads(result.stdout)["findings"][0]["detail"]


def test_the_manifest_asks_for_what_is_checked_and_stood_in_for() -> None:
    """All the tests against the stand-in run with these scopes, so they are enough."""
    manifest = yaml.safe_load(MANIFEST.read_text())
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    assert set(scopes) == set(SCOPES) == set(BOT_SCOPES)
    events = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    kinds = {"message.channel": "message.channels", "message.group": "message.groups"}
    assert events == {*(kinds.get(name, name) for name in EVENT_SCOPES), "app_home_opened"}


@pytest.mark.parametrize(
    ("change", "said"),
    [({"slack_bot_token": "xoxb-no"}, "invalid_auth"), ({"slack_app_token": BOT_TOKEN}, "no connection to Slack")],
)
def test_the_start_stops_with_tokens_that_are_not_taken(
    slack: SlackStandIn, database: Database, tmp_path: Path, change: dict[str, str], said: str
) -> None:
    settings = settings_for(slack, tmp_path, **change)
    with pytest.raises(SettingsError, match=said):
        connect_slack(Chats(database), settings, ports=light_ports(), workflows=cast("Any", _NoWork()), desk_url="")


class _NoWork:
    def wake(self) -> None:
        pass


def test_a_bot_token_alone_is_not_enough() -> None:
    with pytest.raises(ValidationError, match="needs MINERVA_SLACK_APP_TOKEN or MINERVA_SLACK_SIGNING_SECRET"):
        Settings(slack_bot_token=BOT_TOKEN)
    with pytest.raises(ValidationError, match="MINERVA_MATRIX_URL"):
        Settings(matrix_url="https://matrix.example")
