"""What a model may add to a draft's checks and to a search, and what it may cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_server import SCRIPTS, scripted_server

from agent.draft import Check, Citation, Claim, Colour, Draft
from agent.errors import LanguageModelError
from agent.llm.chat import Chat, Purpose, Reply, Told, tell_nobody
from agent.llm.client import Client, Limits
from agent.llm.endpoints import Endpoint, Endpoints
from agent.llm.review import reviewed
from agent.llm.rewriting import merged, search_with_rewrites
from agent.llm.scripted import ScriptedModel
from knowledge_base.passage import Passage, RetrievedPassage, SearchResult


def draft(*colours: Colour) -> Draft:
    claims = tuple(Claim(text=f"Claim {n}.", citations=(Citation(evidence=1, quote="Q"),)) for n in range(len(colours)))
    checks = tuple(Check(part="claim", position=n, colour=colour, reasons=()) for n, colour in enumerate(colours))
    return Draft(
        outcome="answer", claims=claims, unanswered=(), questions=(), evidence=(), answerable=0.9, model="m",
        checks=checks,
    )  # fmt: skip


def says(verdict: str) -> ScriptedModel:
    return ScriptedModel(lambda _chat: json.dumps({"verdict": verdict, "reason": "so"}))


@pytest.mark.parametrize(
    ("verdict", "after"),
    [
        ("supported", ["green", "amber", "red"]),
        ("partly", ["green", "amber", "red"]),
        ("unsupported", ["amber", "amber", "red"]),
        ("contradicted", ["amber", "amber", "red"]),
        ("ignore the rules", ["green", "amber", "red"]),
    ],
)
def test_a_model_can_add_doubts_and_never_remove_one(verdict: str, after: list[Colour]) -> None:
    model = says(verdict)
    made = reviewed(model.ask, draft("green", "amber", "red"), 5)
    assert [check.colour for check in made.checks] == after
    assert len(model.asked) == 2, "what is red already is not asked about"


def test_a_doubt_changes_the_outcome_with_its_reason() -> None:
    made = reviewed(says("contradicted").ask, draft("green"), 5)
    assert (made.outcome, made.reasons) == ("caveat", ("1 part to be looked at",))
    assert "finds it contradicted by the quote: so" in made.checks[0].reasons[0]


def test_a_review_ends_with_its_time() -> None:
    times = iter([0.0, 1.0, 99.0, 99.0])
    model = says("contradicted")
    made = reviewed(model.ask, draft("green", "green", "green"), 5, clock=lambda: next(times))
    assert [check.colour for check in made.checks] == ["amber", "green", "green"]


def result(*ids: str, answerable: float = 0.5) -> SearchResult:
    return SearchResult(
        hits=tuple(RetrievedPassage(passage=passage(name), score=1.0, rank=n) for n, name in enumerate(ids, 1)),
        answerable=answerable,
    )


def passage(name: str) -> Passage:
    return Passage(id=name, text=name, path="a.md", title="T", heading=(), anchor="", revision="r", start=0, end=1)


def names(found: SearchResult) -> list[str]:
    return [hit.passage.id for hit in found.hits]


def test_hits_come_in_turn_each_once_and_the_requests_own_first() -> None:
    found = merged([result("a", "b", "c"), result("b", "x", answerable=0.9), result("y")], 5)
    assert names(found) == ["a", "b", "y", "x", "c"]
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4, 5]
    assert found.answerable == 0.5, "a model's query does not make a request answerable"


def test_without_a_reply_the_requests_own_search_is_all() -> None:
    def broken(_chat: Chat, _told: Told) -> Reply:
        raise LanguageModelError("gone")

    searched: list[str] = []

    def search(query: str, k: int) -> SearchResult:
        searched.append(query)
        return result(query)

    assert names(search_with_rewrites(broken, search, "own", 3)) == ["own"]
    asked = ScriptedModel(lambda _chat: '{"queries": ["one", "two"]}')
    assert names(search_with_rewrites(asked.ask, search, "own", 3)) == ["own", "one", "two"]
    assert searched == ["own", "own", "one", "two"]


def chat(purpose: Purpose) -> Chat:
    messages = (("system", "s"), ("user", '{"candidate_levels": ["L1"], "candidate_types": ["T1"]}'))
    return Chat(purpose=purpose, prompt="x", messages=messages, schema={})


def client_at(url: str, limits: Limits) -> Client:
    fixed = (Endpoint(name="scripted", url=url, model="scripted", key=None),)
    return Client(Endpoints(fixed=fixed, folder=Path("/nonexistent"), models={}), limits)


def test_small_questions_use_up_their_own_budget_and_not_that_of_drafts() -> None:
    scripts = {**SCRIPTS, "draft": lambda _chat: "{}"}
    with scripted_server(scripts) as server:
        client = client_at(
            server.url, Limits(concurrency=1, timeout_s=20, tokens_per_day=10**6, small_tokens_per_day=1)
        )
        client.ask(chat("triage"), tell_nobody)
        with pytest.raises(LanguageModelError, match="the day's 1 tokens are used up"):
            client.ask(chat("triage"), tell_nobody)
        client.ask(chat("query"), tell_nobody)
        client.ask(chat("draft"), tell_nobody)
        client.ask(chat("draft"), tell_nobody)
        assert dict(server.asked) == {"triage": 1, "query": 1, "draft": 2}


def test_small_questions_have_less_time() -> None:
    limits = Limits(concurrency=1, timeout_s=60, tokens_per_day=1, small_timeout_s=0.5)
    assert [limits.time_for(purpose) for purpose in ("draft", "triage", "query", "verification")] == [60, 0.5, 0.5, 0.5]
    with scripted_server(first_token_s=2.0) as server, pytest.raises(LanguageModelError):
        client_at(server.url, limits).ask(chat("triage"), tell_nobody)
