"""Texts made comparable: the forms of dashes, quotes and spaces must not decide whether something was said. Pure."""

from __future__ import annotations

import re
import unicodedata

_FORMS = str.maketrans(
    {
        **dict.fromkeys("‐‑‒–—−﹣－", "-"),
        **dict.fromkeys("‘’‚‛′´", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        "…": "...",
    }
)
_INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
                        "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]")  # fmt: skip
_MARKUP = re.compile(r"[*_`|>#~]+|\[(?=[^\]]*\]\()|\]\([^)]*\)")
_SCRIPTS = re.compile(r"[^\W\d_]+")


def plain(text: str) -> str:
    """NFKC, one form of dashes and quotes, every run of white space one space; case stays."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_FORMS).split())


def bare(text: str) -> str:
    """`plain`, without Markdown's signs and without case: the words that a reader sees."""
    return " ".join(_MARKUP.sub(" ", plain(text)).casefold().split())


def hidden_characters(text: str) -> tuple[str, ...]:
    """Names of the characters in it that no reader sees: they can carry instructions or break up words."""
    found = dict.fromkeys(_INVISIBLE.findall(text))
    controls = dict.fromkeys(c for c in text if unicodedata.category(c) == "Cc" and c not in "\n\t\r")
    return tuple(unicodedata.name(c, f"U+{ord(c):04X}") for c in (*found, *controls))


def mixed_scripts(text: str) -> tuple[str, ...]:
    """Words of letters from more than one of Latin, Greek and Cyrillic: one of them pretends to be another."""
    return tuple(word for word in _SCRIPTS.findall(text) if not word.isascii() and len(_scripts_of(word)) > 1)


def _scripts_of(word: str) -> set[str]:
    names = {unicodedata.name(letter, "").partition(" ")[0] for letter in word}
    return names & {"LATIN", "GREEK", "CYRILLIC"} if "µ" not in word else set()


def shared_run(text: str, other: str, words: int) -> str:
    """The first `words` words in a row of the one that stand in the other too; empty when there are none."""
    own = text.split()
    theirs = f" {' '.join(other.split())} "
    runs = (" ".join(own[at : at + words]) for at in range(len(own) - words + 1))
    return next((run for run in runs if f" {run} " in theirs), "")
