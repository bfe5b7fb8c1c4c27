"""Which addresses an answer may name: hosts that the packaged guides and facts name themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import knowledge_base
from agent.checks.tokens import domains_of

_HERE = Path(knowledge_base.__file__).parent
_ADDRESS = re.compile(r"https?://([\w.-]+)(/[^\s/\"'<>)\]}?#]*)?|[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
_PARTS = re.compile(r"^(?:[a-z][a-z0-9+.-]*:)?(?://)?(?:[^@/\s]*@)?([\w.-]+)(?::\d+)?(/[^/?#]*)?", re.IGNORECASE)
_SHARED = {
    "github.com", "raw.githubusercontent.com", "gitlab.com", "huggingface.co", "hf.co", "docs.google.com",
    "drive.google.com",
    "zenodo.org", "medium.com", "bitbucket.org", "codeberg.org", "youtube.com", "dropbox.com", "gist.github.com",
    "storage.googleapis.com", "s3.amazonaws.com", "forms.gle", "x.com", "twitter.com", "linkedin.com", "gmail.com",
}  # fmt: skip
"""Everybody can put something there: the first part of the path counts too."""


def is_known(address: str, urls: Iterable[str] = ()) -> bool:
    """`urls` are those of the cited evidence, whose hosts count as well."""
    place = place_of(address)
    known = known_places() | {place_of(url) for url in urls}
    host = place.partition("/")[0]
    return place in known or (host not in _SHARED and any(_covers(item, host) for item in known))


def place_of(address: str) -> str:
    """`host`, or `host/first part` where everybody can put something; only http(s) and mail addresses have one."""
    if re.match(r"(?!https?:|mailto:)[a-z][a-z0-9+.-]*:", address, re.IGNORECASE):
        return "?"
    found = _PARTS.match(address.removeprefix("mailto:"))
    if found is None:
        return "?"
    host = found[1].casefold().strip(".").removeprefix("www.")
    return f"{host}{(found[2] or '').casefold()}" if host in _SHARED else host


def _covers(known: str, host: str) -> bool:
    return "/" not in known and (host == known or host.endswith(f".{known}"))


@cache
def known_places() -> frozenset[str]:
    """Of the guides and facts that come with the product; read once."""
    texts = [
        path.read_text(encoding="utf-8") for path in (*_HERE.glob("facts/*.yaml"), *_HERE.glob("articles/**/*.md"))
    ]
    named = {place_of(found[0]) for text in texts for found in _ADDRESS.finditer(text)}
    named |= {place_of(domain) for text in texts for domain in domains_of(text)}
    return frozenset(named | {place.partition("/")[0] for place in named if place.partition("/")[0] in _SHARED})
