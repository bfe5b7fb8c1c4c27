"""Asking for a measurement at the desk, and deciding on it, over HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk

from agent.benchmarks import SITES_FILE
from agent.store import people, tickets
from agent.store.tables import Draft, Role
from bench_runner.reruns import runs
from bench_runner.reruns.runs import Run, RunState
from bench_runner.store.database import open_store

GRACE = "grace@minerva.example"
SITES = "sites: {hydra: {partition: gpu, work_dir: /work/bench, gpus_per_node: 4}}"
SPEC = "system: hydra\nframework: vllm\nmodel: tiny/Llama-1B\ndataset: random\nconcurrency: {}\nwalltime_min: 30\n"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        running.settings.bench_dir.mkdir(parents=True, exist_ok=True)
        (running.settings.bench_dir / SITES_FILE).write_text(SITES, encoding="utf-8")
        yield running


@pytest.fixture
def client(desk: RunningDesk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as opened:
        opened.get(desk.sign_in_link())
        yield opened


def post(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    found = re.search(r'name="csrf_token" value="([^"]*)"', client.get("/benchmarks/ask").text)
    assert found
    return client.post(path, data={"csrf_token": found[1], **fields})


def stored(desk: RunningDesk, state: RunState) -> list[Run]:
    with open_store(desk.settings.bench_dir).read() as connection:
        return runs.runs(connection, (state,))


def test_a_dry_run_shows_the_script_and_stores_nothing(desk: RunningDesk, client: httpx.Client) -> None:
    before = stored(desk, RunState.PROPOSED)
    shown = post(client, "/benchmarks/ask", spec=SPEC.format(11), act="check")
    assert shown.status_code == 200
    assert "#SBATCH --partition=gpu" in shown.text and "Up to 0.5 GPU-hours" in shown.text
    assert stored(desk, RunState.PROPOSED) == before


def test_what_cannot_run_is_told_by_field_and_the_text_is_kept(client: httpx.Client) -> None:
    shown = post(client, "/benchmarks/ask", spec="system: nowhere\nframework: vllm\n<b>: 1\n", act="propose")
    assert shown.status_code == 422
    assert "model: is missing" in shown.text and "&lt;b&gt;" in shown.text and "<b>: 1" not in shown.text


def test_proposed_approved_within_the_budget_and_only_once(desk: RunningDesk, client: httpx.Client) -> None:
    listed = post(client, "/benchmarks/ask", spec=SPEC.format(12), act="propose")
    assert "waits for a named engineer" in listed.text
    (run,) = [run for run in stored(desk, RunState.PROPOSED) if "c=12" in run.title]
    assert (run.requested_by, run.origin) == (GRACE, "desk")
    refused = post(client, f"/benchmarks/runs/{run.id}", act="approve")
    assert refused.status_code == 409 and f"Person {GRACE} has no budget" in refused.text
    with open_store(desk.settings.bench_dir).write() as connection:
        for holder, name in (("person", GRACE), ("project", "minerva"), ("system", "hydra")):
            runs.set_budget(connection, holder, name, 10.0, GRACE)
    assert "the watcher submits it" in post(client, f"/benchmarks/runs/{run.id}", act="approve").text
    (approved,) = [found for found in stored(desk, RunState.APPROVED) if found.id == run.id]
    assert approved.decided_by == GRACE
    assert post(client, f"/benchmarks/runs/{run.id}", act="approve").status_code == 409
    again = post(client, "/benchmarks/ask", spec=SPEC.format(12), act="propose")
    assert "Measured already" in again.text and f"Run {run.id}" in again.text
    forced = post(client, "/benchmarks/ask", spec=SPEC.format(12), act="propose", again="true")
    assert "waits for a named engineer" in forced.text


def test_turned_down_with_a_reason(desk: RunningDesk, client: httpx.Client) -> None:
    post(client, "/benchmarks/ask", spec=SPEC.format(13), act="propose")
    (run,) = [run for run in stored(desk, RunState.PROPOSED) if "c=13" in run.title]
    shown = post(client, f"/benchmarks/runs/{run.id}", act="reject", reason="too <i>early</i>")
    assert "too &lt;i&gt;early&lt;/i&gt;" in shown.text
    assert next(found for found in stored(desk, RunState.REJECTED) if found.id == run.id).decided_by == GRACE


def test_a_wish_becomes_proposals_and_is_done(desk: RunningDesk, client: httpx.Client) -> None:
    assert post(client, "/benchmarks/ask", act="wish").status_code == 422
    kept = post(client, "/benchmarks/ask", words="vLLM on Hydra with long prompts", act="wish")
    assert "The wish is kept" in kept.text
    assert "wished before" in post(client, "/benchmarks/ask", words="vLLM on Hydra with long prompts", act="wish").text
    (wish,) = [run for run in stored(desk, RunState.REQUESTED) if run.title.endswith("long prompts")]
    assert "vLLM on Hydra with long prompts" in client.get(f"/benchmarks/ask?wish={wish.id}").text
    post(client, "/benchmarks/ask", spec=SPEC.format(14), wish=wish.id, act="propose")
    assert wish.id not in {run.id for run in stored(desk, RunState.REQUESTED)}


def test_the_filters_of_the_page_fill_the_form(client: httpx.Client) -> None:
    shown = client.get("/benchmarks/ask?system=Hydra&framework=vllm&nodes=2&nodes=4&kind=inference").text
    assert "system: Hydra" in shown and "- 2\n- 4" in shown and "kind" not in shown.split("<textarea", 1)[1]


def test_a_draft_that_says_not_measured_offers_to_ask(desk: RunningDesk, client: httpx.Client) -> None:
    number = desk.ask("Which throughput does vLLM reach on JUPITER?", Subject="Speed on JUPITER")
    assert "Ask for this measurement" not in client.get(f"/tickets/{number}").text
    with desk.database.write() as session:
        draft = session.get(Draft, desk.draft_of(number).id)
        assert draft is not None
        row = {"number": 9, "kind": "row", "id": "row:bench:not-measured", "title": "Benchmark results"}
        row |= {
            "heading": ["Not measured"],
            "path": "",
            "anchor": "",
            "url": None,
            "text": "Not measured.",
            "score": 1.0,
        }
        draft.evidence = [*draft.evidence, row]
    assert f'href="/benchmarks/ask?ticket={number}">Ask for this measurement' in client.get(f"/tickets/{number}").text
    assert 'value="Speed on JUPITER"' in client.get(f"/benchmarks/ask?ticket={number}").text
    post(client, "/benchmarks/ask", words="Speed on JUPITER", ticket=number, act="wish")
    assert [run.title for run in stored(desk, RunState.REQUESTED) if run.origin == number] == ["Speed on JUPITER"]
    with desk.database.read() as session:
        events = [event.what for event in tickets.events_of(session, tickets.by_number(session, number))]
    assert "measurement asked for" in events


def test_nobody_decides_without_signing_in_or_without_the_role(desk: RunningDesk, client: httpx.Client) -> None:
    with httpx.Client(base_url=desk.url, follow_redirects=False) as stranger:
        assert stranger.get("/benchmarks").status_code == 200
        for path in ("/benchmarks/runs", "/benchmarks/ask"):
            assert stranger.get(path).status_code == 303
        assert stranger.post("/benchmarks/ask", data={"act": "wish", "words": "x"}).status_code == 401
    with desk.database.write() as session:
        people.add_engineer(session, name="Vera Viewer", email="vera@minerva.example", role=Role.VIEWER)
    with httpx.Client(base_url=desk.url, follow_redirects=True, headers={"Origin": desk.url}) as viewer:
        viewer.get(desk.sign_in_link("Vera Viewer"))
        assert viewer.get("/benchmarks/runs").status_code == 200
        assert viewer.get("/benchmarks/ask").status_code == 403
    assert client.post("/benchmarks/ask", data={"act": "wish", "words": "x"}).status_code == 403  # without its token


def test_a_broken_file_of_sites_is_told(desk: RunningDesk, client: httpx.Client) -> None:
    path = desk.settings.bench_dir / SITES_FILE
    path.write_text("sites: [", encoding="utf-8")
    try:
        shown = post(client, "/benchmarks/ask", spec=SPEC.format(15), act="propose")
    finally:
        path.write_text(SITES, encoding="utf-8")
    assert shown.status_code == 422 and "sites.yaml cannot be used" in shown.text
