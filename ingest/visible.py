"""What the sender wrote this time, told from quoted history and signature.

Own rules over whole lines: the library mail-parser-reply strips and drops lines, takes a job script's options and
list items for signatures, loses answers between quotes, and needs quadratic time for some texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

from ingest import visible_phrases as phrases
from ingest.visible_signatures import Kind, mark_signatures

MAX_EXAMINED_CHARACTERS = 500_000
_LINE_CHARACTERS = 400
_ATTRIBUTION_LINES = 4


@dataclass(frozen=True, slots=True)
class TextPart:
    kind: Kind
    text: str
    """With its line ends: the parts joined are the whole text."""


def split_visible(text: str, author: str = "") -> tuple[TextPart, ...]:
    """Parts in order, nothing left out. What stands behind the first half million characters counts as visible.

    `author` is the sender's name or address: a last line that is a name of theirs is a signature.
    """
    examined, rest = text[:MAX_EXAMINED_CHARACTERS], text[MAX_EXAMINED_CHARACTERS:]
    lines = [line + "\n" for line in examined.split("\n")]
    lines[-1] = lines[-1][:-1]
    kinds = _Marker([line[:_LINE_CHARACTERS].rstrip("\r\n") for line in lines]).mark(author)
    runs = groupby(zip(kinds, lines, strict=True), key=lambda pair: pair[0])
    parts = [TextPart(kind, "".join(line for _, line in run)) for kind, run in runs]
    if rest:
        parts.append(TextPart("visible", rest))
    return tuple(part for part in parts if part.text)


def visible_text(text: str, author: str = "") -> str:
    """The visible parts joined, without blank lines at the ends."""
    parts = split_visible(text, author)
    if all(part.kind == "visible" for part in parts):
        return text.strip("\n").rstrip()  # the text itself, not a copy, where there is nothing to fold
    joined = "".join(part.text for part in parts if part.kind == "visible")
    return joined.strip("\n").rstrip()


class _Marker:
    """Marks each line; every rule looks at a bounded number of lines around."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.kinds: list[Kind] = ["visible"] * len(lines)
        self.quoted = [line.startswith((">", " >")) for line in lines]
        self.has_attribution = False

    def mark(self, author: str) -> list[Kind]:
        self._mark_history()
        self._mark_quote_runs()
        mark_signatures(self.lines, self.kinds, author)
        self._give_blank_lines()
        return self.kinds

    def _set(self, start: int, end: int, kind: Kind) -> None:
        self.kinds[start:end] = [kind] * (end - start)

    # Quotes

    def _mark_history(self) -> None:
        index = 0
        while index < len(self.lines):
            is_head = self.lines[index].startswith(">>> ") and phrases.ORIGINAL_MESSAGE.match(self.lines[index])
            if not self.lines[index].strip() or (self.quoted[index] and not is_head):
                index += 1
                continue
            if self._is_history_head(index):
                self._set(self._with_rule_above(index), len(self.lines), "quote")
                return
            end = self._attribution_end(index)
            if end is None:
                index += 1
                continue
            following = self._next_text(end)
            is_quoted = following is not None and self.quoted[following]
            if not is_quoted and self._is_dated(index, end):
                self._set(index, len(self.lines), "quote")
                return
            if is_quoted:
                self.has_attribution = True
                self._set(index, end, "quote")
            index = end

    def _is_history_head(self, index: int) -> bool:
        line = self.lines[index]
        if phrases.ORIGINAL_MESSAGE.match(line):
            return True
        return phrases.header_key(line) in {"from", "sent"} and self._is_header_block(index)

    def _is_header_block(self, start: int) -> bool:
        """From, a date and one more field within a few lines: the head that Outlook puts above history."""
        keys = set()
        others = 0
        for line in self.lines[start : start + 14]:
            key = phrases.header_key(line)
            others += key is None and bool(line.strip())
            if key is not None:
                keys.add(key)
            if others > 3 or (not line.strip() and len(keys) > 1):
                break
        above = self._previous_text(start)
        is_forward = above is not None and "forward" in self.lines[above].lower()
        return not is_forward and "from" in keys and len(keys) >= 3 and bool(keys & {"sent", "subject"})

    def _with_rule_above(self, index: int) -> int:
        above = self._previous_text(index)
        if above is not None and index - above <= 3 and phrases.LIST_RULE.match(self.lines[above].strip()):
            return above
        return index

    def _attribution_end(self, start: int) -> int | None:
        """Line after "On ..., ... wrote:", which clients wrap over up to four lines; None when none begins here."""
        first = self.lines[start]
        if phrases.ATTRIBUTION_START.match(first) or phrases.NAMED_START.match(first):
            joined = ""
            for index in range(start, min(start + _ATTRIBUTION_LINES, len(self.lines))):
                line = self.lines[index]
                if not line.strip() or (self.quoted[index] and not _goes_on(joined, line)):
                    break
                joined = f"{joined} {line.strip()}"
                if joined.rstrip(" *_").endswith(":") and _closes_attribution(joined):
                    return index + 1
        is_whole = first.rstrip().endswith(":") and (
            phrases.NAMED_ATTRIBUTION.match(first)
            or phrases.is_dated_address(first)
            or phrases.LATE_MOMENT.match(first)
        )
        following = self._next_text(start + 1)
        is_above_quote = following is not None and following - start <= 2 and self.quoted[following]
        if is_above_quote and phrases.BARE_ADDRESS.search(first) and phrases.DATE_AND_TIME.search(first):
            return start + 1
        return start + 1 if is_whole else self._addressed_end(start)

    def _addressed_end(self, start: int) -> int | None:
        """Of up to three lines that hold an address and end with a colon, right above a quote or after a verb."""
        if not phrases.MOMENT.search(self.lines[start]) and "<" not in self.lines[start]:
            first = self.lines[start].rstrip()
            if not first.endswith(":") or not phrases.ADDRESS.search(first):
                return None
        joined = ""
        for index in range(start, min(start + 3, len(self.lines) - 1)):
            if not self.lines[index].strip() or self.quoted[index]:
                return None
            joined = f"{joined} {self.lines[index].strip()}".replace("< ", "<")
            unmarked = phrases.ADDRESS_AND_WROTE.search(joined)
            if joined.endswith(":") or unmarked or phrases.is_dated_address(joined):
                following = self._next_text(index + 1)
                is_above_quote = following is not None and following - index <= 2 and self.quoted[following]
                is_head = is_above_quote or unmarked or phrases.ATTRIBUTION_END.search(joined)
                return index + 1 if is_head and phrases.ADDRESS.search(joined) else None
        return None

    def _is_dated(self, start: int, end: int) -> bool:
        joined = " ".join(self.lines[start:end])
        starts_as_one = (
            phrases.ATTRIBUTION_START.match(joined)
            or phrases.is_dated_address(joined)
            or phrases.LATE_MOMENT.match(joined)
            or (phrases.ADDRESS.search(joined) and phrases.ATTRIBUTION_END.search(joined))
        )
        return bool(starts_as_one and phrases.MOMENT.search(joined))

    def _mark_quote_runs(self) -> None:
        index = 0
        while index < len(self.lines):
            if not self.quoted[index] or self.kinds[index] != "visible":
                index += 1
                continue
            end = index
            while end < len(self.lines) and self.quoted[end] and self.kinds[end] == "visible":
                end += 1
            above = self._previous_text(index)
            is_forward = above is not None and phrases.FORWARD_ABOVE_QUOTE.match(self.lines[above])
            if not is_forward and not self._is_code_run(index, end):
                self._set(index, end, "quote")
            index = end

    def _is_code_run(self, start: int, end: int) -> bool:
        """Python prompts, shell and R prompts, and a redirection on a line of its own."""
        above = self.lines[start - 1].rstrip() if start else ""
        if above.endswith("\\"):
            return True
        if above and self.kinds[start - 1] == "quote":
            return False
        if above and phrases.CODE.match(above):
            return True
        run = self.lines[start:end]
        if all(line.startswith((">>> ", ">>>\t")) or line.rstrip() == ">>>" for line in run):
            return True
        if self.has_attribution:
            return False
        contents = [line.lstrip("> ") for line in run]
        code = sum(1 for content in contents if phrases.CODE.match(content))
        return code * 2 > len([content for content in contents if content])

    # Blank lines

    def _give_blank_lines(self) -> None:
        """Blank lines between two parts of one kind join them, so that a quote of many paragraphs is one part."""
        index = 0
        while index < len(self.lines):
            if self.lines[index].strip() or self.kinds[index] != "visible":
                index += 1
                continue
            end = index
            while end < len(self.lines) and not self.lines[end].strip() and self.kinds[end] == "visible":
                end += 1
            before = self.kinds[index - 1] if index else "visible"
            after = self.kinds[end] if end < len(self.lines) else before
            if before == after and before != "visible":
                self._set(index, end, before)
            index = end

    def _next_text(self, index: int) -> int | None:
        return _first(self.lines, range(index, min(index + 12, len(self.lines))))

    def _previous_text(self, index: int) -> int | None:
        return _first(self.lines, range(index - 1, max(index - 6, -1), -1))


def _goes_on(joined: str, line: str) -> bool:
    """Gmail breaks the line before the bracket that ends the address: `> wrote:` is no quote then."""
    is_open = joined.rfind("<") > joined.rfind(">")
    return is_open and len(line) <= 60 and line.startswith(">") and line.rstrip(" *_").endswith(":")


def _closes_attribution(joined: str) -> bool:
    ends = (phrases.ATTRIBUTION_END.search, phrases.is_dated_address, phrases.LATE_MOMENT.match)
    return any(end(joined) for end in ends)


def _first(lines: list[str], indices: range) -> int | None:
    has_text: Callable[[int], bool] = lambda index: bool(lines[index].strip())  # noqa: E731
    return next(filter(has_text, indices), None)
