"""Markdown as MkDocs and MyST sites write it, as sections of readable text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from knowledge_base.anchors import Anchors
from knowledge_base.blocks import LIST_ITEM, Kind, Page, dedent, indented_body, kind_of
from knowledge_base.includes import included_text
from knowledge_base.inline import MAX_LINE, plain
from knowledge_base.site import Site

MAX_INCLUDE_DEPTH = 5
MAX_NESTING = 30
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_DATES = ("reviewed", "last_update", "updated", "last_modified", "revision_date", "date")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_FENCE = re.compile(r"^(\s*)(`{3,}|~{3,}|:{3,})\s*(.*?)\s*$")
_ATX = re.compile(r"^ {0,3}(#{1,6})(?:\s+(.*?))?(?:\s+#+)?\s*$")
_EXPLICIT_ID = re.compile(r"\{:?[^{}]*#([\w.:-]+)[^{}]*\}\s*$")
_TRAILING_ATTRIBUTES = re.compile(r"\s*\{:?[^{}]*\}\s*$")
_ADMONITION = re.compile(r"^(\s*)(?:!!!|\?\?\?\+?)\s*([\w-]+)?[\w\s-]*?(?:\"(.*)\")?\s*$")
_TAB = re.compile(r"^(\s*)===[!+]*\s+\"(.*)\"\s*$")
_BLOCK = re.compile(r"^(\s*)(/{3,})\s*(\w[\w-]*)\s*(?:\|\s*(.*?))?\s*$")
"""Blocks of pymdownx: https://facelessuser.github.io/pymdown-extensions/extensions/blocks/"""
_SNIPPET = re.compile(r"^\s*-{1,}8<-{1,}\s+[\"']?([^\"']+?)[\"']?\s*$")
_SNIPPET_BLOCK = re.compile(r"^\s*-{1,}8<-{1,}\s*$")
_BRACE_INCLUDE = re.compile(r"^\s*\{!\s*(\S+?)\s*!\}\s*$")
_REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s+\S")
_NOISE = re.compile(r"^\s*(?:\[TOC\]|\[\[_TOC_\]\]|\([\w.:-]+\)=|\{:[^{}]*\}|\\newpage|%.*|(?:[-*_]\s*){3,})\s*$", re.I)
_TABLE_RULE = re.compile(r"^\s*\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{1,}:?\s*)*\|?\s*$")
_SETEXT = re.compile(r"^ {0,3}(=+|-{3,})\s*$")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_QUOTE = re.compile(r"^\s{0,3}>\s?")
_TITLE_OPTION = re.compile(r"\btitle=[\"']([^\"']*)[\"']")
_CONTAINERS = frozenset(
    {"note", "tip", "warning", "important", "caution", "danger", "error", "hint", "attention", "admonition", "seealso"}
    | {"info", "dropdown", "tab-set", "tab-item", "versionadded", "versionchanged", "deprecated", "grid", "grid-item"}
    | {"grid-item-card", "card", "details", "question"}
)
_DROPPED = frozenset(
    {"toctree", "contents", "eval-rst", "raw", "image", "figure", "mermaid", "autosummary", "bibliography"}
)
_HEADLESS = frozenset({"tab-set", "grid", "div", "admonition"})


@dataclass(slots=True)
class _Reader:
    root: Path
    path: str
    page: Page
    anchors: Anchors
    snippets: tuple[str, ...] = ()
    includes: int = 0
    nesting: int = 0

    def link(self, text: str) -> None:
        self.page.links += 1
        self.page.link_chars += len(text)

    def clean(self, text: str) -> str:
        return plain(text, self.link)


def parse_markdown(text: str, *, root: Path, path: str, site: Site | None = None) -> Page:
    """Sections of one file; `root` is where includes may come from, `path` the file's own, relative to it."""
    page, site = Page(), site or Site()
    body = _front_matter(text, page)
    _read(
        _Reader(root, path, page, Anchors(site.generator, site.slug), site.snippets),
        _without_comments(body).split("\n"),
    )
    return page


def _front_matter(text: str, page: Page) -> str:
    """Takes title and systems from the YAML block at the top; returns the text after it."""
    found = _FRONT_MATTER.match(text)
    if not found:
        return text
    try:
        values = yaml.safe_load(found.group(1) or "")
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: 2024-99-99 taken for a date
        values = None
    if isinstance(values, dict):
        title, systems = values.get("title"), values.get("systems")
        page.title = plain(str(title)).strip() if title else ""
        page.systems = tuple(str(name) for name in systems) if isinstance(systems, list) else None
        page.engineers_only = str(values.get("access", "")).lower() in {"engineers", "internal"}
        days = [day.group() for key in _DATES if (day := _DAY.match(str(values.get(key) or "")))]
        page.date = days[0] if days else None
    return text[found.end() :]


def _without_comments(text: str) -> str:
    """HTML comments go, unless they stand in a fenced block."""
    if "<!--" not in text:
        return text
    pieces = re.split(r"(^[ \t]*(?:```|~~~).*?^[ \t]*(?:```|~~~)[ \t]*$)", text, flags=re.S | re.M)
    return "".join(piece if number % 2 else _COMMENT.sub("", piece) for number, piece in enumerate(pieces))


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
    if not line.strip() or _NOISE.match(line) or _REFERENCE.match(line):
        return at + 1
    for pattern, read in _STARTS:
        if found := pattern.match(line):
            return read(reader, lines, at, found)
    if "|" in line and at + 1 < len(lines) and "|" in lines[at + 1] and _TABLE_RULE.match(lines[at + 1]):
        return _table(reader, lines, at)
    if line.expandtabs(4).startswith("    "):
        body, end = indented_body(lines, at, 4)
        reader.page.add_code(body)
        return end
    return _paragraph(reader, lines, at)


def _atx_heading(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    del lines
    _heading(reader, len(found.group(1)), found.group(2) or "")
    return at + 1


def _heading(reader: _Reader, level: int, raw: str) -> None:
    explicit = _EXPLICIT_ID.search(raw)
    text = reader.clean(_TRAILING_ATTRIBUTES.sub("", raw)).replace("`", "").strip()
    if text:
        reader.page.open_section(level, text, reader.anchors.of(text, explicit.group(1) if explicit else None))


def _fence(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    margin, mark, info = found.groups()
    end = at + 1
    while end < len(lines):
        stripped = lines[end].strip()
        if stripped.startswith(mark) and not stripped.strip(mark[0]):
            break
        end += 1
    body = [line.removeprefix(margin) for line in lines[at + 1 : end]]
    directive = re.match(r"\{([\w:+-]+)\}\s*(.*)", info)
    if directive:
        _directive(reader, directive.group(1), directive.group(2), body)
    elif mark[0] == ":":
        _read(reader, body)
    else:
        _code(reader, info, body)
    return end + 1


def _code(reader: _Reader, info: str, body: list[str]) -> None:
    title = _TITLE_OPTION.search(info)
    resolved: list[str] = []
    for line in body:
        snippet = _SNIPPET.match(line)
        text = (
            included_text(snippet.group(1).split(":")[0], reader.root, reader.path, reader.snippets)
            if snippet
            else None
        )
        resolved.extend([line] if text is None else text.split("\n"))
    language = re.match(r"[\w+#-]*", info.strip("{}. "))
    reader.page.add_code(resolved, language.group() if language else "", title.group(1) if title else "")


def _directive(reader: _Reader, name: str, argument: str, body: list[str]) -> None:
    """A MyST directive; its options (`:name: value`) are not text."""
    while body and re.match(r"^:[\w-]+:", body[0]):
        body = body[1:]
    base = name.rsplit(":", maxsplit=1)[-1]
    if base == "include":
        _include(reader, argument)
    elif base in _CONTAINERS:
        label = argument or ("" if base in _HEADLESS else base.capitalize())
        _labelled(reader, label, body)
    elif base not in _DROPPED:
        reader.page.add_code(body)


def _labelled(reader: _Reader, label: str, body: list[str]) -> None:
    """A label such as the title of a note or a tab, and what stands under it."""
    if label:
        reader.page.add(Kind.TEXT, [f"{reader.clean(label)}:"])
    _read(reader, body)


def _admonition(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    margin, kind, title = found.groups()
    body, end = indented_body(lines, at + 1, len(margin.expandtabs(4)) + 1)
    _labelled(reader, (kind or "").capitalize() if title is None else title, body)
    return end


def _tab(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    margin, title = found.groups()
    body, end = indented_body(lines, at + 1, len(margin.expandtabs(4)) + 1)
    _labelled(reader, title, body)
    return end


def _block(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    margin, mark, name, title = found.groups()
    end = at + 1
    while end < len(lines) and lines[end].strip() != mark:
        end += 1
    body = [line.removeprefix(margin) for line in lines[at + 1 : end]]
    while body and re.match(r"^ {4}[\w-]+:", body[0]):
        body = body[1:]
    label = title or ("" if name in _HEADLESS else name.capitalize())
    _labelled(reader, "" if name in {"html", "define", "caption", "figure-caption", "table-caption"} else label, body)
    return end + 1


def _snippet(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    del lines
    _include(reader, found.group(1))
    return at + 1


def _snippet_block(reader: _Reader, lines: list[str], at: int, found: re.Match[str]) -> int:
    del found
    end = at + 1
    while end < len(lines) and not _SNIPPET_BLOCK.match(lines[end]):
        _include(reader, lines[end])
        end += 1
    return end + 1


def _include(reader: _Reader, name: str) -> None:
    name = name.strip()
    text = included_text(name, reader.root, reader.path, reader.snippets)
    if text is None:  # a named part: file.md:part
        text = included_text(name.split(":")[0], reader.root, reader.path, reader.snippets)
    if text is None or reader.includes >= MAX_INCLUDE_DEPTH:
        return
    reader.includes += 1
    _read(reader, _without_comments(_FRONT_MATTER.sub("", text)).split("\n"))
    reader.includes -= 1


def _table(reader: _Reader, lines: list[str], at: int) -> int:
    end = at
    rows = []
    while end < len(lines) and "|" in lines[end]:
        if not _TABLE_RULE.match(lines[end]):
            row = reader.clean(lines[end]).strip().removeprefix("|").removesuffix("|")
            rows.append([cell.strip() for cell in row.split("|")])
        end += 1
    reader.page.add_table(rows)
    return end


def _paragraph(reader: _Reader, lines: list[str], at: int) -> int:
    """Lines up to a blank one or the start of something else; a list goes on over its indented lines."""
    if at + 1 < len(lines) and (underline := _SETEXT.match(lines[at + 1])) and not LIST_ITEM.match(lines[at]):
        _heading(reader, 1 if underline.group(1)[0] == "=" else 2, lines[at].strip())
        return at + 2
    end = at + 1
    while end < len(lines) and lines[end].strip() and not _starts_something(lines[end]):
        end += 1
    text = [_QUOTE.sub("", line) for line in lines[at:end]]
    if LIST_ITEM.match(text[0]):
        return _list(reader, text, lines, end)
    reader.page.add(Kind.TEXT, [re.sub(r"^\s{0,3}:\s+", "", line) for line in _cleaned(reader, text)])
    return end


def _cleaned(reader: _Reader, lines: list[str]) -> list[str]:
    """Markup may begin on one line and end on another."""
    text = "\n".join(lines)
    return reader.clean(text).split("\n") if len(text) <= MAX_LINE else [reader.clean(line) for line in lines]


def _list(reader: _Reader, text: list[str], lines: list[str], end: int) -> int:
    """Items of a list with blank lines between them are one block; blocks inside an item are read on their own."""
    reader.page.add(kind_of(text), _cleaned(reader, text))
    if end < len(lines) and not lines[end].strip():
        after = next((n for n in range(end, len(lines)) if lines[n].strip()), len(lines))
        if after < len(lines) and lines[after].startswith((" ", "\t")) and not LIST_ITEM.match(lines[after]):
            body, stop = _item_body(lines, after)
            _read(reader, body)
            return stop
    return end


def _item_body(lines: list[str], start: int) -> tuple[list[str], int]:
    end = start
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith((" ", "\t"))):
        end += 1
    return dedent(lines[start:end]), end


def _starts_something(line: str) -> bool:
    return any(pattern.match(line) for pattern, _ in _STARTS)


_STARTS: tuple[tuple[re.Pattern[str], Callable[[_Reader, list[str], int, re.Match[str]], int]], ...] = (
    (_FENCE, _fence),
    (_ATX, _atx_heading),
    (_ADMONITION, _admonition),
    (_TAB, _tab),
    (_BLOCK, _block),
    (_SNIPPET, _snippet),
    (_SNIPPET_BLOCK, _snippet_block),
    (_BRACE_INCLUDE, _snippet),
)
