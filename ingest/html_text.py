"""HTML mail to readable text: code, tables, lists, links and quotes stay recognisable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from urllib.parse import unquote

from ingest.html_tokens import RAW_TEXT, Tag, tokens

MAX_HTML_CHARACTERS = 2_000_000
_MAX_TOKENS = 150_000
_MAX_QUOTE_DEPTH = 20
_MAX_TABLE_DEPTH = 10
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "table", "blockquote", "figure"}
_LINES = {
    "div", "section", "article", "header", "footer", "main", "nav", "aside", "address", "center", "form", "fieldset",
    "dt", "dd", "figcaption", "caption", "li", "tr", "body", "html", "thead", "tbody", "tfoot", "details", "summary",
}  # fmt: skip
_VOID = {"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "embed", "source", "track", "wbr"}
_HIDDEN = re.compile(r"display\s*:\s*none|mso-hide\s*:\s*all", re.IGNORECASE)
_NO_BORDER = re.compile(r"border(-left)?\s*:\s*(none|0)", re.IGNORECASE)
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?([A-Za-z0-9_-]{2,40})", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\n\r\f\u200b\ufeff]+")
_WEB = ("http://", "https://", "ftp://")


def html_to_text(html: str, pictures: Mapping[str, str] = MappingProxyType({})) -> str:
    """Links as `text (url)`, list items as `- `, cells as `a | b`, quotes behind `> `; hidden text is left out.

    `pictures` are file names by Content-ID: a picture in place reads `[image: plot.png]`.
    """
    writer = _Writer(pictures)
    stream = tokens(html[:MAX_HTML_CHARACTERS])
    for token in islice(stream, _MAX_TOKENS):
        if isinstance(token, str):
            writer.text(token)
        else:
            writer.tag(token)
    is_cut = len(html) > MAX_HTML_CHARACTERS or next(stream, None) is not None
    return writer.finish() + ("\n[the rest of this HTML was not read]" if is_cut else "")


def declared_html_charset(data: bytes) -> str | None:
    found = _META_CHARSET.search(data[:4096])
    return found[1].decode("ascii") if found else None


@dataclass(slots=True)
class _Sheet:
    """Lines under construction: the page, or one cell of a table."""

    lines: list[str] = field(default_factory=list)
    current: list[str] = field(default_factory=list)
    wants_gap: bool = False
    """A blank line goes before the next text."""

    def ends_with_space(self) -> bool:
        return not self.current or self.current[-1].endswith((" ", "\n"))


@dataclass(slots=True)
class _Table:
    rows: list[str] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    cell_is_open: bool = False


class _Writer:
    def __init__(self, pictures: Mapping[str, str]) -> None:
        self._pictures = pictures
        self._sheets = [_Sheet()]
        self._tables: list[_Table] = []
        self._tables_too_deep = 0
        self._lists: list[int | None] = []  # next number, None for bullets
        self._quotes: list[str] = []
        self._link: tuple[str, int, int] | None = None  # target, number of sheets and of pieces where it began
        self._pre_depth = 0
        self._hidden_by = ""
        self._hidden_depth = 0
        self._marker = ""

    def finish(self) -> str:
        while self._tables:
            self._close_table()
        self._break_line()
        return "\n".join(self._sheets[0].lines).strip("\n")

    def text(self, text: str) -> None:
        if self._hidden_depth:
            return
        if self._pre_depth:
            self._preformatted(text.replace("\xa0", " "))
            return
        sheet = self._sheets[-1]
        if "\xa0" in text and not text.strip() and not sheet.current:
            self._add_line("")  # a paragraph of one non-breaking space is a blank line
        flat = _SPACES.sub(" ", text.replace("\xa0", " "))
        self._put(flat.lstrip(" ") if sheet.ends_with_space() else flat)

    def tag(self, tag: Tag) -> None:
        if self._hidden_depth:
            if tag.name == self._hidden_by:
                self._hidden_depth += -1 if tag.closing else 1
            return
        # The content of a style element is no token, nor is its end; Outlook on the web hides such an element.
        can_hide = not tag.closing and tag.name not in _VOID and tag.name not in RAW_TEXT
        if can_hide and _HIDDEN.search(tag.attributes.get("style", "")):
            self._hidden_by, self._hidden_depth = tag.name, 1
            return
        if tag.name in _PARAGRAPHS:
            self._break_paragraph(tag)
        elif tag.name in _LINES:
            self._break_line()
        handler = _CLOSERS.get(tag.name) if tag.closing else _OPENERS.get(tag.name)
        if handler is not None:
            handler(self, tag)

    def _put(self, text: str) -> None:
        if not text:
            return
        sheet = self._sheets[-1]
        if self._marker and text.strip():
            sheet.current.insert(0, self._marker)
            self._marker = ""
        sheet.current.append(text)

    def _preformatted(self, text: str) -> None:
        first, *rest = text.split("\n")
        self._put(first)
        for line in rest:
            self._end_line(keep_blank=True)
            self._put(line)

    def _break_line(self) -> None:
        if self._sheets[-1].current:
            self._end_line(keep_blank=False)

    def _end_line(self, *, keep_blank: bool) -> None:
        sheet = self._sheets[-1]
        line = "".join(sheet.current).rstrip()
        sheet.current = []
        if line or keep_blank:
            self._add_line(line)

    def _add_line(self, line: str) -> None:
        sheet = self._sheets[-1]
        prefix = "".join(self._quotes[:_MAX_QUOTE_DEPTH]) if len(self._sheets) == 1 else ""
        if sheet.wants_gap and sheet.lines and sheet.lines[-1].strip("> "):
            sheet.lines.append(_gap(prefix, sheet.lines[-1]))
        sheet.wants_gap = False
        sheet.lines.append((prefix + line).rstrip() if not line else prefix + line)

    def _break_paragraph(self, tag: Tag) -> None:
        self._break_line()
        is_nested_list = tag.name in {"ul", "ol"} and (len(self._lists) > (1 if tag.closing else 0))
        # Outlook puts every line into a paragraph of its own.
        is_outlook_line = tag.name == "p" and "mso" in tag.attributes.get("class", "").lower()
        if not is_nested_list and not is_outlook_line and not (tag.name == "p" and self._lists):
            self._sheets[-1].wants_gap = True

    def _open_br(self, _: Tag) -> None:
        self._end_line(keep_blank=True)

    def _open_hr(self, _: Tag) -> None:
        self._break_line()
        self._add_line("_" * 32)

    def _open_p(self, tag: Tag) -> None:
        if "mso" in tag.attributes.get("class", "").lower():
            self._sheets[-1].wants_gap = False

    def _open_pre(self, _: Tag) -> None:
        self._pre_depth += 1

    def _close_pre(self, _: Tag) -> None:
        self._pre_depth = max(0, self._pre_depth - 1)

    def _open_list(self, tag: Tag) -> None:
        start = tag.attributes.get("start", "1")
        self._lists.append((int(start) if start.isdecimal() and len(start) < 7 else 1) if tag.name == "ol" else None)

    def _close_list(self, _: Tag) -> None:
        if self._lists:
            self._lists.pop()

    def _open_li(self, _: Tag) -> None:
        number = self._lists[-1] if self._lists else None
        if self._lists and number is not None:
            self._lists[-1] = number + 1
        indent = "  " * min(len(self._lists) - 1, 10) if self._lists else ""
        self._marker = indent + ("- " if number is None else f"{number}. ")

    def _close_li(self, _: Tag) -> None:
        self._marker = ""

    def _open_quote(self, tag: Tag) -> None:
        # Gmail and Outlook indent with a blockquote that has no border: that is no quote.
        is_indent = bool(_NO_BORDER.search(tag.attributes.get("style", "")))
        self._quotes.append("    " if is_indent and tag.attributes.get("type") != "cite" else "> ")

    def _close_quote(self, _: Tag) -> None:
        if self._quotes:
            self._quotes.pop()

    def _open_link(self, tag: Tag) -> None:
        self._close_link(tag)  # links cannot be nested
        sheet = self._sheets[-1]
        self._link = (tag.attributes.get("href", "").strip(), len(self._sheets), len(sheet.current))

    def _close_link(self, _: Tag) -> None:
        if self._link is None:
            return
        target, sheets, begin = self._link
        self._link = None
        if not target.lower().startswith(_WEB):
            return
        shown = "".join(self._sheets[-1].current[begin:]).strip() if sheets == len(self._sheets) else ""
        if _same_address(shown, target):
            return
        self._put(f" ({target})" if shown else target)

    def _open_image(self, tag: Tag) -> None:
        source = tag.attributes.get("src", "")
        content_id = unquote(source[4:]) if source.lower().startswith("cid:") else ""
        label = self._pictures.get(content_id) or tag.attributes.get("alt", "").strip() or content_id
        if label:
            self._put(f"[image: {_SPACES.sub(' ', label)[:200]}]")

    def _open_table(self, _: Tag) -> None:
        if len(self._tables) >= _MAX_TABLE_DEPTH:
            self._tables_too_deep += 1
        else:
            self._tables.append(_Table())

    def _open_cell(self, _: Tag) -> None:
        if self._tables and not self._tables_too_deep:
            self._close_cell()
            self._tables[-1].cell_is_open = True
            self._sheets.append(_Sheet())
        else:
            self._put("\t")

    def _close_cell_tag(self, _: Tag) -> None:
        if not self._tables_too_deep:
            self._close_cell()

    def _close_cell(self) -> None:
        if self._tables and self._tables[-1].cell_is_open:
            self._break_line()
            self._tables[-1].cell_is_open = False
            self._tables[-1].cells.append(self._sheets.pop().lines)

    def _close_row(self, _: Tag | None = None) -> None:
        if not self._tables or self._tables_too_deep:
            return
        self._close_cell()
        table = self._tables[-1]
        if len(table.cells) > 1 and all(len(cell) <= 1 for cell in table.cells):
            table.rows.append(" | ".join(cell[0] if cell else "" for cell in table.cells).strip(" |"))
        else:
            for cell in table.cells:
                table.rows.extend(cell)
        table.cells = []

    def _close_table(self, _: Tag | None = None) -> None:
        if self._tables_too_deep:
            self._tables_too_deep -= 1
            return
        if self._tables:
            self._close_row()
            self._break_line()
            for row in self._tables.pop().rows:
                self._add_line(row)
            self._sheets[-1].wants_gap = True


_Handler = Callable[[_Writer, Tag], None]
_OPENERS: dict[str, _Handler] = {
    "a": _Writer._open_link,
    "blockquote": _Writer._open_quote,
    "br": _Writer._open_br,
    "hr": _Writer._open_hr,
    "img": _Writer._open_image,
    "li": _Writer._open_li,
    "ol": _Writer._open_list,
    "p": _Writer._open_p,
    "pre": _Writer._open_pre,
    "table": _Writer._open_table,
    "td": _Writer._open_cell,
    "th": _Writer._open_cell,
    "tr": _Writer._close_row,
    "ul": _Writer._open_list,
}
_CLOSERS: dict[str, _Handler] = {
    "a": _Writer._close_link,
    "blockquote": _Writer._close_quote,
    "li": _Writer._close_li,
    "ol": _Writer._close_list,
    "pre": _Writer._close_pre,
    "table": _Writer._close_table,
    "td": _Writer._close_cell_tag,
    "th": _Writer._close_cell_tag,
    "tr": _Writer._close_row,
    "ul": _Writer._close_list,
}


def _gap(prefix: str, line_above: str) -> str:
    """A blank line carries the quote marks that the lines above and below it share."""
    return prefix.rstrip() if prefix and line_above.startswith(prefix.rstrip()) else ""


def _same_address(shown: str, target: str) -> bool:
    def bare(text: str) -> str:
        return re.sub(r"^(https?://)?(www\.)?", "", text.strip().lower()).rstrip("/")

    return bool(shown) and (bare(shown) == bare(target) or target in shown)
