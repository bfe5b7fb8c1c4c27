"""What a file is, told from its content; its name decides only which kind of text a text is. Pure."""

from __future__ import annotations

import re

_HEAD_BYTES = 8_192
# (offset, magic, type): from the registrations at IANA and the formats' own documents.
_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"(\xb5/\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\x04\x22\x4d\x18", "application/x-lz4"),
    (257, b"ustar", "application/x-tar"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-mach-binary"),
    (0, b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (0, b"\x93NUMPY", "application/x-npy"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"\x78\x9f\x3e\x22", "application/ms-tnef"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (4, b"ftyp", "video/mp4"),
)
_IN_ZIP = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (b"data.pkl", "application/x-pytorch"),
)
_ARCHIVES = {
    "application/zip", "application/gzip", "application/x-bzip2", "application/x-xz", "application/zstd",
    "application/x-7z-compressed", "application/vnd.rar", "application/x-tar", "application/x-lz4",
}  # fmt: skip
_PROGRAMS = {"application/vnd.microsoft.portable-executable", "application/x-elf", "application/x-mach-binary"}
_TEXT_NAMES = {
    ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".jsonl": "application/jsonl",
    ".html": "text/html", ".htm": "text/html", ".md": "text/markdown", ".yaml": "application/yaml",
    ".yml": "application/yaml", ".py": "text/x-python", ".csv": "text/csv", ".ics": "text/calendar",
    ".sh": "text/x-shellscript", ".sbatch": "text/x-shellscript", ".slurm": "text/x-shellscript",
    ".job": "text/x-shellscript", ".vcf": "text/vcard", ".eml": "message/rfc822",
}  # fmt: skip
_ODD_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")


def detect_type(content: bytes, filename: str) -> str:
    """A media type: `application/octet-stream` for what is no text and unknown, `application/x-empty` for nothing."""
    if not content:
        return "application/x-empty"
    found = next((kind for offset, magic, kind in _MAGIC if content.startswith(magic, offset)), None)
    if found == "application/zip":
        return _in_zip(content)
    if found is not None and not (found.endswith("executable") and is_text(content)):
        return found
    return _text_type(content, filename) if is_text(content) else "application/octet-stream"


def is_text(content: bytes) -> bool:
    """No NUL and hardly any control characters in the first 8 KB, or a byte order mark."""
    head = content[:_HEAD_BYTES]
    if head.startswith(_BYTE_ORDER_MARKS):
        return True
    odd = len(head) - len(head.translate(None, _ODD_CONTROLS))
    return bool(head) and b"\0" not in head and odd * 50 <= len(head)


def is_archive(kind: str) -> bool:
    return kind in _ARCHIVES


def is_program(kind: str) -> bool:
    return kind in _PROGRAMS


def _in_zip(content: bytes) -> str:
    """By the names of its first members; nothing is unpacked."""
    head = content[:_HEAD_BYTES]
    return next((kind for name, kind in _IN_ZIP if name in head), "application/zip")


def _text_type(content: bytes, filename: str) -> str:
    head = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if re.match(rb"#!.{0,60}\b(?:ba|z|k|c|tc|da)?sh\b", head):
        return "text/x-shellscript"
    if re.match(rb"<!doctype html|<html", head, re.IGNORECASE):
        return "text/html"
    if head.startswith(b"BEGIN:VCALENDAR"):
        return "text/calendar"
    stem, dot, extension = filename.rpartition(".")
    return _TEXT_NAMES.get(f".{extension.casefold()}", "text/plain") if stem and dot else "text/plain"
