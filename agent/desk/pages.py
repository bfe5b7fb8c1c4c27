"""Jinja templates and the words they use for values."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request, Response, status
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from agent import translations
from agent.desk import words
from agent.desk.markup import ticked
from agent.desk.retold import retold
from agent.desk.session import SignedIn
from agent.store.tables import Engineer, OutboundKind
from agent.store.views import MAX_COUNT
from bench_runner.answers import NOT_MEASURED

HERE = Path(__file__).parent

MAX_LISTED = 20
"""Attachments and the like of one message; the original mail has all of them."""
SAID_COOKIE = "minerva_done"


def initials(name: str) -> str:
    """Of the first and the last word."""
    words = name.split() or ["?"]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
SYSTEMS = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iOS",
    "iPad": "iOS",
    "Mac OS": "macOS",
    "Linux": "Linux",
}
"""What the header User-Agent says -> what people call it; the first that is found, since browsers name others too."""


def browser_of(client: str) -> str:
    """`Firefox, Linux, 192.0.2.1` of what a session was started from; as it is when it names no browser."""
    browser = next((name for sign, name in BROWSERS.items() if f"{sign}/" in client), None)
    system = next((name for sign, name in SYSTEMS.items() if sign in client), None)
    return ", ".join(part for part in (browser, system, client.rpartition(", ")[2]) if part) if browser else client


def first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def happened(what: str) -> str:
    """An entry of the history; of a mail it is the kind of mail and what became of it."""
    kind, _, state = what.partition(" ")
    if kind not in set(OutboundKind):
        return translations.told(what)
    return f"{words.STATES.get(kind, kind)} {words.STATES.get(state) or translations.told(state)}"


def deed(action: str) -> str:
    """A code of the audit log in words; as it is where nobody named it, as for programs."""
    code, comma, refused = action.partition(", ")
    told = words.DEEDS.get(code, code)
    return f"{told}, {translations.gettext('refused')}" if comma and refused == "refused" else told


FILTERS = (
    "age", "ahead", "day", "month", "moment", "second", "number", "percent", "size",
    "language_name", "told", "sentence",
)  # fmt: skip
"""Of `agent.translations`, by their names."""
WORDS = (
    "LEVELS", "TYPES", "STATUSES", "VIEWS", "LANGUAGES", "OUTCOMES", "ROLES", "COLOURS", "PARTS", "SHELVES", "TRUST",
)  # fmt: skip
"""Of `agent.desk.words`."""


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_callables(translations.gettext, translations.ngettext, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.filters.update({name: getattr(translations, name) for name in FILTERS})
    environment.filters.update(
        initials=initials,
        retold=retold,
        ticked=ticked,
        browser_of=browser_of,
        first_upper=first_upper,
        happened=happened,
        deed=deed,
        state=lambda code: words.STATES.get(code, code),
        twice=lambda value: (value, value),
        code_and_language=lambda code: (code, translations.language_name(code)),
        key_and_name=lambda engineer: (engineer.id, engineer.name),
    )
    environment.globals.update({name: getattr(words, name) for name in WORDS})
    environment.globals.update(
        has_passkeys=lambda request: request.app.state.desk.passkey_site(request) is not None,
        has_sign_on=lambda request: request.app.state.desk.sign_on is not None,
        language=translations.spoken,
        DESK_LANGUAGES=translations.LANGUAGES,
        NOT_MEASURED=NOT_MEASURED,
        MAX_COUNT=MAX_COUNT,
        MAX_LISTED=MAX_LISTED,
    )
    return environment


_templates = Jinja2Templates(env=_environment())


def compile_templates() -> None:
    """Half a second altogether, which the first look at each page would take otherwise."""
    for name in _templates.env.list_templates():
        _templates.env.get_template(name)


def language_of(request: Request, engineer: Engineer | None = None) -> str:
    """As the engineer chose, who is the one that the page asked to sign in unless given."""
    engineer = engineer or getattr(request.state, "engineer", None)
    return translations.wanted(engineer.language if engineer else "", request.headers.get("accept-language", ""))


def page(
    request: Request, name: str, *, who: SignedIn | None = None, status_code: int = 200, **values: Any
) -> Response:
    """A whole page or a part of one. A whole page says what was done right before it, once."""
    kept = "" if "hx-request" in request.headers else request.cookies.get(SAID_COOKIE, "")
    code, _, undo = kept.partition(":")
    with translations.speaking(language_of(request)):
        code = code.replace("-", " ")
        said = {"said": words.SAID.get(code), "undo": undo}
        response = _templates.TemplateResponse(request, name, {"who": who, **said, **values}, status_code=status_code)
    if kept:
        response.delete_cookie(SAID_COOKIE, path=request.url.path)
    return response


def not_done(request: Request, problem: Exception | str, back: str, *, typed: str = "") -> Response:
    """The page that says why nothing was done, and keeps what had been typed."""
    values: dict[str, Any] = {
        "title": translations.marked("Nothing was done"),
        "problem": problem,
        "back": back,
        "typed": typed,
    }
    return page(request, "problem.html", status_code=409, **values)


def done(address: str, code: str, *, undo: str = "") -> Response:
    """On to the page at `address`, which then says `SAID[code]`: by a short-lived cookie, so that no link can put words
    there.

    `undo` is the batch that the page then offers to take back.
    """
    response = RedirectResponse(address, status.HTTP_303_SEE_OTHER)
    value = code.replace(" ", "-") + (f":{undo}" if undo else "")
    path = urlsplit(address).path
    response.set_cookie(SAID_COOKIE, value, max_age=30, path=path, httponly=True, samesite="strict")
    return response
