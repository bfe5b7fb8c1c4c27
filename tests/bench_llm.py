"""What drafting with a language model costs besides the model itself: `make bench`.

Prompt building and checks in CPU time a draft, over passages that come for the first time and again; and how much later
than the server the first token is there: with the client, and on an open page of the desk, beside the bare endpoint.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "acceptance"))

import httpx
from acceptance.desk_fixture import RunningDesk, running_desk
from scripted_server import ScriptedServer, scripted_server

from agent.checks.draft import Asked, check_draft
from agent.checks.hosts import known_places
from agent.draft import Evidence, Question, renumbered
from agent.llm.chat import Chat
from agent.llm.client import Client, Limits
from agent.llm.drafting import Parts, Room, model_composer
from agent.llm.endpoints import Endpoint, Endpoints
from agent.llm.scripted import ScriptedModel, evidence_in, written
from agent.sentences import quotable

ARTICLES = Path(__file__).parents[1] / "knowledge_base" / "articles"
DRAFTS = 200
REPLIES = 40
CLAIMS = 12
PASSAGES = 8
QUESTION = (
    "Hello,\n\nmy training on LUMI stops with `oom_kill` after two epochs. I use --mem=100G and #SBATCH --nodes=2. How much "
    "memory may I ask for, how do I see what was used, and how long may a job on standard-g run? Which option sets the "
    "number of cores for the data loader?\n\nThank you, Ada"
)


def passages() -> list[str]:
    """Sections of our own articles, as the index cuts them."""
    sections = [
        section
        for path in sorted(ARTICLES.rglob("*.md"))
        for section in path.read_text(encoding="utf-8").split("\n## ")[1:]
    ]
    return [section for section in sections if 300 < len(section) < 2500]


def evidence(texts: list[str]) -> list[Evidence]:
    return [
        Evidence(
            number=n,
            kind="passage",
            id=f"p{n}",
            title="Jobs",
            heading=("Memory",),
            path="jobs/a.md",
            anchor="",
            url=None,
            text=text,
            score=0.9,
        )
        for n, text in enumerate(texts, 1)
    ]


def long_draft(chat: Chat) -> str:
    """As much as the form allows of what the passages say, with commands, steps and questions."""
    units = [(number, unit) for number, text in evidence_in(chat) for unit in quotable(text)[:3]][:CLAIMS]
    claims = [{"text": unit.text, "evidence": [{"passage_id": number, "quote": unit.quote}]} for number, unit in units]
    return written(
        claims,
        commands=["squeue --me", "sacct -j <jobid> --format=JobID,MaxRSS"],
        next_steps=["Ask for memory with `--mem` and look at MaxRSS."],
        questions=["On which partition do you run?"],
        unanswered=["How long may a job on standard-g run?"],
    )


def ours_a_draft(chosen: list[list[str]]) -> Iterator[float]:
    """CPU seconds of one draft each, without what the scripted model takes."""
    model_s = 0.0

    def script(chat: Chat) -> str:
        nonlocal model_s
        begun = time.process_time()
        text = long_draft(chat)
        model_s += time.process_time() - begun
        return text

    parts = Parts(
        ask=ScriptedModel(script).ask, fallback=lambda *_: sys.exit("the scripted reply was refused"),
        language_of=lambda _text: "en", room=Room(context=8192, reply=1200), secret=b"bench",
    )  # fmt: skip
    compose = model_composer(parts)
    for texts in chosen:
        question = Question(subject="Out of memory", text=QUESTION, language="en", ticket="MIN-2026-000001")
        begun, model_s = time.process_time(), 0.0
        draft = check_draft(renumbered(compose(question, evidence(texts), 0.9)), Asked(text=QUESTION, language="en"))
        yield time.process_time() - begun - model_s
        assert draft.checks


def prompts_and_checks() -> None:
    known_places()
    texts = passages()
    chance = random.Random(7)
    chosen = [chance.sample(texts, PASSAGES) for _ in range(DRAFTS)]
    list(ours_a_draft([["A warm-up sentence that says nothing. " * 12] * PASSAGES]))
    for name, several in (("passages as they come", chosen), ("the same passages again", chosen)):
        times = sorted(ours_a_draft(several))
        p50, p95 = (times[int(share * len(times))] * 1e3 for share in (0.5, 0.95))
        print(f"prompt and checks, {name}: p50 {p50:.1f} ms, p95 {p95:.1f} ms, max {times[-1] * 1e3:.1f} ms of CPU")


def first_tokens() -> None:
    """Milliseconds from the server's first token to its being there, three ways in turn."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_desk(Path(folder)) as desk,
        scripted_server({"draft": lambda _chat: REPLY}, first_token_s=0.05) as server,
    ):
        number = desk.ask("How long may a job run?")
        endpoints = Endpoints(
            fixed=(Endpoint(name="b", url=server.url, model="m", key=None),), folder=Path(folder), models={}
        )
        client = Client(endpoints, Limits(concurrency=4, timeout_s=60, tokens_per_day=10**9))
        ways: dict[str, Callable[[], float]] = {
            "bare endpoint": lambda: bare_endpoint(server),
            "our client": lambda: our_client(client),
            "open page of the desk": lambda: open_page(desk, client, number),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(REPLIES):
            for name, way in ways.items():
                times[name].append((way() - server.spoke_at[-1]) * 1e3)
    for name, found in times.items():
        found.sort()
        print(f"first token, {name}: p50 {found[len(found) // 2]:.1f} ms, p95 {found[int(0.95 * len(found))]:.1f} ms")


REPLY = written([{"text": "Jobs run for two days.", "evidence": [{"passage_id": "1", "quote": "two days"}]}])
CHAT = Chat(purpose="draft", prompt="x", messages=(("user", "How long may a job run?"),), schema={"type": "object"})


def bare_endpoint(server: ScriptedServer) -> float:
    form = {"type": "json_schema", "json_schema": {"name": "draft", "schema": {}}}
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}], "response_format": form}
    with httpx.stream("POST", f"{server.url}/chat/completions", json=body, timeout=60) as reply:
        heard = [time.monotonic() for line in reply.iter_lines() if line.startswith("data: ")]
    return heard[0]


def our_client(client: Client) -> float:
    heard: list[float] = []
    client.ask(CHAT, lambda _text: heard.append(time.monotonic()))
    return heard[0]


def open_page(desk: RunningDesk, client: Client, number: str) -> float:
    """When the first statement has come to a browser that shows the ticket."""
    heard: list[float] = []
    opened = threading.Event()

    def read() -> None:
        with httpx.Client(base_url=desk.url, follow_redirects=True, timeout=60) as browser:
            browser.get(desk.sign_in_link())
            with browser.stream("GET", f"/tickets/{number}/live") as events:
                opened.set()
                for line in events.iter_lines():
                    if line.startswith("data: "):
                        heard.append(time.monotonic())
                        break

    reading = threading.Thread(target=read)
    reading.start()
    opened.wait(30)
    client.ask(CHAT, desk.live.teller(number))
    reading.join(30)
    desk.live.forget(number)
    return heard[0]


if __name__ == "__main__":
    prompts_and_checks()
    first_tokens()
