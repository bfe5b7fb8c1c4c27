"""A reply as Block Kit, within its limits. Pure; https://docs.slack.dev/reference/block-kit/blocks"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from agent.chat.phrases import Phrases, phrases_for
from agent.chat.values import Reply, Source
from agent.slack.markup import escaped, link, mrkdwn

Block = dict[str, Any]
SECTION_CHARS = 3000
MAX_BLOCKS = 50
MAX_ELEMENTS = 10
MAX_FALLBACK_CHARS = 3000
MAX_TITLE_CHARS = 200


def message_blocks(reply: Reply, key: str, today: date) -> list[Block]:
    """Text, then what belongs to it; long texts leave room for that."""
    below = footer_blocks(reply, key, today)
    text = [section(part) for paragraph in reply.shown for part in pieces(mrkdwn(paragraph))]
    return [*text[: MAX_BLOCKS - len(below)], *below]


def footer_blocks(reply: Reply, key: str, today: date) -> list[Block]:
    """How sure, from where, and what can be done next."""
    words = phrases_for(reply.language)
    blocks = [context([f":warning: {escaped(reply.note)}"])] if reply.note else []
    lines = [source_line(source, words, today) for source in reply.sources]
    blocks += [context(lines[at : at + MAX_ELEMENTS]) for at in range(0, len(lines), MAX_ELEMENTS)]
    shown = [name for name in reply.buttons if name != "more" or not reply.expanded]
    if shown:
        blocks.append({"type": "actions", "elements": [button(getattr(words, name), name, key) for name in shown]})
    return blocks


def fallback_text(reply: Reply) -> str:
    """For notifications and for readers of the screen."""
    return mrkdwn("\n\n".join(reply.shown))[:MAX_FALLBACK_CHARS]


def source_line(source: Source, words: Phrases, today: date) -> str:
    """`[1] Title · LUMI-G · 3 months old`"""
    title = source.title[:MAX_TITLE_CHARS]
    name = link(source.url, title) if source.url else escaped(title)
    return " · ".join(
        [f"[{source.number}] {name}", *([source.system] if source.system else []), age(source.date, words, today)]
    )


def age(day: str | None, words: Phrases, today: date) -> str:
    if day is None:
        return words.undated
    days = max(0, (today - date.fromisoformat(day[:10])).days)
    return words.months_old.format(n=days // 30) if days >= 60 else words.days_old.format(n=days)


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def context(lines: Sequence[str]) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": line[:SECTION_CHARS]} for line in lines]}


def button(label: str, action: str, value: str, style: str = "") -> Block:
    made: Block = {"type": "button", "action_id": action, "value": value, "text": plain(label)}
    return made | ({"style": style} if style else {})


def plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}


def pieces(text: str, most: int = SECTION_CHARS) -> Iterator[str]:
    """At line ends where that is possible; a block of code that is cut is closed and opened again."""
    fence = "\n```"
    while len(text) > most:
        room = most - len(fence)
        cut = text.rfind("\n", 1, room)
        cut = cut if cut > 0 else room
        head, text = text[:cut], text[cut:].lstrip("\n")
        if head.count("```") % 2:
            head, text = head + fence, f"```\n{text}"
        yield head
    if text.strip():
        yield text
