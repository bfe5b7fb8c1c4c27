from __future__ import annotations

import email
import email.policy
import re
from datetime import UTC, datetime
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.attachment import Attachment, after_edit, script_file
from agent.mail.layout import clean, html, lines_of
from agent.mail.outbound import (
    MAX_REFERENCES,
    OutboundMessage,
    as_bytes,
    quoted,
    subject_for,
    thread_of,
)
from agent.mail.reply_tags import new_tagged_id
from agent.mail.templates import acknowledgement
from ingest.mail import parse_mail

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


ANY = st.text(st.characters(codec="utf-8"), max_size=400)
LINES = st.lists(
    st.one_of(
        st.text(st.sampled_from("ab -#|>`[]1.)\té漢"), max_size=200),
        st.sampled_from(
            ["", "```bash", "```", "-- ", "- item", "> quoted", "From here", ".", " indented", "| a | b |"]
        ),
    ),
    max_size=25,
)
# Without characters that nobody sees: names of files lose them when they are read.
NAMES = st.text(
    st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp"), exclude_characters='/\\":*?<>|'),
    min_size=1,
    max_size=60,
)
FILES = st.lists(
    st.builds(
        Attachment,
        filename=NAMES.map(lambda name: "a" + " ".join(name.split()) + "z"),
        content_type=st.sampled_from(["text/x-shellscript", "image/png", "application/octet-stream"]),
        content=st.binary(max_size=500),
    ),
    max_size=3,
).map(tuple)


def seen(text: str) -> list[str]:
    """Line by line, as a program that knows format=flowed shows it."""
    return [line.text for line in lines_of(text)]


@given(subject=ANY, body=st.one_of(ANY, LINES.map("\n".join)), files=FILES, name=WORDS)
@settings(deadline=None)
def test_what_is_built_is_parsed_back(subject: str, body: str, files: tuple[Attachment, ...], name: str) -> None:
    raw = as_bytes(
        message(
            subject=subject_for("MIN-2026-000001", subject), body=body, attachments=files, sender_name=name,
            in_reply_to="1@example.org",
        )
    )  # fmt: skip
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert b"\n" not in raw.replace(b"\r\n", b"")
    found = parse_mail(raw)
    assert found.defects == ()
    assert " ".join(found.subject.split()) == " ".join(clean(subject_for("MIN-2026-000001", subject)).split())
    assert found.sender.address == "support@minerva.example"
    assert [address.address for address in found.to] == ["ada@example.org"]
    assert (found.in_reply_to, found.references) == ("1@example.org", ("0@example.org", "1@example.org"))
    assert found.text.strip("\n").rstrip().split("\n") == "\n".join(seen(body)).strip("\n").rstrip().split("\n")
    kept = [(item.filename, item.content) for item in found.attachments]
    assert kept == [(file.filename, file.content) for file in files]


@given(body=st.one_of(ANY, LINES.map("\n".join)))
def test_every_word_is_in_the_html_too(body: str) -> None:
    text = re.sub(r"<[^>]*>", " ", html(body))
    words = {word for line in lines_of(body) if line.kind == "prose" for word in re.findall(r"\w+", line.text)}
    assert words <= set(re.findall(r"\w+", unescape(text)))


def test_text_and_html_come_from_one_source() -> None:
    body = (
        "Dear Ada,\n\nyour script asks for `--gres=gpu` <b>without</b> a number, so the scheduler\n"
        "gives you one GPU only. [1]\n\n```bash\n#SBATCH --gres=gpu:4\n  x\n```\n\n- first\n- second\n\n| a | b |\n|---|---|\n"
        "| 1 | 2 |\n\nSources\n[1] Jobs <https://minerva4ai.eu/jobs?a=1&b=2>\n\nKind regards,\nMINERVA support\n\n"
        "Ada wrote:\n> one\n> two\n"
    )
    mail = email.message_from_bytes(as_bytes(message(body=body)), policy=email.policy.default)
    assert mail.get_content_type() == "multipart/alternative"
    plain, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain["Content-Type"].params["format"] == "flowed"
    assert "so the scheduler \ngives you one GPU only. [1]\n" in plain.get_content().replace("\r\n", "\n")
    shown = page.get_content().replace("\r\n", "\n")
    assert "<code>--gres=gpu</code> &lt;b&gt;without&lt;/b&gt; a number" in shown
    assert "so the scheduler gives you one GPU only. [1]</p>" in shown
    assert "#SBATCH --gres=gpu:4\n  x</pre>" in shown
    assert "<ul><li>first</li><li>second</li></ul>" in shown
    assert '<a href="https://minerva4ai.eu/jobs?a=1&amp;b=2">' in shown
    assert "Kind regards,<br>MINERVA support" in shown
    assert ">one<br>two</blockquote>" in shown


def test_a_link_in_html_goes_to_the_web_only() -> None:
    assert "<a" not in html("<javascript:alert(1)> <data:text/html,x> javascript:x")
    assert html('<https://x.org/"onmouseover=x>').count("<a href=") <= 1
    assert '"onmouseover' not in html('<https://x.org/"onmouseover=x>')


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ada@müller.example", b"To: ada@xn--mller-kva.example"),
        ("ådå@example.org", "To: ådå@example.org".encode()),
        ('"a b"@example.org', b'To: "ab"@example.org'),
        ("a..b@example.org", b"To: a..b@example.org"),
        ("a@example.org\r\nBcc: eve@example.org", b"To: "),
    ],
)
def test_odd_addresses_are_written_as_they_are(address: str, written: bytes) -> None:
    raw = as_bytes(message(recipients=(address,)))
    assert written in raw
    assert email.message_from_bytes(raw)["Bcc"] is None


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
    ids = {new_tagged_id(b"k" * 32, "MIN-2026-000001", "minerva.example") for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i.split(".")[1]) == 16 and len(i.split(".")[2].partition("@")[0]) == 16 for i in ids)


def test_the_request_is_quoted_under_the_answer() -> None:
    at = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    text = quoted("Ada", "ada@example.org", at, "one\n\ntwo\n")
    assert text == "On 2026-11-23 12:00 UTC, Ada wrote:\n> one\n>\n> two"


def test_each_acknowledgement_tells_the_number_and_who_approves() -> None:
    for language in ("en", "fr", "de", "it", "es", "xx"):
        text = acknowledgement("MIN-2026-000001", language)
        assert text.count("MIN-2026-000001") == 2
        assert max(map(len, text.splitlines())) <= 79


SCRIPT = "#!/bin/bash\n#SBATCH --gres=gpu:4\n#SBATCH --time=01:00:00\nsrun python train.py"


def around(script: str) -> str:
    return f"Dear Ada,\n\n```python\nprint(1)\n```\n\nYour script:\n\n```bash\n{script}\n```\n\nGrace\n"


def test_the_corrected_script_is_named_after_theirs() -> None:
    assert script_file(SCRIPT, ["text", "dir/my job.sbatch"]).filename == "my_job-corrected.sbatch"
    assert script_file(SCRIPT, ["text"]).filename == "job-corrected.sh"
    assert script_file(SCRIPT, ["../../etc/x.sh"]).filename == "x-corrected.sh"
    assert script_file(SCRIPT).content == f"{SCRIPT}\n".encode()


def test_the_attached_script_follows_the_edited_text() -> None:
    files = (script_file(SCRIPT), Attachment(filename="plot.png", content_type="image/png", content=b"png"))
    before = around(SCRIPT)
    assert after_edit(files, before, before.replace("Dear", "Hello")) == files
    changed = after_edit(files, before, around(SCRIPT.replace("gpu:4", "gpu:2")))
    assert changed[0].content == f"{SCRIPT}\n".replace("gpu:4", "gpu:2").encode()
    assert changed[1:] == files[1:]
    assert after_edit(files, before, "Dear Ada,\n\n```python\nprint(1)\n```\n") == files[1:]
