"""Claims of a model on the desk in headless Chromium: green, amber and red, and red never leaves unedited."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import httpx
import pytest
from desk_fixture import ARTICLES, RunningDesk, running_desk
from playwright.sync_api import Browser, Page, expect, sync_playwright
from sqlmodel import select

from agent.draft import Draft, Evidence, Question
from agent.errors import LanguageModelError
from agent.llm.chat import Chat
from agent.llm.drafting import Parts, Room, model_composer
from agent.llm.scripted import ScriptedModel, evidence_in, written
from agent.sentences import quotable
from agent.store.tables import Approval, Outbound

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
QUESTION = "My job waits with the reason Priority. I use --mem=100G. When does it start?"
RED = "Read more about it at https://evil.example/queue today."


def script(chat: Chat) -> str:
    """A green claim, an amber one that leans on the request, and a red one with an address of its own."""
    if "[unreachable]" in chat.messages[1][1]:
        raise LanguageModelError("eurollm-22b is queued, starts about 14:05 UTC")
    number, unit = next(
        (number, unit) for number, text in evidence_in(chat) for unit in quotable(text) if len(unit.text.split()) > 8
    )
    cited = [{"passage_id": number, "quote": unit.quote}]
    return written(
        [
            {"text": unit.text, "evidence": cited},
            {"text": f"{unit.text} This is so with --mem too.", "evidence": cited},
            {"text": f"{unit.text} {RED}", "evidence": cited},
        ]
    )


def embedded(_question: Question, evidence: list[Evidence], answerable: float) -> Draft:
    return Draft(
        outcome="escalate", claims=(), unanswered=(), questions=(), evidence=tuple(evidence), answerable=answerable,
        model="embedded",
    )  # fmt: skip


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    compose = model_composer(
        Parts(
            ask=ScriptedModel(script).ask, fallback=embedded, language_of=lambda _text: "en",  # type: ignore[arg-type]
            room=Room(context=8192, reply=1200), secret=b"desk",
        )
    )  # fmt: skip
    with running_desk(tmp_path_factory.mktemp("desk"), ARTICLES / "jobs", compose=compose) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("needs Debian's package chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def page(desk: RunningDesk, browser: Browser) -> Iterator[Page]:
    with browser.new_context() as context:
        opened = context.new_page()
        opened.goto(desk.sign_in_link())
        yield opened


def sent(desk: RunningDesk, number: str) -> list[str]:
    """Bodies of the answers of a ticket."""
    ticket = desk.ticket(number)
    with desk.database.read() as session:
        mails = session.exec(select(Outbound).where(Outbound.ticket_id == ticket.id)).all()
        approvals = [session.get_one(Approval, mail.approval_id) for mail in mails if mail.kind == "answer"]
    return [approval.body or "" for approval in approvals]


def test_each_claim_has_its_colour_its_reasons_and_its_evidence(desk: RunningDesk, page: Page) -> None:
    number = desk.ask(QUESTION, Subject="Colours")
    page.goto(f"{desk.url}/tickets/{number}")
    claims = page.locator(".checks li", has_text="claim")
    expect(claims).to_have_count(3)
    assert [claims.nth(at).get_attribute("class") for at in range(3)] == ["check-red", "check-amber", "check-green"]
    expect(claims.nth(0)).to_contain_text("Address of a host that no guide of ours names")
    expect(claims.nth(1)).to_contain_text("Only the request itself says")
    for at in range(3):
        expect(claims.nth(at).locator("a.cite")).to_have_count(1)
    claims.nth(2).locator("a.cite").click()
    expect(page.locator(".evidence mark").first).to_be_visible()
    expect(page.get_by_text("Drafted with scripted,")).to_be_visible()
    kept = desk.draft_of(number)
    assert (kept.model, len(kept.prompt_hash or "")) == ("scripted", 64)
    assert kept.generation is not None
    assert kept.generation["prompt"] == "draft-1"
    assert kept.generation["prompt_tokens"] > 0 < kept.generation["completion_tokens"]
    assert {"endpoint", "latency_s", "first_token_s", "repaired"} <= kept.generation.keys()


def test_red_leaves_neither_by_a_button_nor_unchanged_by_the_form_nor_by_a_bare_request(
    desk: RunningDesk, page: Page
) -> None:
    number = desk.ask(QUESTION, Subject="Red")
    page.goto(f"{desk.url}/tickets/{number}")
    expect(page.get_by_text("What is red does not leave as it stands")).to_be_visible()
    expect(page.get_by_role("button", name="Approve and send")).to_have_count(0)
    page.get_by_text("Edit", exact=True).click()
    page.get_by_role("button", name="Approve edited answer and send").click()
    expect(page.get_by_role("alert")).to_contain_text("What is red does not leave as it stands")
    form = {
        "csrf_token": page.locator("input[name=csrf_token]").first.input_value(),
        "binding": page.locator("input[name=binding]").first.input_value(),
    }
    cookies = {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}
    address = f"{desk.url}/tickets/{number}/drafts/{desk.draft_of(number).id}/approve"
    with httpx.Client(cookies=cookies, headers={"Origin": desk.url}, timeout=60) as client:
        for more in ({}, {"vouched": "yes"}, {"body": desk.draft_of(number).body, "vouched": "yes"}):
            answer = client.post(address, data=form | more)
            assert answer.status_code >= 400
            assert "red" in answer.text
    assert sent(desk, number) == []


def test_what_is_red_is_taken_out_and_the_rest_is_sent(desk: RunningDesk, page: Page) -> None:
    number = desk.ask(QUESTION, Subject="Taken out")
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_role("button", name="Send without what is red").click()
    expect(page.get_by_text("Approved as edited")).to_be_visible()
    (body,) = sent(desk, number)
    assert "evil.example" not in body
    assert "This is so with --mem too." in body


def test_an_engineer_who_edits_red_out_may_send(desk: RunningDesk, page: Page) -> None:
    number = desk.ask(QUESTION, Subject="Edited")
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_text("Edit", exact=True).click()
    answer = page.get_by_label("Answer, as it is sent")
    answer.fill(answer.input_value().replace(RED, ""))
    page.get_by_role("button", name="Approve edited answer and send").click()
    expect(page.get_by_text("Approved as edited")).to_be_visible()
    assert "evil.example" not in sent(desk, number)[0]


def test_people_see_that_a_model_is_on_its_way(desk: RunningDesk, page: Page) -> None:
    number = desk.ask(f"{QUESTION} [unreachable]", Subject="Without")
    page.goto(f"{desk.url}/tickets/{number}")
    expect(
        page.get_by_text("Drafted without a language model: eurollm-22b is queued, starts about 14:05")
    ).to_be_visible()
    desk.language_model.append("eurollm-22b is queued, starts about 14:05 UTC")
    try:
        waiting = desk.send(QUESTION, Subject="[slow] waiting")
        page.goto(f"{desk.url}/tickets/{waiting}")
        expect(
            page.get_by_text("without a language model (eurollm-22b is queued, starts about 14:05 UTC)")
        ).to_be_visible()
    finally:
        desk.language_model.append("none")
        desk.released.set()
