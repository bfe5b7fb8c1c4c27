"""The articles, as the citations open them."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response

from agent.desk.markup import article_html
from agent.desk.pages import page
from agent.desk.session import DeskState, Who
from agent.errors import NotFoundError
from knowledge_base.documents import Document, read_tree

router = APIRouter()


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
    file = (root / path).resolve()
    if not file.is_relative_to(root) or file.suffix != ".md" or not file.is_file():
        raise NotFoundError(f"there is no article {path}")
    return page(request, "article.html", who=who, path=path, html=article_html(file.read_text(encoding="utf-8")))


def _folder(document: Document) -> str:
    return Path(document.path).parent.as_posix()
