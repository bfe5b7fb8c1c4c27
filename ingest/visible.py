"""What the sender wrote this time, told from quoted history and signature.

Own rules over whole lines: the library mail-parser-reply strips and drops lines, takes a job script's options and
list items for signatures, loses answers between quotes, and needs quadratic time for some texts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from ingest import visible_phrases as phrases

Kind = Literal["visible", "quote", "signature"]
MAX_EXAMINED_CHARACTERS = 500_000
_LINE_CHARACTERS = 400
_MAX_SIGNATURE_LINES = 15
_MAX_MARKED_SIGNATURE_LINES = 30
_ATTRIBUTION_LINES = 4


@dataclass(frozen=True, slots=True)
class TextPart:
    kind: Kind
    text: str
    """With its line ends: the parts joined are the whole text."""


def split_visible(text: str) -> tuple[TextPart, ...]:
    """Parts in order, nothing left out. What stands behind the first half million characters counts as visible."""
    examined, rest = text[:MAX_EXAMINED_CHARACTERS], text[MAX_EXAMINED_CHARACTERS:]
    lines = [line + "\n" for line in examined.split("\n")]
    lines[-1] = lines[-1][:-1]
    kinds = _Marker([line[:_LINE_CHARACTERS].rstrip("\r\n") for line in lines]).mark()
    runs = groupby(zip(kinds, lines, strict=True), key=lambda pair: pair[0])
    parts = [TextPart(kind, "".join(line for _, line in run)) for kind, run in runs]
    if rest:
        parts.append(TextPart("visible", rest))
    return tuple(part for part in parts if part.text)


def visible_text(text: str) -> str:
    """The visible parts joined, without blank lines at the ends."""
    parts = split_visible(text)
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

    def mark(self) -> list[Kind]:
        self._mark_history()
        self._mark_quote_runs()
        self._mark_signatures()
        self._give_blank_lines()
        return self.kinds

    def _set(self, start: int, end: int, kind: Kind) -> None:
        self.kinds[start:end] = [kind] * (end - start)

    # Quotes

    def _mark_history(self) -> None:
        index = 0
        while index < len(self.lines):
            if not self.lines[index].strip() or self.quoted[index]:
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
        return phrases.header_key(line) == "from" and self._is_header_block(index)

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
                if not line.strip() or self.quoted[index]:
                    break
                joined = f"{joined} {line.strip()}"
                if joined.rstrip(" *_").endswith(":") and _closes_attribution(joined):
                    return index + 1
        is_whole = first.rstrip().endswith(":") and (
            phrases.NAMED_ATTRIBUTION.match(first)
            or phrases.DATED_ADDRESS.search(first)
            or phrases.LATE_MOMENT.match(first)
        )
        return start + 1 if is_whole else None

    def _is_dated(self, start: int, end: int) -> bool:
        joined = " ".join(self.lines[start:end])
        starts_as_one = (
            phrases.ATTRIBUTION_START.match(joined)
            or phrases.DATED_ADDRESS.search(joined)
            or phrases.LATE_MOMENT.match(joined)
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
            if not self._is_code_run(index, end):
                self._set(index, end, "quote")
            index = end

    def _is_code_run(self, start: int, end: int) -> bool:
        """Python prompts, shell and R prompts, and a redirection on a line of its own."""
        above = self.lines[start - 1].rstrip() if start else ""
        if above.endswith("\\"):
            return True
        if above and self.kinds[start - 1] == "quote":
            return False
        run = self.lines[start:end]
        if all(line.startswith((">>> ", ">>>\t")) or line.rstrip() == ">>>" for line in run):
            return True
        if self.has_attribution:
            return False
        contents = [line.lstrip("> ") for line in run]
        code = sum(1 for content in contents if phrases.CODE.match(content))
        return code * 2 > len([content for content in contents if content])

    # Signatures

    def _mark_signatures(self) -> None:
        start = 0
        while start < len(self.lines):
            end = start
            while end < len(self.lines) and self.kinds[end] == "visible":
                end += 1
            if end > start:
                self._mark_signature(start, end)
            start = end + 1

    def _mark_signature(self, start: int, end: int) -> None:
        """In the visible run: footers of lists and telephones first, from below, then one signature."""
        end = self._fold(self._list_footer(start, end), end)
        end = self._fold(self._mobile_line(start, end), end)
        for find in (self._marked_signature, self._closed_signature, self._named_closing, self._dashed_name):
            found = find(start, end)
            if found is not None:
                self._fold(found, self._postscript(found, end))
                return

    def _fold(self, start: int | None, end: int) -> int:
        if start is None:
            return end
        self._set(start, end, "signature")
        return start

    def _postscript(self, start: int, end: int) -> int:
        """First line of a P.S. below the signature, else `end`."""
        return next((index for index in range(start, end) if phrases.POSTSCRIPT.match(self.lines[index])), end)

    def _list_footer(self, start: int, end: int) -> int | None:
        for index in range(max(start, end - 12), end):
            below = " ".join(self.lines[index + 1 : end])
            if phrases.LIST_RULE.match(self.lines[index]) and phrases.LIST_FOOTER.search(below):
                return index
        return None

    def _mobile_line(self, start: int, end: int) -> int | None:
        below = [index for index in range(max(start, end - 12), end) if self.lines[index].strip()]
        for index in below[-3:]:
            line = self.lines[index]
            if len(line) <= phrases.MAX_MOBILE_CHARACTERS and phrases.MOBILE.match(line):
                return index if self._is_set_off(index, start) else None
        return None

    def _is_set_off(self, index: int, start: int) -> bool:
        return index == start or not self.lines[index - 1].strip() or index == 0

    def _marked_signature(self, start: int, end: int) -> int | None:
        """The `-- ` line nearest the end, unless what follows is a script, a log or simply much."""
        for index in range(end - 1, max(start, end - _MAX_MARKED_SIGNATURE_LINES - 20) - 1, -1):
            line = self.lines[index]
            if not phrases.SIGNATURE_MARK.match(line):
                continue
            limit = _MAX_MARKED_SIGNATURE_LINES if line == "-- " else _MAX_SIGNATURE_LINES
            is_short = self._is_signature_block(index + 1, end, limit)
            return index if is_short and not self._is_separator(index, start, line) else None
        return None

    def _is_separator(self, index: int, start: int, line: str) -> bool:
        """`--` without its space is also what grep prints between matches."""
        return line != "-- " and any(other.strip() == "--" for other in self.lines[max(start, index - 30) : index])

    def _closed_signature(self, start: int, end: int) -> int | None:
        for index in range(max(start + 1, end - _MAX_SIGNATURE_LINES * 2), end):
            line = self.lines[index]
            if phrases.CLOSING.match(line) and self._is_signature_block(index + 1, end, _MAX_SIGNATURE_LINES):
                return index
            if phrases.WEAK_CLOSING.match(line) and self._has_contact(index + 1, end):
                return index
        return None

    def _has_contact(self, start: int, end: int) -> bool:
        contacts = sum(1 for line in self.lines[start:end] if phrases.CONTACT.search(line))
        return contacts > 0 and self._is_signature_block(start, end, _MAX_SIGNATURE_LINES)

    def _named_closing(self, start: int, end: int) -> int | None:
        """`Un abrazo,` and a name below it, at the end of a text of which more stands above."""
        for index in range(max(start + 1, end - 10), end):
            texts = [line for line in self.lines[index + 1 : end] if line.strip()]
            is_set_off = not self.lines[index - 1].strip() and any(line.strip() for line in self.lines[start:index])
            if (
                is_set_off
                and phrases.SHORT_CLOSING.match(self.lines[index])
                and 1 <= len(texts) <= 5
                and phrases.NAME_LINE.match(texts[0])
                and all(len(line) <= 70 for line in texts)
                and self._is_signature_block(index + 1, end, 5)
            ):
                return index
        return None

    def _dashed_name(self, start: int, end: int) -> int | None:
        texts = [index for index in range(max(start, end - 12), end) if self.lines[index].strip()]
        if not texts or not phrases.DASHED_NAME.match(self.lines[texts[-1]]) or texts[-1] == start:
            return None
        is_alone = not self.lines[texts[-1] - 1].strip()
        is_list = len(texts) > 1 and self.lines[texts[-2]].lstrip().startswith(("-", "–", "—", "*"))
        return texts[-1] if is_alone and not is_list else None

    def _is_signature_block(self, start: int, end: int, max_lines: int) -> bool:
        texts = [line for line in self.lines[start:end] if line.strip()]
        texts = texts[: next((i for i, line in enumerate(texts) if phrases.POSTSCRIPT.match(line)), len(texts))]
        if len(texts) > max_lines:
            return False
        code = sum(1 for line in texts if phrases.CODE.match(line) and not phrases.CONTACT.search(line))
        scripts = any(line.lstrip().startswith(("#SBATCH", "#!", "Traceback", "srun ", "$ ")) for line in texts)
        questions = any(line.rstrip().endswith("?") and len(line) > 20 for line in texts)
        return not scripts and not questions and code * 3 <= len(texts)

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


def _closes_attribution(joined: str) -> bool:
    ends = (phrases.ATTRIBUTION_END.search, phrases.DATED_ADDRESS.search, phrases.LATE_MOMENT.match)
    return any(end(joined) for end in ends)


def _first(lines: list[str], indices: range) -> int | None:
    has_text: Callable[[int], bool] = lambda index: bool(lines[index].strip())  # noqa: E731
    return next(filter(has_text, indices), None)
