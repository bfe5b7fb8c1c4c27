"""What lies in attachments: types told from content, text for the pipeline, files inside files."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pdf_fixture import pdf_of

from ingest.attached_text import MAX_CHARACTERS, MAX_FILE_CHARACTERS, MAX_FILES, attached_texts, files_of, shortened
from ingest.file_types import detect_type, is_archive, is_program
from ingest.invitations import invitation_text
from ingest.mail import parse_mail
from ingest.message import Attachment
from ingest.notebooks import notebook_text
from ingest.tnef import unpack_tnef

HEAD = b"From: a@b.eu\nSubject: s\nMIME-Version: 1.0\n"


def attached(name: str, content: bytes, kind: str = "application/octet-stream") -> Attachment:
    return Attachment(filename=name, content_type=kind, content=content, sha256="", inline=False)


def text_of(name: str, content: bytes, kind: str = "application/octet-stream") -> str:
    return attached_texts([attached(name, content, kind)])[0].text


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("job.sh", b"#!/bin/bash\n#SBATCH -N 1\n", "text/x-shellscript"),
        ("job", b"#!/usr/bin/env bash\n", "text/x-shellscript"),
        ("invoice.pdf", b"MZ\x90\0" + b"\0" * 60, "application/vnd.microsoft.portable-executable"),
        ("run.log", zipped("a.txt"), "application/zip"),
        ("run.log", gzip.compress(b"x", mtime=0), "application/gzip"),
        ("x.bin", b"%PDF-1.7\n", "application/pdf"),
        ("photo.txt", b"\x89PNG\r\n\x1a\n\0", "image/png"),
        ("t.docx", zipped("[Content_Types].xml", "word/document.xml"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("m.pt", zipped("m/data.pkl"), "application/x-pytorch"),
        ("w.npy", b"\x93NUMPY\1\0", "application/x-npy"),
        ("nb.ipynb", b'{"cells": []}', "application/x-ipynb+json"),
        ("page.txt", b"<!DOCTYPE html><p>x", "text/html"),
        ("slurm-1.out", b"MZ is how this log begins\n" * 3, "text/plain"),
        ("noise", bytes(range(256)), "application/octet-stream"),
        ("empty.log", b"", "application/x-empty"),
    ],
)  # fmt: skip
def test_types_are_told_from_content(name: str, content: bytes, kind: str) -> None:
    assert detect_type(content, name) == kind


def test_archives_and_programs_are_known() -> None:
    assert is_archive("application/zip") and not is_archive("text/plain")
    assert is_program("application/x-elf") and not is_program("application/pdf")


@pytest.mark.parametrize(
    "name",
    [
        "a.txt",
        "a.log",
        "a.out",
        "a.err",
        "a.sh",
        "a.sbatch",
        "a.slurm",
        "a.py",
        "a.yaml",
        "a.json",
        "a.md",
        "slurm-42",
        "a.csv",
    ],
)
def test_text_is_read_whatever_its_name(name: str) -> None:
    assert text_of(name, "Grüße\r\nzwei\r\n".encode()) == "Grüße\nzwei\n"


def test_windows_text_is_read() -> None:
    assert text_of("ps.log", "loss é\r\n".encode("utf-16")) == "loss é\n"
    assert text_of("old.txt", "Größe\n".encode("cp1252")) == "Größe\n"


def test_a_pdf_is_read_and_a_broken_one_is_named() -> None:
    assert "oom_kill" in text_of("report.bin", pdf_of([["slurmstepd: oom_kill event"]]))
    broken = attached_texts([attached("x.pdf", b"%PDF-1.4\nrubbish")])[0]
    assert broken.text == "" and broken.note.startswith("not read: ")


def test_a_notebook_gives_its_sources_outputs_and_traceback() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Run\n", "words"]},
        {"cell_type": "code", "source": "import torch", "outputs": [
            {"output_type": "stream", "text": ["epoch 1\n"]},
            {"output_type": "error", "traceback": ["\x1b[0;31mRuntimeError\x1b[0m: CUDA out of memory"]},
            {"output_type": "display_data", "data": {"image/png": "iVBOR" * 1000, "text/plain": ["<Figure>"]}},
        ]},
    ]  # fmt: skip
    text = text_of("a.ipynb", json.dumps({"cells": cells, "nbformat": 4}).encode())
    assert text == "# Run\nwords\n\nimport torch\nepoch 1\nRuntimeError: CUDA out of memory\n<Figure>"
    assert text_of("a.ipynb", b'{"cells": 5}') == '{"cells": 5}'


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["cells", "source", "outputs", "text", "data", "traceback", "worksheets"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_json_may_be_called_a_notebook(value: object) -> None:
    notebook_text(json.dumps(value))
    notebook_text("[" * 100_000)


def test_archives_are_never_opened() -> None:
    read = attached_texts(
        [attached("a.zip", zipped("a.txt")), attached("a.log.gz", gzip.compress(b"x" * 1000, mtime=0))]
    )
    assert [(item.text, item.note) for item in read] == [("", "not read: archives are not opened")] * 2


def test_a_budget_holds_for_all_files_together() -> None:
    log = ("begin\n" + "line of a log\n" * 200_000 + "the end\n").encode()
    read = attached_texts([attached(f"{n}.log", log) for n in range(6)])
    assert sum(len(item.text) for item in read) <= MAX_CHARACTERS
    assert all(len(item.text) <= MAX_FILE_CHARACTERS for item in read)
    assert read[0].text.startswith("begin\n") and read[0].text.endswith("the end\n") and "too long" in read[0].note
    assert read[-1].note.startswith("not read: there are too many")
    many = attached_texts([attached("x.txt", b"x")] * (MAX_FILES + 2))
    assert [bool(item.text) for item in many] == [True] * MAX_FILES + [False] * 2


@given(st.text(max_size=300), st.integers(0, 200))
def test_a_shortened_text_keeps_to_its_limit(text: str, limit: int) -> None:
    short = shortened(text, limit)
    assert len(short) <= limit or short == text
    assert (short == text) == (len(text) <= limit)


def test_an_attached_mail_is_read_with_its_files() -> None:
    inner = b"From: c@d.eu\nSubject: failing job\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\nsee log\n--i\nContent-Disposition: attachment; filename=run.log\n\nCUDA error\n--i--\n"
    raw = (
        HEAD
        + b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: message/rfc822\n\n"
        + inner
        + b"\n--b--\n"
    )
    message = parse_mail(raw)
    assert [item.filename for item in message.attachments] == ["failing job.eml"]
    assert [item.filename for item in files_of(message.attachments)] == ["failing job.eml", "run.log"]
    texts = attached_texts(message.attachments)
    assert texts[0].text == "failing job\n\nsee log" and texts[1].text.strip() == "CUDA error"


def test_mails_in_mails_end_somewhere() -> None:
    mail = b"Subject: core\n\nx"
    for _ in range(10):
        mail = (
            b"Subject: s\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: message/rfc822\n\n"
            + mail
            + b"\n--b--\n"
        )
        mail = mail.replace(b"boundary=b", b"boundary=c" + str(len(mail)).encode(), 1).replace(
            b"--b\n", b"--c" + str(len(mail)).encode() + b"\n"
        )
    assert len(files_of(parse_mail(mail).attachments)) <= 4


# winmail.dat


def attribute(level: int, name: int, data: bytes) -> bytes:
    return struct.pack("<BHHI", level, name, 6, len(data)) + data + b"\0\0"


def properties(*items: tuple[int, int, bytes]) -> bytes:
    packed = b"".join(
        struct.pack("<HHII", kind, number, 1, len(value)) + value + b"\0" * (-len(value) % 4)
        for kind, number, value in items
    )
    return struct.pack("<I", len(items)) + packed


TNEF = (
    b"\x78\x9f\x3e\x22\1\0"
    + attribute(1, 0x9007, struct.pack("<II", 1252, 0))
    + attribute(1, 0x9003, properties((0x001F, 0x1000, "The job fails, see Größe.log".encode("utf-16-le"))))
    + attribute(2, 0x9002, b"\0" * 14)
    + attribute(2, 0x8010, b"GRE~1.LOG\0")
    + attribute(2, 0x800F, b"CUDA error\n")
    + attribute(2, 0x9005, properties((0x001F, 0x3707, "Größe.log\0".encode("utf-16-le"))))
    + attribute(2, 0x9002, b"\0" * 14)
    + attribute(2, 0x8010, "übung.sh\0".encode("cp1252"))
    + attribute(2, 0x800F, b"#!/bin/bash\n")
)


def test_winmail_dat_is_unpacked() -> None:
    raw = HEAD + b"Content-Type: application/ms-tnef; name=winmail.dat\nContent-Transfer-Encoding: binary\n\n" + TNEF
    message = parse_mail(raw)
    assert [item.filename for item in message.attachments] == ["winmail.dat"]
    assert message.text == "The job fails, see Größe.log"
    assert [item.filename for item in files_of(message.attachments)] == ["winmail.dat", "Größe.log", "übung.sh"]
    assert [item.text for item in attached_texts(message.attachments)] == ["", "CUDA error\n", "#!/bin/bash\n"]


@given(st.binary(max_size=400), st.integers(0, len(TNEF)), st.integers(0, len(TNEF)))
def test_a_damaged_winmail_dat_is_read_as_far_as_possible(noise: bytes, begin: int, end: int) -> None:
    unpacked = unpack_tnef(TNEF[:6] + TNEF[6:begin] + noise + TNEF[end:])
    assert len(unpacked.files) < 100


# Calendars, pictures, protection

ICS = b"""BEGIN:VCALENDAR\r
METHOD:REQUEST\r
BEGIN:VEVENT\r
UID:1\r
SUMMARY:Profiling session\r
DTSTART;TZID=Europe/Rome:20261130T100000\r
DTEND;TZID=Europe/Rome:20261130T113000\r
LOCATION:Room 3\\, Bologna\r
ORGANIZER;CN=Ada:mailto:ada@example.org\r
END:VEVENT\r
END:VCALENDAR\r
"""


def test_an_invitation_is_readable() -> None:
    raw = (
        HEAD
        + b"Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\nPlease come\r\n--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\n"
        + ICS
        + b"\r\n--b--\r\n"
    )
    text = parse_mail(raw).text
    assert text.startswith("Please come\n\n[Invitation] Profiling session\nWhen: 2026-11-30 10:00 (Europe/Rome) to ")
    assert "Where: Room 3, Bologna\nOrganiser: ada@example.org" in text


@given(st.binary(max_size=300), st.integers(0, len(ICS)))
def test_a_broken_calendar_is_no_trouble(noise: bytes, at: int) -> None:
    assert "\n\n\n" not in invitation_text(ICS[:at] + noise + ICS[at:])


def test_pictures_in_place_are_tied_to_their_file() -> None:
    raw = (
        HEAD + b"Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n"
        b'<p>Look: <img src="cid:p1@x" alt="A screen shot"> and <img src="cid:gone" alt="other"></p>\n--b\n'
        b"Content-Type: image/png; name=loss.png\nContent-ID: <p1@x>\nContent-Disposition: inline\n\nPNG\n--b--\n"
    )
    message = parse_mail(raw)
    assert message.text == "Look: [image: loss.png] and [image: other]"
    assert message.attachments[0].content_id == "p1@x" and message.attachments[0].inline


def test_a_hidden_style_element_does_not_hide_the_mail() -> None:
    raw = (
        HEAD
        + b'Content-Type: text/html\n\n<html><head><style type="text/css" style="display:none;">P {margin:0}</style></head><body><div>It fails</div></body></html>'
    )
    assert parse_mail(raw).text == "It fails"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (
            b'multipart/signed; protocol="application/pkcs7-signature"; boundary=b',
            b"--b\n\nhello\n--b\nContent-Type: application/pkcs7-signature; name=smime.p7s\n\nx\n--b--\n",
            "S/MIME signed",
        ),
        (b"application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m", b"x", "S/MIME encrypted"),
        (b"application/x-pkcs7-mime; smime-type=signed-data; name=smime.p7m", b"x", "S/MIME signed"),
        (
            b'multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
            b"--b\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--b--\n",
            "PGP encrypted",
        ),
        (b'multipart/signed; protocol="application/pgp-signature"; boundary=b', b"--b\n\nhello\n--b--\n", "PGP signed"),
        (b"text/plain", b"-----BEGIN PGP MESSAGE-----\n\nhQ\n-----END PGP MESSAGE-----\n", "PGP encrypted"),
        (b"text/plain", b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nhello\n", "PGP signed"),
        (b"text/plain", b"hello\n", ""),
    ],
)
def test_protected_mail_is_recognised_and_read_as_far_as_it_can_be(headers: bytes, body: bytes, expected: str) -> None:
    assert parse_mail(HEAD + b"Content-Type: " + headers + b"\n\n" + body).protection == expected
