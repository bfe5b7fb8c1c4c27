"""Markdown of articles and the text of mails as safe HTML. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from knowledge_base.anchors import Anchors, Generator

_FRONT_MATTER = re.compile(r"\A---\r?\n.*?\r?\n---\r?\n", re.DOTALL)
_TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "li", "mark", "ol", "p", "pre", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, **{f"h{n}": {"id"} for n in range(1, 5)}, "ol": {"start"}}


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def article_html(text: str) -> Markup:
    """A Markdown article without its front matter; headings carry the anchors that citations point at."""
    tokens = _parser().parse(_FRONT_MATTER.sub("", text))
    anchors = Anchors(Generator.MKDOCS)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchors.of(_plain(inline)))
    return _clean(_parser().renderer.render(tokens, _parser().options, {}))


def passage_html(text: str, quotes: list[str]) -> Markup:
    """A passage as Markdown, with each quoted part marked where that can be done without cutting markup."""
    html = str(_clean(_parser().render(text)))
    for quote in quotes:
        shown = str(_clean(_parser().renderInline(" ".join(quote.split()))))
        pattern = r"\s+".join(re.escape(word) for word in shown.split())
        html = re.sub(f"({pattern})", r"<mark>\1</mark>", html, count=1) if pattern else html
    return Markup(html)  # noqa: S704  # cleaned above; only <mark> was added


def body_html(text: str, cited: set[int], address: str) -> Markup:
    """The mail as it would be sent; each `[n]` that cites evidence becomes a link to `address`/n."""

    def link(found: re.Match[str]) -> str:
        number = int(found[1])
        if number not in cited:
            return found[0]
        target = f"{address}/{number}"
        return f'<a class="cite" href="{target}" hx-get="{target}" hx-target="#evidence">[{number}]</a>'

    return Markup(re.sub(r"(?<![^\s])\[(\d{1,3})\](?!\S)", link, escape(text)))  # noqa: S704  # escaped first


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _clean(html: str) -> Markup:
    cleaned = nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"https", "http", "mailto"})
    return Markup(cleaned)  # noqa: S704  # nh3 has just cleaned it
