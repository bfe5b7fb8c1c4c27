"""Approving and taking back, in headless Chromium; the desk waits for ten minutes before an answer leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Page, expect

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
