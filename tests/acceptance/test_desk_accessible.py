"""WCAG 2.2 AA as far as axe sees it: each page of the desk, light and dark, wide and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from desk_fixture import RunningDesk, running_desk
from playwright.sync_api import Page

from agent.store import people
from agent.store.tables import Role

pytest_plugins = ["browser_fixture"]
pytestmark = pytest.mark.browser

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SCRIPT = "#!/bin/bash\n#SBATCH --gres=gpu\npython train.py\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk"), undo_s=600) as running:
        yield running


@pytest.fixture(scope="module")
def numbers(desk: RunningDesk) -> dict[str, str]:
    """Tickets that wait for approval, have an answer, and were refused a draft."""
    return {
        "waiting": desk.ask(f"My job on LUMI stays pending with AssocGrpGRES.\n\n{SCRIPT}", Subject="Pending"),
        "answered": desk.ask("What does AssocGrpGRES mean on LUMI? deadline tomorrow", Subject="Limits"),
        "failed": desk.send("Where is my job?", Subject="[broken] Where"),
    }


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_no_page_violates_a_rule(
    desk: RunningDesk, numbers: dict[str, str], signed_in: Callable[..., Page], scheme: str, width: int
) -> None:
    desk.sign_in_link()
    with desk.database.write() as session:
        people.set_role(session, people.by_email(session, "grace@minerva.example"), Role.ADMIN)
    page = signed_in(color_scheme=scheme, viewport={"width": width, "height": 900})
    waiting, answered = numbers["waiting"], numbers["answered"]
    draft = desk.draft_of(waiting)
    page.goto(f"{desk.url}/tickets/{answered}")
    if page.locator("#approve").count():
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("#take-back")
    addresses = [
        "/", "/?view=approval&level=L1", "/?view=mentions", "/outbox", "/articles", "/account", "/people", "/audit",
        "/analytics", "/gaps", "/partners", "/macros", f"/tickets/{waiting}/selection", "/nowhere",
        "/benchmarks", "/benchmarks/runs", "/benchmarks/ask",
        f"/tickets/{waiting}", f"/tickets/{waiting}/drafts/{draft.id}/evidence/1", f"/tickets/{answered}",
        f"/tickets/{numbers['failed']}",
    ]  # fmt: skip
    found = {address: _violations(page, f"{desk.url}{address}") for address in addresses}
    page.context.clear_cookies()
    for public in ("/sign-in", "/request", "/request/kept"):
        found[public] = _violations(page, f"{desk.url}{public}")
    assert {address: names for address, names in found.items() if names} == {}


def _violations(page: Page, address: str) -> list[str]:
    """Each as rule, what it wants, and where."""
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{v['id']}: {v['help']}: {[node['target'] for node in v['nodes'][:3]]}" for v in found]
