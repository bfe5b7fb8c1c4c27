"""Fragments of headings as the generators of documentation sites derive them."""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from pathlib import Path


class Generator(StrEnum):
    MKDOCS = "mkdocs"
    SPHINX = "sphinx"


def site_generator(source: Path) -> Generator:
    """Sphinx where the tree has its conf.py near the top and no mkdocs.yml, else MkDocs."""
    if any(source.glob("mkdocs.y*ml")):
        return Generator.MKDOCS
    near = ("conf.py", "docs/conf.py", "source/conf.py", "docs/source/conf.py", "doc/source/conf.py", "doc/conf.py")
    return Generator.SPHINX if any((source / name).is_file() for name in near) else Generator.MKDOCS


def mkdocs_slug(heading: str) -> str:
    """As `markdown.extensions.toc.slugify` does: https://python-markdown.github.io/extensions/toc/"""
    ascii_only = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    words = re.sub(r"[^\w\s-]", "", ascii_only).strip().lower()
    return re.sub(r"[-\s]+", "-", words)


def docutils_slug(heading: str) -> str:
    """As `docutils.nodes.make_id` does."""
    ascii_only = unicodedata.normalize("NFKD", heading.lower()).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9]+", "-", " ".join(ascii_only.split()))
    return re.sub(r"^[-0-9]+|-+$", "", words)


def anchor_of(heading: str, taken: dict[str, int]) -> str:
    """The fragment of a heading on a MkDocs page; `taken` remembers the anchors of the page so far."""
    slug = mkdocs_slug(heading)
    anchor, count = slug or "_1", 0
    while anchor in taken:
        count += 1
        anchor = f"{slug}_{count}"
    taken[anchor] = 1
    return anchor


class Anchors:
    """The anchors of one page; a heading met again gets the suffix that the generator gives it."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._taken: dict[str, int] = {}
        self._numbered = 0

    def of(self, heading: str, explicit: str | None = None) -> str:
        if explicit:
            self._taken[explicit] = 1
            return explicit
        return anchor_of(heading, self._taken) if self._generator is Generator.MKDOCS else self._docutils(heading)

    def _docutils(self, heading: str) -> str:
        slug = docutils_slug(heading)
        if not slug or slug in self._taken:
            self._numbered += 1
            return f"id{self._numbered}"
        self._taken[slug] = 1
        return slug
