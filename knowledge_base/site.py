"""Where the pages of a source stand on its web site, from the configuration of its generator. Nothing is executed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from knowledge_base.anchors import Generator, Slug, mkdocs_slug, slug_of

_SPHINX_ROOTS = ("", "docs", "source", "docs/source", "doc/source", "doc", "docs/src")
_PAGE_SUFFIX = re.compile(r"\.(?:md|markdown|rst|ipynb|html?)$", re.I)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    generator: Generator = Generator.MKDOCS
    url: str | None = None
    """Address of the site's top, with a slash at the end; None when it is not known."""
    docs_dir: str = ""
    """Folder of the pages in the source, without slashes around it."""
    directory_urls: bool = True
    """`a/b.md` is at `a/b/`, not at `a/b.html`."""
    slug: Slug = mkdocs_slug
    snippets: tuple[str, ...] = ()
    """Folders that the site takes snippets from, relative to the source."""

    def page_url(self, path: str) -> str | None:
        """Address of the page made of the file at `path`; None for a file that is no page of the site."""
        inside = path.removeprefix(f"{self.docs_dir}/") if self.docs_dir else path
        if self.url is None or (self.docs_dir and inside == path):
            return None
        if not _PAGE_SUFFIX.search(inside):
            return self.url + quote(inside)
        return self.url + quote(self._page(_PAGE_SUFFIX.sub("", inside), written=inside))

    def _page(self, name: str, written: str) -> str:
        folder, _, last = name.rpartition("/")
        is_index = last == "index" or (self.generator is Generator.MKDOCS and last == "README")
        if written.lower().endswith((".html", ".htm")):
            return written
        if not self.directory_urls:
            return f"{folder}/index.html".lstrip("/") if is_index else f"{name}.html"
        return f"{folder}/".lstrip("/") if is_index else f"{name}/"


def section_url(page: str | None, anchor: str) -> str | None:
    if page is None or not anchor:
        return page
    return f"{page.partition('#')[0]}#{quote(anchor, safe='=&')}"


def site_of(source: Path, url: str | None = None) -> Site:
    """What the source's own configuration says; `url` is used instead of the address in it."""
    for root, docs_dir in ((source, None), (source.parent, source.name)):
        for name in ("mkdocs.yml", "mkdocs.yaml"):
            values = _yaml_of(root / name)
            if values is not None and docs_dir in (None, str(values.get("docs_dir") or "docs").strip("./")):
                return _mkdocs(values, url, inside=docs_dir is not None)
    for folder in _SPHINX_ROOTS:
        config = source / folder / "conf.py"
        if config.is_file():
            return Site(
                generator=Generator.SPHINX,
                url=_slashed(url or _sphinx_base(config)),
                docs_dir=folder,
                directory_urls=False,
            )
    return Site(url=_slashed(url))


def _mkdocs(values: dict[str, Any], url: str | None, *, inside: bool) -> Site:
    toc = _extension(values, "toc")
    slugify = toc.get("slugify")
    named = slugify if isinstance(slugify, dict) else {}
    snippets = _extension(values, "pymdownx.snippets").get("base_path")
    site_url = values.get("site_url")
    return Site(
        url=_slashed(url or (site_url if isinstance(site_url, str) and site_url else None)),
        docs_dir="" if inside else str(values.get("docs_dir") or "docs").strip("./"),
        directory_urls=values.get("use_directory_urls") is not False,
        slug=slug_of(str(named.get("tag", "")), str(toc.get("separator") or "-"), str(named.get("case", ""))),
        snippets=tuple(str(item) for item in ([snippets] if isinstance(snippets, str) else snippets or ())),
    )


def _extension(values: dict[str, Any], name: str) -> dict[str, Any]:
    """Options of a Markdown extension, which may be listed by name or be a mapping."""
    listed = values.get("markdown_extensions")
    items = listed if isinstance(listed, list) else [listed]
    found = [item.get(name) for item in items if isinstance(item, dict) and name in item]
    return found[0] if found and isinstance(found[0], dict) else {}


def _slashed(url: str | None) -> str | None:
    return None if not url else url.rstrip("/") + "/"


class _SiteLoader(yaml.SafeLoader):
    """Reads the tags of mkdocs.yml as plain values; nothing they name is imported."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.MappingNode):
        inner = loader.construct_mapping(node, deep=True)
        options = inner.get("kwds")
        return {"tag": suffix, **(options if isinstance(options, dict) else {})}
    if isinstance(node, yaml.SequenceNode):  # !ENV [NAME, default]
        items = loader.construct_sequence(node, deep=True)
        return items[-1] if len(items) > 1 else None
    return {"tag": suffix} if suffix.startswith(("name:", "object")) else None


_SiteLoader.add_multi_constructor("tag:yaml.org,2002:python/", _tagged)
_SiteLoader.add_multi_constructor("!", _tagged)


def _yaml_of(file: Path) -> dict[str, Any] | None:
    """None when there is no such file; empty when it cannot be read."""
    try:
        values = yaml.load(file.read_text(encoding="utf-8", errors="replace"), Loader=_SiteLoader)  # noqa: S506  # safe
    except FileNotFoundError:
        return None
    except (OSError, yaml.YAMLError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _sphinx_base(config: Path) -> str | None:
    """`html_baseurl` where conf.py sets it to a plain string."""
    try:
        tree = ast.parse(config.read_text(encoding="utf-8", errors="replace"))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    for node in tree.body:
        named = isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "html_baseurl" for target in node.targets
        )
        if named and isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            return str(node.value.value) or None
    return None
