"""Every guide article carries honest front matter, and every section names sources that exist."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

KNOWLEDGE_BASE = Path(__file__).parents[2] / "knowledge_base"
ARTICLES = sorted((KNOWLEDGE_BASE / "articles").rglob("*.md"))
FIELDS = {"title", "level", "systems", "reviewed", "sources"}
LEVELS = {"L1", "L2", "L3", "L4", "L5"}
SOURCES_LINE = re.compile(r"^Sources: \[(?P<ids>[^\]]*)\]$", re.MULTILINE)
SUPPORT_TYPE = re.compile(r"\bT[1-4]\b")

every_article = pytest.mark.parametrize("path", ARTICLES, ids=lambda p: f"{p.parent.name}/{p.stem}")


@dataclass(frozen=True)
class Article:
    front: dict[str, Any]
    body: str


@cache
def article(path: Path) -> Article:
    opening, front, body = path.read_text(encoding="utf-8").split("---\n", 2)
    assert opening == "", f"{path} does not begin with front matter"
    return Article(yaml.safe_load(front), body)


@cache
def facts() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((KNOWLEDGE_BASE / "facts" / "systems.yaml").read_text(encoding="utf-8"))
    return loaded


def lines_outside_code(body: str) -> Iterator[tuple[str, bool]]:
    """Each line with True where it may be a heading (not inside a fenced block)."""
    fenced = False
    for line in body.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        yield line, not fenced


def headings(body: str) -> list[str]:
    return [line for line, visible in lines_outside_code(body) if visible and re.match(r"#{1,6} ", line)]


def sections(body: str) -> dict[str, str]:
    """Text under each `##` heading."""
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line, visible in lines_outside_code(body):
        if visible and line.startswith("## "):
            current = found.setdefault(line[3:].strip(), [])
        else:
            current.append(line)
    return {heading: "\n".join(text).strip() for heading, text in found.items()}


def test_there_are_enough_articles() -> None:
    assert len(ARTICLES) >= 25


def test_titles_are_unique() -> None:
    titles = [article(path).front["title"] for path in ARTICLES]
    assert len(titles) == len(set(titles)), sorted(t for t in titles if titles.count(t) > 1)


def test_every_described_system_has_an_article() -> None:
    described = {s["id"] for s in facts()["systems"] if s["confidence"]["hardware"] != "unverified"}
    covered = {system for path in ARTICLES for system in article(path).front["systems"]}
    assert described <= covered


@every_article
def test_front_matter_fields(path: Path) -> None:
    front = article(path).front
    assert set(front) == FIELDS
    assert isinstance(front["title"], str) and front["title"].strip()
    assert front["level"] and set(front["level"]) <= LEVELS


@every_article
def test_systems_exist_in_the_facts(path: Path) -> None:
    known = {system["id"] for system in facts()["systems"]}
    assert set(article(path).front["systems"]) <= known


@every_article
def test_reviewed_against_facts_of_that_date(path: Path) -> None:
    reviewed = article(path).front["reviewed"]
    assert isinstance(reviewed, dt.date)
    assert reviewed <= dt.date.fromisoformat(facts()["collected"])


@every_article
def test_sources_are_named_and_linked(path: Path) -> None:
    sources = article(path).front["sources"]
    assert sources
    ids = [source["id"] for source in sources]
    assert len(ids) == len(set(ids))
    for source in sources:
        address = urlsplit(source["url"])
        assert source["title"].strip()
        assert address.scheme in {"http", "https"} and "." in address.netloc, source


@every_article
def test_headings_are_unique(path: Path) -> None:
    found = headings(article(path).body)
    assert len(found) == len(set(found))
    assert not any(heading.startswith("# ") for heading in found), "the title stands in the front matter"


@every_article
def test_sections_have_text_and_sources(path: Path) -> None:
    parts = sections(article(path).body)
    known = {source["id"] for source in article(path).front["sources"]}
    assert parts
    for heading, text in parts.items():
        marker = SOURCES_LINE.search(text)
        assert marker, f"{path.name}, '{heading}': no Sources line"
        assert text.endswith(marker.group(0)), f"{path.name}, '{heading}': the Sources line must come last"
        cited = {name.strip() for name in marker.group("ids").split(",")}
        assert cited and cited <= known, f"{path.name}, '{heading}': {cited - known}"
        assert SOURCES_LINE.sub("", text).strip(), f"{path.name}, '{heading}' is empty"


@every_article
def test_every_named_source_is_cited(path: Path) -> None:
    named = {source["id"] for source in article(path).front["sources"]}
    cited = {name.strip() for found in SOURCES_LINE.finditer(article(path).body) for name in found["ids"].split(",")}
    assert named <= cited


@every_article
def test_internal_support_types_stay_internal(path: Path) -> None:
    assert not SUPPORT_TYPE.search(article(path).body)


def complete_scripts() -> Iterator[tuple[str, dict[str, str]]]:
    """System id and directives of each whole job script on the page of one system."""
    for path in ARTICLES:
        systems = article(path).front["systems"]
        for script in re.findall(r"^```bash\n(#!.*?)^```", article(path).body, re.DOTALL | re.MULTILINE):
            if len(systems) == 1:
                yield systems[0], dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)", script, re.MULTILINE))


@pytest.mark.parametrize(("system_id", "asked"), list(complete_scripts()))
def test_example_scripts_obey_the_facts(system_id: str, asked: dict[str, str]) -> None:
    system = next(s for s in facts()["systems"] if s["id"] == system_id)
    gpus = int(re.findall(r"\d+", asked.get("gpus-per-node") or asked["gres"])[-1])
    cores = int(asked["cpus-per-task"]) * int(asked["ntasks-per-node"]) / gpus
    assert gpus <= (system["node"]["gpus_per_node"] or max(n["gpus_per_node"] for n in system["node_types"]))
    assert cores <= max(int(n) for n in re.findall(r"\b\d+\b", str(system["per_gpu_limits"]["cpus"])))
    if "partition" in asked:
        assert asked["partition"] in {p["name"] for p in system["partitions"]}
    account = system["directives"]["account"]
    if account["required"]:
        assert "<" in asked["account"] or re.fullmatch(account["regex"] or ".+", asked["account"])
    assert "time" in asked
