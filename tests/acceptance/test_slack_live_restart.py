"""Slack: the helpdesk is killed while a model writes an answer. The real service, a scripted model over HTTP."""

from __future__ import annotations

import threading
from pathlib import Path

from helpdesk_process import Helpdesk
from scripted_server import scripted_server
from slack_fixture import ME, buttons_of, people_of, text_of, wait_for
from slack_stand_in import SlackStandIn
from slack_stand_in.server import APP_TOKEN, BOT_TOKEN
from slack_stand_in.workspace import BOT_USER, Args

from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"


def test_killed_in_mid_stream_it_completes_what_it_began(tmp_path: Path) -> None:
    slack = SlackStandIn(post_limit=False).start()
    people_of(slack)
    go_on = threading.Event()

    def before(said: str) -> None:
        """The third statement waits."""
        if said.count('"text"') > 2:
            go_on.wait(120)

    with scripted_server(before=before) as model:
        desk = Helpdesk(
            tmp_path, slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN, slack_api_url=slack.url,
            llm_urls=model.url, llm_model="scripted", llm_timeout_s="100",
        )  # fmt: skip
        build_index(ARTICLES / "jobs", desk.data / "index", SentenceEncoder())
        desk.start()
        desk.wait_until_ready()
        slack.wait_until_connected()
        asked = slack.say("U1ADA", "C1HELP", f"{ME} How do I chain Slurm jobs so that one starts after another?")

        def ours() -> list[Args]:
            with slack.lock:
                return [dict(m) for m in slack.thread("C1HELP", asked) if m["user"] == BOT_USER]

        begun = wait_for(lambda: [m for m in ours() if m.get("streaming_state") == "in_progress"], 60)[0]
        shown = text_of(begun)
        desk.kill()
        slack._connected.clear()
        go_on.set()
        desk.start()
        answer = wait_for(lambda: next((m for m in ours() if "helpful" in buttons_of(m)), None), 90)
        assert [m["ts"] for m in ours()] == [begun["ts"]]
        assert answer["streaming_state"] == "completed"
        assert shown.splitlines()[0].rstrip(" 1234567890[]") in text_of(answer)
        desk.stop()
    slack.stop()
