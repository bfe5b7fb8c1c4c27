"""The language that a page is shown in: gettext catalogues, and times and numbers as people write them in it."""

from __future__ import annotations

import gettext as std
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.dates import format_date, format_skeleton, format_timedelta
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from agent.errors import HelpdeskError

CATALOGUES = Path(__file__).parent / "locale"
DOMAIN = "desk"
LANGUAGES = {"en": "English", "de": "Deutsch"}
"""Of the desk itself, each by its own name; English is the text in the code."""
_LOCALES = {"en": Locale("en", "GB"), "de": Locale("de", "DE")}

_spoken: ContextVar[str] = ContextVar("language", default="en")


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Whatever is rendered within is in this language."""
    token = _spoken.set(code)
    try:
        yield
    finally:
        _spoken.reset(token)


def spoken() -> str:
    return _spoken.get()


def wanted(chosen: str, accept_language: str) -> str:
    """What the person chose, else the first of the browser's languages that there is, else English."""
    if chosen in LANGUAGES:
        return chosen
    ranked = sorted((_rank(part) for part in accept_language.split(",")), key=lambda pair: -pair[0])
    asked = [code.replace("-", "_") for quality, code in ranked if quality > 0]
    return negotiate_locale(asked, list(LANGUAGES)) or "en"


def _rank(part: str) -> tuple[float, str]:
    """Quality and language range of one entry of `Accept-Language` (RFC 9110, 12.5.4)."""
    code, _, quality = part.partition(";q=")
    try:
        return float(quality or 1), code.strip()
    except ValueError:
        return 0, code.strip()


@cache
def _catalogue(code: str) -> std.NullTranslations:
    """From the text that translators write: nothing has to be compiled, and nothing can be out of date."""
    path = CATALOGUES / code / "LC_MESSAGES" / f"{DOMAIN}.po"
    if not path.exists():
        return std.NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return std.GNUTranslations(compiled)


def gettext(text: str) -> str:
    return _catalogue(spoken()).gettext(text)


def ngettext(one: str, many: str, count: int) -> str:
    return _catalogue(spoken()).ngettext(one, many, count)


def marked(text: str) -> str:
    """The text itself; having it here puts it into the catalogues, for a place that shows it by a variable."""
    return text


def told(problem: Exception | str) -> str:
    """An error, or a text that is marked elsewhere, in the language of the page; as it is when nobody translated it."""
    if isinstance(problem, HelpdeskError):
        return gettext(problem.text).format(**problem.values) if problem.values else gettext(problem.text)
    return gettext(str(problem)) if str(problem) else ""


def sentence(problem: Exception | str) -> str:
    """`told`, from a capital letter to a full stop."""
    text = told(problem)
    return text[:1].upper() + text[1:] + ("." if text[-1:].isalnum() else "")


class Words(Mapping[str, str]):
    """Words for codes, in the language of the page."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, code: str) -> str:
        return gettext(self._texts[code])

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def age(at: datetime) -> str:
    """How long ago within a week, else the date."""
    past = datetime.now(UTC) - at
    if past < timedelta(minutes=1):
        return gettext("just now")
    return _span(_rounded(past), spoken(), forward=False) if past.days < 7 else day(at)


def ahead(at: datetime) -> str:
    """`in 5 min`."""
    return _span(_rounded(at - datetime.now(UTC)), spoken(), forward=True)


def _rounded(span: timedelta) -> int:
    """Seconds, in whole minutes, hours or days: so few values that what is told of them can be kept."""
    seconds = max(span.total_seconds(), 1)
    unit = next(unit for unit in (86_400, 3600, 60, 1) if seconds >= unit)
    return int(seconds // unit * unit)


# Babel's formatting takes longer than the rest of a row of the inbox, and the same few values come again and again.
_kept = lru_cache(maxsize=4096)


@_kept
def _span(seconds: int, code: str, *, forward: bool) -> str:
    return format_timedelta(seconds, threshold=1, add_direction=forward, format="short", locale=_LOCALES[code])


def day(at: date | str) -> str:
    """Of a date, also as ISO 8601 has it."""
    return _day(at.isoformat()[:10] if isinstance(at, date) else at, spoken())


@_kept
def _day(at: str, code: str) -> str:
    return format_date(date.fromisoformat(at), "medium", locale=_LOCALES[code])


def month(at: date) -> str:
    return format_skeleton("yMMM", datetime(at.year, at.month, 1, tzinfo=UTC), locale=_LOCALES[spoken()])


def moment(at: datetime) -> str:
    """To the minute, UTC. All of our languages write hours from 0 to 24."""
    return f"{day(at)}, {at:%H:%M} UTC"


def second(at: datetime) -> str:
    return f"{day(at)}, {at:%H:%M:%S}"


def number(value: float, digits: int = 0) -> str:
    """With at most so many digits behind the point."""
    return _number(round(value, digits), spoken())


@_kept
def _number(value: float, code: str) -> str:
    return format_decimal(value, locale=_LOCALES[code])


def percent(value: float | None) -> str:
    return "" if value is None else _percent(round(value, 2), spoken())


@_kept
def _percent(value: float, code: str) -> str:
    return format_percent(value, locale=_LOCALES[code])


def size(count: int) -> str:
    for unit, power in (("B", 1), ("KB", 1000), ("MB", 1_000_000)):
        if count < 1000 * power:
            return f"{number(count / power)} {unit}"
    return f"{number(count / 1_000_000_000, 1)} GB"


def language_name(code: str) -> str:
    """Of any language, in the language of the page."""
    return str(_LOCALES[spoken()].languages.get(code, code))
