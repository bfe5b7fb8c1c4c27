"""The REST interface over HTTP: by hand, and every operation by schemathesis from its own description."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from desk_fixture import RunningDesk, running_desk, wait_for

from agent.errors import HelpdeskError, NotFoundError
from agent.store import audit, people, tokens

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "negative_data_rejection,ignored_auth"
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk")) as running:
        yield running


def client(desk: RunningDesk, *scopes: str) -> httpx.Client:
    return httpx.Client(base_url=f"{desk.url}/api/v1", headers={"Authorization": f"Bearer {token(desk, *scopes)}"})


def token(desk: RunningDesk, *scopes: str) -> str:
    with desk.database.write() as session:
        return tokens.add(session, f"program {len(tokens.all_tokens(session))}", scopes)


def test_a_request_becomes_a_ticket_like_a_mail(desk: RunningDesk) -> None:
    request = {
        "address": "ada@example.org",
        "name": 'Ada "B" Byron',
        "subject": "Où est mon job ?",
        "text": "Il attend.\n",
    }
    with client(desk, "request", "read") as program:
        accepted = program.post("/requests", json=request)
        assert accepted.status_code == 202
        key = accepted.json()["id"]
        number = wait_for(lambda: program.get(f"/requests/{key}").json()["ticket"])
        wait_for(lambda: program.get(f"/tickets/{number}").json()["level"])
        ticket = program.get(f"/tickets/{number}").json()
    assert (ticket["subject"], ticket["requester"]) == (
        "Où est mon job ?", {"name": "Ada 'B' Byron", "address": "ada@example.org"},
    )  # fmt: skip
    assert (ticket["messages"][0]["text"], ticket["messages"][0]["trust"]) == ("Il attend.", "verified")


def test_a_ticket_is_found_tagged_assigned_noted_and_resolved(desk: RunningDesk) -> None:
    number = desk.ask("Is the okapi project out of hours?", Subject="Hours")
    with desk.database.write() as session:
        people.add_engineer(session, name="Ed", email="ed@minerva.example")
    with client(desk, "read", "write") as program:
        found = program.get("/tickets", params={"q": "okapi"}).json()
        assert ([ticket["number"] for ticket in found["tickets"]], found["next"]) == ([number], None)
        change = {"assignee": "ed@minerva.example", "add_tags": ["Quota"], "status": "resolved"}
        changed = program.patch(f"/tickets/{number}", json=change).json()
        assert (changed["assignee"], changed["tags"], changed["status"]) == (
            "ed@minerva.example",
            ["quota"],
            "resolved",
        )
        again = program.patch(f"/tickets/{number}", json={"add_tags": ["late"], "status": "resolved"})
        assert (again.status_code, again.json()) == (409, {"detail": f"{number} has ended already."})
        assert program.get(f"/tickets/{number}").json()["tags"] == ["quota"], "all or nothing"
        assert program.patch(f"/tickets/{number}", json={"assignee": "no@where.org"}).status_code == 404
        assert program.post(f"/tickets/{number}/notes", json={"text": "done by cron"}).status_code == 201
        messages = program.get(f"/tickets/{number}").json()["messages"]
    assert [(message["direction"], message["text"]) for message in messages][-1] == ("note", "done by cron")


@pytest.mark.parametrize(
    ("scope", "method", "path", "allowed"),
    [
        ("read", "GET", "/tickets", 200),
        ("write", "GET", "/tickets", 403),
        ("read", "PATCH", "/tickets/MIN-2026-000001", 403),
        ("read", "POST", "/requests", 403),
        ("request", "GET", "/requests/999999", 404),
        ("request", "GET", "/tickets/MIN-2026-000001", 403),
    ],
)
def test_a_token_may_what_its_scopes_say(desk: RunningDesk, scope: str, method: str, path: str, allowed: int) -> None:
    with client(desk, scope) as program:
        assert program.request(method, path, json={}).status_code == allowed


def test_without_a_valid_token_nothing_is_said(desk: RunningDesk) -> None:
    given = token(desk, "read")
    with desk.database.write() as session:
        tokens.revoke(session, tokens.all_tokens(session)[-1].name)
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {given}"}, {"Authorization": "x"}):
        answer = httpx.get(f"{desk.url}/api/v1/tickets", headers=header)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_each_call_is_in_the_audit_log(desk: RunningDesk) -> None:
    with client(desk, "read") as program:
        program.get("/tickets", params={"q": "zebra"})
        program.post("/requests", json={})
    with desk.database.read() as session:
        last = [(entry.action, entry.subject) for entry in reversed(audit.newest(session, 2))]
    assert last == [("get", "/api/v1/tickets?q=zebra"), ("post, refused", "/api/v1/requests")]


def test_tokens_have_a_known_name_and_scope(desk: RunningDesk) -> None:
    with desk.database.write() as session:
        for scopes in ([], ["everything"]):
            with pytest.raises(HelpdeskError):
                tokens.add(session, "x", scopes)
        tokens.add(session, "x", ["read"])
        with pytest.raises(HelpdeskError, match="already"):
            tokens.add(session, "x", ["read"])
        tokens.revoke(session, "x")
        with pytest.raises(NotFoundError):
            tokens.revoke(session, "x")
        assert tokens.add(session, "x", ["read"]).startswith("minerva_")


def test_every_operation_keeps_to_its_description(desk: RunningDesk) -> None:
    given = token(desk, "read", "write", "request")
    desk.ask("Is the gazelle project out of hours?", Subject="Hours")
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{desk.url}/api/v1/openapi.json", "--no-color",
        "--header", f"Authorization: Bearer {given}", "--checks", CHECKS, "--max-examples", "40", "--seed", "1",
        "--phases", "examples,coverage,fuzzing",
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
