"""`make bench`, Slack: acknowledgements, first visible words and sustained questions; prints, passes and fails nothing.

The service is a real process with the whole knowledge base; Slack is the stand-in on this machine, which shares the cores.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

from helpdesk_process import REPOSITORY, Helpdesk
from slack_fixture import ME
from slack_stand_in import SlackStandIn
from slack_stand_in.server import APP_TOKEN, BOT_TOKEN
from slack_stand_in.workspace import BOT_USER

from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

A_MINUTE = 50
MINUTES = 3
CHANNELS = 10
LAST_ANSWER_S = 90


def questions(count: int) -> list[str]:
    """Real-sounding requests from the triage data."""
    lines = (REPOSITORY / "triage" / "data" / "requests_one.jsonl").read_text("utf-8").splitlines()
    step = max(1, len(lines) // count)
    return [json.loads(line)["body"][:3000] for line in lines[::step][:count]]


class FirstWords(threading.Thread):
    """Notes when the first message of ours stands in each thread."""

    def __init__(self, slack: SlackStandIn) -> None:
        super().__init__(daemon=True)
        self.slack, self.stopping = slack, threading.Event()
        self.at: dict[tuple[str, str], float] = {}

    def run(self) -> None:
        while not self.stopping.wait(0.02):
            with self.slack.lock:
                ours = [
                    (channel, message["thread_ts"])
                    for channel, messages in self.slack.messages.items()
                    for message in messages
                    if message["user"] == BOT_USER and "thread_ts" in message
                ]
            for spot in ours:
                self.at.setdefault(spot, time.monotonic())


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def ask(slack: SlackStandIn, count: int) -> dict[tuple[str, str], float]:
    """At the pace that is measured; when each was said."""
    asked = {}
    begun = time.monotonic()
    for n, text in enumerate(questions(count)):
        time.sleep(max(0.0, begun + n * 60 / A_MINUTE - time.monotonic()))
        channel = f"C{n % CHANNELS}"
        said = time.monotonic()
        asked[channel, slack.say("U1ADA", channel, f"{ME} {text}")] = said
    return asked


def main() -> None:
    slack = SlackStandIn().start()
    slack.person("U1ADA", "Ada")
    for n in range(CHANNELS):
        slack.channel(f"C{n}", "U1ADA")
    with tempfile.TemporaryDirectory() as name:
        desk = Helpdesk(Path(name), slack_bot_token=BOT_TOKEN, slack_app_token=APP_TOKEN, slack_api_url=slack.url)
        build_index(REPOSITORY / "knowledge_base" / "articles", desk.data / "index", SentenceEncoder())
        desk.run("kb", "prepare", "--index", str(desk.data / "index"))
        desk.start()
        desk.wait_until_ready()
        slack.wait_until_connected()
        watch = FirstWords(slack)
        watch.start()
        used_s = desk.cpu_s()
        asked = ask(slack, A_MINUTE * MINUTES)
        until = time.monotonic() + LAST_ANSWER_S
        while len(watch.at) < len(asked) and time.monotonic() < until:
            time.sleep(0.2)
        watch.stopping.set()
        report(slack, asked, watch.at)
        print(f"processor time of the service for a question: {(desk.cpu_s() - used_s) / len(asked):.2f} s")
        desk.stop()
    slack.stop()


def report(slack: SlackStandIn, asked: dict[tuple[str, str], float], seen: dict[tuple[str, str], float]) -> None:
    acks = [ack.latency_s for ack in slack.acks]
    print(f"acknowledgement of {len(acks)} events: p50 {statistics.median(acks) * 1000:.0f} ms, "
          f"p95 {percentile(acks, 0.95) * 1000:.0f} ms, max {max(acks) * 1000:.0f} ms")  # fmt: skip
    waits = [seen[spot] - at for spot, at in asked.items() if spot in seen]
    print(f"first visible words, {A_MINUTE} questions a minute for {MINUTES} minutes: p50 {statistics.median(waits):.2f} s, "
          f"p95 {percentile(waits, 0.95):.2f} s, max {max(waits):.2f} s")  # fmt: skip
    print(f"unanswered {len(asked) - len(waits)} of {len(asked)}, never acknowledged {len(slack.unacknowledged)}")


if __name__ == "__main__":
    main()
