"""Whole conversations in Slack with the real service: models, index, workflows, Socket Mode. Slack is the stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpdesk_process import Helpdesk
from slack_fixture import ME, RULES, people_of, text_of, wait_for
from slack_stand_in import SlackStandIn
from slack_stand_in.server import APP_TOKEN, BOT_TOKEN
from slack_stand_in.workspace import BOT_USER
from slack_transcript import MINERVA, SILENT, Step, play

from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"
ADA, ALAN = "U1ADA", "U2ALAN"
SCRIPT = "```#!/bin/bash\n#SBATCH --partition=standard-g\n#SBATCH --gpus-per-node=8\n#SBATCH --time=72:00:00\nsrun python train.py```"

TRANSCRIPTS: dict[str, tuple[str, list[Step]]] = {
    "a question and two follow-ups": (
        "C1HELP",
        [
            (ADA, f"{ME} How do I chain Slurm jobs so that one starts after another?"),
            (MINERVA, ["chain of jobs", "[1]", "Ask a person"]),
            (ADA, "And how do I request GPUs in the script?"),
            (MINERVA, ["GPU"]),
            (ADA, "thanks, that is all"),
            (MINERVA, SILENT),
        ],
    ),
    "a figure from the facts": (
        "C1HELP",
        [(ADA, f"{ME} How many GPUs does a LUMI-G node have?"), (MINERVA, ["8 GPUs per node on LUMI"])],
    ),
    "a script": (
        "C1HELP",
        [(ADA, f"{ME} What is wrong with this? {SCRIPT}"), (MINERVA, ["72:00:00 is more than standard-g allows"])],
    ),
    "law is for people": (
        "C1HELP",
        [(ADA, f"{ME} Is my AI system high risk under the AI Act?"), (MINERVA, ["must not answer", "Ask a person"])],
    ),
    "weeks of work are for people": (
        "C1HELP",
        [
            (ALAN, f"{ME} Could you come and optimise our training code with us for some weeks?"),
            (MINERVA, ["must not answer", "Ask a person"]),
        ],
    ),
    "asked in German": (
        "D1ADA",
        [(ADA, "Wie lange darf ein Job auf LUMI laufen?"), (MINERVA, ["nicht sicher", "Hilfreich"])],
    ),
    "talk in a channel where all is answered": (
        "C2ALL",
        [(ALAN, "Who comes to lunch at noon?"), (MINERVA, SILENT), (ADA, "Me!"), (MINERVA, SILENT)],
    ),
    "a question in a channel where all is answered": (
        "C2ALL",
        [(ALAN, "How do I chain Slurm jobs so that one starts after another?"), (MINERVA, ["chain of jobs"])],
    ),
}


@pytest.fixture(scope="module")
def slack() -> Iterator[SlackStandIn]:
    server = SlackStandIn(post_limit=False).start()
    people_of(server)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def helpdesk(tmp_path_factory: pytest.TempPathFactory, slack: SlackStandIn) -> Iterator[Helpdesk]:
    folder = tmp_path_factory.mktemp("helpdesk")
    (folder / "rules.toml").write_text(RULES)
    desk = Helpdesk(
        folder, slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN, slack_api_url=slack.url,
        chat_rules_file=str(folder / "rules.toml"), undo_s="0",
    )  # fmt: skip
    build_index(ARTICLES / "jobs", desk.data / "index", SentenceEncoder())
    desk.start()
    desk.wait_until_ready()
    yield desk
    desk.stop()


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_conversation(helpdesk: Helpdesk, slack: SlackStandIn, name: str) -> None:
    slack.wait_until_connected()
    channel, steps = TRANSCRIPTS[name]
    play(slack, channel, steps)


def test_from_the_thread_to_the_desk_and_back(helpdesk: Helpdesk, slack: SlackStandIn) -> None:
    """The desk shows the conversation as the ticket it is, and its answer comes back into the thread."""
    slack.wait_until_connected()
    thread = play(slack, "C1HELP", [(ADA, f"{ME} Is my AI system under the AI Act?"), (MINERVA, ["Ask a person"])])
    offer = next(m for m in slack.thread("C1HELP", thread) if m["user"] == BOT_USER)
    before = len(slack.views)
    slack.click(ADA, "C1HELP", offer["ts"], "person")
    form = wait_for(lambda: slack.views[before:])[0]
    slack.submit(ADA, form, {"text": "How do I chain Slurm jobs?", "institution": "Turin", "consent": ["consent"]})
    opened = wait_for(lambda: [m for m in slack.thread("C1HELP", thread) if "is open" in text_of(m)])
    number = re.search(r"MIN-\d{4}-\d{6}", text_of(opened[0]))[0]  # type: ignore[index]
    browser = helpdesk.browser()
    page = wait_for(lambda: (p := browser.get(f"/tickets/{number}").text) and ("Approve" in p) and p, 60)
    assert "slack.invalid" in page
    action = re.search(r'action="(/tickets/[^"]+/approve)"', page)[1]  # type: ignore[index]
    token, binding = (re.search(rf'name="{n}" value="([^"]+)"', page)[1] for n in ("csrf_token", "binding"))  # type: ignore[index]
    body = "Dear Ada,\n\nuse a dependency between the jobs.\n\nGrace"
    assert browser.post(action, data={"csrf_token": token, "binding": binding, "body": body}).status_code == 200
    wait_for(lambda: [m for m in slack.thread("C1HELP", thread) if "use a dependency" in text_of(m)])
    play_on = slack.say(ADA, "C1HELP", "Which dependency do you mean?", thread=thread)
    assert wait_for(lambda: "Which dependency do you mean?" in browser.get(f"/tickets/{number}").text)
    browser.close()
    assert not [m for m in slack.thread("C1HELP", thread) if m["ts"] > play_on and m["user"] == BOT_USER]


def test_killed_right_after_the_acknowledgement(helpdesk: Helpdesk, slack: SlackStandIn) -> None:
    slack.wait_until_connected()
    asked = [slack.say(ADA, "C1HELP", f"{ME} How do I chain Slurm jobs ({n})?") for n in range(5)]
    helpdesk.kill()
    slack._connected.clear()
    helpdesk.start()
    for ts in asked:
        wait_for(lambda ts=ts: [m for m in slack.thread("C1HELP", ts) if "[1]" in text_of(m)], 90)  # type: ignore[misc]
    wait_for(lambda: all(m.get("streaming_state") != "in_progress" for m in slack.messages["C1HELP"]), 30)
    for ts in asked:
        assert [m["user"] for m in slack.thread("C1HELP", ts)] == [ADA, BOT_USER]
