"""Fragments of headings as the generators of documentation sites derive them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from functools import partial


class Generator(StrEnum):
    MKDOCS = "mkdocs"
    SPHINX = "sphinx"


Slug = Callable[[str], str]
_COUNTED = re.compile(r"^(.*)_([0-9]+)$")


def mkdocs_slug(heading: str, separator: str = "-", *, unicode: bool = False) -> str:
    """As `markdown.extensions.toc.slugify` does: https://python-markdown.github.io/extensions/toc/"""
    if not unicode:
        heading = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    words = re.sub(r"[^\w\s-]", "", heading).strip().lower()
    return re.sub(rf"[{re.escape(separator)}\s]+", separator, words)


def pymdownx_slug(heading: str, separator: str = "-", *, case: str = "none") -> str:
    """As `pymdownx.slugs.slugify` does: https://facelessuser.github.io/pymdown-extensions/extras/slugs/"""
    words = re.sub(r"[^\w\- ]", "", unicodedata.normalize("NFC", heading)).strip()
    cased = {"lower": str.lower, "lower-ascii": _lower_ascii, "fold": str.casefold}.get(case, str)(words)
    return cased.replace(" ", separator)


def _lower_ascii(text: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: letter.group().lower(), text)


def slug_of(name: str, separator: str, case: str) -> Slug:
    """The function that a site's configuration names."""
    if "pymdownx" in name:
        return partial(pymdownx_slug, separator=separator, case=case or ("lower" if "uslugify" in name else "none"))
    return partial(mkdocs_slug, separator=separator, unicode="unicode" in name)


def docutils_slug(heading: str) -> str:
    """As `docutils.nodes.make_id` does."""
    ascii_only = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", " ".join(ascii_only.split()))
    return re.sub(r"^[-0-9]+|-+$", "", words)


def anchor_of(heading: str, taken: dict[str, int], slug: Slug = mkdocs_slug) -> str:
    """The fragment of a heading on a MkDocs page; `taken` remembers the anchors of the page so far."""
    anchor = slug(heading)
    while not anchor or anchor in taken:
        counted = _COUNTED.match(anchor)
        anchor = f"{counted.group(1)}_{int(counted.group(2)) + 1}" if counted else f"{anchor}_1"
    taken[anchor] = 1
    return anchor


class Anchors:
    """The anchors of one page; a heading met again gets the suffix that the generator gives it."""

    def __init__(self, generator: Generator, slug: Slug = mkdocs_slug) -> None:
        self._generator = generator
        self._slug = slug
        self._taken: dict[str, int] = {}
        self._numbered = 0

    def of(self, heading: str, explicit: str | None = None, label: str | None = None) -> str:
        """`explicit` is an id that the heading sets; `label` is a Sphinx label in front of it."""
        if explicit:
            self._taken[explicit] = 1
            return explicit
        if self._generator is Generator.MKDOCS:
            return anchor_of(heading, self._taken, self._slug)
        return self._docutils(heading, label)

    def _docutils(self, heading: str, label: str | None) -> str:
        """A heading that is met again gets a number that counts other things too: its label is the surer target."""
        slug = docutils_slug(heading)
        if not slug or slug in self._taken:
            self._numbered += 1
            return docutils_slug(label or "") or f"id{self._numbered}"
        self._taken[slug] = 1
        return slug
