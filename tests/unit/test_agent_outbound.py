from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from agent.mail.outbound import (
    MAX_REFERENCES,
    OutboundMessage,
    as_bytes,
    new_message_id,
    quoted,
    subject_for,
    thread_of,
)
from agent.mail.templates import acknowledgement

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=200)


def message(**changes: object) -> OutboundMessage:
    values: dict[str, object] = {
        "message_id": "MIN-2026-000001.abc@minerva.example",
        "sender_name": "MINERVA support",
        "sender_address": "support@minerva.example",
        "recipients": ("ada@example.org",),
        "subject": "Re: Job pending [MIN-2026-000001]",
        "body": "Hello\n",
        "date": datetime(2026, 11, 23, 12, 0, tzinfo=UTC),
        "in_reply_to": "1@example.org",
        "references": ("0@example.org", "1@example.org"),
        "auto_submitted": "no",
    }
    return OutboundMessage(**{**values, **changes})  # type: ignore[arg-type]


def test_an_answer_threads_in_the_clients_of_the_requester() -> None:
    mail = email.message_from_bytes(as_bytes(message()), policy=email.policy.default)
    assert mail["In-Reply-To"] == "<1@example.org>"
    assert mail["References"] == "<0@example.org> <1@example.org>"
    assert mail["Message-ID"] == "<MIN-2026-000001.abc@minerva.example>"
    assert mail["Auto-Submitted"] is None


def test_a_template_says_that_a_machine_sent_it() -> None:
    mail = email.message_from_bytes(as_bytes(message(auto_submitted="auto-replied")), policy=email.policy.default)
    assert mail["Auto-Submitted"] == "auto-replied"


@given(subject=WORDS, body=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=3000))
def test_what_is_built_is_parsed_back(subject: str, body: str) -> None:
    raw = as_bytes(message(subject=subject_for("MIN-2026-000001", subject), body=body))
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert " ".join(str(mail["Subject"]).split()) == " ".join(subject_for("MIN-2026-000001", subject).split())
    assert mail.get_content().replace("\r\n", "\n").rstrip("\r\n") == body.rstrip("\n")


def test_line_breaks_in_a_subject_cannot_add_headers() -> None:
    raw = as_bytes(message(subject=subject_for("MIN-2026-000001", "hello\r\nBcc: victim@example.org")))
    assert email.message_from_bytes(raw)["Bcc"] is None


def test_the_subject_carries_re_and_number_once() -> None:
    once = subject_for("MIN-2026-000001", "Job pending")
    assert once == "Re: Job pending [MIN-2026-000001]"
    assert subject_for("MIN-2026-000001", once) == once


def test_long_threads_keep_their_first_and_latest_references() -> None:
    chain = [f"{n}@x" for n in range(50)]
    kept = thread_of("new@x", chain)
    assert len(kept) == MAX_REFERENCES
    assert (kept[0], kept[-1]) == ("0@x", "new@x")


def test_message_ids_cannot_be_guessed() -> None:
    ids = {new_message_id("MIN-2026-000001", "minerva.example") for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i.split(".")[1].partition("@")[0]) == 20 for i in ids)


def test_the_request_is_quoted_under_the_answer() -> None:
    at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    text = quoted("Ada", "ada@example.org", at, "one\n\ntwo\n")
    assert text == "On 2026-11-23 12:00 UTC, Ada wrote:\n> one\n>\n> two"


def test_each_acknowledgement_tells_the_number_and_who_approves() -> None:
    for language in ("en", "fr", "de", "it", "es", "xx"):
        text = acknowledgement("MIN-2026-000001", language)
        assert text.count("MIN-2026-000001") == 2
        assert max(map(len, text.splitlines())) <= 79
