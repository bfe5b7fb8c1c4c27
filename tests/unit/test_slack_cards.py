"""What a card shows of a draft, and which of them can be approved on it."""

from __future__ import annotations

from slack_fixture import buttons_of, text_of
from slack_stand_in.blocks import MESSAGE, check_blocks
from test_draft_checks import GOOD, MADE_UP, draft

from agent.draft import Draft
from agent.slack.card_view import SHOWN_CHARS, CardView, card_blocks
from agent.store.tables import Draft as DraftRow
from agent.store.tables import Ticket


def card(content: Draft, body: str = "Dear Ada,\n\nsee below.") -> dict[str, object]:
    ticket = Ticket(
        number="MIN-2026-000001", subject="How long?", requester_address="x@slack.invalid", requester_name="Ada",
        level="L1", type="T1", urgency="high", route="approve", language="en",
    )  # fmt: skip
    row = DraftRow(
        id=1, ticket_id=1, message_id=1, revision=1, attempt=1, outcome=content.outcome, body=body, subject="Re: How long?",
        recipients=["x@slack.invalid", "ada@example.org"], binding="b", model="m", outcome_reasons=list(content.reasons),
        claims=[], unanswered=[], questions=[], evidence=[], answerable=0.9, findings=[],
    )  # fmt: skip
    view = CardView(
        ticket=ticket, draft=row, content=content, files=("a.sh",), assignee="", decided_by="", body=body,
        endorsed_by="", desk_url="https://desk.example",
    )  # fmt: skip
    blocks = card_blocks(view)
    check_blocks(blocks, MESSAGE)
    return {"blocks": blocks}


def test_each_part_has_its_colour_and_what_is_red_cannot_be_approved() -> None:
    shown = card(draft(GOOD, MADE_UP, unanswered=("Is it so?",)))
    text = text_of(shown)
    for part in (
        "L1 T1 · urgency high · route approve", "from Ada", "to the conversation, ada@example.org", "outcome caveat",
        ":large_green_circle: Jobs on standard-g", ":red_circle: Jobs on standard-g run for at most 72 hours",
        ":large_yellow_circle: unanswered", "72 hours", "files: a.sh", "Dear Ada",
    ):  # fmt: skip
        assert part in text
    assert buttons_of(shown) == ["card_edit", "card_reject", "card_assign", "open_desk"]


def test_what_is_green_can() -> None:
    assert buttons_of(card(draft(GOOD)))[0] == "card_approve"


def test_what_a_card_cannot_show_whole_is_approved_on_the_desk() -> None:
    shown = card(draft(GOOD), body="x" * (SHOWN_CHARS + 1))
    assert "too long to be approved here" in text_of(shown)
    assert buttons_of(shown) == ["card_reject", "card_assign", "open_desk"]
