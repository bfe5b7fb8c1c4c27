"""A model's words in Slack: only what is checked, as soon as it is. A scripted model over HTTP; Slack is the stand-in."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from scripted_server import SCRIPTS, scripted_server
from slack_fixture import (
    ACCOUNTS,
    ME,
    Running,
    buttons_of,
    compose,
    light_ports,
    running_slack,
    text_of,
    wait_for,
)

from agent.draft import Compose, Draft, Evidence, Question
from agent.llm.chat import Chat
from agent.llm.client import Client, Limits
from agent.llm.drafting import Parts, Room, model_composer
from agent.llm.endpoints import Endpoint, Endpoints
from agent.llm.scripted import written

ASKED = f"{ME} How do I get an account on LUMI?"
FIRST, SECOND = (sentence.rstrip(".") for sentence in ACCOUNTS.split(". "))
INVENTED = "Write to accounts@lumi.example and the account is created at once."
THIRD = "The account is created within two working days"


def claim(text: str, quote: str, passage_id: str = "1") -> dict[str, Any]:
    return {"text": text, "evidence": [{"passage_id": passage_id, "quote": quote}]}


HONEST = [claim(f"{FIRST}.", FIRST), claim(f"{SECOND}.", SECOND)]
WITH_A_BAD_ONE = [HONEST[0], claim(INVENTED, FIRST), HONEST[1]]


@dataclass
class Model:
    """Says `claims`; waits before those words that are kept back, and dies at those that it never says."""

    claims: list[dict[str, Any]] = field(default_factory=lambda: list(HONEST))
    keeps_back: str | None = None
    dies_at: str | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    compose: Compose = compose

    def script(self, _chat: Chat) -> str:
        return written(self.claims)

    def draft(self, question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        return self.compose(question, evidence, answerable)

    def before(self, said: str) -> None:
        if self.keeps_back and self.keeps_back in said:
            assert self.go_on.wait(30), "the test has forgotten the model"
        if self.dies_at and self.dies_at in said:
            raise ConnectionResetError


def composer_on(url: str) -> Compose:
    endpoint = Endpoint(name="scripted", url=url, model="scripted", key=None)
    limits = Limits(concurrency=4, timeout_s=60.0, tokens_per_day=10_000_000)
    client = Client(Endpoints(fixed=(endpoint,), folder=Path("/nonexistent"), models={}), limits)
    room = Room(context=8192, reply=1200)
    parts = Parts(ask=client.ask, fallback=compose, language_of=lambda _text: "en", room=room, secret=b"s")
    return model_composer(parts)


@dataclass(frozen=True)
class Stage:
    running: Running
    model: Model
    url: str
    """Of the model's server."""

    def say(self, text: str = ASKED, **more: Any) -> str:
        return self.running.slack.say("U1ADA", "C1HELP", text, **more)

    def shown(self, ts: str) -> str:
        """Of our message in the thread, finished or not; empty before there is one."""
        ours = [m for m in self.running.thread("C1HELP", ts) if m["user"] == "U0MINERVA"]
        assert len(ours) < 2
        return text_of(ours[0]) if ours else ""

    def finished(self, ts: str) -> str:
        self.model.go_on.set()
        self.running.settle()
        wait_for(lambda: buttons_of(self.running.answer("C1HELP", ts)))
        assert len(self.running.ours("C1HELP", ts)) == 1
        return text_of(self.running.answer("C1HELP", ts))


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    model = Model()
    ports = replace(light_ports(), compose=model.draft)
    with (
        scripted_server({**SCRIPTS, "draft": model.script}, before=model.before) as server,
        running_slack(tmp_path_factory.mktemp("slack"), ports=ports) as running,
    ):
        running.slack._post_limit = False
        yield Stage(running, model, server.url)


@pytest.fixture
def stage(staged: Stage) -> Iterator[Stage]:
    vars(staged.model).update(vars(Model(compose=composer_on(staged.url))))
    slack = staged.running.slack
    slack.impatient.clear()
    slack.refused.clear()
    slack.streaming, slack.shows_status = True, True
    yield staged
    staged.model.go_on.set()
    staged.running.settle()
    slack.streaming, slack.shows_status = True, True
    assert slack.impatient == []


def test_a_statement_is_there_before_the_next_one_is_written(stage: Stage) -> None:
    stage.model.keeps_back = SECOND
    ts = stage.say()
    wait_for(lambda: FIRST in stage.shown(ts))
    assert SECOND not in stage.shown(ts)
    assert stage.running.thread("C1HELP", ts)[1]["streaming_state"] == "in_progress"
    text = stage.finished(ts)
    assert text.index(FIRST) < text.index(SECOND) < text.index("[1] <https://docs.example/accounts|Accounts>")
    assert buttons_of(stage.running.answer("C1HELP", ts)) == ["helpful", "unhelpful", "person"]
    assert stage.running.answer("C1HELP", ts)["streamed"] == [f"{FIRST}. [1]", f"\n\n{SECOND}. [1]"]


def test_before_the_first_statement_it_says_what_it_is_reading(stage: Stage) -> None:
    ts = stage.say(f"{ASKED} And what is the quota?")
    stage.finished(ts)
    told = [item["status"] for item in stage.running.slack.statuses if item["thread_ts"] == ts]
    assert told == ["is looking in the guides …", "is reading passages of the guides (2) …"]


def test_what_fails_a_check_is_never_shown(stage: Stage) -> None:
    stage.model.claims = list(WITH_A_BAD_ONE)
    ts = stage.say()
    text = stage.finished(ts)
    assert FIRST in text
    assert SECOND in text
    assert "I am not sure about this" in text
    written_there = [args for name, args in stage.running.slack.calls if name.startswith("chat.")]
    assert "at once" not in str(written_there)
    assert stage.running.answer("C1HELP", ts)["streaming_state"] == "completed"
    assert "edited" not in stage.running.answer("C1HELP", ts)  # settled, not written anew


def test_a_draft_that_is_refused_at_the_end_becomes_the_hand_over(stage: Stage) -> None:
    """Law is spoken of in the second statement only."""
    stage.model.claims = [HONEST[0], claim("The AI Act applies.", "The AI Act applies", "2")]
    stage.model.keeps_back = "AI Act"
    ts = stage.say(f"{ASKED} And the act?")
    wait_for(lambda: FIRST in stage.shown(ts))
    text = stage.finished(ts)
    assert "must not answer this on my own" in text
    assert FIRST not in text
    assert buttons_of(stage.running.answer("C1HELP", ts)) == ["person"]


def test_a_model_that_dies_in_mid_answer(stage: Stage) -> None:
    """The answer without it takes the place of what was begun."""
    stage.model.dies_at = SECOND[:30]
    ts = stage.say(f"{ASKED} And what is the quota?")
    wait_for(lambda: FIRST in stage.shown(ts))
    text = stage.finished(ts)
    assert "quota of the scratch folder is shared" in text  # which the model did not speak of
    assert FIRST in text


def test_slack_asks_to_wait_in_mid_stream(stage: Stage) -> None:
    stage.model.claims = [*HONEST, claim(f"{THIRD}.", THIRD)]
    stage.model.keeps_back = SECOND[:20]
    ts = stage.say()
    wait_for(lambda: FIRST in stage.shown(ts))
    stage.running.slack.fail("chat.appendStream", "ratelimited")
    text = stage.finished(ts)
    assert text.count(FIRST) == text.count(f"{SECOND}.") == 1
    assert "[1] <https://docs.example" in text


def test_a_stream_that_cannot_go_on_is_completed_as_a_change(stage: Stage) -> None:
    stage.model.keeps_back = SECOND
    ts = stage.say()
    wait_for(lambda: FIRST in stage.shown(ts))
    stage.running.slack.fail("chat.appendStream", "internal_error")
    text = stage.finished(ts)
    assert text.count(FIRST) == text.count(SECOND) == 1


def test_without_streams_the_message_is_changed(stage: Stage) -> None:
    """And says as long as it is unfinished that it is."""
    stage.running.slack.streaming = False
    stage.model.keeps_back = SECOND
    ts = stage.say()
    wait_for(lambda: FIRST in stage.shown(ts))
    assert "is reading passages of the guides (1) …" in stage.shown(ts)
    text = stage.finished(ts)
    assert text.count(FIRST) == text.count(SECOND) == 1
    assert "reading" not in text
    assert "[1] <https://docs.example" in text
    assert not [name for name, _ in stage.running.slack.refused if name == "chat.update"]  # none came too early


def test_slack_asks_to_wait_between_changes(stage: Stage) -> None:
    stage.running.slack.streaming = False
    stage.model.keeps_back = SECOND
    ts = stage.say()
    wait_for(lambda: FIRST in stage.shown(ts))
    stage.running.slack.fail("chat.update", "ratelimited")
    text = stage.finished(ts)
    assert text.count(FIRST) == text.count(SECOND) == 1


def test_where_no_status_can_be_shown_either_the_message_says_it(stage: Stage) -> None:
    stage.running.slack.streaming = stage.running.slack.shows_status = False
    stage.model.keeps_back = FIRST
    ts = stage.say()
    wait_for(lambda: "_is reading passages of the guides (1) …_" in stage.shown(ts))
    assert "[1]" not in stage.shown(ts)
    text = stage.finished(ts)
    assert FIRST in text
    assert "reading" not in text


def test_what_needs_a_person_shows_nothing_before(stage: Stage) -> None:
    stage.model.keeps_back = '"commands"'
    ts = stage.say(f"{ME} Which law holds for my account?")
    wait_for(lambda: [s for s in stage.running.slack.statuses if s["thread_ts"] == ts][1:])
    text = stage.finished(ts)
    assert "must not answer this on my own" in text
    answer = stage.running.answer("C1HELP", ts)
    assert "streamed" not in answer
    assert "edited" not in answer


def test_unasked_nothing_is_shown_before_it_is_sure(stage: Stage) -> None:
    ts = stage.running.slack.say("U1ADA", "C2ALL", ASKED.removeprefix(ME))
    stage.running.settle()
    assert FIRST in text_of(stage.running.answer("C2ALL", ts))
    stage.model.claims = list(WITH_A_BAD_ONE)
    ts = stage.running.slack.say("U1ADA", "C2ALL", ASKED.removeprefix(ME))
    stage.running.settle()
    assert stage.running.thread("C2ALL", ts)[1:] == []


def test_an_edited_question_is_answered_anew_in_the_same_place(stage: Stage) -> None:
    ts = stage.say()
    first = stage.finished(ts)
    stage.model.claims = [HONEST[1]]
    stage.running.slack.edit("C1HELP", ts, f"{ASKED} When?")
    changed = wait_for(lambda: (t := stage.shown(ts)) != first and "[1] <https" in t and t)
    assert SECOND in changed
    assert FIRST not in changed


def test_a_question_that_is_deleted_while_it_is_answered(stage: Stage) -> None:
    stage.model.keeps_back = SECOND
    ts = stage.say()
    wait_for(lambda: FIRST in stage.shown(ts))
    stage.running.slack.delete("C1HELP", ts)
    stage.model.go_on.set()
    stage.running.settle()
    wait_for(lambda: not [m for m in stage.running.thread("C1HELP", ts) if m["user"] == "U0MINERVA"])


def test_what_was_begun_and_cannot_be_answered_after_all_says_so(stage: Stage) -> None:
    asked: list[str] = []

    def breaks(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        assert question.written is not None
        question.written(compose(question, evidence, answerable))
        wait_for(lambda: asked and stage.shown(asked[0]))
        raise ValueError("out of order")

    stage.model.compose = breaks
    asked.append(stage.say())
    wait_for(lambda: "Something went wrong on our side" in stage.shown(asked[0]))
    assert buttons_of(stage.running.answer("C1HELP", asked[0])) == ["person"]
