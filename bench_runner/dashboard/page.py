"""The page as HTML: with its parts at a server, or with everything inside."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from bench_runner.dashboard.data import Table
from bench_runner.dashboard.words import Tell, file, pictures, words
from bench_runner.errors import PlotError
from bench_runner.jsontext import encoded
from bench_runner.plotting import VEGA_LITE

_GLOBALS = "window.vegaEmbed = vegaEmbed;"


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed (BSD-3-Clause) as one script; takes two seconds, once."""
    import vl_convert  # noqa: PLC0415  # only where a page is shown

    return str(vl_convert.javascript_bundle(_GLOBALS, vl_version=VEGA_LITE))


def served(*, base: str, version: str, home: str = "", ask: str = "", language: str = "en", tell: Tell = str) -> str:
    """The page whose parts lie below `base`. `home` and `ask` are links of the helpdesk; empty for none."""
    return _render(language, tell, inline=False, base=base, version=version, home=home, ask=ask)


def whole(table: Table) -> str:
    """One file that needs no server and no network."""
    return _render(
        "en",
        str,
        inline=True,
        home="",
        ask="",
        style=Markup(file("board.css")),  # noqa: S704  # our own file
        columns=_data(table.columns),
        details=_data(table.details),
        vega=_code(vega()),
        script=_code(file("board.js")),
    )


def write_whole(table: Table, path: Path) -> None:
    """Raises PlotError."""
    try:
        path.write_text(whole(table), encoding="utf-8")
    except OSError as error:
        raise PlotError(f"{path} cannot be written: {error.strerror}") from error


def _render(language: str, tell: Tell, **values: object) -> str:
    data = {"layouts": _data(encoded(pictures(tell))), "words": _data(encoded(words(tell)))}
    return _template().render(language=language, _=tell, **data, **values)


@cache
def _template() -> Template:
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(file("page.html"))


def _data(text: bytes) -> Markup:
    """JSON inside a `script` element, which ends at the first `</script` whatever stands around it."""
    return Markup(text.decode().replace("<", "\\u003c"))  # noqa: S704


def _code(script: str) -> Markup:
    """A script of ours or Vega's: these two stand in strings only, where the escape is read as the character."""
    return Markup(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))  # noqa: S704
