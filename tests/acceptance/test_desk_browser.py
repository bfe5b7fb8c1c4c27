"""The desk in headless Chromium, as an engineer uses it."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk
from pdf_fixture import pdf_of
from playwright.sync_api import Browser, Page, expect
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from agent.store import outbox, tickets
from agent.store.tables import Draft, DraftState
from bench_runner.importing import import_paths
from bench_runner.store.database import open_store

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser
QUESTION = "My job on LUMI stays pending with AssocGrpGRES. Will it start by itself? Who in the project holds the GPUs?"
HOSTILE = "<script>document.title='taken'</script> <img src=x onerror=\"document.title='taken'\">"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PHONE = {"width": 390, "height": 844}

SignedIn = Callable[..., Page]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def test_sign_in_read_a_citation_edit_approve_and_find_it_in_the_outbox(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    number = desk.ask(QUESTION, Subject="Pending on LUMI")
    page = signed_in()
    page.locator(f"a[id='{number}']").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pending on LUMI")
    expect(page.locator(".letter .envelope")).to_contain_text("ada@example.org")

    page.locator(".mail .cite").first.click()
    evidence, mail = page.locator(".evidence"), page.locator(".mail")
    expect(evidence.locator("mark.this").first).to_be_visible()
    beside, draft = evidence.bounding_box(), mail.bounding_box()
    assert beside
    assert draft
    assert beside["x"] >= draft["x"] + draft["width"] or beside["x"] + beside["width"] <= draft["x"]
    expect(page.locator(".evidence footer a")).to_have_attribute("href", "/articles/" + _path_of(desk, number))

    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Answer, as it is sent").fill("Dear Ada,\n\nit starts by itself. [1]\n")
    page.get_by_role("button", name="Approve edited answer and send").click()
    expect(page.get_by_role("status").first).to_contain_text("the answer is on its way")
    expect(page.locator(".letter h3")).to_have_text("Approved by Grace Hopper")
    expect(page.locator(".message.out .chip").first).to_have_text("sent")

    page.get_by_role("link", name="Outbox").click()
    row = page.locator(".sent li", has_text=f"Answer for {number}")
    expect(row.locator(".state")).to_have_text("sent")
    with page.expect_download() as download:
        row.get_by_role("link", name=".eml").click()
    assert "it starts by itself" in Path(download.value.path()).read_text()
    page.goto(f"{desk.url}/tickets/{number}")
    assert not complaints


def test_keys_and_scripts_work_on_every_page(desk: RunningDesk, signed_in: SignedIn, complaints: list[str]) -> None:
    number = desk.ask(QUESTION, Subject="Keys")
    page = signed_in()
    for address in (
        "/", "/outbox", "/articles", "/account", "/analytics", "/gaps", "/partners", "/macros", "/benchmarks/runs",
        "/benchmarks/ask", f"/tickets/{number}", f"/tickets/{number}/selection",
    ):  # fmt: skip
        page.goto(desk.url + address)
        expect(page.locator("#show-keys"), address).to_be_visible()
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
        assert len(ids) == len(set(ids)), address
    assert not complaints


def test_several_are_acted_on_once_some_are_chosen(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION, Subject="To be chosen")
    page = signed_in()
    expect(page.locator("#bulk-take")).to_be_hidden()
    page.keyboard.press("Control+k")
    page.locator("#palette-words").fill("snooze until")
    expect(page.locator("#palette-list li")).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator(f"#pick-{number}").check()
    expect(page.locator("#bulk-take")).to_be_visible()
    page.get_by_label("Level").select_option("L1")
    expect(page.get_by_label("Level")).to_have_value("L1")


def test_a_rejected_draft_sends_nothing_and_another_one_comes_by_itself(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION, Subject="To be rejected")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_text("Reject", exact=True).click()
    page.get_by_label("Reason").fill("wrong system")
    page.get_by_role("button", name="Reject draft").click()
    expect(page.get_by_text("Rejected: nothing was sent")).to_be_visible()
    expect(page.locator(".reason")).to_have_text("wrong system")
    page.get_by_label("What should be different?").fill("say more about priorities")
    page.get_by_role("button", name="Write another draft").click()
    expect(page.get_by_role("button", name="Approve and send")).to_be_visible()
    expect(page.locator(".sources")).to_contain_text("Asked for: say more about priorities")
    expect(page.locator("#status")).to_have_text("Awaiting approval")
    expect(page.locator(".message.out")).to_have_count(0)


def test_the_second_engineer_hears_that_somebody_was_quicker_and_keeps_the_text(
    desk: RunningDesk, signed_in: SignedIn
) -> None:
    number = desk.ask(QUESTION, Subject="Two engineers")
    first, second = signed_in(), signed_in("Alan Turing")
    for page in (first, second):
        page.goto(f"{desk.url}/tickets/{number}")
    second.get_by_text("Edit", exact=True).click()
    second.get_by_label("Answer, as it is sent").fill("my own words")
    first.get_by_role("button", name="Approve and send").click()
    expect(first.get_by_text("Approved: the answer is on its way")).to_be_visible()
    second.get_by_role("button", name="Approve edited answer and send").click()
    expect(second.get_by_role("alert")).to_contain_text("has been decided about")
    expect(second.get_by_label("What you had written")).to_have_value("my own words")
    expect(second.locator(".letter h3")).to_have_text("Approved by Grace Hopper")


def test_everything_with_the_keyboard(desk: RunningDesk, signed_in: SignedIn) -> None:
    desk.ask(QUESTION, Subject="Older")
    number = desk.ask(QUESTION, Subject="Newest")
    page = signed_in()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("jek?")
    expect(page.get_by_role("searchbox")).to_have_value("jek?")
    page.keyboard.press("Escape")
    for key in ("j", "ArrowDown", "k"):
        page.keyboard.press(key)
    expect(page.locator(f"a[id='{number}']")).to_be_focused()
    with page.expect_response(lambda response: response.request.headers.get("hx-target") == "tickets"):
        desk.send("Another one.", Subject="It changes the list")
    expect(page.locator(f"a[id='{number}']")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/tickets/*")
    page.keyboard.press("1")
    expect(page.locator(".evidence")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".evidence")).to_have_count(0)
    page.keyboard.press("e")
    expect(page.get_by_label("Answer, as it is sent")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("Typed by hand, with e and r and ? in it.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Approved as edited")).to_be_visible()
    assert desk.ticket(number).status == "answered"


def test_a_session_that_ends_in_mid_edit_loses_nothing(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION, Subject="Interrupted")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Answer, as it is sent").fill("an hour of work")
    desk.end_sessions()
    page.get_by_role("button", name="Approve edited answer and send").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session has ended")
    expect(page.get_by_label("What you had written")).to_have_value("an hour of work")
    page.goto(desk.sign_in_link())
    page.goto(f"{desk.url}/tickets/{number}")
    expect(page.get_by_label("Answer, as it is sent")).to_have_value("an hour of work")
    page.get_by_role("button", name="Approve edited answer and send").click()
    expect(page.get_by_text("Approved as edited")).to_be_visible()


def test_a_form_of_an_earlier_session_does_nothing_and_loses_nothing(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION, Subject="Old form")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_text("Reject", exact=True).click()
    page.get_by_label("Reason").fill("a long reason")
    other = page.context.new_page()
    other.goto(desk.sign_in_link())
    page.get_by_role("button", name="Reject draft").click()
    expect(page.get_by_text("from an earlier session")).to_be_visible()
    expect(page.get_by_label("What you had written")).to_have_value("a long reason")
    assert desk.draft_of(number).state == DraftState.WAITING


def test_a_failed_draft_says_so_and_a_reply_to_an_open_ticket_is_announced(
    desk: RunningDesk, signed_in: SignedIn
) -> None:
    number = desk.send(QUESTION, Subject="[broken] No index")
    desk.wait_for_event(number, "no draft")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    expect(page.get_by_text("No draft could be made.")).to_be_visible()
    page.get_by_label("What should it heed?").fill("half typed")
    with desk.database.read() as session:
        asked = tickets.messages_of(session, tickets.by_number(session, number))[0].message_id
    desk.send("One more thing.", Subject="Re: No index", In_Reply_To=f"<{asked}>")
    expect(page.get_by_text("This ticket has changed since you opened it.")).to_be_visible()
    expect(page.get_by_label("What should it heed?")).to_have_value("half typed")


def test_a_draft_appears_while_the_page_is_open(desk: RunningDesk, signed_in: SignedIn) -> None:
    desk.released.clear()
    number = desk.send(QUESTION, Subject="[slow] Wait for it")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    expect(page.get_by_text("A draft is being written…")).to_be_visible()
    desk.released.set()
    expect(page.get_by_role("button", name="Approve and send")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Awaiting approval")


def test_several_tickets_are_taken_tagged_and_resolved_at_once_and_that_is_undone(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    numbers = [desk.ask(f"{QUESTION} Lustre stalls {n}", Subject=f"Stall {n}") for n in range(3)]
    page = signed_in()
    page.goto(f"{desk.url}/?view=open&q=lustre")
    expect(page.locator(".tickets a")).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.locator(f"[id='pick-{numbers[0]}']").check()
    page.keyboard.press("i")
    expect(page.locator(".said")).to_contain_text("Assigned")
    page.goto(f"{desk.url}/?view=mine&q=lustre")
    expect(page.locator(".tickets .initials").first).to_have_text("GH")
    for number in (numbers[0], numbers[2]):
        page.locator(f"[id='pick-{number}']").check()
    page.locator("#bulk-tag").fill("lustre stalls")
    page.locator(".bulk").get_by_role("button", name="Tag").click()
    expect(page.locator(".tickets .chip", has_text="lustre-stalls")).to_have_count(2)
    page.get_by_label("Tag").first.select_option("lustre-stalls")
    page.get_by_role("button", name="Filter").click()
    for number in (numbers[0], numbers[2]):
        page.locator(f"[id='pick-{number}']").check()
    page.get_by_role("button", name="Resolve").click()
    expect(page.locator(".said")).to_contain_text("Resolved")
    assert {desk.ticket(number).status for number in (numbers[0], numbers[2])} == {"resolved"}
    page.keyboard.press("z")
    expect(page.locator(".said")).to_contain_text("Undone")
    expect(page.locator(".tickets a")).to_have_count(2)
    assert {desk.ticket(number).status for number in numbers} == {"drafted"}
    assert not complaints


def test_a_note_for_a_colleague_is_in_her_mentions_until_she_opens_the_ticket(
    desk: RunningDesk, signed_in: SignedIn
) -> None:
    number = desk.ask(QUESTION, Subject="Whom to ask")
    barbara, grace = signed_in("Barbara Liskov"), signed_in()
    grace.goto(f"{desk.url}/tickets/{number}")
    grace.get_by_text("Add a note").click()
    grace.get_by_label("For colleagues only").fill(f"@barbara {HOSTILE}")
    grace.get_by_role("button", name="Keep note").click()
    expect(grace.locator(".message.note")).to_contain_text("@barbara <script>")
    barbara.goto(f"{desk.url}/?view=mentions")
    expect(barbara.locator("#view-mentions span")).to_have_text("1")
    barbara.locator(f"a[id='{number}']").click()
    expect(barbara.locator("h1")).to_have_text("Whom to ask")
    barbara.goto(f"{desk.url}/?view=mentions")
    expect(barbara.locator(".tickets a")).to_have_count(0)
    assert HOSTILE not in (desk.draft_of(number).body)


def test_a_colleague_is_asked_and_the_answer_waits_for_both(desk: RunningDesk, signed_in: SignedIn) -> None:
    edsger = signed_in("Edsger Dijkstra")
    number = desk.ask(QUESTION, Subject="A second opinion")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("c")
    page.locator("#colleague select").select_option("Edsger Dijkstra")
    page.locator("#colleague-words").fill("Is it so on LUMI?")
    page.get_by_role("button", name="Ask for a second opinion").click()
    expect(page.locator("#asked")).to_contain_text("Grace Hopper has asked Edsger Dijkstra")
    expect(page.locator("#conversation")).to_contain_text("Is it so on LUMI?")
    page.get_by_role("button", name="Approve, and ask a second person").click()
    expect(page.get_by_text("another person has to approve the same")).to_be_visible()

    edsger.goto(f"{desk.url}/?view=asked")
    edsger.locator(f"a[id='{number}']").click()
    expect(edsger.locator("#asked")).to_contain_text("Grace Hopper asks you for a second opinion")
    edsger.get_by_role("button", name="Approve and send").click()
    expect(edsger.get_by_role("status").first).to_contain_text("the answer is on its way")
    expect(edsger.locator("#asked")).to_have_count(0)


def test_asking_a_colleague_is_a_command_and_is_withdrawn(desk: RunningDesk, signed_in: SignedIn) -> None:
    signed_in("Edsger Dijkstra")
    number = desk.ask(QUESTION, Subject="A second opinion, withdrawn")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("Control+k")
    page.keyboard.type("ask a colleague")
    page.keyboard.press("Enter")
    page.locator("#colleague select").select_option("Edsger Dijkstra")
    page.get_by_role("button", name="Ask for a second opinion").click()
    page.locator("#stop-asking").click()
    expect(page.locator("#asked")).to_have_count(0)
    expect(page.get_by_role("button", name="Approve and send", exact=True)).to_be_visible()


def test_without_scripts(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION, Subject="No scripts")
    page = signed_in(java_script_enabled=False)
    page.locator(f"a[id='{number}']").click()
    page.locator(".mail .cite").first.click()
    expect(page.locator(".evidence mark.this").first).to_be_visible()
    expect(page.locator(".mail")).to_be_visible()
    page.get_by_role("link", name="Close evidence").click()
    page.get_by_role("button", name="Approve and send").click()
    expect(page.get_by_text("Approved: the answer is on its way")).to_be_visible()
    page.reload()
    expect(page.get_by_text("Approved: the answer is on its way")).to_have_count(0)


def test_no_page_scrolls_sideways_breaks_a_rule_or_runs_what_a_mail_brings(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    number = desk.ask(
        f"{HOSTILE}\n\n{'x' * 400}\n\n#SBATCH --gres=gpu\n\n{QUESTION}", Subject=f"{HOSTILE} {'Long' * 60}",
        sender=f"{'Name' * 30} <{'a' * 60}@{'sub.' * 20}example.org>",
        To=", ".join(f"user{n}@example.org" for n in range(3000)),
    )  # fmt: skip
    aside = desk.send("away", Subject="Out of office", Auto_Submitted="auto-replied")
    draft = desk.draft_of(number)
    addresses = [
        "/", "/?q=nothing-here", "/?view=aside", f"/tickets/{number}", f"/tickets/{aside}", "/outbox",
        f"/tickets/{number}/drafts/{draft.id}/evidence/1", "/articles", f"/articles/{_path_of(desk, number)}", "/account",
    ]  # fmt: skip
    pages = [signed_in(viewport=PHONE, color_scheme="dark"), signed_in(viewport={"width": 1024, "height": 700})]
    for page in pages:
        for address in addresses:
            page.goto(desk.url + address)
            width, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
            assert width <= window, address
            assert page.title().endswith("MINERVA helpdesk")
    assert not complaints


def test_dark_and_light_are_told_apart(signed_in: SignedIn) -> None:
    shades = []
    for scheme in ("light", "dark"):
        page = signed_in(color_scheme=scheme)
        shades.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(int(part) for part in shade[4:-1].split(",")) for shade in shades)
    assert light > 600
    assert dark < 150


def test_every_answer_has_the_policy_and_nothing_is_open_without_signing_in(desk: RunningDesk) -> None:
    number = desk.ask(QUESTION, Subject="Headers")
    draft = desk.draft_of(number)
    closed = [
        "/", "/outbox", "/outbox/1.eml", "/articles", "/articles/service/x.md", "/account", f"/tickets/{number}",
        "/mails/1.eml", "/mails/1/attachments/0", f"/tickets/{number}/drafts/{draft.id}/evidence/1",
    ]  # fmt: skip
    with httpx.Client(base_url=desk.url) as client:
        for address in closed:
            answer = client.get(address)
            assert answer.status_code == 303, address
            assert answer.headers["location"].startswith("/sign-in?next=")
            assert "script-src 'self'" in answer.headers["content-security-policy"]
        posted = client.post(f"/tickets/{number}/drafts/{draft.id}/approve", data={"binding": draft.binding})
        assert posted.status_code == 401
        cookie = client.get(desk.sign_in_link()).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        for address in [*closed, "/static/desk.css", "/nothing", "/tickets/MIN-1999-000001", "/outbox/x.eml"]:
            policy = client.get(address).headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "script-src 'self'" in policy or policy == "sandbox"


def test_a_form_needs_its_token_and_its_own_ticket(desk: RunningDesk) -> None:
    number, other = desk.ask(QUESTION, Subject="Mine"), desk.ask(QUESTION, Subject="Other")
    draft = desk.draft_of(number)
    with httpx.Client(base_url=desk.url) as client:
        client.get(desk.sign_in_link())
        token = client.get("/account").text.partition('name="csrf_token" value="')[2].partition('"')[0]
        form = {"binding": draft.binding, "csrf_token": token}
        address = f"/tickets/{number}/drafts/{draft.id}/approve"
        assert client.post(address, data={"binding": draft.binding}).status_code == 403
        assert client.post(address, data=form, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(f"/tickets/{other}/drafts/{draft.id}/approve", data=form).status_code == 404
        assert client.get(f"/tickets/{other}/drafts/{draft.id}/evidence/1").status_code == 404
        assert desk.draft_of(number).state == DraftState.WAITING
        missing = client.get(f"/tickets/{number}/drafts/{draft.id}/evidence/99", headers={"HX-Request": "true"})
        assert missing.status_code == 404
        assert "<html" not in missing.text
        assert client.post(address, data=form).status_code == 303


def _path_of(desk: RunningDesk, number: str) -> str:
    """Of the article behind the first passage, with its anchor."""
    draft: Draft = desk.draft_of(number)
    item = next(item for item in draft.evidence if item["kind"] == "passage")
    return str(item["path"]) + (f"#{item['anchor']}" if item["anchor"] else "")


def test_a_placing_is_corrected_by_one_key_and_one_form(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION)
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("p")
    page.locator("select[name=level]").select_option("L4")
    page.locator("select[name=support_type]").select_option("T2")
    page.get_by_role("button", name="Correct").click()
    expect(page.get_by_role("status")).to_contain_text("correction is kept")
    expect(page.locator("#placing summary")).to_contain_text("Fine-tuning")
    expect(page.locator("#placing summary")).to_contain_text("placed by Grace Hopper")
    ticket = desk.ticket(number)
    assert (ticket.level, ticket.type, ticket.placed_by) == ("L4", "T2", "Grace Hopper")
    desk.wait_for_event(number, "corrected the placing")


def test_what_the_corrected_script_changes_is_shown(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask("My job waits.\n\n#!/bin/bash\n#SBATCH --gres=gpu\npython train.py\n", Subject="Waits")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    expect(page.locator(".diff .removed")).to_have_text("-#SBATCH --gres=gpu")
    expect(page.locator(".diff .added")).to_have_text("+#SBATCH --gres=gpu:1")


def test_tickets_of_one_incident_are_shown_together(desk: RunningDesk, signed_in: SignedIn) -> None:
    numbers = [desk.ask(f"[outage] /scratch on LUMI hangs, mail {n}") for n in range(3)]
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{numbers[2]}")
    expect(page.locator("#related summary")).to_contain_text("Same incident: 2 other tickets")
    page.locator("#related a").first.click()
    expect(page).to_have_url(f"{desk.url}/tickets/{numbers[0]}")


def test_html_mail_is_shown_in_a_frame_that_cannot_act_and_attachments_open_as_text_and_picture(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.org>", "support@minerva.example", "Formatted"
    mail["Message-ID"] = "<formatted@example.org>"
    mail.set_content("It waits.")
    mail.add_alternative(
        f"<h1>It <b>waits</b></h1>{HOSTILE}<img src='cid:plot'><img src='https://evil.example/p.gif'>", subtype="html"
    )
    mail.add_attachment(b"export HF_TOKEN=hf_abcdefghijklmnopqrstuvwxyzABCDEFGH\necho <b>\n", "text", "x-sh",
                        filename="job.sh")  # fmt: skip
    mail.add_attachment(PIXEL, "image", "png", filename="plot.png", cid="<plot>")
    number = desk.send_mail(mail)
    page = signed_in()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_text("As the sender formatted it").click()
    frame = page.frame_locator(".html iframe")
    expect(frame.locator("h1")).to_have_text("It waits")
    expect(frame.locator("img[src]")).to_have_count(1)
    page.get_by_role("link", name="job.sh").click()
    expect(page.locator("pre.shown")).to_have_text("export HF_TOKEN=[Hugging Face token removed]\necho <b>\n")
    page.go_back()
    page.get_by_role("link", name="plot.png").click()
    expect(page.locator("img.shown")).to_have_js_property("naturalWidth", 1)
    assert not [url for url in asked if not url.startswith(desk.url)]
    assert not complaints


def hostile_pdf() -> bytes:
    """Runs a script when it is opened, which opens a page elsewhere; with a page of text."""
    writer = PdfWriter(io.BytesIO(pdf_of([["The job waits with AssocGrpGRES.", "<script>alert(1)</script>"]])))
    script = TextStringObject("app.alert('taken'); app.launchURL('https://evil.example/', true);")
    action = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): script}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(action)
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


def test_a_pdf_is_read_as_text_and_runs_nothing(desk: RunningDesk, signed_in: SignedIn, complaints: list[str]) -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.org>", "support@minerva.example", "As PDF"
    mail["Message-ID"] = "<pdf@example.org>"
    mail.set_content("See the files.")
    mail.add_attachment(pdf_of([["A plain report", "of two lines"]]), "application", "pdf", filename="report.pdf")
    mail.add_attachment(hostile_pdf(), "application", "pdf", filename="hostile.pdf")
    mail.add_attachment(b"%PDF-1.7 and nothing more", "application", "pdf", filename="broken.pdf")
    number = desk.send_mail(mail)
    page = signed_in()
    asked: list[str] = []
    dialogs: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for name, text in (("report.pdf", "A plain report"), ("hostile.pdf", "<script>alert(1)</script>")):
        page.goto(f"{desk.url}/tickets/{number}")
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator("pre.shown")).to_contain_text(text)
        assert page.locator("embed, object, iframe").count() == 0
    page.goto(f"{desk.url}/tickets/{number}")
    page.get_by_role("link", name="broken.pdf", exact=True).click()
    expect(page.get_by_role("status").first).to_be_visible()
    assert not dialogs
    assert not [address for address in asked if not address.startswith(desk.url)]
    assert not complaints
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    assert download.value.suggested_filename == "broken.pdf"


def test_a_ticket_is_merged_split_and_linked(desk: RunningDesk, signed_in: SignedIn, complaints: list[str]) -> None:
    one, two, three = (desk.ask(f"{QUESTION} Part {n}", Subject=f"Part {n}") for n in range(3))
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{one}")
    page.keyboard.press("m")
    page.keyboard.type(two.rpartition("-")[2])
    page.get_by_role("button", name="Merge this one into it").click()
    expect(page.locator("h1")).to_have_text("Part 1")
    expect(page.locator(".message.in")).to_have_count(2)
    expect(page.get_by_role("button", name="Approve and send")).to_be_visible()
    page.goto(f"{desk.url}/tickets/{one}")
    expect(page.locator("p.notice", has_text="Merged into")).to_contain_text(two)

    page.goto(f"{desk.url}/tickets/{two}")
    page.get_by_role("button", name="Give it a ticket of its own").click()
    expect(page.locator(".notice.said")).to_have_text("Split off into this ticket.")
    expect(page.locator(".message.in")).to_have_count(1)

    page.keyboard.press("m")
    page.keyboard.type("no such")
    page.get_by_role("button", name="Link the two").click()
    expect(page.get_by_role("main")).to_contain_text("There is no ticket no such")
    complaints.clear()  # Chromium notes the 409
    page.get_by_role("link", name="Open the page again").click()
    page.locator("#with summary").click()
    page.get_by_label("Number of the other ticket").fill(three)
    page.get_by_role("button", name="Link the two").click()
    expect(page.locator("#related")).to_contain_text("Part 2")
    page.get_by_role("button", name="Take this ticket out of the group").click()
    expect(page.locator("#related")).to_have_count(0)
    assert not complaints


def test_the_desk_shows_the_page_to_anybody_under_its_own_policy(
    desk: RunningDesk, browser: Browser, complaints: list[str]
) -> None:
    source = desk.settings.data_dir / "one.csv"
    lines = [f"Hydra,vllm,Some-8B,{load},{90 * load}\n" for load in (10, 20, 40)]
    head = "Supercomputer,Framework,Model,Concurrency Level,Output Throughput (tokens/s)\n"
    source.write_text(head + "".join(lines), encoding="utf-8")
    import_paths(open_store(desk.settings.bench_dir), [source])
    page = browser.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{desk.url}/benchmarks")
    page.wait_for_selector("#board[data-ready]")
    expect(page.locator("#counts")).to_contain_text("3 of 3 configurations")
    expect(page.locator("#throughput canvas")).to_be_visible()
    expect(page.locator("#rows tbody tr").first.locator(".why")).to_contain_text("R0")
    page.get_by_role("link", name="MINERVA helpdesk").click()
    expect(page).to_have_url(f"{desk.url}/sign-in?next=/")
    page.close()
    assert complaints == []


def test_colleagues_see_one_another_and_what_happens_without_a_reload(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    number = desk.ask(QUESTION, Subject="Two at once")
    grace, barbara = signed_in(), signed_in("Barbara Liskov")
    for page in (grace, barbara):
        page.goto(f"{desk.url}/tickets/{number}")
    expect(grace.locator("#presence")).to_have_text("Barbara Liskov is looking at this too.")
    barbara.get_by_text("Add a note").click()
    barbara.get_by_label("For colleagues only").press_sequentially("I ask")
    expect(grace.locator("#presence")).to_have_text("Barbara Liskov is writing.")
    barbara.goto(desk.url)
    expect(grace.locator("#presence")).to_have_text("")

    row = barbara.locator(f"a[id='{number}']")
    expect(row.locator(".status")).to_have_text("Awaiting approval")
    grace.get_by_role("button", name="Approve and send").click()
    expect(row.locator(".status")).to_have_text("Answered", timeout=4000)
    assert not complaints


def test_a_macro_is_made_and_applied_from_the_command_palette(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    number = desk.ask(QUESTION, Subject="Macro, please")
    page = signed_in()
    page.goto(f"{desk.url}/macros")
    page.get_by_label("Name", exact=True).fill("Which job")
    page.get_by_label("Text for the answer").fill("Dear {name},\n\nwhich job is it? [{number}]")
    page.get_by_label("What it does").fill("tag:asked\nassign")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h2", has_text="Which job")).to_be_visible()

    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("Control+k")
    page.keyboard.type("which j")
    expect(page.locator("#palette [role=option]")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Answer, as it is sent")).to_have_value(f"Dear Ada Byron,\n\nwhich job is it? [{number}]")
    expect(page.locator(".chip.tag")).to_contain_text("asked")
    expect(page.locator("#assignee")).to_have_value(re.compile("[1-9]"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".chip.tag")).to_have_count(0)

    page.keyboard.press("Control+k")
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    expect(page.locator(f"a[id='{number}']")).to_be_visible()
    assert not complaints


def test_an_edit_is_previewed_and_checked_before_it_is_sent(
    desk: RunningDesk, signed_in: SignedIn, complaints: list[str]
) -> None:
    number = desk.ask(QUESTION, Subject="Preview")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("e")
    page.locator("#body").fill("Dear **Ada**,\n\n<b>hello</b>\n\n```\nsbatch --partition=nowhere-at-all job.sh\n```\n")
    page.locator("#show-preview").click()
    expect(page.locator("#preview .mail")).to_be_visible()
    expect(page.locator("#preview .mail")).to_contain_text("Dear **Ada**,")
    expect(page.locator("#preview .prose strong")).to_have_text("Ada")
    expect(page.locator("#preview .prose")).to_contain_text("<b>hello</b>")
    expect(page.locator("#preview .prose pre")).to_be_visible()
    expect(page.locator("#preview [role=alert]")).to_contain_text("nowhere-at-all")
    page.locator("#body").fill("Dear Ada,\n\nwe look into it.\n")
    page.locator("#show-preview").click()
    expect(page.locator("#preview [role=status]")).to_be_visible()
    assert desk.draft_of(number).state == "waiting"
    assert not complaints


def test_tickets_are_narrowed_to_a_system_and_to_senders(desk: RunningDesk, signed_in: SignedIn) -> None:
    number, other = desk.ask(QUESTION, Subject="On LUMI"), desk.ask(QUESTION, Subject="Elsewhere")
    with desk.database.write() as session:
        ticket = tickets.by_number(session, number)
        ticket.topics = [{"kind": "system", "id": "lumi-g", "name": "LUMI-G"}]
        ticket.trust = "unverified"
    page = signed_in()
    page.goto(f"{desk.url}/?view=all&system=lumi-g")
    expect(page.locator(f"[id='{number}']")).to_be_visible()
    expect(page.locator(f"[id='{other}']")).to_have_count(0)
    page.get_by_label("Sender").select_option("unverified")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(f"[id='{number}']")).to_be_visible()
    page.get_by_label("Sender").select_option("verified")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No ticket of this view fits the filters.")).to_be_visible()


def test_a_new_mail_voids_the_approval_and_the_edit_is_kept(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(QUESTION, Subject="Void")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("e")
    page.locator("#body").fill("Dear Ada, wait for it.")
    with desk.database.read() as session:
        asked = tickets.messages_of(session, tickets.by_number(session, number))[0].message_id
    desk.send("I have cancelled it.", Subject="Re: Void", In_Reply_To=f"<{asked}>")
    desk.wait_for_event(number, "replied")
    page.locator("#body").press("Control+Enter")
    expect(page.get_by_role("alert").first).to_contain_text("Reload the ticket.")
    kept = page.locator("#typed, #body").first
    expect(kept).to_have_value("Dear Ada, wait for it.")
    with desk.database.read() as session:
        sent = outbox.of_messages(session, tickets.by_number(session, number), [])
    assert not [mail for mail in sent if mail.kind == "answer"]


def test_search_finds_by_words_and_by_number(desk: RunningDesk, signed_in: SignedIn) -> None:
    number = desk.ask(f"The word quokka stands in no other request. {QUESTION}", Subject="Rare")
    page = signed_in()
    for words in ("quokk", number):
        page.goto(desk.url)
        page.keyboard.press("/")
        page.keyboard.type(words)
        page.keyboard.press("Enter")
        expect(page.locator(f"[id='{number}']")).to_be_visible()
        expect(page.locator(".tickets li")).to_have_count(1)
