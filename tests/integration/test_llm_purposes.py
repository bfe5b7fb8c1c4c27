"""Drafts, queries, placings and verifications by one model server, as the settings say; over the real parts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scripted_server import SCRIPTS, ScriptedServer, scripted_server

from agent import pipeline
from agent.draft import Draft
from agent.evals.configurations import configurations
from agent.evals.drafts import Case, compare
from agent.llm.chat import Chat
from agent.llm.endpoints import last_use
from agent.llm.records import EndpointRecord, EndpointState, write_record
from agent.llm.scripted import evidence_in, written
from agent.models import Models, ports_on
from agent.settings import Settings
from triage.result import Request

QUESTION = "My job on LUMI waits with the reason Priority. What does it mean, and when does it start?"

SettingsWith = Callable[..., Settings]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture
def settings_with(small_index: Path, tmp_path: Path) -> SettingsWith:
    shutil.copytree(small_index, tmp_path / "index", symlinks=True)

    def made(**values: object) -> Settings:
        return Settings(data_dir=tmp_path, **values)  # type: ignore[arg-type]

    return made


def answered(settings: Settings) -> Draft:
    models = Models(settings)
    models.load()
    return pipeline.answer(ports_on(models), Request(id="T-1", channel="slack", subject="", body=QUESTION)).draft


def test_by_default_a_model_drafts_and_neither_rewrites_nor_verifies(
    server: ScriptedServer, settings_with: SettingsWith
) -> None:
    server.asked.clear()
    draft = answered(settings_with(llm_urls=server.url, llm_model="scripted"))
    assert (draft.model, server.asked["draft"]) == ("scripted", 1)
    assert draft.generation is not None
    assert draft.generation.trouble == ""
    assert draft.prompt_hash is not None
    assert (server.asked["query"], server.asked["verification"]) == (0, 0)


def test_when_it_is_set_it_rewrites_and_verifies_and_its_doubts_are_amber(
    server: ScriptedServer, settings_with: SettingsWith
) -> None:
    server.asked.clear()
    draft = answered(
        settings_with(llm_urls=server.url, llm_model="scripted", llm_rewrite_queries=True, llm_verify_claims=True)
    )
    claims = [check for check in draft.checks if check.part == "claim"]
    assert server.asked["query"] == 1
    assert server.asked["verification"] == len([check for check in claims if check.colour != "red"]) > 0
    assert {check.colour for check in claims} <= {"amber", "red"}
    assert any("a language model finds it unsupported" in reason for check in claims for reason in check.reasons)
    assert draft.outcome == "caveat"


@pytest.mark.parametrize("asks", [True, False])
def test_unsure_placings_are_settled_by_a_model_unless_that_is_off(
    server: ScriptedServer, settings_with: SettingsWith, asks: bool
) -> None:
    models = Models(settings_with(llm_urls=server.url, llm_model="scripted", llm_settle_placings=asks))
    models.load()
    server.asked.clear()
    vague = [
        "Hello, it does not go any more.",
        "We want to do AI.",
        "Need advice, can someone join us?",
        "GPU slow, help",
    ]
    for number, body in enumerate(vague):
        ports_on(models).place(Request(id=str(number), channel="email", subject="question", body=body))
    assert (server.asked["triage"] > 0) is asks


def test_a_model_that_is_not_there_is_said_on_the_draft(settings_with: SettingsWith) -> None:
    draft = answered(settings_with(llm_urls="http://127.0.0.1:9/v1", llm_model="scripted", llm_timeout_s=5))
    assert draft.model == "embedded"
    assert draft.generation is not None
    assert "cannot be reached" in draft.generation.trouble


def test_an_answer_in_another_language_is_not_used(settings_with: SettingsWith) -> None:
    """The language lock with the language identification that the product uses."""

    def german(chat: Chat) -> str:
        number, text = evidence_in(chat)[0]
        said = "Ihr Auftrag wartet, weil andere Aufträge mit höherer Priorität vor ihm stehen; das ist kein Fehler."
        return written([{"text": said, "evidence": [{"passage_id": number, "quote": text[:60]}]}])

    with scripted_server({**SCRIPTS, "draft": german}) as server:
        draft = answered(settings_with(llm_urls=server.url, llm_model="scripted"))
        assert server.asked["draft"] == 2, "once more, with the reason"
    assert draft.model == "embedded"
    assert draft.generation is not None
    assert draft.generation.trouble == "the texts are in German, not in English"


def test_a_model_that_sleeps_is_woken_by_a_draft_and_said_on_it(settings_with: SettingsWith) -> None:
    settings = settings_with()
    record = EndpointRecord(name="a", url="http://not-yet.invalid/v1", model="eurollm-22b", state=EndpointState.ASLEEP)
    write_record(settings.endpoints_dir, record)
    draft = answered(settings)
    assert draft.model == "embedded"
    assert draft.generation is not None
    assert (draft.generation.trouble, draft.generation.awaited) == ("eurollm-22b is asleep", True)
    assert last_use(settings.endpoints_dir) is not None


def test_the_evaluation_of_drafts_compares_both_ways(server: ScriptedServer, settings_with: SettingsWith) -> None:
    cases = [
        Case(id="a", language="en", question=QUESTION, facts=("higher priority",), gold=("why-is-my-job-pending.md",)),
        Case(id="b", language="en", question="Which horse won the race in Ascot yesterday?", facts=(), gold=()),
    ]
    table = compare(cases, configurations(settings_with(llm_urls=server.url, llm_model="scripted")))
    rows = {line[:34].strip(): line[34:].split() for line in table.splitlines()[2:]}
    assert rows["facts covered"][0] == "1.000"
    assert rows["drafted without the model"] == ["0.000", "(0/2)", "0.000", "(0/2)"]
    assert "script, no model" in compare(cases[:1], configurations(settings_with()))
