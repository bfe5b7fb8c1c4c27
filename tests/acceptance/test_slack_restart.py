"""Slack: a restart in the middle of an answer. Apart from the others: one process runs one set of workflows."""

from __future__ import annotations

from pathlib import Path

from slack_fixture import ME, people_of, running_slack, text_of, wait_for
from slack_stand_in import SlackStandIn

ACCOUNT = "How do I get an account on LUMI?"


def test_a_restart_in_mid_stream(tmp_path: Path) -> None:
    """What was begun is completed, what was stored is answered, and neither twice."""
    slack = SlackStandIn(post_limit=False).start()
    people_of(slack)
    with running_slack(tmp_path, slack=slack) as first:
        slack.fail("chat.stopStream", *["internal_error"] * 3)
        slack.fail("chat.update", *["internal_error"] * 3)
        begun = slack.say("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
        wait_for(lambda: any(m.get("streaming_state") for m in first.thread("C1HELP", begun)))
    slack._failures.clear()
    with running_slack(tmp_path, slack=slack) as second:
        said = wait_for(lambda: [m for m in second.ours("C1HELP", begun) if "[1] <https://docs.example" in text_of(m)])
        second.settle()
        assert len(said) == len([m for m in second.thread("C1HELP", begun) if m["user"] == "U0MINERVA"]) == 1
    slack.stop()
