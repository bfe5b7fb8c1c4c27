"""Markup inside a line of Markdown as plain readable text."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

MAX_LINE = 10_000
"""A longer line is data, not prose: it stays as it is."""
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
_IMAGE = re.compile(r"!\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_LINK = re.compile(r"(?<!\\)\[((?:[^\[\]]|\[[^\]]*\])*)\](?:\((?:[^()]|\([^)]*\))*\)|\[[^\]]*\])")
_AUTOLINK = re.compile(r"<((?:https?|ftp|mailto):[^>\s]+)>")
_MYST_ROLE = re.compile(r"\{[a-zA-Z:_-]+\}`([^`]+)`")
_ATTRIBUTES = re.compile(r"\{:?\s*(?:[.#][\w-]+|\w+=(?:\"[^\"]*\"|'[^']*'|[^\s}]+))(?:\s+[^{}]*)?\}")
_FOOTNOTE = re.compile(r"\[\^[^\]]+\]")
_ICON = re.compile(r":(?:material|fontawesome|octicons|simple)-[\w-]+:|:[a-z][a-z_]{2,30}:(?![\w`])")
_MACRO = re.compile(r"\{%.*?%\}|\{\{.*?\}\}")
_STRONG = re.compile(r"(\*\*|__)(?=\S)((?:.|\n(?!\s*\n))+?)(?<=\S)\1")
_EMPHASIS = re.compile(r"(?<![\w*\\])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])")
_ALT = re.compile(r"<img\b[^>]*?\balt=[\"']([^\"']*)[\"'][^>]*>", re.I)
_ANCHOR_TAG = re.compile(r"<a\b[^>]*>(.*?)</a>", re.I | re.S)
_BREAK = re.compile(r"<(?:br|hr)\s*/?>", re.I)
_CELL = re.compile(r"</t[dh]>\s*(?=<t[dh])", re.I)
_TAG = re.compile(
    r"</?(?:a|abbr|article|aside|b|blockquote|body|button|caption|center|cite|code|col|colgroup|dd|del|details|dfn|div|dl|dt|em|"
    r"fig(?:ure|caption)|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|kbd|label|li|link|main|mark|meta|"
    r"nav|ol|option|p|path|picture|pre|s|samp|script|section|select|small|source|span|strong|style|sub|summary|sup|svg|table|"
    r"tbody|td|tfoot|th|thead|tr|u|ul|var|video|wbr)(?:\s[^<>]*)?/?>",
    re.I,
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")


def plain(text: str, on_link: Callable[[str], None] | None = None) -> str:
    """`text` without markup: the text of links and images stays, code spans stay as they are written.

    `on_link` is told the text of each link.
    """
    if len(text) > MAX_LINE:
        return text
    spans: list[str] = []

    def keep(match: re.Match[str]) -> str:
        spans.append(match.group())
        return f"\x00{len(spans) - 1}\x00"

    if "{" in text:
        text = _MYST_ROLE.sub(lambda match: _role_text(match.group(1)), text)
    if "`" in text:
        text = CODE_SPAN.sub(keep, text)
    text = _links(text.replace("\x01", ""), on_link)
    text = _without_tags(text)
    text = _without_marks(text)
    return re.sub(r"\x00(\d+)\x00", lambda match: spans[int(match.group(1))], text) if spans else text


def _role_text(content: str) -> str:
    """What a reader sees of a role's content: the text before a <target>."""
    shown, _, target = content.partition("<")
    return shown.strip() or target.rstrip(">")


def _links(text: str, on_link: Callable[[str], None] | None) -> str:
    if "[" in text:
        text = _IMAGE.sub(lambda match: match.group(1), text)
        text = _FOOTNOTE.sub("", text)
    if "](" in text or "][" in text or "<" in text:

        def shown(match: re.Match[str]) -> str:
            if on_link:
                on_link(match.group(1))
            return match.group(1)

        text = _LINK.sub(shown, text)
        text = _ANCHOR_TAG.sub(shown, text)
        text = _AUTOLINK.sub(shown, text)
    return text


def _without_tags(text: str) -> str:
    if "<" in text:
        text = _BREAK.sub(" ", text)
        text = _CELL.sub(" | ", text)
        text = _ALT.sub(lambda match: match.group(1), text)
        text = _TAG.sub("", text)
    return html.unescape(text) if "&" in text else text


def _without_marks(text: str) -> str:
    if "{" in text:
        text = _MACRO.sub("", text)
        text = _ATTRIBUTES.sub("", text)
    if ":" in text:
        text = _ICON.sub("", text)
    if "*" in text or "__" in text:
        text = _STRONG.sub(lambda match: match.group(2), text)
        text = _EMPHASIS.sub(lambda match: match.group(1), text)
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text
