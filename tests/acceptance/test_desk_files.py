"""An engineer puts a plot with an answer, in headless Chromium; it arrives with the mail."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Page, expect

from ingest.mail import parse_mail

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser
PNG = b"\x89PNG\r\n\x1a\nnot much of a picture"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def sent(desk: RunningDesk, number: str) -> list[tuple[str, bytes]]:
    """Files of the answer in the outbox folder, once it is there."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for path in desk.settings.outbox_dir.glob("*.eml"):
            message = parse_mail(path.read_bytes())
            if number in message.subject and not message.auto_generated:
                return [(file.filename, file.content) for file in message.attachments]
        time.sleep(0.1)
    raise AssertionError("no answer in the outbox")


def test_a_plot_is_attached_taken_off_and_sent(
    desk: RunningDesk, signed_in: Callable[..., Page], complaints: list[str]
) -> None:
    number = desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    page = signed_in()
    page.goto(f"{desk.url}/tickets/{number}")
    for name in ("plot.png", "wrong.png"):
        page.get_by_text("Attach a file").click()
        page.locator("#file").set_input_files({"name": name, "mimeType": "image/png", "buffer": PNG})
        page.get_by_role("button", name="Attach", exact=True).click()
        expect(page.locator(".notice.said")).to_contain_text("it leaves with the answer")
    page.get_by_role("button", name="Take off wrong.png").click()
    expect(page.locator("#draft .envelope")).to_contain_text("plot.png")
    expect(page.locator("#draft .envelope")).not_to_contain_text("wrong.png")
    page.get_by_role("button", name="Approve and send").click()
    expect(page.locator("#status")).to_have_text("Answered")
    assert sent(desk, number) == [("plot.png", PNG)]
    assert not complaints
