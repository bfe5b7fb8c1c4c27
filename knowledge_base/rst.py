"""reStructuredText as Sphinx sites write it, as sections of readable text."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from knowledge_base.anchors import Anchors, Generator
from knowledge_base.blocks import Kind, Page, indent_of, indented_body, kind_of
from knowledge_base.includes import included_text

MAX_INCLUDE_DEPTH = 5
MAX_NESTING = 30
MAX_LINE = 10_000
_ADORNMENT = re.compile(r"^([!-/:-@\[-`{-~])\1{2,}\s*$")
_DIRECTIVE = re.compile(r"^(\s*)\.\.\s+(?:\|[^|]+\|\s+)?([\w:+-]+)::\s*(.*)$")
_COMMENT = re.compile(r"^(\s*)\.\.(?:\s|$)")
_OPTION = re.compile(r"^\s*:([\w-]+):\s*(.*)$")
_TITLE_OPTIONS = frozenset({"caption", "name", "header", "alt"})
_FIELDS_ON_TOP = re.compile(r"\A(?:\s*\n)*(?::[\w -]+:[^\n]*\n(?:[ \t]+\S[^\n]*\n)*)+")
"""Such as `:orphan:` and `:tocdepth: 2`."""
_LABEL = re.compile(r"^\.\.\s+_`?([^`:]+)`?:\s*$")
_ROLE = re.compile(r":[\w:+.-]+:`([^`]+)`")
_LINK = re.compile(r"`([^`<]*?)\s*<([^`>]+)>`__?")
_NAMED_LINK = re.compile(r"`([^`]+)`__?(?![\w`])|\b([A-Za-z][\w.-]*)_(?![\w_])")
_LITERAL = re.compile(r"``(.+?)``")
_STRONG = re.compile(r"\*\*(?=\S)((?:.|\n(?!\s*\n))+?)(?<=\S)\*\*")
_EMPHASIS = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*]+?)(?<=\S)\*(?![\w*])")
_SUBSTITUTION = re.compile(r"\|([^|\s][^|]*?)\|_{0,2}")
_LINE_BLOCK = re.compile(r"^\s*\|(?: (?!.*\|\s*$)|$)")
"""A line that keeps its end, `| so`; not a row that ends with a bar as well."""
_GRID_RULE = re.compile(r"^\s*\+[-=+]+\+\s*$")
_COLUMN_SPAN = re.compile(r"^\s*-+(?:\s+-+)*\s*$")
_SIMPLE_RULE = re.compile(r"^\s*=+(?:\s+=+)+\s*$")
_NOTES = frozenset(
    {"note", "tip", "warning", "important", "caution", "danger", "error", "hint", "attention", "seealso"}
)
"""What stands on the line of such a directive is the beginning of its text."""
_CODE = frozenset({"code-block", "code", "sourcecode", "parsed-literal", "prompt", "highlight", "literalinclude"})
_DROPPED = frozenset(
    {"toctree", "contents", "index", "raw", "meta", "default-role", "currentmodule", "automodule"}
    | {
        "autoclass",
        "autofunction",
        "autosummary",
        "replace",
        "role",
        "highlight",
        "sectnum",
        "tabularcolumns",
        "target-notes",
    }
)


@dataclass(slots=True)
class _Reader:
    root: Path
    path: str
    page: Page
    anchors: Anchors
    levels: list[str] = field(default_factory=list)
    """Adornments of headings in the order in which the page introduces them."""
    label: str | None = None
    """The last one since the heading before."""
    includes: int = 0
    nesting: int = 0

    def clean(self, text: str) -> str:
        return _plain(text, self._link)

    def _link(self, text: str) -> None:
        self.page.links += 1
        self.page.link_chars += len(text)


def parse_rst(text: str, *, root: Path, path: str) -> Page:
    """Sections of one file; `root` is where includes may come from, `path` the file's own, relative to it."""
    page = Page()
    body = _FIELDS_ON_TOP.sub("", text.expandtabs(8))
    _read(_Reader(root, path, page, Anchors(Generator.SPHINX)), body.split("\n"))
    return page


def _read(reader: _Reader, lines: list[str]) -> None:
    if reader.nesting >= MAX_NESTING:
        reader.page.add(Kind.TEXT, lines)
        return
    reader.nesting += 1
    at = 0
    while at < len(lines):
        at = _read_block(reader, lines, at)
    reader.nesting -= 1


def _read_block(reader: _Reader, lines: list[str], at: int) -> int:
    """Reads what begins at line `at`; returns the line after it."""
    line = lines[at]
    if not line.strip():
        return at + 1
    if end := _heading(reader, lines, at):
        return end
    if directive := _DIRECTIVE.match(line):
        return _directive(reader, lines, at, directive)
    if comment := _COMMENT.match(line):
        if label := _LABEL.match(line):
            reader.label = label.group(1)
        return indented_body(lines, at + 1, len(comment.group(1)) + 1)[1]
    if _GRID_RULE.match(line) or _SIMPLE_RULE.match(line):
        return _table(reader, lines, at)
    return _paragraph(reader, lines, at)


def _heading(reader: _Reader, lines: list[str], at: int) -> int | None:
    """The line after a heading that begins at `at`, or None when there is none."""
    after = lines[at + 1] if at + 1 < len(lines) else ""
    if _ADORNMENT.match(lines[at]):
        below = lines[at + 2] if at + 2 < len(lines) else ""
        if after.strip() and below.strip() == lines[at].strip():
            return _open(reader, after, lines[at][0] * 2, at + 3)
        return at + 1 if not after.strip() else None
    is_title = _ADORNMENT.match(after) and len(after.strip()) >= min(len(lines[at].strip()), 4)
    if is_title and not lines[at].startswith((" ", "..")):
        return _open(reader, lines[at], after[0], at + 2)
    return None


def _open(reader: _Reader, title: str, adornment: str, end: int) -> int:
    if adornment not in reader.levels:
        reader.levels.append(adornment)
    text = reader.clean(title).replace("`", "").strip()
    if text:
        anchor = reader.anchors.of(text, label=reader.label)
        reader.page.open_section(reader.levels.index(adornment) + 1, text, anchor)
    reader.label = None
    return end


def _directive(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    margin, full_name, argument = found.groups()
    body, end = indented_body(lines, at + 1, len(margin) + 1)
    name = full_name.lower().rsplit(":", maxsplit=1)[-1]
    options: dict[str, str] = {}
    while body and (option := _OPTION.match(body[0])):
        options[option.group(1)] = option.group(2)
        body = body[1:]
    if name == "include":
        _include(reader, argument)
    elif name in _CODE:
        _code(reader, name, argument, options, body)
    elif name in {"image", "figure"}:
        _labelled(reader, options.get("alt", ""), body)
    elif name == "list-table":
        _list_table(reader, body)
    elif name == "csv-table":
        _csv_table(reader, options, body)
    elif name in _NOTES:
        _labelled(reader, "See also" if name == "seealso" else name.capitalize(), [argument, *body])
    elif name not in _DROPPED:
        _labelled(reader, argument, body)
    return end


def _csv_table(reader: _Reader, options: dict[str, str], body: list[str]) -> None:
    if "file" in options:
        body = (included_text(options["file"], reader.root, reader.path) or "").split("\n")
    rows = csv.reader([options.get("header", ""), *filter(None, body)], skipinitialspace=True)
    reader.page.add_table([[reader.clean(cell) for cell in row] for row in rows if row])


def _labelled(reader: _Reader, label: str, body: list[str]) -> None:
    if label:
        reader.page.add(Kind.TEXT, [f"{reader.clean(label)}:"])
    _read(reader, body)


def _code(reader: _Reader, name: str, argument: str, options: dict[str, str], body: list[str]) -> None:
    if name == "literalinclude":
        body = (included_text(argument, reader.root, reader.path) or "").split("\n")
    language = argument if name in {"code-block", "code", "sourcecode"} else options.get("language", "")
    reader.page.add_code(body, language.strip(), options.get("caption", ""))


def _include(reader: _Reader, name: str) -> None:
    text = included_text(name, reader.root, reader.path)
    if text is None or reader.includes >= MAX_INCLUDE_DEPTH:
        return
    reader.includes += 1
    _read(reader, text.expandtabs(8).split("\n"))
    reader.includes -= 1


def _list_table(reader: _Reader, body: list[str]) -> None:
    """A row begins with `* -`, its further cells with `-`."""
    rows: list[list[str]] = []
    for line in body:
        text = reader.clean(line.strip())
        if text.startswith("*"):
            rows.append([text.lstrip("*- ").strip()])
        elif text.startswith("-") and rows:
            rows[-1].append(text[1:].strip())
        elif text and rows:
            rows[-1][-1] += f" {text}"
    reader.page.add_table(rows)


def _table(reader: _Reader, lines: list[str], at: int) -> int:
    """A grid or simple table; lines of one cell are joined."""
    if not _GRID_RULE.match(lines[at]):
        return _simple_table(reader, lines, at)
    end = at
    rows: list[list[str]] = []
    open_row = False
    while end < len(lines) and lines[end].strip():
        if _GRID_RULE.match(lines[end]):
            open_row = False
        else:
            cells = [reader.clean(cell.strip()) for cell in lines[end].strip().strip("|").split("|")]
            if open_row and len(cells) == len(rows[-1]):
                rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
            else:
                rows.append(cells)
            open_row = True
        end += 1
    reader.page.add_table(rows)
    return max(end, at + 1)


def _simple_table(reader: _Reader, lines: list[str], at: int) -> int:
    """Columns stand where the rule has them; a line whose first cell is empty goes on with the row above."""
    starts = [column.start() for column in re.finditer("=+", lines[at])]
    stops = [*starts[1:], None]
    end = _end_of_simple_table(lines, at)
    rows: list[list[str]] = []
    for line in lines[at + 1 : end]:
        if line.strip() and not _SIMPLE_RULE.match(line) and not _COLUMN_SPAN.match(line):
            cells = [line[start:stop].strip() for start, stop in zip(starts, stops, strict=True)]
            if rows and not cells[0]:
                rows[-1] = [f"{above} {cell}".strip() for above, cell in zip(rows[-1], cells, strict=True)]
            else:
                rows.append(cells)
    reader.page.add_table([[reader.clean(cell) for cell in row] for row in rows])
    return end


def _end_of_simple_table(lines: list[str], at: int) -> int:
    """The line after its last rule, which a blank line follows; without one, the first blank line."""
    for number in range(at + 2, len(lines)):
        is_last = number + 1 == len(lines) or not lines[number + 1].strip()
        if is_last and _SIMPLE_RULE.match(lines[number]):
            return number + 1
    return next((number for number in range(at + 1, len(lines)) if not lines[number].strip()), len(lines))


def _paragraph(reader: _Reader, lines: list[str], at: int) -> int:
    """Lines up to a blank one; after a closing `::` the indented lines are code."""
    margin = indent_of(lines[at])
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _DIRECTIVE.match(lines[end]):
        if end > at + 1 and _ADORNMENT.match(lines[end]):
            break
        end += 1
    text = lines[at:end]
    if all(_LINE_BLOCK.match(line) for line in text):
        text = [_LINE_BLOCK.sub("", line) for line in text]
    literal = text[-1].rstrip().endswith("::")
    if literal:
        text[-1] = text[-1].rstrip()[:-1]
    joined = "\n".join(text)
    whole = len(joined) <= MAX_LINE  # markup may begin on one line and end on another
    cleaned = reader.clean(joined).split("\n") if whole else [reader.clean(line) for line in text]
    reader.page.add(kind_of(text), [line for line in cleaned if line.strip() != ":"])
    if not literal:
        return end
    body, stop = indented_body(lines, end, margin + 1)
    reader.page.add_code(body)
    return stop


def _plain(text: str, on_link: Callable[[str], None]) -> str:
    """`text` without markup; literals keep one backtick at each side."""
    if len(text) > MAX_LINE:
        return text
    spans: list[str] = []

    def keep(match: re.Match[str]) -> str:
        spans.append(f"`{match.group(1)}`")
        return f"\x00{len(spans) - 1}\x00"

    def shown(match: re.Match[str]) -> str:
        words = str(match.group(1) or match.group(match.lastindex or 1))
        on_link(words)
        return words

    text = _LITERAL.sub(keep, text)
    text = _LINK.sub(shown, _ROLE.sub(_role_text, text))
    text = _NAMED_LINK.sub(shown, text) if "_" in text else text
    text = _EMPHASIS.sub(r"\1", _STRONG.sub(r"\1", text))
    text = _SUBSTITUTION.sub(r"\1", text).replace("\\ ", "")
    return re.sub(r"\x00(\d+)\x00", lambda match: spans[int(match.group(1))], text)


def _role_text(match: re.Match[str]) -> str:
    shown, _, target = match.group(1).partition("<")
    return shown.strip() or target.rstrip(">")
