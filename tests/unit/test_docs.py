from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("page", "make"), [("settings.md", "settings_page"), ("cli.md", "cli_page")])
def test_the_pages_made_from_the_code_are_up_to_date(page: str, make: str) -> None:
    made = runpy.run_path(str(DOCS / "generate.py"))[make]()
    assert (DOCS / page).read_text(encoding="utf-8") == made, "run `make docs`"


def test_the_architecture_fits_on_a_page() -> None:
    assert len((DOCS / "architecture.md").read_text(encoding="utf-8").splitlines()) <= 100


def test_links_between_the_documents_lead_somewhere() -> None:
    for page in [DOCS.parent / "README.md", *DOCS.glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
