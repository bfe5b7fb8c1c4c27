"""A stranger fills in the form in a real browser; the request is on the desk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Browser, Page, expect

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def test_from_the_form_to_the_desk(
    desk: RunningDesk, browser: Browser, signed_in: Callable[..., Page], tmp_path: Path
) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\n#SBATCH --gres=gpu\npython train.py\n")
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(f"{desk.url}/request")
        page.get_by_label("Name").fill("Jo Müller")
        page.get_by_label("E-mail address").fill("jo@uni.example")
        page.get_by_label("It is a").select_option("research")
        page.get_by_label("Subject").fill("From the form")
        page.get_by_label("What do you need?").fill("My job on LUMI stays pending with AssocGrpGRES.")
        page.get_by_label("Files").set_input_files(script)
        page.get_by_label("I consent").check()
        page.get_by_role("button", name="Send the request").click()
        expect(page.get_by_role("heading")).to_have_text("Your request has come")
    finally:
        context.close()
    mine = signed_in()
    mine.goto(desk.url)
    mine.get_by_role("link", name="From the form").click()
    expect(mine.locator("#main")).to_contain_text("typed into the web form")
    expect(mine.locator("#main")).to_contain_text("job.sh")
