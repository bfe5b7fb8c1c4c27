"""format=flowed (RFC 3676): soft line breaks joined."""

from __future__ import annotations

import re

_QUOTE = re.compile(r">*")


def join_flowed(text: str, *, delsp: bool) -> str:
    """Paragraphs on one line each; quoted paragraphs keep their depth as `>> `; `delsp` drops the joining space."""
    lines: list[str] = []
    pieces: list[str] = []
    open_depth = -1
    for line in text.split("\n"):
        depth, content = _depth_and_content(line)
        soft = content.endswith(" ") and content != "-- "
        if pieces and (depth != open_depth or content == "-- "):
            lines.append(_marked(open_depth, "".join(pieces)))
            pieces = []
        pieces.append(content[:-1] if soft and delsp else content)
        open_depth = depth
        if not soft:
            lines.append(_marked(depth, "".join(pieces)))
            pieces = []
    if pieces:
        lines.append(_marked(open_depth, "".join(pieces)))
    return "\n".join(lines)


def _depth_and_content(line: str) -> tuple[int, str]:
    depth = len(_QUOTE.match(line)[0])  # type: ignore[index]  # zero or more always match
    content = line[depth:]
    return depth, content.removeprefix(" ")  # the space that stuffs lines beginning with a space, > or From


def _marked(depth: int, content: str) -> str:
    if depth == 0:
        return content
    return ">" * depth + (f" {content}" if content else "")
