"""HTML mail made harmless: no script, style, form or frame, and nothing is fetched from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

import nh3

from ingest.masking import mask_secrets

MAX_CHARACTERS = 2_000_000
POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""Content-Security-Policy of the page: a second wall behind the cleaning."""

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "code", "col", "colgroup", "dd", "del", "div", "dl",
    "dt", "em", "figcaption", "figure", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd",
    "li", "ol", "p", "pre", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "table", "tbody",
    "td", "tfoot", "th", "thead", "tr", "tt", "u", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"align", "dir", "lang", "title"},
    "a": {"href"},
    "font": {"color"},
    "img": {"alt", "height", "src", "width"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
}
_PAGE = """<!doctype html><html lang="und"><head><meta charset="utf-8"><base target="_blank"><title>{title}</title>
<style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;margin:0;overflow-wrap:anywhere}}
img{{max-width:100%;height:auto}}pre{{white-space:pre-wrap}}table{{border-collapse:collapse}}
td,th{{padding:.15rem .4rem;vertical-align:top}}
blockquote{{margin:.5rem 0 .5rem .2rem;padding-left:.8rem;border-left:3px solid #8884}}</style></head>
<body>{body}</body></html>"""


def mail_page(html: str, pictures: Mapping[str, str], *, title: str) -> str:
    """A whole page. `pictures` are addresses of our own by Content-ID; every other picture is left out."""

    def attribute(tag: str, name: str, value: str) -> str | None:
        scheme, _, rest = value.strip().partition(":")
        if (tag, name) == ("img", "src"):
            return pictures.get(unquote(rest).strip("<>")) if scheme.casefold() == "cid" else None
        return None if name == "href" and scheme.casefold() == "cid" else value

    clean = nh3.clean(
        mask_secrets(html[:MAX_CHARACTERS]).text,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes={"http", "https", "mailto", "cid"},
        link_rel="noopener noreferrer nofollow",
    )
    return _PAGE.format(title=nh3.clean_text(title), body=clean)
