"""The pages about the desk itself, over HTTP."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk, wait_for

from agent.desk.charts import CHARTS


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def client(desk: RunningDesk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=desk.url, follow_redirects=True) as signed_in:
        signed_in.get(desk.sign_in_link())
        yield signed_in


def opened_this_week(client: httpx.Client) -> int:
    return int(list(csv.DictReader(io.StringIO(client.get("/analytics/weeks.csv?weeks=4").text)))[-1]["opened"])


def opened_by_level(client: httpx.Client) -> list[tuple[str, int]]:
    levels = csv.DictReader(io.StringIO(client.get("/analytics/levels.csv").text))
    return [(row["name"], int(row["opened"])) for row in levels]


def test_analytics_are_a_page_a_picture_and_tables(desk: RunningDesk, client: httpx.Client) -> None:
    before = opened_this_week(client)
    desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    shown = client.get("/analytics")
    assert shown.status_code == 200
    assert "First answer, median" in shown.text
    assert len(shown.content) < 150_000
    assert "As of" in shown.text
    weeks = list(csv.DictReader(io.StringIO(client.get("/analytics/weeks.csv?weeks=4").text)))
    assert len(weeks) == 4
    wait_for(lambda: opened_this_week(client) == before + 1)
    wait_for(lambda: opened_by_level(client) == [("L1", before + 1)])
    assert client.get("/analytics/salaries.csv").status_code == 404
    assert client.get("/analytics?weeks=0").status_code == 422
    assert client.get("/gaps").status_code == 200


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("volume", "first answers"),
        ("times", "resolution, median"),
        ("drafts", "words changed in an edit"),
        ("levels", "sent as they stood"),
        ("types", "resolution, days"),
        ("systems", "first answer, hours"),
    ],
)
def test_each_chart_is_drawn_without_a_script(desk: RunningDesk, client: httpx.Client, name: str, said: str) -> None:
    desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    picture = client.get(f"/analytics/{name}.svg?weeks=4")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert said in picture.text
    assert "<script" not in picture.text
    is_shown = f'src="/analytics/{name}.svg?weeks=12"' in client.get("/analytics").text
    empty = {"times": "nothing was answered", "systems": "no ticket names one", "drafts": "none was decided about"}
    assert is_shown == (name not in empty), empty.get(name)


def test_a_page_with_its_charts_is_small_enough(desk: RunningDesk, client: httpx.Client) -> None:
    desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    pictures = [client.get(f"/analytics/{name}.svg?weeks=52").content for name in CHARTS]
    assert len(client.get("/analytics?weeks=52").content) + sum(map(len, pictures)) < 150_000
    assert client.get("/analytics/salaries.svg").status_code == 404


def test_a_chart_is_in_the_language_of_the_page(desk: RunningDesk, client: httpx.Client) -> None:
    shown = client.get("/analytics/volume.svg?weeks=4", headers={"Accept-Language": "de"}).text
    assert "erste Antworten" in shown
    assert "first answers" not in shown


def test_nobody_sees_them_without_signing_in(desk: RunningDesk) -> None:
    for path in ("/analytics", "/analytics/volume.svg", "/analytics/weeks.csv", "/gaps"):
        assert httpx.get(f"{desk.url}{path}").status_code == 303


def test_the_card_of_a_requester_is_kept(desk: RunningDesk, client: httpx.Client) -> None:
    number = desk.ask("My job on LUMI stays pending with AssocGrpGRES.", Subject="Pending")
    shown = client.get(f"/tickets/{number}").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', shown)
    assert token
    assert "No consent on record." in shown
    values = {"csrf_token": token[1], "institution": "<b>CNRS</b>", "affiliation": "research", "consents": "yes"}
    after = client.post(f"/tickets/{number}/requester", data=values, headers={"Origin": desk.url}).text
    assert "&lt;b&gt;CNRS&lt;/b&gt;" in after
    assert "University or research institution." in after
    assert "Consent to processing on" in after
    refused = client.post(
        f"/tickets/{number}/requester", data={**values, "affiliation": "king"}, headers={"Origin": desk.url}
    )
    assert refused.status_code == 409
