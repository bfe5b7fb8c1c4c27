"""Marking quoted words on a rendered page. Pure.

A quote is Markdown source, a page is HTML: the two agree only on letters and digits, so that is what is compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import groupby

_PIECE = re.compile(r'<(?:[^<>"]|"[^"]*")*>|&(?:#\d+|#x[0-9a-f]+|\w+);|.', re.DOTALL | re.IGNORECASE)
_BEFORE = re.compile(r"[-#/.$%(\[\"']+\Z")
_AFTER = re.compile(r"[.!?:;)\]%\"']+")

Letter = tuple[int, int, int, str]
"""(start and end in the HTML, number of the text node, one letter or digit in lower case)."""


def letters_of(html: str) -> list[Letter]:
    """What the page shows, tags left out. `html` is as nh3 writes it: attribute values in double quotes."""
    return list(_letters(html))


def _letters(html: str) -> Iterator[Letter]:
    node = 0
    for piece in _PIECE.finditer(html):
        shown = piece[0]
        if len(shown) > 1 and shown[0] == "<":
            node += 1
            continue
        yield from ((piece.start(), piece.end(), node, letter) for letter in reduced(unescape(shown)))


def reduced(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def marked(html: str, quotes: Sequence[tuple[Sequence[str], str]]) -> str:
    """`html` with quotes in `<mark>`, never across a tag, so that every element stays whole.

    Each quote is (its forms as `reduced` text, the first that is found counts; class of the mark, may be empty).
    Where quotes overlap, the later one counts.
    """
    letters = letters_of(html)
    text = "".join(letter for *_, letter in letters)
    classes: dict[int, str] = {}
    for forms, name in quotes:
        start, length = _find(text, forms)
        classes |= dict.fromkeys(range(start, start + length), name)
    return _with_marks(html, letters, classes)


def _find(text: str, forms: Sequence[str]) -> tuple[int, int]:
    """(position, length); length 0 when no form is there."""
    for form in forms:
        at = text.find(form) if form else -1
        if at >= 0:
            return at, len(form)
    return 0, 0


def _with_marks(html: str, letters: Sequence[Letter], classes: dict[int, str]) -> str:
    parts: list[str] = []
    done = 0
    runs = groupby(sorted(classes), key=lambda at: (letters[at][2], classes[at]))
    for (_, name), positions in runs:
        run = list(positions)
        start = _widened_start(html, letters[run[0]][0], done)
        end = _widened_end(html, letters[run[-1]][1])
        opened = f'<mark class="{name}">' if name else "<mark>"
        parts += [html[done:start], opened, html[start:end], "</mark>"]
        done = end
    return "".join([*parts, html[done:]])


def _widened_start(html: str, start: int, done: int) -> int:
    """Takes in the punctuation right before the first letter, as in `--time`."""
    found = _BEFORE.search(html, max(done, start - 4), start)
    return found.start() if found else start


def _widened_end(html: str, end: int) -> int:
    found = _AFTER.match(html, end)
    return found.end() if found else end
