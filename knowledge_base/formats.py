"""Which reader reads which kind of file."""

from __future__ import annotations

from pathlib import Path

from knowledge_base.blocks import Page
from knowledge_base.errors import UnreadableError
from knowledge_base.html_page import parse_html
from knowledge_base.markdown import parse_markdown
from knowledge_base.notebook import notebook_markdown
from knowledge_base.pdf import parse_pdf
from knowledge_base.rst import parse_rst
from knowledge_base.site import Site
from knowledge_base.tree import SourceFile, decode

_GENERATED = frozenset({"genindex.html", "search.html", "py-modindex.html", "404.html"})


def parse_file(item: SourceFile, root: Path, site: Site) -> tuple[Page, str | None]:
    """The page, and what had to be mended to read it.

    Raises:
        UnreadableError: with the reason why it is left out.
    """
    if item.suffix == ".pdf":
        if not item.raw.lstrip()[:1024].startswith(b"%PDF"):
            raise UnreadableError("no PDF, whatever its name says")
        return parse_pdf(item.raw), None
    if item.path.rsplit("/", 1)[-1] in _GENERATED:
        raise UnreadableError("an index that the site generator made")
    found = decode(item.raw)
    if isinstance(found, str):
        raise UnreadableError(found)
    return _parse_text(item, found.text, root, site), found.repair


def _parse_text(item: SourceFile, text: str, root: Path, site: Site) -> Page:
    if item.suffix == ".rst":
        return parse_rst(text, root=root, path=item.path)
    if item.suffix in {".html", ".htm"}:
        return parse_html(text)
    if item.suffix == ".ipynb":
        text = notebook_markdown(text)
    return parse_markdown(text, root=root, path=item.path, site=site)
