"""The end of what somebody wrote: signature, closing, name, telephone's line, footer of a list."""

from __future__ import annotations

from typing import Literal

from ingest import visible_phrases as phrases

Kind = Literal["visible", "quote", "signature"]
_MAX_SIGNATURE_LINES = 15
_MAX_MARKED_SIGNATURE_LINES = 30


def mark_signatures(lines: list[str], kinds: list[Kind], author: str) -> None:
    """Marks, in `kinds`, the signature of each run of visible lines. `author` is a name, an address or empty."""
    _Signatures(lines, kinds, author).mark()


class _Signatures:
    """Every rule looks at a bounded number of lines at the end of a run."""

    def __init__(self, lines: list[str], kinds: list[Kind], author: str) -> None:
        self.lines = lines
        self.kinds = kinds
        self.names = phrases.names_of(author)

    def mark(self) -> None:
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
        whole = end
        end = self._fold(self._list_footer(start, end), end)
        end = self._fold(self._disclaimer(start, end), end)
        mobile = self._mobile_line(start, end)
        end = self._fold(mobile, end)
        marked = self._marked_signature(start, end)
        if marked is not None:
            self._fold(marked, self._postscript(marked, end))
            end = marked
        for find in (self._closed_signature, self._named_closing, self._dashed_name):
            found = find(start, end)
            if found is not None:
                self._fold(found, self._postscript(found, end))
                return
        is_above_history = end < whole or whole < len(self.lines)
        self._fold(self._bare_name(start, end, is_above_history), end)

    def _fold(self, start: int | None, end: int) -> int:
        if start is None:
            return end
        self.kinds[start:end] = ["signature"] * (end - start)
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

    def _disclaimer(self, start: int, end: int) -> int | None:
        """Begins after a blank line or with the words in capitals, and nothing that looks like more text follows."""
        for index in range(max(start + 1, end - 30), end):
            line = self.lines[index]
            is_set_off = not self.lines[index - 1].strip() or line.lstrip(" *")[:6].isupper()
            if is_set_off and phrases.DISCLAIMER.match(line) and self._is_signature_block(index, end, 25):
                return index
        return None

    def _mobile_line(self, start: int, end: int) -> int | None:
        below = [index for index in range(max(start, end - 12), end) if self.lines[index].strip()]
        for index in below[-3:]:
            line = phrases.MARKDOWN_LINK.sub(r"\1", self.lines[index])
            is_mobile = phrases.MOBILE.match(line) or phrases.OUTLOOK_APP.match(line)
            if len(line) <= phrases.MAX_MOBILE_CHARACTERS and is_mobile:
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
            line = self.lines[index]
            is_wish = phrases.WEAK_CLOSING.match(line) is not None and len(texts) <= 2
            is_set_off = is_wish or not self.lines[index - 1].strip()
            if (
                is_set_off
                and any(above.strip() for above in self.lines[start:index])
                and (phrases.SHORT_CLOSING.match(line) or phrases.WEAK_CLOSING.match(line))
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

    def _bare_name(self, start: int, end: int, is_above_history: bool) -> int | None:
        """The author's name with a few lines below it; or, above history, any name after a whole sentence."""
        texts = [index for index in range(max(start, end - 12), end) if self.lines[index].strip()]
        if len(texts) < 2:
            return None
        for index in texts[max(1, len(texts) - 5) :]:
            words = phrases.names_of(self.lines[index])
            is_set_off = index == texts[-1] or not self.lines[index - 1].strip()
            if words and words <= self.names and is_set_off and self._is_signature_block(index, end, 5):
                return index
        if self.lines[texts[-1] - 1].strip():
            return None
        is_name = is_above_history and phrases.is_lone_name(self.lines[texts[-1]])
        return texts[-1] if is_name and phrases.SENTENCE_END.search(self.lines[texts[-2]]) else None

    def _is_signature_block(self, start: int, end: int, max_lines: int) -> bool:
        texts = [line for line in self.lines[start:end] if line.strip()]
        texts = texts[: next((i for i, line in enumerate(texts) if phrases.POSTSCRIPT.match(line)), len(texts))]
        if len(texts) > max_lines:
            return False
        code = sum(1 for line in texts if phrases.CODE.match(line) and not phrases.CONTACT.search(line))
        scripts = any(line.lstrip().startswith(("#SBATCH", "#!", "Traceback", "srun ", "$ ")) for line in texts)
        questions = any(line.rstrip().endswith("?") and len(line) > 20 for line in texts)
        return not scripts and not questions and code * 3 <= len(texts)
