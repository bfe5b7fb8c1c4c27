"""Questions in chat that only a measurement answers: a wish is offered, and waits for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from slack_fixture import ME, Running, buttons_of, light_ports, running_slack, text_of, wait_for

from agent.benchmarks import structured_rows, wish_for_measurement
from agent.chat.answering import text_of as as_text
from agent.chat.values import reply_of
from agent.store import chat as store
from bench_runner.importing import import_paths
from bench_runner.reruns import runs
from bench_runner.reruns.runs import Run, RunState
from bench_runner.store.database import open_store

TABLE = """Supercomputer,Model,Dataset,Framework,Output Throughput (tokens/s),Request Throughput (requests/s)
MareNostrum5,Llama-3.1-8B-Instruct,sharegpt,vllm,1234.0,6.0
"""
UNMEASURED = "What throughput does vLLM reach with Llama-3.1-8B on JUPITER?"
MEASURED = "What throughput does vLLM reach with Llama-3.1-8B on MareNostrum 5?"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("slack")
    bench = folder / "var" / "bench"
    (folder / "t.csv").write_text(TABLE)
    import_paths(open_store(bench), [folder / "t.csv"])
    ports = replace(
        light_ports(),
        rows=lambda text: structured_rows(bench, text),
        wish=lambda origin, words, by: wish_for_measurement(bench, origin=origin, words=words, by=by),
    )
    with running_slack(folder, ports=ports) as started:
        started.slack._post_limit = False
        yield started


def wishes(running: Running) -> list[Run]:
    with open_store(running.settings.bench_dir).read() as connection:
        return runs.runs(connection)


def said_to(running: Running, command: str) -> dict[str, Any]:
    before = len(running.slack.responses)
    running.slack.command("U1ADA", "C1HELP", command)
    return wait_for(lambda: next(iter(running.slack.responses[before:]), None))


def test_what_nobody_measured_can_be_asked_for_below_the_answer_and_starts_nothing(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {UNMEASURED}")
    answer = running.answer("C1HELP", ts)
    assert "Not measured" in text_of(answer)
    assert buttons_of(answer) == ["helpful", "unhelpful", "measure", "person"]
    running.slack.click("U2ALAN", "C1HELP", answer["ts"], "measure")
    said = text_of(running.answer("C1HELP", ts, 2))
    assert UNMEASURED in said and "Nothing starts by this" in said
    (wish,) = [wish for wish in wishes(running) if wish.title == UNMEASURED]
    assert (wish.state, wish.title, wish.origin) == (RunState.REQUESTED, UNMEASURED, "slack")
    assert wish.requested_by.endswith("U2ALAN@slack.invalid") and not wish.script
    running.slack.click("U1ADA", "C1HELP", answer["ts"], "measure")
    running.settle()
    assert [wish.title for wish in wishes(running)].count(UNMEASURED) == 1, "once for all"
    assert len(running.ours("C1HELP", ts)) == 2


def test_in_words_where_there_are_no_buttons_and_only_below_such_an_answer(running: Running) -> None:
    question = UNMEASURED.replace("8B", "70B")
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {question}")
    running.answer("C1HELP", ts)
    with running.database.read() as session:
        thread = store.thread_of(session, "slack", "C1HELP", ts)
        assert thread is not None
        content = store.posts_in(session, thread)[0].content
    assert content and "Ask for a measurement: `!measure`" in as_text(reply_of(content))
    running.ask("U1ADA", "C1HELP", "!measure", thread=ts)
    assert question in text_of(running.answer("C1HELP", ts, 2))
    assert question in [wish.title for wish in wishes(running)]

    before = len(wishes(running))
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {MEASURED}")
    answer = running.answer("C1HELP", ts)
    assert "1,234 output tok/s" in text_of(answer) and "measure" not in buttons_of(answer)
    running.ask("U1ADA", "C1HELP", "!measure", thread=ts)
    assert len(wishes(running)) == before and len(running.ours("C1HELP", ts)) == 1


def test_the_command_offers_it_too(running: Running) -> None:
    found, missing = (
        said_to(running, f"bench {MEASURED}"), said_to(running, f"bench {UNMEASURED.replace('8B', '405B')}"),
    )  # fmt: skip
    assert "1,234 output tok/s" in found["text"] and "blocks" not in found
    assert "Not measured" in missing["text"] and buttons_of(missing) == ["measure"]
    message = {**missing, "ts": "1.1", "channel": "C1HELP"}
    for answer in ("Nothing starts by this", "asked for before"):
        running.slack.click_ephemeral("U1ADA", message, "measure")
        running.settle()
        assert answer in wait_for(lambda: running.slack.responses[-1])["text"]
    assert [wish.title for wish in wishes(running)].count(UNMEASURED.replace("8B", "405B")) == 1
