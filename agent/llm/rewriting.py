"""Search with a request's words and with the queries that a model makes of it. Off by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest

from agent.llm.chat import Ask
from agent.llm.purposes import rewrite_query
from knowledge_base.passage import RetrievedPassage, SearchResult

Search = Callable[[str, int], SearchResult]


def search_with_rewrites(ask: Ask, search: Search, question: str, k: int) -> SearchResult:
    """The request's own hits as long as no model answers; else all hits in turn, the request's own first."""
    return rewritten(ask, search, question, k) or search(question, k)


def rewritten(ask: Ask, search: Search, question: str, k: int) -> SearchResult | None:
    """None when no model answers."""
    queries = rewrite_query(ask, question)
    return merged([search(query, k) for query in (question, *queries)], k) if queries else None


def merged(results: Sequence[SearchResult], k: int) -> SearchResult:
    """First hits first, each passage once. How likely they answer is what the request's own search says."""
    turns = chain.from_iterable(zip_longest(*(result.hits for result in results)))
    found: dict[str, RetrievedPassage] = {}
    for hit in turns:
        if hit is not None:
            found.setdefault(hit.passage.id, hit)
    hits = tuple(replace(hit, rank=rank) for rank, hit in enumerate(list(found.values())[:k], start=1))
    return SearchResult(hits=hits, answerable=results[0].answerable)
