"""Between Markdown and Slack's mrkdwn. Pure; https://docs.slack.dev/messaging/formatting-message-text"""

from __future__ import annotations

import re
from collections.abc import Callable

_FENCE = re.compile(r"^(```|~~~)[^\n]*\n(.*?)^\1[ \t]*$", re.DOTALL | re.MULTILINE)
_TABLE = re.compile(r"^\|.*\|[ \t]*\n\|[ \t:|-]+\|[ \t]*(?:\n\|.*\|[ \t]*)*", re.MULTILINE)
_CODE = re.compile(r"`[^`\n]+`")
_LINK = re.compile(r"\[([^\]\n]+)\]\((https?://[^\s)]+)\)|<(https?://[^\s>|]+)>")
_BOLD = re.compile(r"\*\*(\S(?:[^*\n]*\S)?)\*\*")
_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_BULLET = re.compile(r"^([ \t]*)[-*+][ \t]+", re.MULTILINE)
_SLACK_FENCE = re.compile(r"```(.*?)```", re.DOTALL)
_SLACK_LINK = re.compile(r"<([^<>|\s]+)(?:\|([^<>]*))?>")


def mrkdwn(markdown: str) -> str:
    """Code keeps every character, tables become code, nothing in the text can call people."""
    return _around(_FENCE, tables_as_code(markdown), _fenced, _prose)


def safe_markdown(markdown: str) -> str:
    """Markdown for a stream: tables as code, and nothing that Slack takes for a mention."""
    return re.sub(r"<(?=[@#!])", "&lt;", tables_as_code(markdown))


def markdown_of(text: str, *, me: str) -> str:
    """What a person wrote, as Markdown; mentions of us are taken out, other people stay unnamed."""
    text = re.sub(rf"<@{re.escape(me)}(?:\|[^>]*)?>[ \t]*", "", text)
    text = _SLACK_LINK.sub(_link_words, text)
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return _SLACK_FENCE.sub(lambda found: "```\n" + found[1].strip("\n") + "\n```", text).strip()


def tables_as_code(markdown: str) -> str:
    """Slack draws no tables: their columns are set out in a block of code, outside of which all stays."""
    return _around(_FENCE, markdown, lambda found: found[0], lambda text: _TABLE.sub(_set_out, text))


def _around(
    pattern: re.Pattern[str], text: str, of_match: Callable[[re.Match[str]], str], of_rest: Callable[[str], str]
) -> str:
    parts, at = [], 0
    for found in pattern.finditer(text):
        parts += [of_rest(text[at : found.start()]), of_match(found)]
        at = found.end()
    return "".join([*parts, of_rest(text[at:])])


def _fenced(found: re.Match[str]) -> str:
    return f"```\n{escaped(found[2].rstrip())}\n```"


def _prose(text: str) -> str:
    return _around(_CODE, text, lambda found: escaped(found[0]), _words)


def _words(text: str) -> str:
    text = _around(_LINK, text, _linked, escaped)
    text = _BOLD.sub(r"*\1*", _HEADING.sub(r"*\1*", text))
    return _BULLET.sub(r"\1• ", text)


def _linked(found: re.Match[str]) -> str:
    return link(found[2], found[1]) if found[1] else f"<{escaped(found[3])}>"


def link(url: str, title: str) -> str:
    title = escaped(title).replace("|", "/")
    return f"<{escaped(url).replace('|', '%7C')}|{title}>"


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _set_out(found: re.Match[str]) -> str:
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in found[0].splitlines()]
    del rows[1]
    widths = [max(len(row[at]) for row in rows if at < len(row)) for at in range(max(map(len, rows)))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]
    return "```\n" + "\n".join(lines) + "\n```"


def _link_words(found: re.Match[str]) -> str:
    target, words = found[1], found[2]
    if target[0] == "!":  # <!here> and the like, dates
        return words or ""
    if target[0] in "@#":
        return target[0] + (words or ("someone" if target[0] == "@" else target[1:]))
    address = target.removeprefix("mailto:")
    return f"{words} ({address})" if words and words not in {address, target} else address
