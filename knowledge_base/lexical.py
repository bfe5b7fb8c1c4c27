"""Words of technical text for BM25: commands, options, variables and error codes whole and in parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import Stemmer

_WORD = re.compile(r"-{0,2}[^\W_](?:[\w.:/+=@#%-]*[\w+#])?|--?\w")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_BRITISH = re.compile(r"(?<=\w{4})is(e|es|ed|er|ers|ing|ation|ations)$")
_PROCESSORS = re.compile(r"^[cgnt]pus$")
_PLURAL_ACRONYM = re.compile(r"^[A-Z]{2,}s$")
_OPTION_VALUE = re.compile(r"^(--?[\w-]+)=(.+)$")
_stem_word = Stemmer.Stemmer("english").stemWord

_STOP = """
a about above after again all also am an and any are as at be because been before being below between both but
by can cannot could did do does doing done down during each few for from further get gets getting got had has
have having he her here hers him his how i if in into is it its itself just let like make may me might mine more
most much must my need no nor not now of off on once one only or other our ours out over own please same shall
she should so some somebody someone something somehow such than that the their theirs them then there these they
thing things this those through to too under until up us use used using very want wants was way we were what
when where which while who whom why will with without would yes you your yours dont doesnt isnt cant wont im ive
id thats whats theres didnt s t don doesn isn ll re ve d m really actually anyone anything everything know tell
told says say said still hello hi dear thanks thank regards best kind e.g i.e etc
"""
STOP_WORDS = frozenset(_STOP.split())


def words_of(text: str) -> list[str]:
    """Terms of `text`, in order: each word's stem, and for a word with signs or inner capitals also the whole word."""
    terms: list[str] = []
    for word in _WORD.findall(text.replace("’", "'").replace("'", " ")):
        terms.extend(_terms(word))
    return terms


def _stem(word: str) -> str:
    """The English stem, British and American spelling alike; the stemmer takes the s of GPUs for a part of the word."""
    return word[:-1] if _PROCESSORS.match(word) else str(_stem_word(_BRITISH.sub(r"iz\1", word)))


@lru_cache(maxsize=100_000)
def _terms(word: str) -> tuple[str, ...]:
    lowered = word.lower()
    if _PLURAL_ACRONYM.match(word) or (lowered.isalpha() and (word[1:].islower() or len(word) == 1 or word.isupper())):
        return () if lowered in STOP_WORDS else (_stem(lowered),)
    option = _OPTION_VALUE.match(word)
    whole = option.group(1).lower() if option else lowered.strip(".:/=")
    if whole in STOP_WORDS:
        return ()
    parts = [part.lower() for part in _PART.findall(word)]
    stems = [_stem(part) for part in parts if part not in STOP_WORDS and len(part) > 1]
    if whole.replace("-", "").isalpha() and not whole.startswith("-"):
        whole = _stem(whole.replace("-", ""))  # fine-tuning is finetuning
    return (whole, *stems) if stems != [whole] else (whole,)


def is_code_like(term: str) -> bool:
    """Whether a term of `words_of` is a word kept whole: an option, a variable, a path, an error code."""
    return not term.isalpha() and len(term) > 2


class Vocabulary:
    """Numbers for terms."""

    def __init__(self, terms: Iterable[str] = ()) -> None:
        self.ids: dict[str, int] = {term: number for number, term in enumerate(terms)}

    def learn(self, terms: Sequence[str]) -> list[int]:
        return [self.ids.setdefault(term, len(self.ids)) for term in terms]

    def known(self, terms: Sequence[str]) -> list[int]:
        return [self.ids[term] for term in terms if term in self.ids]
