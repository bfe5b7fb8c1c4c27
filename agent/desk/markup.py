"""Markdown of articles and the text of mails as safe HTML. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from agent.desk.marking import letters_of, marked, reduced
from knowledge_base.anchors import Anchors, Generator

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h1", "h2", "h3", "h4", "hr", "li", "ol", "p", "pre", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href", "title"}, **{f"h{n}": {"id"} for n in range(1, 5)}, "ol": {"start"}}
_SOURCES = re.compile(r"^Sources?: \[([^\]\n]*)\][ \t]*$", re.MULTILINE)
_AS_IT_IS = re.compile(r"^(?:(```|~~~)[^\n]*\n.*?^\1[ \t]*(?:\n|\Z)|(?:\|[^\n]*(?:\n|\Z))+)", re.DOTALL | re.MULTILINE)
"""Code between fences and tables, with the line end."""
_BLANK_LINES = re.compile(r"(?<=\n)((?:[ \t]*\n)+)")
_IN_COLUMNS = re.compile(
    r"^(?:[ \t]{2,}\S|#!|#(?:SBATCH|PBS|BSUB|OAR)\b|[$%>]{1,3} \S|Traceback )|\S {3,}\S.* {3,}\S", re.MULTILINE
)
_LIST = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)])\s")
_TICKED = re.compile(r"`([^`\s](?:[^`\n]*[^`\s])?)`")
_CITED = re.compile(r"(?<!\S)\[(\d{1,3})\](?!\S)")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table")


def article_html(text: str, sources: Mapping[str, str]) -> Markup:
    """The Markdown of an article; headings carry the anchors that citations point at.

    `sources` are the Markdown links that stand for the ids in lines like `Sources: [slurm-reasons, csc-queue]`.
    """

    def linked(line: re.Match[str]) -> str:
        named = [name.strip() for name in line[1].split(",")]
        return "\n*Sources: " + "; ".join(sources.get(name, name) for name in named) + "*"

    tokens = _parser().parse(_SOURCES.sub(linked, text))
    anchors = Anchors(Generator.MKDOCS)
    for token, inline in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchors.of(_plain(inline)))
    return Markup(_clean(_parser().renderer.render(tokens, _parser().options, {})))  # noqa: S704  # cleaned


def ticked(text: str) -> Markup:
    """A plain text in which words between backticks are code."""
    return Markup(_TICKED.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704  # escaped


def answer_html(text: str) -> Markup:
    """An answer as a program that knows Markdown shows it; line ends stay."""
    return Markup(_clean(_answers().render(text)))  # noqa: S704  # cleaned


@lru_cache(maxsize=1)
def _answers() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table")


def passage_html(text: str, quotes: Sequence[str], chosen: Sequence[str] = ()) -> Markup:
    """A passage as Markdown with the quoted parts marked; those that are also `chosen` get the class `this`."""
    wanted = [(_forms(quote), "this" if quote in chosen else "") for quote in quotes]
    html = marked(_rendered(_SOURCES.sub("", text)), sorted(wanted, key=lambda pair: pair[1]))
    return Markup(html)  # noqa: S704  # cleaned before; only <mark> was added


def _forms(quote: str) -> list[str]:
    """How a quote may show on the page: as a piece of Markdown, as running text, or as it is."""
    inline = _clean(_parser().renderInline(quote))
    return [*("".join(c for *_, c in letters_of(html)) for html in (_rendered(quote), inline)), reduced(quote)]


def mail_html(text: str) -> Markup:
    """What somebody wrote, every character of it; paragraphs that look like scripts, logs or tables keep columns."""
    parts = [
        _block(part) if _IN_COLUMNS.search(part) and not _LIST.match(part) else escape(part)
        for part in _BLANK_LINES.split(text)
    ]
    return Markup("").join(parts)


def body_html(text: str, cited: Mapping[int, str], address: str) -> Markup:
    """The mail as it would be sent, every character of it.

    Each `[n]` that cites evidence becomes a link to `address`/n, with `claim` counting the claims that cite it;
    code and tables keep their columns. `cited` has the title of each.
    """
    met: Counter[int] = Counter()
    parts: list[Markup] = []
    done = 0
    for block in _AS_IT_IS.finditer(text):
        parts.append(_with_links(text[done : block.start()], cited, address, met))
        parts.append(_block(block[0]))
        done = block.end()
    return Markup("").join([*parts, _with_links(text[done:], cited, address, met)])


def _block(text: str) -> Markup:
    return Markup('<code class="block">{}</code>').format(text)


def _with_links(text: str, cited: Mapping[int, str], address: str, met: Counter[int]) -> Markup:
    parts: list[Markup] = []
    done = 0
    for found in _CITED.finditer(text):
        number = int(found[1])
        if number in cited:
            parts += [escape(text[done : found.start()]), _link(number, cited[number], address, met[number])]
            met[number] += 1
            done = found.end()
    return Markup("").join([*parts, escape(text[done:])])


def _link(number: int, title: str, address: str, claim: int) -> Markup:
    link = '<a class="cite" href="{0}?claim={1}" hx-get="{0}?claim={1}" hx-target="#evidence" title="{2}">[{3}]</a>'
    return Markup(link).format(f"{address}/{number}", claim, title, number)  # noqa: S704  # format escapes


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _rendered(text: str) -> str:
    return _clean(_parser().render(text))


def _clean(html: str) -> str:
    return nh3.clean(html, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes={"https", "http", "mailto"})
