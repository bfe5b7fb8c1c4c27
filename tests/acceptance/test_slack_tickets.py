"""Slack: a person is one click away. Tickets, commands, home, and the engineers' cards. Against the stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

import pytest
from slack_fixture import ME, Running, buttons_of, running_slack, text_of, wait_for, with_rows
from sqlmodel import select

from agent import handling
from agent.slack.acts import bench_text
from agent.store import audit, inbound, people, tickets
from agent.store import chat as store
from agent.store.tables import Approval, Message, Outbound, Ticket
from knowledge_base.rows.row import Row

LAW = "Which law holds for my account?"
CONSENT = {"consent": ["consent"]}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_slack(tmp_path_factory.mktemp("slack"), slack_engineers_channel="G1CARDS") as started:
        started.slack._post_limit = False
        started.engineer("Grace", "T0HOME/U3GRACE")
        yield started


def open_form(running: Running, before: int) -> Any:
    return wait_for(lambda: running.slack.views[before:])[-1]


def ticket_from(running: Running, question: str, **values: Any) -> tuple[str, str]:
    """(ts of the thread, number of the ticket), asked for with the button below our answer."""
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {question}")
    before = len(running.slack.views)
    running.slack.click("U1ADA", "C1HELP", running.answer("C1HELP", ts)["ts"], "person")
    form = open_form(running, before)
    asked = next(b for b in form["blocks"] if b["block_id"] == "text")["element"]["initial_value"]
    assert asked == question
    assert running.slack.submit("U1ADA", form, {"text": asked, **CONSENT, **values}) is None
    said = text_of(running.answer("C1HELP", ts, 2))
    number = re.search(r"MIN-\d{4}-\d{6}", said)
    assert number is not None
    return ts, number[0]


def card_of(running: Running, number: str, *, button: str = "card_approve") -> Any:
    def shown() -> Any:
        with running.slack.lock:
            cards = [m for m in running.slack.messages["G1CARDS"] if number in text_of(m)]
        return next((dict(m) for m in reversed(cards) if button in buttons_of(m)), None)

    return wait_for(shown)


def sent_in(running: Running, ts: str, words: str) -> Any:
    return wait_for(lambda: next((m for m in running.ours("C1HELP", ts) if words in text_of(m)), None))


def outbounds(running: Running, number: str) -> list[Outbound]:
    with running.database.read() as session:
        ticket = tickets.by_number(session, number)
        query = select(Outbound).where(Outbound.ticket_id == ticket.id, Outbound.kind == "answer")
        return list(session.exec(query))


def test_a_ticket_from_the_thread_to_the_answer_in_it_and_by_mail(running: Running) -> None:
    ts, number = ticket_from(running, LAW, mail="ada@example.org", institution="University of Turin")
    draft = running.ticket_draft(number)
    assert draft.recipients[0].endswith("@slack.invalid")
    assert draft.recipients[1:] == ["ada@example.org"]
    with running.database.read() as session:
        ticket = tickets.by_number(session, number)
        request = tickets.messages_of(session, ticket)[0]
    assert (ticket.requester_name, ticket.subject) == ("Ada", LAW)
    assert "Institution: University of Turin" in request.text
    assert "MINERVA: I must not answer this on my own" in request.text
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    answer = sent_in(running, ts, "Dear Ada")
    assert "apply for an account on LUMI" in text_of(answer)
    assert "University of Turin" not in str(running.ours("C1HELP", ts))
    mails = wait_for(lambda: list(running.settings.outbox_dir.glob(f"*{number}-answer.eml")))
    assert b"To: ada@example.org" in mails[0].read_bytes()
    assert wait_for(lambda: {row.state for row in outbounds(running, number)} == {"sent"})
    wait_for(lambda: "Approved" in text_of(card_of(running, number, button="open_desk")))


def test_without_a_mail_address_the_answer_stays_in_the_thread(running: Running) -> None:
    ts, number = ticket_from(running, LAW)
    running.ticket_draft(number)
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    sent_in(running, ts, "Dear Ada")
    assert [row.recipients[0].endswith("@slack.invalid") for row in outbounds(running, number)] == [True]


def test_a_person_may_be_asked_for_in_words(running: Running) -> None:
    ts = running.ask("U1ADA", "C1HELP", f"{ME} {LAW}")
    running.ask("U1ADA", "C1HELP", "!ticket I agree", thread=ts)
    sent_in(running, ts, "is open")


def test_a_ticket_needs_consent_and_a_real_address(running: Running) -> None:
    before = len(running.slack.views)
    running.slack.command("U1ADA", "C1HELP", "ticket How do I start?")
    form = open_form(running, before)
    refused = running.slack.submit("U1ADA", form, {"text": "x", "mail": "nobody", "consent": []})
    assert refused["response_action"] == "errors"
    assert set(refused["errors"]) == {"mail", "consent"}
    with running.database.read() as session:
        assert not session.exec(select(Ticket).where(Ticket.subject == "x")).all()


def test_what_is_added_joins_the_ticket_and_voids_what_was_shown(running: Running) -> None:
    ts, number = ticket_from(running, LAW)
    running.ticket_draft(number)
    first = card_of(running, number)
    running.ask("U1ADA", "C1HELP", "I mean the account on LUMI.", thread=ts)
    draft = running.ticket_draft(number)
    assert draft.revision == 2
    before = len(running.slack.ephemerals)
    assert not running.ours("C1HELP", ts)[2:]  # a person is at it: the bot says no more
    old = dict(first, ts="stale")
    with running.slack.lock:
        running.slack.messages["G1CARDS"].append(old)
    running.slack.click("U3GRACE", "G1CARDS", "stale", "card_approve")
    told = wait_for(lambda: running.slack.ephemerals[before:])
    assert "superseded" in told[0]["text"]
    with running.database.read() as session:
        assert not session.exec(select(Approval).where(Approval.draft_id == draft.id)).all()


def test_a_reply_by_mail_joins_too_and_is_answered_by_mail(running: Running) -> None:
    ts, number = ticket_from(running, LAW, mail="ada@example.org")
    running.ticket_draft(number)
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    wait_for(lambda: {row.state for row in outbounds(running, number)} == {"sent"})
    by_mail = next(row for row in outbounds(running, number) if row.recipients == ["ada@example.org"])
    reply = EmailMessage()
    reply["From"], reply["To"], reply["Subject"] = "Ada <ada@example.org>", "support@minerva.example", "Re: it"
    reply["Message-ID"], reply["In-Reply-To"] = "<r1@example.org>", f"<{by_mail.message_id}>"
    reply.set_content("And what about my private contract?")
    with running.database.write() as session:
        inbound.store_mail(
            session, reply.as_bytes(), channel="smtp", peer="", envelope_from="ada@example.org",
            envelope_to=["support@minerva.example"],
        )  # fmt: skip
    running.workflows.wake()
    draft = wait_for(lambda: (d := running.ticket_draft(number)).revision == 2 and d)
    assert draft.recipients == ["ada@example.org"]  # what was said in private is not answered in public
    assert "private contract" not in str(running.thread("C1HELP", ts))


def test_resolved_is_said_in_the_thread_once(running: Running) -> None:
    ts, number = ticket_from(running, LAW)
    with running.database.write() as session:
        engineer = people.by_email(session, "grace@minerva.example")
        handling.resolve(session, tickets.by_number(session, number), by=engineer, batch="b")
    sent_in(running, ts, f"{number} is resolved")
    running.ask("U1ADA", "C1HELP", "One more thing: which law holds?", thread=ts)
    running.settle()
    assert len([m for m in running.ours("C1HELP", ts) if "is resolved" in text_of(m)]) == 1
    with running.database.read() as session:
        assert tickets.by_number(session, number).status != "resolved"


def test_the_shortcut_opens_a_ticket_about_anybodys_message(running: Running) -> None:
    ts = running.slack.say("U2ALAN", "C1HELP", "The queue is broken again")
    before = len(running.slack.views)
    running.slack.shortcut("U1ADA", "C1HELP", ts, "open_ticket")
    form = open_form(running, before)
    running.slack.submit("U1ADA", form, {"text": "Alan cannot submit", **CONSENT})
    number = re.search(r"MIN-\d{4}-\d{6}", text_of(running.answer("C1HELP", ts)))[0]  # type: ignore[index]
    with running.database.read() as session:
        request = tickets.messages_of(session, tickets.by_number(session, number))[0]
    assert "Alan: The queue is broken again" in request.text


def test_an_emoji_asks_in_private_whether_to_open_one(running: Running) -> None:
    ts = running.slack.say("U2ALAN", "C1HELP", "The queue is broken")
    before, views = len(running.slack.ephemerals), len(running.slack.views)
    running.slack.react("U1ADA", "C1HELP", ts, "eyes")
    running.slack.react("U1ADA", "C1HELP", ts, "ticket")
    asked = wait_for(lambda: running.slack.ephemerals[before:])
    assert [message["user"] for message in asked] == ["U1ADA"]
    running.slack.click_ephemeral("U1ADA", asked[0], "person")
    running.slack.submit("U1ADA", open_form(running, views), {"text": "see above", **CONSENT})
    assert "is open" in text_of(running.answer("C1HELP", ts))


def test_commands(running: Running) -> None:
    assert "answers questions" in running.slack.command("U2ALAN", "C1HELP", "help")["text"]
    assert "answers questions" in running.slack.command("U2ALAN", "C1HELP", "")["text"]
    assert "direct messages" in running.slack.command("U2ALAN", "C1HELP", "ask How do I get an account?")["text"]
    asked = wait_for(lambda: [m for m in running.slack.messages["D2ALAN"] if "How do I get" in text_of(m)])
    assert "apply for an account" in text_of(running.answer("D2ALAN", asked[0]["ts"], 2))
    before = len(running.slack.responses)
    running.slack.command("U9EVE", "C1HELP", "status")
    running.slack.command("U2ALAN", "C1HELP", "bench Llama on LUMI")
    running.settle()
    said = [answer["text"] for answer in running.slack.responses[before:]]
    assert any("You have no tickets" in text for text in said)
    assert any("No measurement" in text for text in said)


def test_bench_gives_rows_and_guesses_nothing(running: Running) -> None:
    chat = running.chats.by_name["slack"]
    row = Row(
        id="r", title="Llama on LUMI-G", heading="Measured", text="9 tok/s at concurrency 8.", url=None, known=True
    )  # fmt: skip
    measured = replace(chat, ports=with_rows(chat.ports, [row]))
    assert bench_text(measured.ports.rows("")) == "*Llama on LUMI-G*: 9 tok/s at concurrency 8."
    assert "No measurement" in bench_text(())


def test_a_ticket_by_command_is_a_private_conversation(running: Running) -> None:
    before = len(running.slack.views)
    running.slack.command("U2ALAN", "C1HELP", "ticket How do I start?")
    running.slack.submit("U2ALAN", open_form(running, before), {"text": "How do I start?", **CONSENT})
    opened = wait_for(lambda: [m for m in running.slack.messages["D2ALAN"] if "is open" in text_of(m)])
    number = re.search(r"MIN-\d{4}-\d{6}", text_of(opened[0]))[0]  # type: ignore[index]
    with running.database.read() as session:
        thread = store.thread_of_ticket(session, tickets.by_number(session, number))
    assert thread is not None
    assert thread.direct
    home = wait_for(lambda: running.slack.homes.get("U2ALAN"))
    assert number in str(home)


def test_the_home_tells_how_to_ask(running: Running) -> None:
    running.slack.open_home("U9EVE")
    home = wait_for(lambda: running.slack.homes.get("U9EVE"))
    assert "You have none" in str(home)


def test_a_card_shows_what_a_person_has_to_know(running: Running) -> None:
    _, number = ticket_from(running, LAW)
    draft = running.ticket_draft(number)
    text = text_of(card_of(running, number))
    for part in ("L5 T1", "from Ada", "to the conversation", ":large_green_circle:", draft.body.splitlines()[0]):
        assert part in text
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_assign")
    wait_for(lambda: "assigned to Grace" in text_of(card_of(running, number)))


def test_strangers_may_not_decide(running: Running) -> None:
    _, number = ticket_from(running, LAW)
    card, views = card_of(running, number), len(running.slack.views)
    for name in ("card_approve", "card_edit", "card_reject", "card_assign"):
        running.slack.ephemerals.clear()
        running.slack.click("U9EVE", "G1CARDS", card["ts"], name)
        assert "not mapped" in wait_for(lambda: running.slack.ephemerals[:])[0]["text"]
    assert len(running.slack.views) == views
    with running.database.read() as session:
        assert tickets.by_number(session, number).status == "drafted"


def test_the_roles_of_the_desk_hold_on_cards_and_its_log_tells_of_them(running: Running) -> None:
    running.engineer("Vera", "T0HOME/U2ALAN")
    with running.database.write() as session:
        people.by_email(session, "vera@minerva.example").role = "viewer"
    _, number = ticket_from(running, LAW)
    running.slack.ephemerals.clear()
    running.slack.click("U2ALAN", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    assert "Your role, viewer" in wait_for(lambda: running.slack.ephemerals[:])[0]["text"]
    assert not outbounds(running, number)
    with running.database.read() as session:
        entry = audit.newest(session)[0]
    assert (entry.actor, entry.action) == ("vera@minerva.example", "approve, refused")


def test_where_two_have_to_approve_the_card_takes_two(running: Running) -> None:
    running.engineer("Ida", "T0HOME/U1ADA")
    ts, number = ticket_from(running, "Which ethics board decides on my account?")
    assert running.ticket_draft(number).outcome
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    wait_for(lambda: "approved by Grace; a second person has to" in text_of(card_of(running, number)))
    running.slack.ephemerals.clear()
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    assert "second person" in wait_for(lambda: running.slack.ephemerals[:])[0]["text"]
    assert not outbounds(running, number)
    running.slack.click("U1ADA", "G1CARDS", card_of(running, number)["ts"], "card_approve")
    sent_in(running, ts, "Dear Ada")


def test_editing_on_the_card(running: Running) -> None:
    ts, number = ticket_from(running, LAW)
    draft = running.ticket_draft(number)
    before = len(running.slack.views)
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_edit")
    form = open_form(running, before)
    told = len(running.slack.ephemerals)
    running.slack.submit("U3GRACE", form, {"body": f"{draft.body}\nAdd --mem=700G to your script.", "vouched": []})
    assert "in no evidence" in wait_for(lambda: running.slack.ephemerals[told:])[0]["text"]
    before = len(running.slack.views)
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_edit")
    form = open_form(running, before)
    running.slack.submit("U3GRACE", form, {"body": draft.body.replace("Dear Ada", "Hello Ada"), "vouched": []})
    sent_in(running, ts, "Hello Ada")
    with running.database.read() as session:
        decision = session.exec(select(Approval).where(Approval.draft_id == draft.id)).one()
    assert decision.decision == "edited"


def test_rejecting_on_the_card(running: Running) -> None:
    _, number = ticket_from(running, LAW)
    before = len(running.slack.views)
    running.slack.click("U3GRACE", "G1CARDS", card_of(running, number)["ts"], "card_reject")
    running.slack.submit("U3GRACE", open_form(running, before), {"reason": "beside the point"})
    wait_for(lambda: "Rejected" in text_of(card_of(running, number, button="open_desk")))


def test_an_approval_is_void_once_the_draft_is_settled(running: Running) -> None:
    ts, number = ticket_from(running, LAW)
    card = card_of(running, number)
    for _ in range(2):
        with running.slack.lock:
            running.slack.messages["G1CARDS"].append({**card, "ts": running.slack.ts()})
            copy = running.slack.messages["G1CARDS"][-1]["ts"]
        running.slack.click("U3GRACE", "G1CARDS", copy, "card_approve")
    running.settle()
    sent_in(running, ts, "Dear Ada")
    assert len(outbounds(running, number)) == 1


def test_a_message_in_a_mails_ticket_is_unchanged(running: Running) -> None:
    """Tickets from mail get a card as well, and their answers go by mail alone."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Bo <bo@example.org>", "support@minerva.example", "Account"
    mail["Message-ID"] = "<m1@example.org>"
    mail.set_content("How do I get an account on LUMI?")
    with running.database.write() as session:
        inbound.store_mail(
            session, mail.as_bytes(), channel="smtp", peer="", envelope_from="bo@example.org",
            envelope_to=["support@minerva.example"],
        )  # fmt: skip
    running.workflows.wake()

    def filed() -> str | None:
        with running.database.read() as session:
            message = session.exec(select(Message).where(Message.message_id == "m1@example.org")).first()
            return tickets.by_id(session, Ticket, message.ticket_id).number if message else None

    number = wait_for(filed)
    assert running.ticket_draft(number).recipients == ["bo@example.org"]
    assert "to bo@example.org" in text_of(card_of(running, number))
