"""`minerva eval triage` without and with a language model: a real server on loopback that answers by script."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from scripted_server import SCRIPTS, ScriptedServer, scripted_server
from typer.testing import CliRunner

from agent.cli.evaluate import eval_app
from agent.llm.chat import Chat

REQUESTS = Path(__file__).parents[1] / "evals" / "triage_blind_two.jsonl"

app = typer.Typer()
app.add_typer(eval_app, name="eval")


def lines() -> list[dict[str, str]]:
    return [json.loads(line) for line in REQUESTS.read_text("utf-8").splitlines()]


def evaluated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: Callable[[Chat], str]
) -> tuple[str, ScriptedServer]:
    monkeypatch.setenv("MINERVA_DATA_DIR", str(tmp_path / "var"))
    with scripted_server({**SCRIPTS, "triage": script}) as server:
        monkeypatch.setenv("MINERVA_LLM_URLS", server.url)
        monkeypatch.setenv("MINERVA_LLM_MODEL", "scripted")
        result = CliRunner().invoke(app, ["eval", "triage", str(REQUESTS)])
    assert result.exit_code == 0, result.output
    return result.stdout, server


def both_right(text: str) -> list[float]:
    """Without and with the model."""
    return [float(share) for share in re.findall(r"both right\s+(\d\.\d+) \(in scope\)", text)]


def knows(chat: Chat) -> str:
    """A model that names the right label among the candidates, where it is among them."""
    given = json.loads(chat.messages[1][1])
    truth = next(
        (line for line in lines() if line["body"] and line["body"][:40] in given["request"]),
        {"level": "?", "type": "?"},
    )
    picks = {
        name: truth[name] if truth[name] in given[f"candidate_{name}s"] else given[f"candidate_{name}s"][0]
        for name in ("level", "type")
    }
    return json.dumps({**picks, "reason": "known"})


def test_a_model_that_knows_settles_unsure_placings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text, server = evaluated(monkeypatch, tmp_path, knows)
    without, with_model = both_right(text)
    assert with_model > without
    told = re.search(r"asked about (\d+) of (\d+), changed (\d+), to right (\d+), from right (\d+)", text)
    assert told is not None
    asked, count, changed, mended, spoilt = map(int, told.groups())
    assert asked == server.asked["triage"]
    assert count == len(lines())
    assert 0 < mended <= changed <= asked < count / 2
    assert spoilt == 0


@pytest.mark.parametrize("reply", ['{"level": "L9", "type": "T7", "reason": "new ones"}', "no JSON", "{}"])
def test_a_label_is_never_invented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reply: str) -> None:
    text, server = evaluated(monkeypatch, tmp_path, lambda _chat: reply)
    without, with_model = both_right(text)
    assert server.asked["triage"] > 0
    assert with_model == without
    assert "changed 0" in text
