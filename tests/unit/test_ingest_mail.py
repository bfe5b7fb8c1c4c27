"""Raw mail to InboundMessage, with mails written for these tests."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from email.header import Header
from email.mime.application import MIMEApplication
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formataddr
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.json_form import message_as_dict
from ingest.mail import parse_mail
from ingest.message import Address

HEAD = b"From: Ada Example <ada@example.org>\r\nTo: support@example.eu\r\nSubject: A question\r\n"
GIVEN_MAILS = Path(__file__).parents[2].parent / "shared" / "mail"


def mail(*headers: bytes, body: bytes = b"Hello\r\n") -> bytes:
    return b"\r\n".join(headers) + b"\r\n\r\n" + body


def multipart(kind: bytes, *parts: bytes, boundary: bytes = b"b1") -> bytes:
    inner = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    head = b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"\r\n\r\n'
    return head + inner + b"--" + boundary + b"--\r\n"


def text_part(text: bytes, kind: bytes = b"plain") -> bytes:
    return b"Content-Type: text/" + kind + b"; charset=utf-8\r\n\r\n" + text


def test_a_plain_mail_is_read_whole() -> None:
    message = parse_mail(
        HEAD + b"Cc: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\r\nReply-To: desk@example.org\r\n"
        b"Message-ID: <one@example.org>\r\nIn-Reply-To: <zero@example.org>\r\n"
        b"References: <a@example.org>\r\n <zero@example.org>\r\nDate: Mon, 23 Nov 2026 09:30:00 +0100\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n\r\nWhy does my job wait?\r\n"
    )
    assert message.sender == Address(name="Ada Example", address="ada@example.org")
    assert message.to == (Address(name="", address="support@example.eu"),)
    assert message.cc == (Address(name="Jörg", address="joerg@example.org"),)
    assert message.reply_to == (Address(name="", address="desk@example.org"),)
    assert (message.message_id, message.in_reply_to) == ("one@example.org", "zero@example.org")
    assert message.references == ("a@example.org", "zero@example.org")
    assert message.date is not None and message.date.utcoffset() == timedelta(hours=1)
    assert message.text == message.visible_text == "Why does my job wait?"
    assert (message.auto_generated, message.bounce, message.attachments, message.defects) == (False, False, (), ())


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read_and_can_be_printed(raw: bytes) -> None:
    json.dumps(message_as_dict("x.eml", parse_mail(raw)), ensure_ascii=False).encode("utf-8")


FRAGMENTS = st.sampled_from(
    (
        *(b"From: ", b"To: a@b", b"Subject: =?utf-8?b?", b"?=", b"\r\n", b"\n", b"\n\n", b"--x", b"--x--", b" ", b"\0"),
        *(b"Content-Type: multipart/mixed; boundary=x\n", b"Content-Type: text/html\n", b"<p>a<table><td>", b'"', b"<"),
        *(b"Content-Transfer-Encoding: base64\n", b"filename*0*=utf-8''%ff;filename*=x;filename=y", b"begin 644 a\n"),
        *(b"Content-Transfer-Encoding: x-uuencode\n", b"charset=utf-7", b"+2AA-", b"MAILER-DAEMON@x", b"=\n", b">"),
        *(b"Content-Disposition: attachment; ", b"\xff"),
    )
)


@given(st.lists(FRAGMENTS | st.binary(max_size=20), max_size=40).map(b"".join))
def test_mail_like_bytes_are_read_and_can_be_printed(raw: bytes) -> None:
    json.dumps(message_as_dict("x.eml", parse_mail(raw)), ensure_ascii=False).encode("utf-8")


PRINTED = st.characters(categories=("L", "N", "P", "S"), exclude_characters="\ufffd")
PHRASES = st.lists(st.text(PRINTED, min_size=1, max_size=12), min_size=1, max_size=6).map(" ".join)
LOCAL_PARTS = st.from_regex(r"[a-z][a-z0-9]{0,8}([._+-][a-z0-9]{1,8}){0,2}", fullmatch=True)
DOMAINS = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8})?(\.[a-z]{2,6}){1,2}", fullmatch=True)
PEOPLE = st.builds(lambda name, local, domain: (name, f"{local}@{domain}"), PHRASES, LOCAL_PARTS, DOMAINS)
FILE_NAMES = st.text(
    st.characters(categories=("L", "N"), include_characters=" ._-()'"), min_size=1, max_size=40
).filter(lambda name: name == name.strip(" ._-'") and name.strip())
FILES = st.lists(st.tuples(FILE_NAMES, st.binary(max_size=200)), max_size=4)


@given(
    people=st.lists(PEOPLE, min_size=2, max_size=5), subject=PHRASES, files=FILES,
    body=st.lists(PHRASES, min_size=1, max_size=5).map("\n".join), html=st.booleans(),
    charset=st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)  # fmt: skip
def test_what_another_library_writes_is_read_as_it_was_meant(
    people: list[tuple[str, str]], subject: str, files: list[tuple[str, bytes]], body: str, html: bool, charset: str
) -> None:
    """Python's own `email` encodes headers (RFC 2047), parameters (RFC 2231) and bodies; the meaning comes back."""
    text = MIMEText(body, "plain", charset)
    message = MIMEMultipart("mixed")
    message["From"], message["To"] = formataddr(people[0]), ", ".join(map(formataddr, people[1:]))
    message["Subject"], message["Message-ID"] = Header(subject, "utf-8"), "<1@example.org>"
    message.attach(MIMEMultipart("alternative", None, [text, MIMEText("<p>x</p>", "html")]) if html else text)
    for name, content in files:
        part = MIMEApplication(content)
        part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
        message.attach(part)
    read = parse_mail(message.as_bytes())
    sender, *to = (Address(name=name, address=address) for name, address in people)
    assert (read.sender, read.to) == (sender, tuple(to))
    assert (read.subject, read.message_id) == (subject, "1@example.org")
    assert read.text.split() == body.split()
    assert [(item.filename, item.content, item.named) for item in read.attachments] == [(*file, True) for file in files]


def test_what_is_no_mail_becomes_the_text() -> None:
    message = parse_mail(b"just some words, no mail at all")
    assert message.text == "just some words, no mail at all"
    assert message.sender is None and message.message_id is None and message.date is None
    assert "no mail header" in message.defects


def test_an_empty_body_and_empty_bytes_have_no_text() -> None:
    assert parse_mail(HEAD + b"\r\n").text == ""
    assert parse_mail(b"").defects[0] == "no mail header"


def test_nul_bytes_are_left_out_and_named() -> None:
    message = parse_mail(HEAD + b"\r\na\0b\r\n")
    assert message.text == "ab"
    assert any("NUL" in defect for defect in message.defects)


@pytest.mark.parametrize(
    ("declared", "data", "text"),
    [
        (b"utf-8", "Grüße".encode("latin-1"), "Grüße"),
        (b"us-ascii", "Grüße".encode(), "Grüße"),
        (b"iso-8859-1", "“quoted” – 5 €".encode("cp1252"), "“quoted” – 5 €"),
        (b"x-nonsense", "Grüße".encode(), "Grüße"),
        (b"gb2312", "作业在排队".encode("gb18030"), "作业在排队"),
        (b"iso-8859-2", "zażółć".encode("iso-8859-2"), "zażółć"),
        (b"utf-8", "ü" * 50 + "x", "ü" * 50 + "x"),
    ],
)
def test_charsets_are_repaired(declared: bytes, data: bytes | str, text: str) -> None:
    body = data.encode() if isinstance(data, str) else data
    assert parse_mail(HEAD + b"Content-Type: text/plain; charset=" + declared + b"\r\n\r\n" + body).text == text


def test_one_damaged_character_does_not_change_the_charset() -> None:
    body = ("Zażółć gęślą jaźń. " * 5).encode() + b"\xc5 end"
    message = parse_mail(HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body)
    assert message.text.startswith("Zażółć gęślą jaźń.") and message.text.endswith("\ufffd end")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"=?utf-8?B?R3LDvMOf?= =?utf-8?B?ZQ==?=", "Grüße"),
        (b"=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),  # cut inside a character
        (b'"=?utf-8?Q?Gr=C3=BC=C3=9Fe?="', '"Grüße"'),
        (b"=?iso-8859-1?Q?a b=20c?=", "a b c"),
        (b"Re: =?utf-8?q?caf=C3=A9?=bar", "Re: cafébar"),
        (b"=?utf-8?q?line=0D=0ABcc:_x?=", "line Bcc: x"),
        (b"=?x-unknown?q?plain?=", "plain"),
        (b"broken =?utf-8?q?", "broken =?utf-8?q?"),
        ("roh Grüße".encode(), "roh Grüße"),
        ("roh Grüße".encode("latin-1"), "roh Grüße"),
        (b"folded\r\n\tover lines", "folded over lines"),
    ],
)
def test_subjects_are_decoded(subject: bytes, expected: str) -> None:
    assert parse_mail(mail(b"From: a@b.eu", b"Subject: " + subject)).subject == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a@x.eu, b@x.eu", [("", "a@x.eu"), ("", "b@x.eu")]),
        (b'"Doe, Jane" <jane@x.eu>', [("Doe, Jane", "jane@x.eu")]),
        (b"Team: a@x.eu, B <b@x.eu>;, c@x.eu", [("", "a@x.eu"), ("B", "b@x.eu"), ("", "c@x.eu")]),
        (b"undisclosed-recipients:;", []),
        (b"jane@x.eu (Jane Doe)", [("Jane Doe", "jane@x.eu")]),
        (b"=?utf-8?q?M=C3=BCller=2C_Ann?= <ann@x.eu>", [("Müller, Ann", "ann@x.eu")]),
        (b"=?utf-8?q?Ann_=3Cann=40x=2Eeu=3E?=", [("Ann", "ann@x.eu")]),
        (b"Jane <jane@x.eu", [("Jane", "jane@x.eu")]),
        (b"<@relay.eu:jane@x.eu>", [("", "jane@x.eu")]),
        (b"Jane < jane@x.eu >", [("Jane", "jane@x.eu")]),
        (b'"a b"@x.eu', [("", '"a b"@x.eu')]),
        (b"jane@x.eu <jane@x.eu>", [("jane@x.eu", "jane@x.eu")]),
        (b"a@x.eu; b@x.eu", [("", "a@x.eu"), ("", "b@x.eu")]),
        ("Jörg <jörg@x.eu>".encode(), [("Jörg", "jörg@x.eu")]),
        (b"root", [("", "root")]),
        (b"Postmaster <>", [("Postmaster", "")]),
        (b'"ada@x.eu" <>', [("", "ada@x.eu")]),
    ],
)
def test_address_lists_are_read(value: bytes, expected: list[tuple[str, str]]) -> None:
    message = parse_mail(mail(b"From: a@b.eu", b"To: " + value))
    assert [(address.name, address.address) for address in message.to] == expected


def test_an_address_that_is_none_is_kept_and_named() -> None:
    message = parse_mail(mail(b"From: a@b.eu", b"To: somebody somewhere"))
    assert message.to == (Address(name="somebody somewhere", address=""),)
    assert any(defect.startswith("to: no valid address") for defect in message.defects)


def test_five_thousand_recipients_are_read() -> None:
    recipients = b",\r\n ".join(b'"User %d" <user%d@example.org>' % (n, n) for n in range(5_000))
    assert len(parse_mail(mail(b"From: a@b.eu", b"To: " + recipients)).to) == 5_000


def test_a_line_that_is_no_header_is_passed_over() -> None:
    message = parse_mail(mail(b"From: a@b.eu", b"this is rubbish", b"Subject: still read"))
    assert message.subject == "still read"
    assert "a line of the header is no header field" in message.defects


def test_an_unreadable_date_is_none() -> None:
    message = parse_mail(mail(b"From: a@b.eu", b"Date: yesterday, maybe"))
    assert message.date is None and "unreadable Date" in message.defects


def test_plain_text_is_preferred_to_html_unless_it_is_empty() -> None:
    html = text_part(b"<p>from html</p>", b"html")
    assert parse_mail(HEAD + multipart(b"alternative", html, text_part(b"from plain"))).text == "from plain"
    assert parse_mail(HEAD + multipart(b"alternative", text_part(b" \r\n"), html)).text == "from html"


def test_an_invitation_and_an_inline_image_are_attachments() -> None:
    image = b"Content-Type: image/png\r\nContent-ID: <logo@x>\r\nContent-Transfer-Encoding: base64\r\n\r\niVBORw0KGgo="
    calendar = b"Content-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR"
    message = parse_mail(HEAD + multipart(b"mixed", text_part(b"see below"), image, calendar))
    first, second = message.attachments
    assert (first.filename, first.inline, first.content_id) == ("part-2.png", True, "logo@x")
    assert first.content == b"\x89PNG\r\n\x1a\n"
    assert (second.filename, second.content_type) == ("part-3.ics", "text/calendar")
    assert message.text == "see below"


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [
        (b'attachment; filename="job.sh"', "job.sh"),
        (b"attachment; filename=my job.sh", "my job.sh"),
        (b"attachment; filename*=utf-8''Gr%C3%BC%C3%9Fe.txt", "Grüße.txt"),
        (b"attachment; filename*0*=utf-8''Gr%C3%BC; filename*1*=%C3%9Fe; filename*2=.txt", "Grüße.txt"),
        (b'attachment; filename="=?utf-8?B?R3LDvMOfZS50eHQ=?="', "Grüße.txt"),
        (b"attachment; filename*0*=utf-8''a; filename=b; filename*1=c", "ac"),
        (b'attachment; filename="../../etc/passwd"', "passwd"),
        (b'attachment; filename="C:\\\\logs\\\\out.log"', "out.log"),
        (b'attachment; filename=".."', "part-1.bin"),
        (b"attachment", "part-1.bin"),
    ],
)
def test_attachment_names(disposition: bytes, expected: str) -> None:
    message = parse_mail(
        mail(b"From: a@b.eu", b"Content-Type: application/octet-stream", b"Content-Disposition: " + disposition)
    )
    assert [attachment.filename for attachment in message.attachments] == [expected]


def test_a_long_name_keeps_its_extension() -> None:
    message = parse_mail(mail(b"From: a@b.eu", b'Content-Disposition: attachment; filename="' + b"x" * 500 + b'.log"'))
    assert message.attachments[0].filename.endswith("x.log")
    assert len(message.attachments[0].filename.encode()) == 200


def test_tnef_is_recognised() -> None:
    message = parse_mail(mail(b"From: a@b.eu", b"Content-Type: application/ms-tnef", body=b"\x78\x9f\x3e\x22"))
    assert message.attachments[0].filename == "winmail.dat"


def test_an_attached_mail_is_named_from_its_subject() -> None:
    inner = b"Content-Type: message/rfc822\r\n\r\nSubject: Re: logs/today\r\n\r\ninner text"
    unnamed = b"Content-Type: message/rfc822\r\n\r\nFrom: x@y.eu\r\n\r\ninner text"
    message = parse_mail(HEAD + multipart(b"mixed", text_part(b"see the mail"), inner, unnamed))
    assert [attachment.filename for attachment in message.attachments] == ["Re logs today.eml", "message.eml"]
    assert message.text == "see the mail"


@pytest.mark.parametrize(
    ("encoding", "body", "content", "defect"),
    [
        (b"base64", base64.b64encode(b"hello"), b"hello", None),
        (b"base64", b"aGVsbG8", b"hello", "base64"),
        (b"base64", b"aGVsbG8gYWdhaW4s\r\n!!IGhlbGxv", b"hello again, hello", None),
        (b"base64", b"aGVsbG8=\r\nd29ybGQ=", b"helloworld", "several"),
        (b"base64", b"this is, of course, not base64 at all!", b"this is, of course, not base64 at all!", "is not"),
        (b"quoted-printable", b"a=3Db=\r\nc=ZZ", b"a=bc=ZZ", "quoted-printable"),
        (b"quoted-printable ", b"a=3Db", b"a=b", None),
        (b"x-uuencode", b"begin 644 f\n%:&5L;&\\\n`\nend\n", b"hello", None),
        (b"x-uuencode", b"no begin line", b"no begin line", "uuencode"),
        (b"magic", b"as it is", b"as it is", "unknown"),
    ],
)
def test_transfer_encodings(encoding: bytes, body: bytes, content: bytes, defect: str | None) -> None:
    headers = (b"From: a@b.eu", b"Content-Type: application/x-test", b"Content-Transfer-Encoding: " + encoding)
    message = parse_mail(mail(*headers, body=body))
    assert message.attachments[0].content == content
    assert (defect is not None) == any(item.startswith("attachment") for item in message.defects)
    assert defect is None or any(defect in item for item in message.defects)


def test_broken_boundaries() -> None:
    unclosed = HEAD + b'Content-Type: multipart/mixed; boundary="b1"\r\n\r\n--b1\r\n\r\nfirst\r\n--b1\r\n\r\nlast'
    assert parse_mail(unclosed).text == "first\n\nlast"
    wrong = HEAD + b'Content-Type: multipart/mixed; boundary="zz"\r\n\r\n--b1\r\n\r\nfound\r\n--b1--\r\n'
    assert parse_mail(wrong).text == "found"
    assert parse_mail(HEAD + b"Content-Type: multipart/mixed\r\n\r\nonly text").text == "only text"


def test_deep_nesting_and_many_parts_are_bounded() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=n%d\r\n\r\n--n%d\r\n" % (n, n) for n in range(500))
    assert any("nested deeper" in defect for defect in parse_mail(HEAD + deep + b"\r\ncore").defects)
    many = HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + b"--x\r\n\r\na\r\n" * 3_000
    assert any("were not read" in defect for defect in parse_mail(many).defects)


def test_flowed_paragraphs_are_joined() -> None:
    body = b"one long \r\nparagraph\r\n> a quoted \r\n> line\r\n-- \r\nAda\r\n"
    text = parse_mail(HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\n" + body).text
    assert text == "one long paragraph\n> a quoted line\n-- \nAda"


def test_carriage_returns_alone_end_lines() -> None:
    message = parse_mail(b"From: a@b.eu\rSubject: old\r\rHello\rworld")
    assert (message.subject, message.text) == ("old", "Hello\nworld")


@pytest.mark.parametrize(
    "header",
    [
        b"Auto-Submitted: auto-replied (vacation)",
        b"Precedence: bulk",
        b"List-Id: <users.example.org>",
        b"X-Auto-Response-Suppress: All",
        b"Return-Path: <>",
        b"From: no-reply@example.org",
        b"Subject: Automatic reply: A question",
        b"Subject: Abwesenheitsnotiz: Urlaub",
        b"Subject: =?utf-8?q?R=C3=A9ponse_automatique?=: absent",
        b"Subject: Risposta automatica: ferie",
        b"Subject: Respuesta autom\xc3\xa1tica: x",
        b"Subject: Resposta autom\xc3\xa1tica: x",
        b"Subject: Automatisch antwoord: x",
        b"Subject: Automatyczna odpowied\xc5\xba: x",
        b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x",
    ],
)
def test_automatic_mail_is_recognised(header: bytes) -> None:
    message = parse_mail(mail(header, b"From: ada@example.org"))
    assert message.auto_generated and not message.bounce


def test_a_person_is_no_machine() -> None:
    message = parse_mail(mail(b"From: ada@example.org", b"Auto-Submitted: no", b"Subject: Job rejected, out of memory"))
    assert not message.auto_generated and not message.bounce
    assert parse_mail(HEAD + b"\r\nx", envelope_from="").auto_generated


def test_a_delivery_report_is_a_bounce() -> None:
    status = b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.eu\r\n\r\nAction: failed\r\n"
    report = multipart(b"report; report-type=delivery-status", text_part(b"could not be delivered"), status)
    message = parse_mail(mail(b"From: MAILER-DAEMON@mx.eu", b"Subject: Undelivered Mail")[:-9] + report)
    assert message.bounce and message.auto_generated


@pytest.mark.skipif(not GIVEN_MAILS.is_dir(), reason="the given mails are not here")
def test_the_given_mails_are_read() -> None:
    messages = {path.name: parse_mail(path.read_bytes()) for path in GIVEN_MAILS.rglob("*.eml")}
    assert messages["attachment_pdf.eml"].attachments[0].filename == "broken.pdf"
    assert messages["utf8_headers.eml"].to == (Address(name="Märy Smith", address="märy@exämple.net"),)
    assert all(messages[name].bounce for name in ("report_422.eml", "report_530.eml", "multi_address_bounce1.eml"))


REPORT = (
    b"From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\nTo: support@example.eu\nSubject: Undelivered Mail\n"
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="r"\n\n--r\n\nI could not deliver it.\n--r\n'
    b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n"
    b"Final-Recipient: rfc822; ada@example.org\nAction: %s\nStatus: %s\n\n--r\n"
    b"Content-Type: text/rfc822-headers\n\nMessage-ID: <MIN-2026-000001.abc@example.eu>\nSubject: Re: job\n\n--r--\n"
)


def test_a_bounce_says_whom_and_what_it_is_about() -> None:
    hard = parse_mail(REPORT % (b"failed", b"5.1.1"))
    soft = parse_mail(REPORT % (b"delayed", b"4.4.1"))
    assert hard.report is not None and soft.report is not None
    assert (hard.report.permanent, hard.report.temporary) == (("ada@example.org",), ())
    assert (soft.report.permanent, soft.report.temporary) == ((), ("ada@example.org",))
    assert hard.report.message_ids == ("MIN-2026-000001.abc@example.eu",)
    assert hard.kind == "delivery report" and hard.bounce and hard.auto_generated


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (b"Subject: hello", "person"),
        (b"Subject: Out of office: until Monday", "auto-reply"),
        (b"Auto-Submitted: auto-replied", "auto-reply"),
        (b"Auto-Submitted: auto-generated", "automatic"),
        (b"List-Id: <users.example.org>", "list"),
        (b"Precedence: bulk", "automatic"),
        (b"Content-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b\n"
         b"Content-Type: message/disposition-notification\n\nDisposition: x\n--b--", "read receipt"),
    ],
)  # fmt: skip
def test_mail_that_no_person_wrote_is_told_apart(headers: bytes, kind: str) -> None:
    message = parse_mail(b"From: a@b.eu\n" + headers + b"\n\nhello\n")
    assert message.kind == kind
    assert message.auto_generated == (kind != "person")
