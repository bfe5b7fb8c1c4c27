"""A whole conversation with the real service: models, index, SMTP, desk, outbox."""

from __future__ import annotations

import email
import email.policy
import json
import re
import shutil
import time
from collections.abc import Iterator
from email.message import EmailMessage
from html import unescape
from pathlib import Path

import httpx
import pytest
from helpdesk_process import Helpdesk, mail

from knowledge_base.encoder import SentenceEncoder
from knowledge_base.index import build_index

ARTICLES = Path(__file__).parents[2] / "knowledge_base" / "articles"
QUESTION = "My job on LUMI stays pending with AssocGrpGRES. What does it mean and what can I do?"


@pytest.fixture(scope="module")
def helpdesk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Helpdesk]:
    folder = tmp_path_factory.mktemp("helpdesk")
    desk = Helpdesk(folder, articles_dir=str(ARTICLES))
    build_index(ARTICLES / "jobs", desk.data / "index", SentenceEncoder())
    desk.start()
    yield desk
    desk.stop()


@pytest.fixture(scope="module")
def browser(helpdesk: Helpdesk) -> Iterator[httpx.Client]:
    client = helpdesk.browser()
    yield client
    client.close()


def wait_for(client: httpx.Client, address: str, *wanted: str, timeout_s: float = 120) -> str:
    until = time.monotonic() + timeout_s
    page = ""
    while time.monotonic() < until:
        page = client.get(address).text
        if all(word in page for word in wanted):
            return page
        time.sleep(0.2)
    raise AssertionError(f"{wanted} not seen in {address}:\n{page[-3000:]}")


def field(page: str, name: str) -> str:
    return unescape(re.search(rf'name="{name}" value="([^"]+)"', page)[1])  # type: ignore[index]


def outbox_mail(helpdesk: Helpdesk, kind: str, number: str) -> EmailMessage:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for path in sorted((helpdesk.data / "outbox").glob(f"*-{number}-{kind}.eml")):
            return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)  # type: ignore[return-value]
        time.sleep(0.1)
    raise AssertionError(f"no {kind} for {number}")


def number_of(browser: httpx.Client, subject: str) -> str:
    page = wait_for(browser, f"/?q={subject}", "/tickets/MIN-")
    return re.search(r"/tickets/(MIN-\d{4}-\d{6})", page)[1]  # type: ignore[index]


def test_from_request_to_answer_and_back(helpdesk: Helpdesk, browser: httpx.Client) -> None:
    request = mail(1, QUESTION, Subject="Pendingjob")
    helpdesk.send(request)
    number = number_of(browser, "Pendingjob")
    page = wait_for(browser, f"/tickets/{number}", "Approve and send")
    assert "AssocGrpGRES" in page
    assert re.search(r"Porting to HPC.*?\d+%", page, re.DOTALL)

    acknowledgement = outbox_mail(helpdesk, "acknowledgement", number)
    assert acknowledgement["In-Reply-To"] == request["Message-ID"]
    assert number in plain_text(acknowledgement)

    citation = re.search(r'href="(/tickets/[^"]+/evidence/1)"', page)
    assert citation is not None
    evidence = browser.get(citation[1], headers={"HX-Request": "true"})
    assert evidence.status_code == 200
    assert "<mark>" in evidence.text

    action = re.search(r'action="(/tickets/[^"]+/approve)"', page)[1]  # type: ignore[index]
    edited = "Dear Ada,\n\nyour project uses all its GPUs. Wait, or ask for fewer. [1]\n\nGrace"
    done = browser.post(
        action, data={"csrf_token": field(page, "csrf_token"), "binding": field(page, "binding"), "body": edited}
    )
    assert done.status_code == 200
    answer = outbox_mail(helpdesk, "answer", number)
    assert answer["In-Reply-To"] == request["Message-ID"]
    assert request["Message-ID"] in str(answer["References"])
    assert f"[{number}]" in answer["Subject"]
    assert answer["To"] == "ada1@example.org"
    assert "your project uses all its GPUs" in plain_text(answer)

    reply = mail(1, "Thanks. How do I see when it will start?", Subject=f"Re: {answer['Subject']}")
    reply["In-Reply-To"] = answer["Message-ID"]
    helpdesk.send(reply)
    again = wait_for(browser, f"/tickets/{number}", "How do I see when it will start?", "Approve and send")
    assert "your project uses all its GPUs" in again


def plain_text(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_a_form_without_its_token_or_from_elsewhere_is_refused(helpdesk: Helpdesk, browser: httpx.Client) -> None:
    helpdesk.send(mail(2, QUESTION, Subject="Tokentest"))
    number = number_of(browser, "Tokentest")
    page = wait_for(browser, f"/tickets/{number}", "Approve and send")
    action = re.search(r'action="(/tickets/[^"]+/approve)"', page)[1]  # type: ignore[index]
    form = {"csrf_token": field(page, "csrf_token"), "binding": field(page, "binding")}
    assert browser.post(action, data={**form, "csrf_token": "x"}).status_code == 403
    assert browser.post(action, data=form, headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.post(action, data={**form, "binding": "0" * 64}).status_code == 409


def test_rejecting_and_asking_for_another_draft(helpdesk: Helpdesk, browser: httpx.Client) -> None:
    helpdesk.send(mail(3, QUESTION, Subject="Rejecttest"))
    number = number_of(browser, "Rejecttest")
    page = wait_for(browser, f"/tickets/{number}", "Approve and send")
    token = {"csrf_token": field(page, "csrf_token")}
    action = re.search(r'action="(/tickets/[^"]+/reject)"', page)[1]  # type: ignore[index]
    browser.post(action, data={**token, "reason": "too short"})
    assert "too short" in browser.get(f"/tickets/{number}").text
    browser.post(f"/tickets/{number}/redraft", data={**token, "instruction": "say how to see the start time"})
    assert "say how to see the start time" in wait_for(
        browser, f"/tickets/{number}", "say how to see the start time", "Approve and send"
    )


def test_nobody_sees_anything_without_signing_in(helpdesk: Helpdesk) -> None:
    with httpx.Client(base_url=helpdesk.url) as stranger:
        for address in (
            "/",
            "/outbox",
            "/articles",
            "/account",
            "/mails/1.eml",
            "/outbox/1.eml",
            "/tickets/MIN-2026-000001",
        ):
            answer = stranger.get(address)
            assert answer.status_code == 303, address
            assert answer.headers["location"].startswith("/sign-in"), address
        assert stranger.get("/sign-in/made-up").status_code == 403


def test_each_answer_carries_the_security_headers(browser: httpx.Client) -> None:
    headers = browser.get("/").headers
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_status_pings_every_part(helpdesk: Helpdesk) -> None:
    helpdesk.wait_until_ready()
    done = helpdesk.run("status", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, told
    assert {name for name, part in told["parts"].items() if part["ok"]} >= {
        "database",
        "index",
        "smtp",
        "desk",
        "outbox",
    }


def test_metrics_count(helpdesk: Helpdesk, browser: httpx.Client) -> None:
    text = browser.get("/metrics").text
    assert re.search(r'minerva_tickets\{status="\w+"\} [1-9]', text)
    assert "minerva_mails_waiting" in text


def test_ask_answers_with_citations_and_needs_no_server(helpdesk: Helpdesk, tmp_path: Path) -> None:
    alone = Helpdesk(tmp_path)
    shutil.copytree(helpdesk.data / "index", alone.data / "index", symlinks=True)
    done = alone.run("ask", "my job on LUMI stays pending with AssocGrpGRES", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    texts = {item["number"]: item["text"] for item in told["evidence"]}
    assert told["claims"]
    assert all(c["quote"] in texts[c["evidence"]] for claim in told["claims"] for c in claim["citations"])
    assert any("AssocGrpGRES" in claim["text"] for claim in told["claims"])


def test_a_second_service_on_the_same_folder_does_not_start(helpdesk: Helpdesk) -> None:
    done = helpdesk.run("serve")
    assert done.returncode == 1
    assert "another `minerva serve`" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_an_index_it_says_what_to_run(tmp_path: Path) -> None:
    done = Helpdesk(tmp_path).run("serve")
    assert done.returncode == 1
    assert "minerva kb build" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_setting_stops_the_start_and_is_named(tmp_path: Path) -> None:
    done = Helpdesk(tmp_path, workers="none", log_format="xml").run("serve")
    assert done.returncode == 2
    assert "MINERVA_WORKERS" in done.stderr
    assert "MINERVA_LOG_FORMAT" in done.stderr
    assert "Traceback" not in done.stderr
