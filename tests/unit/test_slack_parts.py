"""The pure parts of Slack: markup, blocks, reading, rules, policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_fixture import light_ports
from slack_stand_in.blocks import MESSAGE, check_blocks

from agent.chat.answering import answer_reply, said_before
from agent.chat.phrases import PHRASES
from agent.chat.policy import may_answer, verdict
from agent.chat.rules import Rule, load_rules
from agent.chat.values import Reply, Source, reply_of
from agent.errors import SettingsError
from agent.pipeline import Answered, answer
from agent.rendering import claim_text
from agent.slack import reading
from agent.slack.blocks import age, message_blocks, pieces
from agent.slack.markup import markdown_of, mrkdwn, safe_markdown, tables_as_code
from agent.store import chat as store
from agent.store.chat_tables import ChatThread
from triage.policy import load_policy
from triage.result import Request

TODAY = date(2026, 11, 29)
POLICY = load_policy()


@pytest.mark.parametrize(
    ("markdown", "slack"),
    [
        ("a **bold** word", "a *bold* word"),
        ("# Title\ntext", "*Title*\ntext"),
        ("- one\n- two", "• one\n• two"),
        ("see [the guide](https://x.example/a?b=1&c=2)", "see <https://x.example/a?b=1&amp;c=2|the guide>"),
        ("at <https://x.example>", "at <https://x.example>"),
        ("`a < b && c`", "`a &lt; b &amp;&amp; c`"),
        ("```bash\nsrun a > b\n# no title\n- no list\n```", "```\nsrun a &gt; b\n# no title\n- no list\n```"),
        ("<!channel> and <@U1>", "&lt;!channel&gt; and &lt;@U1&gt;"),
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, slack: str) -> None:
    assert mrkdwn(markdown) == slack


def test_tables_are_set_out() -> None:
    table = "Limits:\n\n| partition | GPUs |\n|---|---:|\n| standard-g | 8 |\n| small-g | 1 |\n\nAsk."
    assert tables_as_code(table) == "Limits:\n\n```\npartition   GPUs\nstandard-g  8\nsmall-g     1\n```\n\nAsk."
    assert tables_as_code(f"```\n{table}\n```") == f"```\n{table}\n```"


@given(st.text(alphabet=st.sampled_from("ab <>!@#&`|*-\n[]()"), max_size=200))
def test_nothing_that_people_write_can_call_somebody(text: str) -> None:
    for made in (mrkdwn(text), safe_markdown(text)):
        assert not any(mark in made for mark in ("<!", "<@", "<#"))


@given(st.text(alphabet=st.sampled_from("a \n`"), max_size=9000))
def test_pieces_fit_and_lose_nothing(text: str) -> None:
    parts = list(pieces(text))
    assert all(len(part) <= 3000 for part in parts)
    assert "".join(parts).replace("```", "").split() == text.replace("```", "").split() or "`" in text


@given(
    st.lists(st.text(min_size=1, max_size=4000).filter(str.strip), min_size=1, max_size=40),
    st.lists(st.text(max_size=300), max_size=12),
    st.booleans(),
)
def test_every_reply_is_within_the_limits_of_block_kit(texts: list[str], titles: list[str], expanded: bool) -> None:
    sources = tuple(
        Source(number=n, title=title or "-", system="LUMI-G", date="2026-01-01", url="https://x.example")
        for n, title in enumerate(titles, 1)
    )
    reply = Reply(
        paragraphs=tuple(texts[:2]), folded=tuple(texts[2:]), sources=sources, note="unsure",
        buttons=("more", "helpful", "unhelpful", "person"), expanded=expanded,
    )  # fmt: skip
    check_blocks(message_blocks(reply, "answer:1", TODAY), MESSAGE)
    assert reply_of(reply.as_json()) == reply


@pytest.mark.parametrize(
    ("slack", "markdown"),
    [
        ("<@UME> why?", "why?"),
        ("ask <@U2|ben> in <#C1|help>", "ask @ben in #help"),
        ("<!here> see <https://x.example|this> &amp; &lt;that&gt;", " see this (https://x.example) & <that>".strip()),
        ("look: ```#!/bin/bash\n#SBATCH -N 1```", "look: ```\n#!/bin/bash\n#SBATCH -N 1\n```"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
    ],
)
def test_what_people_write_becomes_markdown(slack: str, markdown: str) -> None:
    assert markdown_of(slack, me="UME") == markdown


def event(**fields: Any) -> dict[str, Any]:
    base = {"type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "ts": "1.000001", "text": "hi"}
    return {"team_id": "T1", "event_id": "Ev1", "event": {**base, **fields}}


def test_reading_a_message() -> None:
    heard = reading.heard(event(text="<@UME> hi", thread_ts="0.5", user_team="T2"), me="UME")
    assert heard is not None
    assert (heard.spot.thread, heard.sender, heard.addressed, heard.text) == ("0.5", "T2/U1", True, "hi")
    assert not heard.is_first
    assert reading.heard(event(channel_type="im"), me="UME").addressed  # type: ignore[union-attr]
    assert reading.heard(event(text="<@U2> you?"), me="UME").to_others  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B1"},
        {"user": "UME"},
        {"subtype": "channel_join"},
        {"subtype": "bot_message"},
        {"user": None},
        {"type": "reaction_added"},
        {"subtype": "message_changed", "message": {"text": "hi", "ts": "1.0", "user": "U1"}},
        {
            "subtype": "message_changed",
            "message": {"text": "hi", "ts": "1.0", "user": "U1", "edited": {"ts": "2.0"}},
            "previous_message": {"text": "hi"},
        },
    ],
)
def test_what_is_not_for_us(fields: dict[str, Any]) -> None:
    assert reading.heard(event(**fields), me="UME") is None


def test_quiet_hours_over_midnight() -> None:
    rule = Rule(answer="all", quiet_hours="18:00-08:00")
    assert rule.is_quiet(datetime(2026, 11, 29, 20, tzinfo=UTC), "Europe/Brussels")
    assert rule.is_quiet(datetime(2026, 11, 29, 6, tzinfo=UTC), "Europe/Brussels")
    assert not rule.is_quiet(datetime(2026, 11, 29, 10, tzinfo=UTC), "Europe/Brussels")
    assert not Rule().is_quiet(datetime(2026, 11, 29, 20, tzinfo=UTC), "UTC")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[default]\nanswer = 'always'", "default.answer"),
        ("[default]\nquiet_hours = 'nights'", "default.quiet_hours"),
        ("[default]\nlanguage = 'xx'", "default.language"),
        ("[channel.C1]\n", "channel"),
        ("not toml", "cannot read"),
    ],
)
def test_rules_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_rules(path)


def answered(text: str) -> Answered:
    return answer(light_ports(), Request(id="", channel="slack", subject="", body=text))


ACCOUNT = "How do I get an account on LUMI?"


def placed(found: Answered, **changes: Any) -> Answered:
    return replace(found, triage=replace(found.triage, **changes))


def test_the_table_decides_what_is_answered_without_a_person() -> None:
    good = answered(ACCOUNT)
    assert may_answer(good, POLICY)
    for route in ("approve", "ask", "human", "benchmark", "ignore"):
        assert not may_answer(placed(good, route=route), POLICY)
    assert not may_answer(replace(good, draft=replace(good.draft, is_legal=True)), POLICY)
    assert not may_answer(replace(good, draft=replace(good.draft, outcome="ask")), POLICY)
    assert not may_answer(answered("What is the meaning of life?"), POLICY)


@pytest.mark.parametrize("level", ["L1", "L2", "L3", "L4", "L5", "none"])
@pytest.mark.parametrize("kind", ["T1", "T2", "T3", "T4", "none"])
def test_the_doctor_opens_no_way_around_the_table(level: str, kind: str) -> None:
    """A script that lacks details: only where the table would answer the same with details."""
    script = answered(
        "#!/bin/bash\n#SBATCH --partition=standard-g\n#SBATCH --time=72:00:00\nsrun python train.py on LUMI?"
    )
    assert script.triage.route == "ask"
    allowed = may_answer(placed(script, level=level, type=kind), POLICY)
    assert allowed == (kind == "T1" and level in {"L1", "L2", "L3", "L4"})
    assert not may_answer(placed(script, level=level, type=kind, type_confidence=0.5), POLICY)


def test_verdicts() -> None:
    good, law, chatter = answered(ACCOUNT), answered("Which law holds for my account?"), answered("Nice day.")

    def of(found: Answered, **how: Any) -> str:
        return verdict(found, POLICY, **{"mode": "mentioned", "addressed": False, "by_asker": False, **how})

    assert of(good, addressed=True) == of(good, by_asker=True) == of(good, mode="all") == "answer"
    assert of(good) == "silent"
    unsure = replace(good, draft=replace(good.draft, outcome="caveat"))
    assert of(unsure, mode="all") == "silent"
    assert of(unsure, addressed=True) == "answer"
    assert of(law, addressed=True) == of(law, by_asker=True) == "offer"
    assert of(law, mode="all") == of(chatter, by_asker=True) == of(chatter, mode="all") == "silent"
    assert of(chatter, addressed=True) == "help"


def test_an_answer_leaves_out_what_was_said_and_the_sources_of_it() -> None:
    found = answered(f"{ACCOUNT} And the quota?")
    whole = answer_reply(found)
    assert whole is not None
    first = claim_text(found.draft.claims[0], width=None)
    told = said_before([Reply(paragraphs=(first.replace("[1]", "[7]"),))])
    rest = answer_reply(found, told=told)
    assert rest is not None
    assert first in whole.paragraphs
    assert first not in (*rest.paragraphs, *rest.folded)
    assert len(rest.sources) < len(whole.sources)
    assert answer_reply(found, told=said_before([whole])) is None


def test_long_answers_fold() -> None:
    found = answered(ACCOUNT)
    claim = found.draft.claims[0]
    many = tuple(replace(claim, text=f"{n} {'word ' * 100}") for n in range(6))
    reply = answer_reply(replace(found, draft=replace(found.draft, claims=many)))
    assert reply is not None
    assert 0 < len(reply.paragraphs) < 6
    assert len(reply.paragraphs) + len(reply.folded) == 6
    assert reply.buttons[0] == "more"


def test_ages() -> None:
    words = PHRASES["en"]
    assert age("2026-11-19", words, TODAY) == "10 days old"
    assert age("2026-05-29", words, TODAY) == "6 months old"
    assert age(None, words, TODAY) == "no date"


@pytest.mark.parametrize("language", PHRASES)
def test_phrases_take_what_they_are_given(language: str) -> None:
    words = PHRASES[language]
    assert "MIN-1" in words.opened.format(number="MIN-1")
    assert "password" in words.leaked.format(kinds="password")
    assert "3" in words.months_old.format(n=3)
    assert max(len(label) for label in (words.helpful, words.unhelpful, words.more, words.person)) <= 75


@given(st.text(min_size=1, max_size=40), st.text(min_size=1, max_size=40))
def test_a_conversation_is_an_address_and_back(place: str, thread: str) -> None:
    row = ChatThread(channel="slack", place=place, thread=thread, asker="x")
    assert store.spot_of(store.spot_address(row)) == ("slack", place, thread)
    assert store.is_chat(store.spot_address(row))
