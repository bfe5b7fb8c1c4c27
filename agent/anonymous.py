"""Requests and answers without the people in them, as a proposal that a person reads before it is used. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ingest.masking import mask_secrets

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.:/=-])(?:\+|0)\d[\d ()/-]{6,}\d(?![\w.:/-])")
_HOME = re.compile(r"(/(?:users?|home|scratch|project|work|flash|pfs)\w*/)[\w.-]+")
_ACCOUNT = re.compile(r"(?<=--account[= ])[\w@.-]+|(?<=-A )[\w@.-]+|\b(?:project|ehpc|p)_?\d{4,}\w*\b", re.IGNORECASE)
_HOST = re.compile(r"(?<=ssh )[\w.-]+(?=@)|\b\w+(?=@\w+(?:login|uan|nid)\d*)")
_TICKET = re.compile(r"\bMIN-\d{4}-\d+\b")
_JOB = re.compile(r"(?<=\bjob )\d{4,}|(?<=\bJobId=)\d+", re.IGNORECASE)
_REPLACED = (
    (_HOST, "[user]"),
    (_ADDRESS, "[address]"),
    (_HOME, r"\1[user]"),
    (_ACCOUNT, "[project]"),
    (_TICKET, "[ticket]"),
    (_JOB, "[job]"),
    (_PHONE, "[number]"),
)
_SOURCES = re.compile(r"\n(?:Sources|Quellen|Fonti|Fuentes)\n(?:\[\d+\].*\n?(?: .*\n?)*)+")
_MARKS = re.compile(r"(?: ?\[\d{1,2}\])+(?=\s|$|[.,;:])")


def anonymised(text: str, people: Iterable[str]) -> str:
    """`people` are the names to be taken out: of requester, engineer and whoever else is known."""
    text = mask_secrets(text).text
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    words = {word for name in people for word in re.findall(r"[^\W\d_]{2,}", name)}
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", "[name]", text, flags=re.IGNORECASE if len(word) > 3 else 0)
    return re.sub(r"\[name\](?:[ -]\[name\])+", "[name]", text).strip()


def answer_alone(body: str) -> str:
    """An answer without greeting, closing, list of sources and their numbers."""
    paragraphs = _MARKS.sub("", _SOURCES.sub("\n", body)).strip().split("\n\n")
    if len(paragraphs) > 2 and len(paragraphs[0]) < 80 and paragraphs[0].rstrip().endswith((",", ":")):
        paragraphs = paragraphs[1:-1]
    return "\n\n".join(paragraphs).strip()
