"""Jinja templates and the words they use for values."""

from __future__ import annotations

from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from agent.desk.session import SignedIn
from agent.store.tables import now
from bench_runner.answers import NOT_MEASURED

HERE = Path(__file__).parent

LEVELS = {
    "L1": "Porting to HPC",
    "L2": "Optimisation and scaling",
    "L3": "Pre-training",
    "L4": "Fine-tuning",
    "L5": "Responsible AI",
    "none": "No request",
}
STATUSES = {
    "new": "New",
    "drafted": "Awaiting approval",
    "answered": "Answered",
    "resolved": "Resolved",
    "closed": "Closed",
    "set aside": "Set aside",
}
LANGUAGES = ("en", "fr", "de", "it", "es", "pt", "nl", "pl")
VIEWS = {
    "open": "Open",
    "mine": "Mine",
    "unassigned": "Unassigned",
    "approval": "Awaiting approval",
    "requester": "Awaiting requester",
    "breaching": "Breaching",
    "selection": "T3 and T4 selection",
    "mentions": "Mentions",
    "snoozed": "Snoozed",
    "aside": "Set aside",
    "done": "Done",
    "all": "All",
}
OUTCOMES = {
    "answer": "evidence found",
    "caveat": "partly covered",
    "ask": "asks the requester",
    "escalate": "no sure evidence",
}
SAID = {
    "approved": "Approved: the answer is on its way.",
    "endorsed": "Approved by you. A second person has to approve the same text before it leaves.",
    "edited": "Approved as edited: the answer is on its way.",
    "attached": "Attached: it leaves with the answer.",
    "detached": "Taken off: it does not leave with the answer.",
    "withdrawn": "Taken back: nothing was sent.",
    "rejected": "Rejected: nothing was sent. The reason is kept with the ticket.",
    "redraft": "Another draft was asked for.",
    "placed": "Placed as you said; the correction is kept.",
    "reusable": "Reusable: it enters the index with the next sync.",
    "not reusable": "Taken back: it leaves the index with the next sync.",
    "saved": "Saved.",
    "assign": "Assigned.",
    "snooze": "Snoozed.",
    "wake": "Back in the views.",
    "resolve": "Resolved.",
    "reopen": "Opened again.",
    "tag": "Tagged.",
    "untag": "The tag is off.",
    "merge": "Merged: this ticket has all messages now.",
    "split": "Split off into this ticket.",
    "link": "Linked.",
    "unlink": "No longer linked.",
    "handed over": "Handed to the partner, whose people see it now.",
    "taken back": "Taken back from the partner.",
    "evaluated": "Your evaluation is kept.",
    "decided": "Decided. The letter to the requester awaits approval on the ticket.",
    "planned": "The plan is kept.",
    "macro": "The macro is applied.",
    "letter": "The letter is drafted; it leaves after an approval.",
    "noted": "The note is kept.",
    "run approved": "Approved: the watcher submits it.",
    "run rejected": "Turned down; the reason is kept.",
    "run proposed": "Proposed: it waits for a named engineer's yes.",
    "wished": "The wish is kept: it waits for a specification.",
    "wished before": "This was wished before; nothing was added.",
    "undone": "Undone.",
    "undone in part": "Undone, except where somebody has changed the same thing since.",
}
"""What a page says once after something was done, by the code that the cookie holds."""
SAID_COOKIE = "minerva_done"
TYPES = {"T1": "Assistance", "T2": "Consulting", "T3": "Workshop", "T4": "Embedded support", "none": "No request"}


def age(at: datetime) -> str:
    """`just now`, `5 min`, `3 h`, `2 d`, or the date."""
    seconds = (now() - at).total_seconds()
    for limit, unit, name in ((3600, 60, "min"), (86400, 3600, "h"), (7 * 86400, 86400, "d")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}" if seconds >= 60 else "just now"
    return f"{at:%Y-%m-%d}"


def ahead(at: datetime) -> str:
    """`in 5 s`, `in 5 min`, `in 3 h`, `in 2 d`."""
    seconds = max((at - now()).total_seconds(), 0)
    if seconds < 60:
        return f"in {ceil(seconds)} s"
    for limit, unit, name in ((3600, 60, "min"), (2 * 86400, 3600, "h")):
        if seconds < limit:
            return f"in {int(seconds // unit)} {name}"
    return f"in {int(seconds // 86400)} d"


def size(count: int) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count = count / 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def initials(name: str) -> str:
    """Of the first and the last word."""
    words = name.split() or ["?"]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        age=age,
        ahead=ahead,
        size=size,
        percent=percent,
        initials=initials,
        list_twice=lambda value: (value, value),
        key_and_name=lambda engineer: (engineer.id, engineer.name),
    )
    environment.globals.update(has_sign_on=lambda request: request.app.state.desk.sign_on is not None)
    environment.globals.update(
        LEVELS=LEVELS,
        TYPES=TYPES,
        STATUSES=STATUSES,
        VIEWS=VIEWS,
        LANGUAGES=LANGUAGES,
        OUTCOMES=OUTCOMES,
        NOT_MEASURED=NOT_MEASURED,
    )
    return environment


_templates = Jinja2Templates(env=_environment())


def page(
    request: Request, name: str, *, who: SignedIn | None = None, status_code: int = 200, **values: Any
) -> Response:
    """A whole page or a part of one. A whole page says what was done right before it, once."""
    kept = "" if "hx-request" in request.headers else request.cookies.get(SAID_COOKIE, "")
    code, _, undo = kept.partition(":")
    said = {"said": SAID.get(code.replace("-", " ")), "undo": undo}
    response = _templates.TemplateResponse(request, name, {"who": who, **said, **values}, status_code=status_code)
    if kept:
        response.delete_cookie(SAID_COOKIE, path=request.url.path)
    return response


def not_done(request: Request, problem: str, back: str, *, typed: str = "") -> Response:
    """The page that says why nothing was done, and keeps what had been typed."""
    values: dict[str, Any] = {"title": "Nothing was done", "problem": problem, "back": back, "typed": typed}
    return page(request, "problem.html", status_code=409, **values)


def say(response: Response, code: str, *, path: str, undo: str = "") -> None:
    """Have the next page at `path` say `SAID[code]`: a short-lived cookie, so that no link can put words there.

    `undo` is the batch that the page then offers to take back.
    """
    value = code.replace(" ", "-") + (f":{undo}" if undo else "")
    response.set_cookie(SAID_COOKIE, value, max_age=30, path=path, httponly=True, samesite="strict")
