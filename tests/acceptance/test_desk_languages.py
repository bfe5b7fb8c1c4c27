"""The desk in German: every page, what it says, and how a person chooses it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Page, expect

from agent import catalogues
from agent.desk.app import PAGES
from agent.desk.words import DEEDS
from agent.store import people
from agent.store.tables import Role
from bench_runner.importing import import_paths
from bench_runner.store.database import open_store

pytest_plugins = ["browser_fixture"]

BENCH_DATA = Path(__file__).parents[1] / "data" / "bench"
GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.5"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def client(desk: RunningDesk) -> Iterator[httpx.Client]:
    link = desk.sign_in_link()
    with desk.database.write() as session:
        engineer = people.by_email(session, "grace@minerva.example")
        people.set_role(session, engineer, Role.ADMIN)
        engineer.language = ""
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as browser:
        browser.get(link)
        yield browser


@pytest.fixture(scope="module")
def number(desk: RunningDesk) -> str:
    return desk.ask("My job on LUMI stays pending with AssocGrpGRES.\n\n#SBATCH --gres=gpu\n", Subject="Pending")


def visible(page: str) -> str:
    """What people read, attributes that are read out included."""
    said = " ".join(re.findall(r'(?:aria-label|placeholder|title|alt)="([^"]*)"', page))
    body = re.sub(r"<(script|style|textarea)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "\n", body) + "\n" + said).split(" "))


def english(page: str) -> list[str]:
    """Texts of the catalogue that stand there untranslated, as whole pieces of text."""
    pieces = {" ".join(piece.split()) for piece in re.split(r"[\n·]", visible(page))}
    texts = [m.id for m in catalogues.read("de") if isinstance(m.id, str) and m.id and m.id != m.string]
    return [text for text in texts if text in pieces and len(text) > 2]


def test_no_page_in_german_has_english_left(desk: RunningDesk, client: httpx.Client, number: str) -> None:
    draft = desk.draft_of(number)
    addresses = [
        "/", "/?view=breaching", "/?q=nothing-has-this", "/outbox", "/articles", "/account", "/people", "/audit", "/analytics",
        "/gaps", "/partners", "/macros", "/benchmarks", "/benchmarks/runs", "/benchmarks/ask", f"/tickets/{number}",
        f"/tickets/{number}/selection", f"/tickets/{number}/drafts/{draft.id}/evidence/1", "/nowhere", "/sign-in",
    ]  # fmt: skip
    for address in addresses:
        page = client.get(address, headers=GERMAN)
        assert '<html lang="de">' in page.text, address
        assert not english(page.text), address
        assert '<html lang="en">' in client.get(address).text


OURS = """() => {
  const page = document.body.cloneNode(true);
  page.querySelectorAll("script, style, bdi, [dir=auto], [lang=en], pre, code, textarea, .address, #by-system").forEach((other) => other.remove());
  const said = [...page.querySelectorAll("*")].flatMap((element) => ["title", "aria-label", "placeholder", "alt"].map((name) => element.getAttribute(name) ?? ""));
  return page.textContent + " " + said.join(" ");
}"""
"""What the desk itself says on a page: without what people wrote and what is marked as English."""
ENGLISH = {
    "the",
    "and",
    "with",
    "this",
    "that",
    "from",
    "has",
    "have",
    "been",
    "which",
    "not",
    "of",
    "for",
    "by",
    "is",
    "are",
    "about",
}
"""Words that no German sentence has."""


@pytest.mark.browser
def test_what_the_desk_itself_says_is_german(
    desk: RunningDesk, client: httpx.Client, number: str, signed_in: Callable[..., Page]
) -> None:
    spam = desk.send("Buy now.", Subject="Offer", Auto_Submitted="auto-generated")
    page = signed_in("Grace Hopper", locale="de-DE")
    addresses = [
        "/", "/outbox", "/articles", "/account", "/people", "/audit", "/analytics", "/gaps", "/partners", "/macros",
        "/benchmarks/runs", "/benchmarks/ask", f"/tickets/{number}", f"/tickets/{number}/selection", f"/tickets/{spam}",
        f"/tickets/{number}/drafts/{desk.draft_of(number).id}/evidence/1", "/nowhere", "/request", "/request/kept",
    ]  # fmt: skip
    left = {}
    for address in addresses:
        page.goto(desk.url + address)
        assert page.locator("html").get_attribute("lang") == "de", address
        said = re.sub(r"\S*/\S*", " ", page.evaluate(OURS))  # addresses of pages and files
        words = said.split()
        found = [" ".join(words[max(n - 5, 0) : n + 5]) for n, word in enumerate(words) if word in ENGLISH]
        if found:
            left[address] = found
    assert not left, left


@pytest.mark.browser
def test_the_results_of_benchmarks_are_told_in_german_reasons_included(
    desk: RunningDesk, signed_in: Callable[..., Page], complaints: list[str]
) -> None:
    folder = desk.settings.bench_dir
    import_paths(
        open_store(folder), [BENCH_DATA / name for name in ("d02.csv", "d09.csv", "d11.csv", "d13_epochs.log")]
    )
    page = signed_in("Grace Hopper", locale="de-DE", viewport={"width": 1400, "height": 3000})
    page.goto(f"{desk.url}/benchmarks")
    expect(page.locator("#board[data-ready]")).to_be_attached()
    expect(page.locator("#rows td.why div").first).to_be_visible()
    expect(page.locator("#counts")).to_contain_text("Konfigurationen aus")
    expect(page.locator("#rows")).to_contain_text("verdächtig")
    assert page.locator("#rows td.why div").first.get_attribute("title")
    said = page.evaluate(OURS).replace("--", " ")
    left = [word for word in re.split(r"[\s,;:()]+", said) if word in ENGLISH]
    assert not left, left
    titles = page.evaluate("() => JSON.stringify(JSON.parse(document.getElementById('layouts').textContent))")
    assert "Zeit bis zum ersten Token" in titles and "time to first" not in titles
    page.locator("#filters summary", has_text="Prüfungen").click()
    page.locator("#filters label", has_text="verdächtig").click()
    expect(page).to_have_url(re.compile("verdict=suspect"))  # an address means the same in every language
    assert not complaints


def test_the_results_of_benchmarks_follow_what_a_person_chose(desk: RunningDesk, client: httpx.Client) -> None:
    assert '<html lang="en">' in client.get("/benchmarks").text
    with desk.database.write() as session:
        people.by_email(session, "grace@minerva.example").language = "de"
    assert '<html lang="de">' in client.get("/benchmarks").text
    assert '<html lang="en">' in httpx.get(f"{desk.url}/benchmarks").text, "nobody is signed in"
    assert '<html lang="de">' in httpx.get(f"{desk.url}/benchmarks", headers=GERMAN).text


def test_the_audit_log_in_german_has_words_for_its_codes(desk: RunningDesk, client: httpx.Client, number: str) -> None:
    client.get(f"/tickets/{number}")
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)
    assert found
    client.post(f"/tickets/{number}/notes", data={"csrf_token": found[1], "body": "seen"})
    rows = re.findall(r'<td title="([^"]+)">([^<]+)<', client.get("/audit", headers=GERMAN).text)
    assert {("view", "angesehen"), ("notes", "Notiz hinzugefügt"), ("sign in", "angemeldet")} <= set(rows)
    assert not [row for row in rows if row[0] == row[1]], "codes without a word"


def test_every_address_that_changes_something_has_a_word_in_the_audit_log() -> None:
    silent = {"typing", "request", "sign-in", "passkey", "options"}
    """Not kept, or kept under another name."""
    paths = {route.path for module in PAGES for route in module.router.routes if "POST" in route.methods}
    last = {next(part for part in reversed(path.split("/")) if part and "{" not in part) for path in paths}
    assert len(last) > 30 and last - silent <= set(DEEDS), last - silent - set(DEEDS)


def test_the_inbox_in_german(client: httpx.Client, number: str) -> None:
    page = client.get("/", headers=GERMAN).text
    for text in ("Offen", "Nicht zugewiesen", "Wartet auf Freigabe", "Tickets suchen", "Abmelden"):
        assert text in page, text
    assert number in page
    assert (
        client.get("/tickets/MIN-1999-000001", headers=GERMAN).text.count("Es gibt kein Ticket MIN-1999-000001.") == 1
    )


def test_what_a_person_chooses_counts_for_every_browser(client: httpx.Client) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)
    assert token
    kept = client.post("/account", data={"csrf_token": token[1], "name": "Grace Hopper", "language": "de"})
    assert "Gespeichert." in kept.text
    assert '<html lang="de">' in client.get("/").text
    client.post("/account", data={"csrf_token": token[1], "name": "Grace Hopper", "language": "tlh"})
    assert '<html lang="en">' in client.get("/").text


def test_an_error_is_told_in_german(client: httpx.Client, number: str) -> None:
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/account").text)
    assert token
    refused = client.post(
        f"/tickets/{number}/with", data={"csrf_token": token[1], "act": "merge", "other": number}, headers=GERMAN
    )
    assert "Ein Ticket kann nicht mit sich selbst zusammengelegt werden." in refused.text
    assert "Nichts ist geschehen" in refused.text
