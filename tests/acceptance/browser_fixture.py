"""Fixtures for tests in a real browser: `pytest_plugins = ["browser_fixture"]` beside a fixture `desk`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator

import pytest
from desk_fixture import RunningDesk
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

expect.set_options(timeout=20_000)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

SignedIn = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("needs Debian's package chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def complaints() -> list[str]:
    """What browsers said on their consoles."""
    return []


@pytest.fixture
def signed_in(desk: RunningDesk, browser: Browser, complaints: list[str]) -> Iterator[SignedIn]:
    contexts: list[BrowserContext] = []

    def page(name: str = "Grace Hopper", **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(20_000)
        contexts.append(context)
        opened = context.new_page()
        opened.on("console", lambda m: complaints.append(m.text) if m.type in {"error", "warning"} else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(desk.sign_in_link(name))
        return opened

    yield page
    for context in contexts:
        context.close()
