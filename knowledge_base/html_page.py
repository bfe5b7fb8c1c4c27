"""Pages of a rendered site: the main text with its headings, ids and blocks, without what surrounds it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from knowledge_base.blocks import Kind, Page
from knowledge_base.errors import UnreadableError

MAX_DEPTH = 100
"""Elements inside elements; what lies deeper is read as plain text."""
_MAIN = ("[role=main]", "main article", "main", "article", ".document .body", "#content", "body")
_DROPPED = (
    "script, style, template, noscript, nav, header, footer, aside, form, button, svg, iframe, object, [hidden], "
    "[role=navigation], [role=search], [aria-hidden=true], .headerlink, .toctree-wrapper, .md-source-file, "
    ".md-content__button, .linenos, .linenodiv, .sphinxsidebar, .related, .breadcrumbs, .edit-this-page, .toc-tree"
)
MAX_OPEN = 5000
"""Elements that may be open at a time: the time that Lexbor takes grows with the square of it."""
_NESTED = re.compile(
    r"<(/?)(?:[abisu]|big|blockquote|div|dl|em|font|form|main|[ou]l|pre|span|section|strong|table|tt)(?:\s[^<>]*)?>",
    re.I,
)
"""Of elements whose end tag may not be left out."""
_REFRESH = re.compile(r"<meta[^>]+http-equiv=[\"']?refresh", re.I)
_TEMPLATE = re.compile(r"\{%-?\s*(?:extends|block|include)\b")
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})")
_LANGUAGE = re.compile(r"(?:language|highlight|lang)-([\w+#-]+)")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_INLINE = frozenset(
    {
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "br",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "img",
        "input",
        "ins",
        "kbd",
        "label",
        "mark",
        "math",
        "q",
        "s",
        "samp",
        "small",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "span",
    }
)


@dataclass(slots=True)
class _Reader:
    page: Page
    depth: int = 0
    words: list[str] = field(default_factory=list)
    """Text of the paragraph that is open."""

    def flush(self) -> None:
        text = _squeezed("".join(self.words))
        self.words.clear()
        if text:
            self.page.add(Kind.TEXT, [text])


def parse_html(text: str) -> Page:
    """Raises UnreadableError for a template, a page that only leads to another one, and elements without end."""
    if _TEMPLATE.search(text[:20_000]):
        raise UnreadableError("a template of a site, not a page")
    if _is_too_deep(text):
        raise UnreadableError(f"more than {MAX_OPEN:,} elements inside each other")
    tree = LexborHTMLParser(text)
    if _REFRESH.search(text[:5000]):
        raise UnreadableError("only leads to another page")
    page = _described(tree)
    main = next((found for name in _MAIN if (found := tree.css_first(name)) is not None), None)
    if main is None:
        return page
    for node in main.css(_DROPPED):
        node.decompose()
    reader = _Reader(page)
    _children(reader, main)
    reader.flush()
    if not page.title:
        named = tree.css_first("head title")
        page.title = re.split(r"\s+[-–—|·]\s+", _squeezed(named.text()) if named else "")[0]
    return page


def _is_too_deep(text: str) -> bool:
    opened = 0
    for found in _NESTED.finditer(text):
        opened = max(0, opened - 1) if found.group(1) else opened + 1
        if opened > MAX_OPEN:
            return True
    return False


def _described(tree: LexborHTMLParser) -> Page:
    page = Page()
    link = tree.css_first("head link[rel=canonical]")
    address = (link.attributes.get("href") if link else None) or ""
    page.url = address if address.startswith(("https://", "http://")) else None
    for name in ("[property='article:modified_time']", "[name=date]", "[name='dcterms.modified']"):
        meta = tree.css_first(f"head meta{name}")
        if day := _DAY.match((meta.attributes.get("content") if meta else None) or ""):
            page.date = day.group(1)
            break
    return page


def _children(reader: _Reader, node: LexborNode) -> None:
    if reader.depth >= MAX_DEPTH:
        reader.words.append(f" {node.text()} ")
        return
    reader.depth += 1
    for child in node.iter(include_text=True):
        _node(reader, child)
    reader.depth -= 1


def _node(reader: _Reader, node: LexborNode) -> None:
    tag = node.tag or ""
    if tag == "-text":
        reader.words.append(node.text_content or "")
    elif tag in _HEADINGS:
        reader.flush()
        _heading(reader, node, _HEADINGS[tag])
    elif tag in _READ:
        reader.flush()
        _READ[tag](reader, node)
    elif tag in _INLINE and not _is_label(node):
        reader.words.append(_inline(reader, node))
    elif tag not in _IGNORED:
        _container(reader, node)


_IGNORED = frozenset({"-comment", "_comment", "!doctype", "link", "meta", "title", "head", "source", "track", "col"})


def _is_label(node: LexborNode) -> bool:
    return node.tag == "label" or _has_class(node, "filename", "code-block-caption", "caption-text")


def _has_class(node: LexborNode, *names: str) -> bool:
    return not set(names).isdisjoint((node.attributes.get("class") or "").split())


def _heading(reader: _Reader, node: LexborNode, level: int) -> None:
    name = _squeezed(_inline(reader, node)).replace("`", "").strip()
    if name:
        reader.page.open_section(level, name, _id_of(node))


def _id_of(node: LexborNode) -> str:
    """Its own id, that of the section it opens (Sphinx), or that of an anchor inside it."""
    own = node.attributes.get("id")
    parent = node.parent
    if not own and parent is not None and parent.tag in {"section", "div"} and _is_first(node, parent):
        own = parent.attributes.get("id")
    if not own:
        inner = node.css_first("a[id], a[name], span[id]")
        own = (inner.attributes.get("id") or inner.attributes.get("name")) if inner is not None else None
    return own or ""


def _is_first(node: LexborNode, parent: LexborNode) -> bool:
    first = next((child for child in parent.iter() if child.tag != "span"), None)
    return first is not None and first.mem_id == node.mem_id


def _container(reader: _Reader, node: LexborNode) -> None:
    """A division: its title first where it is a note, a tab or a titled code block."""
    if _is_label(node) or _has_class(node, "admonition-title", "sd-card-title"):
        reader.flush()
        label = _squeezed(_inline(reader, node))
        if label:
            reader.page.add(Kind.TEXT, [f"{label.rstrip(':')}:"])
    elif _has_class(node, "tabbed-set"):
        _tabs(reader, node)
    else:
        reader.flush()
        _children(reader, node)
        reader.flush()


def _tabs(reader: _Reader, node: LexborNode) -> None:
    """Material for MkDocs: all labels first, then all bodies."""
    reader.flush()
    labels = [_squeezed(label.text()) for label in node.css(".tabbed-labels > label")]
    bodies = node.css(".tabbed-content > .tabbed-block")
    if len(labels) != len(bodies):
        _children(reader, node)
        return
    for label, body in zip(labels, bodies, strict=True):
        reader.page.add(Kind.TEXT, [f"{label}:"])
        _children(reader, body)
        reader.flush()


def _paragraph(reader: _Reader, node: LexborNode) -> None:
    if _has_class(node, "admonition-title", "rubric"):
        _container_label(reader, node)
        return
    _children(reader, node)
    reader.flush()


def _container_label(reader: _Reader, node: LexborNode) -> None:
    label = _squeezed(_inline(reader, node))
    if label:
        reader.page.add(Kind.TEXT, [f"{label.rstrip(':')}:"])


def _pre(reader: _Reader, node: LexborNode) -> None:
    language = ""
    above: LexborNode | None = node
    for _ in range(3):
        found = _LANGUAGE.search((above.attributes.get("class") or "") if above is not None else "")
        if found:
            language = found.group(1)
            break
        above = above.parent if above is not None else None
    code = node.css_first("code[class]")
    if not language and code is not None and (found := _LANGUAGE.search(code.attributes.get("class") or "")):
        language = found.group(1)
    reader.page.add_code(node.text().split("\n"), "" if language in {"default", "none", "text"} else language)


def _list(reader: _Reader, node: LexborNode) -> None:
    """Items as lines; code and tables inside an item are blocks of their own."""
    lines = _items(reader, node, 0)
    reader.page.add(Kind.LIST, lines)
    for inner in node.css("pre"):
        _pre(reader, inner)


def _items(reader: _Reader, node: LexborNode, level: int) -> list[str]:
    lines: list[str] = []
    for number, item in enumerate((child for child in node.iter() if child.tag == "li"), start=1):
        mark = f"{number}." if node.tag == "ol" else "-"
        words: list[str] = []
        nested: list[str] = []
        for child in item.iter(include_text=True):
            if child.tag in {"ul", "ol"}:
                nested += _items(reader, child, level + 1) if level < 10 else [child.text()]
            elif child.css_first("pre") is None and child.tag != "pre":
                words.append(f"{_inline(reader, child)} ")
        lines += [f"{'  ' * level}{mark} {_squeezed(''.join(words))}", *nested]
    return lines


def _table(reader: _Reader, node: LexborNode) -> None:
    if _has_class(node, "highlighttable"):
        for inner in node.css("pre"):
            _pre(reader, inner)
        return
    rows = [
        [_squeezed(_inline(reader, cell)).replace("|", "\\|") for cell in row.iter() if cell.tag in {"td", "th"}]
        for row in node.css("tr")
    ]
    reader.page.add_table([row for row in rows if row])


def _definitions(reader: _Reader, node: LexborNode) -> None:
    for child in node.iter():
        if child.tag == "dt":
            name = _squeezed(_inline(reader, child))
            if name:
                reader.page.add(Kind.TEXT, [f"{name.rstrip(':')}:"])
        else:
            _children(reader, child)
            reader.flush()


def _inline(reader: _Reader, node: LexborNode) -> str:
    """Text of a node on one line; code keeps its backticks."""
    tag = node.tag
    if tag == "-text":
        return node.text_content or ""
    if tag == "br":
        return " "
    if tag == "img":
        return node.attributes.get("alt") or ""
    if tag in {"code", "kbd", "samp", "tt"}:
        return f"`{_squeezed(node.text())}`" if node.text().strip() else ""
    text = _squeezed(node.text()) if reader.depth >= MAX_DEPTH else _inline_children(reader, node)
    if tag == "a" and node.attributes.get("href"):
        reader.page.links += 1
        reader.page.link_chars += len(text)
    return f" {text} " if tag in {"p", "div", "li", "td"} else text


def _inline_children(reader: _Reader, node: LexborNode) -> str:
    reader.depth += 1
    text = "".join(_inline(reader, child) for child in node.iter(include_text=True))
    reader.depth -= 1
    return text


def _squeezed(text: str) -> str:
    return " ".join(text.split())


_READ: dict[str, Callable[[_Reader, LexborNode], None]] = {
    "p": _paragraph,
    "pre": _pre,
    "ul": _list,
    "ol": _list,
    "menu": _list,
    "table": _table,
    "dl": _definitions,
    "summary": _container_label,
}
