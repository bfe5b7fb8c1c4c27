"""Questions in Slack, from the event to what stands in the thread. Against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from slack_fixture import ME, Running, buttons_of, running_slack, text_of, wait_for
from slack_stand_in.workspace import BOT_USER
from sqlmodel import select

from agent.store import chat as store
from agent.store.chat_tables import ChatEvent, ChatFeedback, ChatFile, ChatMessage, ChatThread

ACCOUNT = "How do I get an account on LUMI?"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_slack(tmp_path_factory.mktemp("slack")) as started:
        started.slack._post_limit = False
        yield started


def test_a_mention_is_answered_in_its_thread_with_sources_and_buttons(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    answer = running.answer("C1HELP", ts)
    text = text_of(answer)
    assert "apply for an account on LUMI" in text
    assert "[1] <https://docs.example/accounts|Accounts> · LUMI-G · " in text
    assert "months old" in text
    assert buttons_of(answer) == ["helpful", "unhelpful", "person"]
    assert len(running.ours("C1HELP", ts)) == 1  # both of Slack's events about a mention are one question


def test_it_streams_where_that_is_available_and_else_posts(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT} And the quota?")
    assert running.answer("C1HELP", ts)["streaming_state"] == "completed"
    running.slack.streaming = False
    try:
        ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
        assert "streaming_state" not in running.answer("C1HELP", ts)
    finally:
        running.slack.streaming = True
    running.slack.fail("chat.startStream", "ratelimited")
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    assert "streaming_state" not in running.answer("C1HELP", ts)


def test_tables_come_as_code(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} What is the quota of the scratch folder?")
    text = text_of(running.answer("C1HELP", ts))
    assert "quota of the scratch folder is shared" in text
    assert "|---|" not in text


def test_follow_ups_need_no_mention_and_lean_on_the_question(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    running.answer("C1HELP", ts)
    running.ask("U1ADA", "C1HELP", "And what is the quota of the scratch folder?", thread=ts)
    second = text_of(running.answer("C1HELP", ts, 2))
    assert "quota of the scratch folder is shared" in second
    assert "apply for an account" not in second  # said before in this thread


def test_what_was_said_is_not_said_again(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    running.ask("U1ADA", "C1HELP", "How do I get the account?", thread=ts)
    second = running.answer("C1HELP", ts, 2)
    assert "say no more about this" in text_of(second)
    assert buttons_of(second) == ["person"]


def test_talk_among_people_in_its_thread_is_left_alone(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    running.ask("U1ADA", "C1HELP", "thanks!", thread=ts)
    running.ask("U2ALAN", "C1HELP", "that worked for me, too", thread=ts)
    running.ask("U1ADA", "C1HELP", "<@U2ALAN> which portal was your account on?", thread=ts)
    assert len(running.ours("C1HELP", ts)) == 1


@pytest.mark.parametrize("question", ["Which law holds for my account?", "Can you give a workshop on accounts?"])
def test_what_needs_a_person_is_offered_one(running: Running, question: str) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {question}")
    answer = running.answer("C1HELP", ts)
    assert "must not answer this on my own" in text_of(answer)
    assert "apply for an account" not in text_of(answer)
    assert buttons_of(answer) == ["person"]


def test_without_evidence_it_says_so(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} What is the meaning of life?")
    assert "support engineer can" in text_of(running.answer("C1HELP", ts))


def test_what_only_engineers_may_read_never_leaves(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} Where is the maintenance password?")
    assert "safe of the operators" not in text_of(running.answer("C1HELP", ts))


def test_a_direct_message_is_answered_in_a_thread(running: Running) -> None:
    ts = running.ask("U1ADA", "D1ADA", ACCOUNT)
    assert "apply for an account" in text_of(running.answer("D1ADA", ts))
    assert [status["thread_ts"] for status in running.slack.statuses].count(ts) == 1


def test_unmentioned_it_keeps_quiet_and_keeps_nothing(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"Does anybody know: {ACCOUNT}")
    assert not running.ours("C1HELP", ts)
    with running.database.read() as session:
        assert store.thread_of(session, "slack", "C1HELP", ts) is None
        bodies = [event.body for event in session.exec(select(ChatEvent))]
    assert not any(b"Does anybody know" in body for body in bodies)


def test_where_all_is_answered_only_sure_answers_are_given(running: Running) -> None:
    sure = running.ask("U1ADA", "C2ALL", ACCOUNT)
    assert "apply for an account" in text_of(running.answer("C2ALL", sure))
    for text in ("Lunch at noon?", "Which law holds for my account?", "What a day.", f"<@U2ALAN> {ACCOUNT}"):
        assert not running.ours("C2ALL", running.ask("U1ADA", "C2ALL", text))
    with running.database.read() as session:
        assert not session.exec(select(ChatMessage).where(ChatMessage.text == "Lunch at noon?")).all()


def test_where_nothing_is_answered_a_mention_is_told_so_in_private(running: Running) -> None:
    ts = running.ask("U2ALAN", "C3NEVER", f"{ME} {ACCOUNT}")
    assert not running.ours("C3NEVER", ts)
    assert running.slack.ephemerals[-1]["user"] == "U2ALAN"


def test_an_edited_question_changes_its_answer_and_a_deleted_one_takes_it_back(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    first = running.answer("C1HELP", ts)
    running.slack.edit("C1HELP", ts, f"{ME} What is the quota of the scratch folder?")
    changed = wait_for(
        lambda: next(
            (m for m in running.ours("C1HELP", ts) if "quota of the scratch folder is shared" in text_of(m)), None
        )
    )
    assert changed["ts"] == first["ts"]
    assert "apply for an account" not in text_of(changed)
    running.slack.delete("C1HELP", ts)
    wait_for(lambda: not running.ours("C1HELP", ts))
    with running.database.read() as session:
        thread = store.thread_of(session, "slack", "C1HELP", ts)
        assert thread is not None
        assert store.messages_of(session, thread) == []


def test_a_script_comes_back_corrected_as_a_file(running: Running) -> None:
    script = b"#!/bin/bash\n#SBATCH --partition=standard-g\n#SBATCH --gpus-per-node=8\n#SBATCH --time=72:00:00\n#SBATCH --account=project_465000001\nsrun python train.py\n"
    ts = running.ask("U1ADA", "C1HELP", f"{ME} What is wrong with my script on LUMI?", files={"train.sh": script})
    wait_for(lambda: [m for m in running.ours("C1HELP", ts) if "72:00:00" in text_of(m)])
    uploaded = wait_for(lambda: [f for f in running.slack.files.values() if f["name"] == "train-corrected.sh"])
    assert b"#SBATCH --cpus-per-task" in uploaded[0]["content"]
    assert [m for m in running.thread("C1HELP", ts) if m.get("files") and m["user"] == BOT_USER]


def test_a_pasted_script_is_looked_through(running: Running) -> None:
    pasted = "```#!/bin/bash\n#SBATCH --partition=standard-g\n#SBATCH --gpus-per-node=8\n#SBATCH --time=72:00:00\nsrun python train.py```"
    ts = running.ask("U1ADA", "C1HELP", f"{ME} why is this refused on LUMI? {pasted}")
    assert "72:00:00" in text_of(running.answer("C1HELP", ts))


def test_a_secret_is_pointed_out_in_private_and_kept_nowhere(running: Running) -> None:
    token = "ghp_" + "a1B2" * 9
    before = len(running.slack.ephemerals)
    running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT} my token is {token}")
    told = running.slack.ephemerals[before:]
    assert [message["user"] for message in told] == ["U1ADA"]
    assert "GitHub token" in told[0]["text"]
    assert "revoke or change the secret where it was issued" in told[0]["text"]
    assert token not in str(told)
    running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT} See the log", files={"a.log": f"token {token}".encode()})
    wait_for(lambda: "GitHub token" in running.slack.ephemerals[-1]["text"])
    running.settle()
    with running.database.read() as session:
        assert not [m for m in session.exec(select(ChatMessage)) if token in m.text]
        assert not [f for f in session.exec(select(ChatFile)) if token.encode() in f.content]
        assert not [e for e in session.exec(select(ChatEvent)) if token.encode() in e.body]
    assert not [m for m in running.slack.messages["C1HELP"] if token in str(m) and m["user"] == "U0MINERVA"]


def test_helpful_and_not_helpful_are_kept(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {ACCOUNT}")
    answer = running.answer("C1HELP", ts)
    running.slack.click("U1ADA", "C1HELP", answer["ts"], "helpful")
    running.slack.click("U2ALAN", "C1HELP", answer["ts"], "unhelpful")
    form = wait_for(lambda: [v for v in running.slack.views if v["callback_id"] == "reason"])[-1]
    running.slack.submit("U2ALAN", form, {"reason": "it is outdated"})
    running.settle()
    with running.database.read() as session:
        kept = session.exec(select(ChatFeedback).order_by(ChatFeedback.sender)).all()
    said = {row.sender: (row.helpful, row.reason) for row in kept}
    assert said["T0HOME/U1ADA"] == (True, "")
    assert said["T0HOME/U2ALAN"] == (False, "it is outdated")


def test_shared_channels_and_people_of_other_teams(running: Running) -> None:
    ts = running.ask("U9EVE", "C4SHARED", f"{ME} {ACCOUNT}")
    assert "apply for an account" in text_of(running.answer("C4SHARED", ts))
    with running.database.read() as session:
        thread = store.thread_of(session, "slack", "C4SHARED", ts)
    assert isinstance(thread, ChatThread)
    assert thread.asker == "T9OTHER/U9EVE"


def test_bots_are_never_answered(running: Running) -> None:
    ts = running.ask("U2ALAN", "C1HELP", f"{ME} {ACCOUNT}", bot=True)
    assert not running.ours("C1HELP", ts)
    assert not running.ours("C2ALL", running.ask("U2ALAN", "C2ALL", ACCOUNT, bot=True))


def test_long_answers_fold_and_open(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} What is in the handbook?")
    answer = running.answer("C1HELP", ts)
    assert buttons_of(answer)[0] == "more"
    assert "The tenth rule" not in text_of(answer)
    running.slack.click("U2ALAN", "C1HELP", answer["ts"], "more")
    opened = wait_for(lambda: next((m for m in running.ours("C1HELP", ts) if "The tenth rule" in text_of(m)), None))
    assert opened["ts"] == answer["ts"]
    assert "more" not in buttons_of(opened)


def test_the_language_of_a_channel_is_that_of_our_words(running: Running) -> None:
    ts = running.ask("U1ADA", "C5FRENCH", f"{ME} {ACCOUNT}")
    assert "Utile" in text_of(running.answer("C5FRENCH", ts))


def test_in_quiet_hours_it_speaks_only_when_mentioned(running: Running) -> None:
    assert not running.ours("C6QUIET", running.ask("U1ADA", "C6QUIET", ACCOUNT))
    ts = running.ask("U1ADA", "C6QUIET", f"{ME} {ACCOUNT}")
    assert "apply for an account" in text_of(running.answer("C6QUIET", ts))
