"""The catalogues of the desk, brought up to date: `python -m agent.catalogues` (`make translations`).

Texts are read from the templates and the code; what is new stands in each catalogue without a translation, for a
translator to fill in, and what is gone is left out. Nothing is compiled: the desk reads the catalogues as they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from agent.translations import CATALOGUES, DOMAIN, LANGUAGES
from bench_runner.dashboard.words import texts as board_texts

SOURCES = Path(__file__).parent
METHODS = [("**.py", "python"), ("desk/templates/**.html", "jinja2")]
WITHOUT = (
    "api",
    "chat",
    "cli",
    "evals",
    "llm",
    "mail",
    "matrix",
    "slack",
    "webhooks.py",
    "serve.py",
    "store/tokens.py",
)
"""What nobody sees on the desk."""
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "marked": None,
    "not_done": (2,),
    "note_event": (4,),
    "_change": (4,),
    **dict.fromkeys(("HandlingError", "ApprovalError", "UnsupportedError", "SignOnError"), None),
    **dict.fromkeys(("NotFoundError", "NotAllowedError"), None),
}
"""Calls whose text is shown, with the position of the text where it is not the first."""


def texts() -> Catalog:
    """All that the desk may show."""
    found = Catalog(domain=DOMAIN)
    options = {"desk/templates/**.html": {"trimmed": "true"}}
    with redirect_stderr(io.StringIO()):  # warnings about arguments beside the text
        for name, _, message, _, _ in extract_from_dir(SOURCES, METHODS, options, KEYWORDS, directory_filter=_is_shown):
            if not name.startswith(WITHOUT):
                found.add(message, locations=[(name, 0)])
    for message in board_texts():
        found.add(message, locations=[("bench_runner", 0)])
    return found


def _is_shown(folder: str) -> bool:
    return Path(folder).name not in {*WITHOUT, "migrations", "__pycache__"}


def read(language: str) -> Catalog:
    path = _path(language)
    if not path.exists():
        return Catalog(locale=language, domain=DOMAIN)
    with path.open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def update(language: str, found: Catalog) -> int:
    """Write the catalogue anew; the number of texts without a translation."""
    catalogue = read(language)
    begun = catalogue.creation_date
    catalogue.update(found, no_fuzzy_matching=True)
    catalogue.creation_date = begun  # the same texts give the same file
    path = _path(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=120, ignore_obsolete=True, include_lineno=False, sort_by_file=True)
    return sum(1 for _ in open_texts(catalogue))


def open_texts(catalogue: Catalog) -> Iterator[str]:
    """Texts that have no translation yet."""
    for message in catalogue:
        parts = message.string if isinstance(message.string, (list, tuple)) else (message.string,)
        if message.id and not all(parts):
            yield str(message.id)


def _path(language: str) -> Path:
    return CATALOGUES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def main() -> None:
    found = texts()
    for language in LANGUAGES:
        if language != "en":
            print(f"{language}: {len(found)} texts, {update(language, found)} without a translation")


if __name__ == "__main__":
    main()
