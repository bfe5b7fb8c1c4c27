"""Whether the addresses that we derive open the right place of the site that the real generator builds.

    python tests/site_check.py SOURCE BUILT ADDRESS

SOURCE holds the documentation, BUILT what MkDocs or Sphinx made of it, ADDRESS is that of the site.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from selectolax.lexbor import LexborHTMLParser, LexborNode

from knowledge_base.documents import Document, Origin, Section, read_tree
from knowledge_base.site import section_url


def wrong_addresses(source: Path, built: Path, base: str) -> tuple[int, list[str]]:
    """How many sections of pages of the site there are, and what is wrong with the addresses of some."""
    found, problems = 0, []
    for document in read_tree(source, Origin(url=base)).documents:
        for section in document.sections if document.url else ():
            found += 1
            problem = _problem(document, section, built, base)
            if problem:
                problems.append(f"{document.path} > {' > '.join(section.heading)}: {problem}")
    return found, problems


def _problem(document: Document, section: Section, built: Path, base: str) -> str | None:
    url = section_url(document.url, section.anchor)
    if url is None or not url.startswith(base):
        return f"address {url}"
    parts = urlsplit(url.removeprefix(base))
    file = built / (parts.path or "index.html")
    file = file / "index.html" if parts.path.endswith("/") else file
    if not file.is_file():
        return f"no page {parts.path}"
    page = LexborHTMLParser(file.read_text("utf-8"))
    if not parts.fragment:
        return None
    return _wrong_place(page, unquote(parts.fragment), section)


def _wrong_place(page: LexborHTMLParser, anchor: str, section: Section) -> str | None:
    node = next((node for node in page.css("[id]") if node.attributes.get("id") == anchor), None)
    if node is None:
        return f"no #{anchor}"
    told = _words(_heading_at(node))
    wanted = _words(section.heading[-1])
    return None if told == wanted else f"#{anchor} is {told!r}, not {wanted!r}"


def _heading_at(node: LexborNode) -> str:
    """Of the element itself, or the first heading in it or after it (Sphinx gives the section the id)."""
    place: LexborNode | None = node
    while place is not None:
        heading = place if re.fullmatch(r"h[1-6]", place.tag or "") else place.css_first("h1, h2, h3, h4, h5, h6")
        if heading is not None:
            for link in heading.css(".headerlink"):
                link.decompose()
            return heading.text()
        place = place.next or place.parent
    return ""


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


if __name__ == "__main__":
    count, wrong = wrong_addresses(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    print(f"{count - len(wrong)} of {count} sections open at the right place")
    print("\n".join(wrong))
