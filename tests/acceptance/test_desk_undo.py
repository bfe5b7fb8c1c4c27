"""Approving and taking back, in headless Chromium; the desk waits for ten minutes before an answer leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Page, expect

from agent.store import people
from agent.store.tables import Role

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk"), undo_s=600) as running:
        yield running


def test_an_approval_is_taken_back_by_key_and_the_edit_is_still_there(
    desk: RunningDesk, signed_in: Callable[..., Page], complaints: list[str]
) -> None:
    number = desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#leaving")).to_contain_text("The answer leaves in 9 min")
    expect(page.locator("#status")).to_have_text("Answered")
    page.keyboard.press("z")
    expect(page.locator(".notice.said")).to_contain_text("Taken back: nothing was sent.")
    expect(page.locator(".letter h3")).to_have_text("Awaits approval")

    page.get_by_text("Edit", exact=True).click()
    page.get_by_label("Answer, as it is sent").fill("Dear Ada,\n\nit starts by itself. [1]\n")
    page.get_by_role("button", name="Approve edited answer and send").click()
    expect(page.locator(".letter .mail")).to_contain_text("it starts by itself")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_label("Answer, as it is sent")).to_have_value("Dear Ada,\n\nit starts by itself. [1]\n")
    expect(page.locator("#leaving .notice")).to_have_count(0)
    assert not complaints
    assert not list(desk.settings.outbox_dir.glob("*answer*"))


def test_an_answer_about_responsible_ai_needs_a_second_person(
    desk: RunningDesk, signed_in: Callable[..., Page], complaints: list[str]
) -> None:
    number = desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Is it legal?")
    grace, barbara = signed_in(), signed_in("Barbara Liskov")
    grace.goto(f"{desk.url}/tickets/{number}")
    grace.keyboard.press("p")
    grace.get_by_label("Level").select_option("L5")
    grace.get_by_role("button", name="Correct").click()
    grace.get_by_role("button", name="Approve, and ask a second person").click()
    expect(grace.locator(".notice.said")).to_contain_text("A second person has to approve")
    expect(grace.locator("#approve")).to_have_count(0)
    expect(grace.locator("#status")).to_have_text("Awaiting approval")

    barbara.goto(f"{desk.url}/tickets/{number}")
    expect(barbara.locator(".actions .notice")).to_contain_text("Grace Hopper has approved this text")
    barbara.get_by_role("button", name="Approve and send").click()
    expect(barbara.locator(".letter h3")).to_have_text("Approved by Barbara Liskov")
    assert not complaints


def test_a_workshop_is_evaluated_by_two_decided_handed_over_and_planned(
    desk: RunningDesk, signed_in: Callable[..., Page], complaints: list[str]
) -> None:
    number = desk.ask("Could you come for two days and profile our code on LUMI?", Subject="Workshop")
    grace, barbara = signed_in(), signed_in("Barbara Liskov")
    with desk.database.write() as session:
        people.set_role(session, people.by_email(session, "grace@minerva.example"), Role.LEAD)
    grace.goto(f"{desk.url}/tickets/{number}")
    grace.keyboard.press("p")
    grace.get_by_label("Type").select_option("T3")
    grace.get_by_role("button", name="Correct").click()
    grace.goto(f"{desk.url}/?view=selection")
    grace.locator(f"a[id='{number}']").click()
    grace.get_by_role("link", name="Evaluation, partner and plan").click()
    for page, score in ((grace, "5"), (barbara, "4")):
        page.goto(f"{desk.url}/tickets/{number}/selection")
        for choice in page.locator("#evaluate select").all():
            choice.select_option(score)
        page.get_by_role("button", name="Keep my evaluation").click()
    expect(barbara.get_by_text("Mean 4.5 of 5, which suggests to accept")).to_be_visible()
    barbara.get_by_label("Reasons, as the requester reads them").fill("The code is open and ready to be measured.")
    barbara.get_by_role("button", name="Accept").click()
    expect(barbara.locator(".notice.good")).to_contain_text("The letter to the requester awaits approval")

    grace.goto(f"{desk.url}/partners")
    grace.get_by_label("Name").fill("Centre A")
    grace.get_by_label("Expertise").fill("L1, L2")
    grace.get_by_label("Working days it gives a month").fill("5")
    grace.get_by_role("button", name="Add", exact=True).click()
    expect(grace.locator("h2", has_text="Centre A")).to_be_visible()
    grace.goto(f"{desk.url}/tickets/{number}/selection")
    grace.get_by_label("From").fill("2027-03-01")
    grace.get_by_label("To", exact=True).fill("2027-03-02")
    grace.get_by_label("Working days").fill("2")
    grace.get_by_label("Milestones").fill("2027-03-02 report written")
    grace.get_by_role("button", name="Keep the plan").click()
    grace.get_by_role("button", name="report written").click()
    expect(grace.get_by_role("button", name="report written")).to_have_attribute("aria-pressed", "true")
    grace.get_by_label("What came of it").fill("Twice as fast.")
    grace.get_by_role("button", name="Keep the report").click()
    expect(grace.get_by_label("What came of it")).to_have_value("Twice as fast.")

    grace.goto(f"{desk.url}/tickets/{number}")
    expect(grace.locator(".letter .mail")).to_contain_text("has been selected")
    assert not complaints


def test_a_time_to_talk_is_proposed_and_set(
    desk: RunningDesk, signed_in: Callable[..., Page], complaints: list[str]
) -> None:
    number = desk.ask("How would you plan our project on LUMI?", Subject="Advice")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    page.keyboard.press("p")
    page.get_by_label("Type").select_option("T2")
    page.get_by_role("button", name="Correct").click()
    page.locator("#meeting summary").click()
    page.get_by_label("Time 1").fill("2030-01-15T10:00")
    page.get_by_label("Where").fill("https://meet.example.org/x")
    page.get_by_role("button", name="Propose these times").click()
    expect(page.locator(".letter .mail")).to_contain_text("Tuesday, 15 January 2030, 10:00-10:30 CET (09:00-09:30 UTC)")
    page.locator("#meeting summary").click()
    page.get_by_role("button", name="Tuesday, 15 January 2030").click()
    expect(page.locator(".letter .envelope")).to_contain_text("invitation.ics")
    expect(page.locator("#meeting summary")).to_contain_text("Tuesday, 15 January 2030")
    assert not complaints
