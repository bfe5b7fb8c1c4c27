"""The articles, as the citations open them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from fastapi import APIRouter, Request, Response

from agent.desk.markup import article_html
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.errors import NotFoundError
from knowledge_base.documents import Document, read_tree

router = APIRouter()

_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    id: str
    title: str
    url: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    title: str
    levels: tuple[str, ...]
    reviewed: str
    sources: tuple[Source, ...]
    text: str
    """Markdown without the front matter."""


@router.get("/articles")
def all_articles(request: Request, desk: DeskState, who: Who) -> Response:
    documents = sorted(read_tree(desk.settings.articles_dir).documents, key=lambda d: (_folder(d), d.title))
    groups: dict[str, list[Document]] = {}
    for document in documents:
        groups.setdefault(_folder(document), []).append(document)
    return page(request, "articles.html", who=who, groups=groups)


@router.get("/articles/{path:path}")
def article(request: Request, desk: DeskState, who: Who, path: str) -> Response:
    root = desk.settings.articles_dir.resolve()
    file = (root / path).resolve() if "\0" not in path else root
    if not file.is_relative_to(root) or file.suffix != ".md" or not file.is_file():
        raise NotFoundError("there is no article {path}", path=path)
    shown = read_article(file.read_text(encoding="utf-8", errors="replace"), name=path)
    links = {source.id: f"[{source.title}]({source.url})" for source in shown.sources if source.url}
    return page(request, "article.html", who=who, path=path, article=shown, html=article_html(shown.text, links))


def read_article(text: str, *, name: str) -> Article:
    """Front matter that cannot be read counts as none; `name` stands in for a missing title."""
    found = _FRONT_MATTER.match(text)
    head = _values(found[1]) if found else {}
    sources = [item for item in _list(head.get("sources")) if isinstance(item, dict)]
    return Article(
        title=str(head.get("title") or name),
        levels=tuple(str(level) for level in _list(head.get("level"))),
        reviewed=str(head.get("reviewed") or ""),
        sources=tuple(Source(**{key: str(item.get(key) or "") for key in ("id", "title", "url")}) for item in sources),
        text=text[found.end() :] if found else text,
    )


def _values(text: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):  # ValueError: 2024-99-99 taken for a date
        return {}
    return values if isinstance(values, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _folder(document: Document) -> str:
    return Path(document.path).parent.as_posix()
