"""Misspelt words of a question as the sources spell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from knowledge_base.lexical import words_of

MIN_LETTERS, MAX_LETTERS = 6, 24
"""In shorter words one letter makes another word; longer ones are no words."""
MOST_WORDS = 12
"""Unknown words of one question that are looked at, about 2 ms each."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = re.compile(rf"(?<![\w./:=-])[A-Za-z][a-z]{{{MIN_LETTERS - 1},{MAX_LETTERS - 1}}}(?![\w/:=-]|\.\w)")


def respelled(question: str, files_with: Callable[[str], int]) -> str:
    """The question with each unknown word replaced by the one that most files hold at one letter's distance, if any.

    `files_with` counts the files that hold a term.
    """

    def files(word: str) -> int:
        return max((files_with(term) for term in words_of(word)), default=1)

    unknown = [word for word in dict.fromkeys(_WORD.findall(question)) if not files(word)][:MOST_WORDS]
    best = {word: max(_one_off(word), key=files) for word in unknown}
    known = {word: other for word, other in best.items() if files(other)}
    return _WORD.sub(lambda found: known.get(found.group(), found.group()), question)


def _one_off(word: str) -> Iterator[str]:
    """Words that one letter more, less or changed, or two letters swapped, make of the word; its first letter stays."""
    for at in range(1, len(word) + 1):
        head, tail = word[:at], word[at:]
        yield head + tail[1:]
        yield head + tail[1:2] + tail[:1] + tail[2:]
        for letter in _LETTERS:
            yield head + letter + tail
            yield head + letter + tail[1:]
