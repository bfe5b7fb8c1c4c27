"""A real vLLM on the CPU: what is sent to it, what comes back, and what happens when it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from unit.test_monitoring import NEW
from vllm_fixture import KEY, NAME, PYTHON, NoVllmError, Vllm, build, running_vllm

from agent.checks.draft import Asked, check_draft
from agent.draft import Draft, Evidence, Question
from agent.errors import LanguageModelError
from agent.llm.chat import Chat, tell_nobody
from agent.llm.client import Client, Limits
from agent.llm.drafting import Parts, Room, model_composer
from agent.llm.endpoints import Endpoints
from agent.llm.purposes import settle_placement
from agent.llm.records import EndpointRecord, EndpointState, write_record

pytestmark = [pytest.mark.llm, pytest.mark.slow, pytest.mark.timeout(2700)]

TEXT = "Jobs on standard-g run for at most 48 hours. Ask for memory with `--mem-per-gpu=60G`."
LONG = {"type": "object", "properties": {"a": {"type": "string", "minLength": 3000}}, "required": ["a"]}
TIME_S = 240.0
"""For one reply on a busy machine."""


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    try:
        build()
        with running_vllm(tmp_path_factory.mktemp("vllm") / "server.log") as running:
            yield running
    except NoVllmError as error:
        pytest.skip(f"no vLLM here: {error}")


@pytest.fixture
def client(vllm: Vllm, tmp_path: Path) -> Client:
    """Finds the server by its record, as the helpdesk does."""
    (tmp_path / "tiny.key").write_text(KEY)
    record = EndpointRecord(name="tiny", url=vllm.url, model=NAME, key_file="tiny.key", state=EndpointState.READY)
    write_record(tmp_path, record)
    return Client(
        Endpoints(fixed=(), folder=tmp_path, models={}), Limits(concurrency=2, timeout_s=TIME_S, tokens_per_day=10**7)
    )


def embedded(_question: Question, given: object, answerable: float) -> Draft:
    return Draft(
        outcome="escalate", claims=(), unanswered=(), questions=(), evidence=tuple(given), answerable=answerable,  # type: ignore[arg-type]
        model="embedded",
    )  # fmt: skip


def test_structured_output_of_a_random_model_has_the_wanted_form(client: Client) -> None:
    placed = settle_placement(client.ask, "My training is slow", ["L1", "L2", "none"], ["T1", "T2", "none"])
    assert placed is not None
    assert placed.level in {"L1", "L2", "none"}


def test_a_draft_of_a_random_model_is_streamed_read_and_found_red(client: Client) -> None:
    told: list[str] = []
    parts = Parts(
        ask=client.ask, fallback=embedded, language_of=lambda _text: "en", room=Room(context=12_000, reply=400),
        secret=b"s", told=lambda _ticket: told.append,
    )  # fmt: skip
    item = Evidence(
        number=1, kind="passage", id="p1", title="Limits", heading=("Walltime",), path="jobs/limits.md", anchor="",
        url=None, text=TEXT, score=0.9,
    )  # fmt: skip
    question = Question(subject="Walltime", text="How long may a job run?", language="en", ticket="MIN-2026-000001")
    draft = check_draft(model_composer(parts)(question, [item], 0.9), Asked(text="How long?", language="en"))
    assert draft.generation is not None
    assert draft.generation.trouble == ""
    assert draft.model == NAME
    assert draft.generation.prompt_tokens > 500
    assert draft.generation.first_token_s is not None
    assert len(told) > 5
    assert draft.red
    assert draft.outcome in {"ask", "escalate"}


def test_the_same_question_has_the_same_reply(client: Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 20}}, "required": ["a"]}
    chat = Chat(purpose="query", prompt="x", messages=(("user", "Say a"),), schema=schema, max_tokens=60)
    assert client.ask(chat, tell_nobody).text == client.ask(chat, tell_nobody).text


def test_health_and_metrics_are_served(vllm: Vllm) -> None:
    assert httpx.get(f"{vllm.base}/health", timeout=60).status_code == 200
    metrics = httpx.get(f"{vllm.base}/metrics", timeout=60).text
    assert {name for name in NEW if f"vllm:{name}" not in metrics} == set(), "what the dashboard asks for"
    assert httpx.get(f"{vllm.url}/models", timeout=60).status_code == 401


def test_the_measurement_for_gpus_runs_on_a_tiny_shape(vllm: Vllm) -> None:
    script = Path(__file__).parents[1] / "measure_gpu.py"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(PYTHON), str(script), "--tiny"], env=environment, text=True, capture_output=True, check=True
    )
    assert done.stdout.count("tokens/s") == 6


def test_zz_a_server_that_dies_in_mid_answer_is_an_error_in_words(client: Client, vllm: Vllm) -> None:
    """Last in this file: nothing is left of the server after it."""
    begun = threading.Event()
    problems: list[str] = []

    def ask() -> None:
        chat = Chat(purpose="draft", prompt="x", messages=(("user", "Write"),), schema=LONG, max_tokens=6000)
        try:
            client.ask(chat, lambda _text: begun.set())
        except LanguageModelError as error:
            problems.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    assert begun.wait(TIME_S)
    os.killpg(vllm.process.pid, signal.SIGKILL)
    asking.join(TIME_S)
    until = time.monotonic() + 30
    while client.state() == "ok" and time.monotonic() < until:
        time.sleep(0.1)
    assert problems
    assert "tiny" in problems[0]
    assert "broke off" in problems[0] or "cannot be reached" in problems[0]
