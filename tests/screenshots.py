"""Pictures of each page of the desk, light and dark, wide and on a phone: `python tests/screenshots.py FOLDER`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "acceptance"))

from acceptance.desk_fixture import RunningDesk, running_desk
from playwright.sync_api import sync_playwright

from agent import handling
from agent.store import people, tickets
from agent.store.tables import Role
from bench_runner.importing import import_paths
from bench_runner.store.database import open_store

REQUESTS = [
    ("Ada Byron <ada@example.org>", "Job pending on LUMI",
     "My job on LUMI stays pending with AssocGrpGRES. Will it start by itself?\n\n#SBATCH --gres=gpu\n"),
    ("Konrad Zuse <zuse@example.org>", "Training stops when the scratch quota is full",
     "We train on Leonardo; the run stops with 'Disk quota exceeded'. The deadline is on Friday."),
    ("Émilie du Châtelet <emilie@example.org>", "Fine-tuning an open model for French law",
     "Which open model and which data sets would you start from for French legal texts?"),
]  # fmt: skip
VIEWS: dict[str, dict[str, Any]] = {
    "": {"viewport": {"width": 1440, "height": 900}},
    "-dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "-phone": {"viewport": {"width": 390, "height": 844}},
}
DRAWN = {"analytics", "benchmarks"}
"""Pages with charts, which take a moment."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, running_desk(Path(scratch)) as desk, sync_playwright() as playwright:
        first = _filled(desk)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for suffix, options in VIEWS.items():
            page = browser.new_context(**options).new_page()
            page.goto(_by_name(f"{desk.url}/sign-in"))
            page.screenshot(path=folder / f"sign-in{suffix}.png")
            page.goto(_by_name(desk.sign_in_link()))
            for name, path in _pages(desk, first).items():
                page.goto(_by_name(desk.url + path))
                page.wait_for_timeout(2000 if name in DRAWN else 200)
                page.screenshot(path=folder / f"{name}{suffix}.png")
                print(folder / f"{name}{suffix}.png")
        browser.close()


def _by_name(address: str) -> str:
    """As passkeys need it."""
    return address.replace("127.0.0.1", "localhost")


def _filled(desk: RunningDesk) -> str:
    numbers = [desk.ask(text, sender=sender, Subject=subject) for sender, subject, text in REQUESTS]
    desk.send("away", Subject="Out of office", Auto_Submitted="auto-replied")
    desk.sign_in_link()
    _measured(desk)
    with desk.database.write() as session:
        grace = people.by_email(session, "grace@minerva.example")
        people.set_role(session, grace, Role.ADMIN)
        ticket = tickets.by_number(session, numbers[0])
        handling.assign(session, ticket, grace, by=grace, batch="1")
        handling.tag(session, ticket, "quota", by=grace, batch="2")
        handling.note(session, ticket, "Their project ends on Monday, I asked the site.", by=grace)
    return numbers[0]


def _measured(desk: RunningDesk) -> None:
    """Made-up results of two systems."""
    head = (
        "Supercomputer,Framework,Model,Concurrency Level,Number of Nodes,GPUs per Node,Total Used GPUs,Tensor,TTFT (ms)"
    )
    lines = [
        f"{system},vllm,Some-8B,{load},1,4,{gpus},{gpus},{20 + load / gpus},{speed * gpus**0.8 * load / (load + 90):.1f}\n"
        for system, speed in (("Hydra", 4000), ("Lernaea", 5200))
        for gpus in (1, 2, 4)
        for load in (10, 50, 100, 250)
    ]
    table = desk.settings.data_dir / "table.csv"
    table.write_text(f"{head},Output Throughput (tokens/s)\n" + "".join(lines), encoding="utf-8")
    import_paths(open_store(desk.settings.bench_dir), [table])


def _pages(desk: RunningDesk, number: str) -> dict[str, str]:
    return {
        "inbox": "/",
        "ticket": f"/tickets/{number}/drafts/{desk.draft_of(number).id}/evidence/1?claim=0",
        "outbox": "/outbox",
        "articles": "/articles",
        "account": "/account",
        "analytics": "/analytics",
        "gaps": "/gaps",
        "people": "/people",
        "audit": "/audit",
        "partners": "/partners",
        "macros": "/macros",
        "selection": f"/tickets/{number}/selection",
        "benchmarks": "/benchmarks",
        "benchmark-runs": "/benchmarks/runs",
        "benchmark-ask": f"/benchmarks/ask?ticket={number}",
        "request": "/request",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("build/screenshots"))
