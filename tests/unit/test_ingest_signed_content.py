"""Opaque S/MIME signatures: the mail inside is read, whatever wrote it and however it is damaged."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from system_packages import need

from ingest.mail import parse_mail
from ingest.signed_content import signed_content

HEAD = b"From: a@b.eu\nSubject: s\nMIME-Version: 1.0\n"
# What `openssl cms -sign -nodetach -nosmimecap` writes, in DER and, with -stream, in indefinite lengths; the certificate
# and signature are left out, since nothing is verified.
OID_SIGNED, OID_DATA = bytes.fromhex("06092a864886f70d010702"), bytes.fromhex("06092a864886f70d010701")
ENTITY = b"Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n\r\nIt fails.\r\n--i\r\nContent-Type: text/plain; name=run.log\r\n\r\nOOM\r\n--i--\r\n"


def der(tag: int, content: bytes) -> bytes:
    size = len(content).to_bytes(2)
    return bytes([tag, 0x82]) + size + content


def ber(tag: int, content: bytes) -> bytes:
    return bytes([tag, 0x80]) + content + b"\0\0"


def signed_data(entity: bytes, wrap: Callable[[int, bytes], bytes], oid: bytes = OID_SIGNED) -> bytes:
    octets = der(0x04, entity) if wrap is der else ber(0x24, b"".join(der(0x04, entity[i : i + 40]) for i in range(0, len(entity), 40)))  # fmt: skip
    inner = wrap(0x30, OID_DATA + wrap(0xA0, octets))
    return wrap(0x30, oid + wrap(0xA0, wrap(0x30, b"\x02\x01\x01" + der(0x31, b"") + inner + der(0x31, b""))))


def smime(body: bytes) -> bytes:
    head = b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\nContent-Transfer-Encoding: base64\n\n"
    return HEAD + head + base64.encodebytes(body)


@pytest.mark.parametrize("wrap", [der, ber])
def test_a_mail_inside_an_opaque_signature_is_read(wrap: Callable[[int, bytes], bytes]) -> None:
    message = parse_mail(smime(signed_data(ENTITY, wrap)))
    assert (message.protection, message.text) == ("S/MIME signed", "It fails.")
    assert [(item.filename, item.content) for item in message.attachments] == [
        ("smime.p7m", signed_data(ENTITY, wrap)), ("run.log", b"OOM"),
    ]  # fmt: skip


def test_signatures_around_signatures_end_somewhere() -> None:
    entity = ENTITY
    for _ in range(6):
        entity = smime(signed_data(entity, ber)).removeprefix(HEAD)
    message = parse_mail(HEAD + entity)
    assert message.text == "" and len(message.attachments) == 4


def test_what_openssl_signs_is_read(tmp_path: Path) -> None:
    openssl = need("openssl", package="openssl")
    key, certificate, entity = tmp_path / "key.pem", tmp_path / "certificate.pem", tmp_path / "entity"
    entity.write_bytes(ENTITY)
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-subj", "/CN=ada"]
    subprocess.run([openssl, *new], check=True, capture_output=True)
    for option in ([], ["-stream"]):
        sign = ["cms", "-sign", "-nodetach", "-binary", *option, "-signer", certificate, "-inkey", key, "-in", entity]
        signed = subprocess.run([openssl, *sign, "-outform", "DER"], check=True, capture_output=True).stdout
        assert signed_content(signed) == ENTITY
    encrypt = ["cms", "-encrypt", "-in", entity, "-outform", "DER", certificate]
    assert signed_content(subprocess.run([openssl, *encrypt], check=True, capture_output=True).stdout) is None


SIGNED = signed_data(ENTITY, ber)


@given(st.binary(max_size=60), st.integers(0, len(SIGNED)), st.integers(0, len(SIGNED)))
def test_a_damaged_signature_is_no_trouble(noise: bytes, begin: int, end: int) -> None:
    assert signed_content(noise) is None
    damaged = parse_mail(smime(SIGNED[: min(begin, end)] + noise + SIGNED[max(begin, end) :]))
    assert damaged.protection == "S/MIME signed" and damaged.attachments[0].content_type == "application/pkcs7-mime"
