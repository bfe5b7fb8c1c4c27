from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from sqlmodel import select

from agent import approval
from agent.acknowledgement import MAX_A_DAY, WINDOW
from agent.attachment import Attachment, script_file
from agent.draft import Draft
from agent.errors import ApprovalError
from agent.filing import file_mail, file_unreadable
from agent.settings import Settings
from agent.store import drafts, inbound, outbox, people, placings, tickets, views
from agent.store.database import Database
from agent.store.tables import (
    Draft as DraftRow,
)
from agent.store.tables import (
    DraftState,
    Engineer,
    Message,
    Outbound,
    OutboundState,
    Ticket,
    TicketStatus,
    now,
)
from ingest.mail import parse_mail
from ingest.message import Address, InboundMessage
from triage.result import Fingerprint, Topic, TriageResult

SERIAL = itertools.count()

PLAIN = InboundMessage(
    channel="email",
    message_id=None,
    in_reply_to=None,
    references=(),
    sender=Address(name="Ada", address="ada@example.org"),
    to=(),
    cc=(),
    reply_to=(),
    subject="Job pending",
    date=None,
    auto_generated=False,
    bounce=False,
    text="It waits.",
    visible_text="It waits.",
    attachments=(),
    defects=(),
)


def receive(database: Database, settings: Settings, message: InboundMessage, envelope_from: str = "x@y.org") -> Message:
    with database.write() as session:
        raw = f"Message-ID: <{next(SERIAL)}@raw>\n\n{next(SERIAL)}".encode()
        stored = inbound.store_mail(
            session, raw, channel="smtp", peer="", envelope_from=envelope_from, envelope_to=["support@minerva.example"]
        )
        return file_mail(session, settings, stored, message, "en")


def ticket_of(database: Database, message: Message) -> Ticket:
    with database.read() as session:
        return tickets.by_id(session, Ticket, message.ticket_id)


def outbounds(database: Database) -> list[Outbound]:
    with database.read() as session:
        return list(session.exec(select(Outbound)))


def make_draft(
    database: Database, message: Message, body: str = "Wait a little.\n", attachments: Sequence[Attachment] = ()
) -> DraftRow:
    content = Draft(
        outcome="answer", claims=(), unanswered=(), questions=(), evidence=(), answerable=0.9, model="embedded"
    )
    with database.write() as session:
        ticket = tickets.by_id(session, Ticket, message.ticket_id)
        return drafts.save_draft(
            session, ticket, tickets.by_id(session, Message, message.id or 0), content,
            recipients=[ticket.requester_address], subject="Re: Job pending", body=body, findings=[], instruction=None,
            attachments=attachments,
        )  # fmt: skip


@pytest.fixture
def engineer(database: Database) -> Engineer:
    with database.write() as session:
        return people.add_engineer(session, name="Grace", email="grace@minerva.example")


def test_a_first_mail_opens_a_ticket_and_is_acknowledged(database: Database, settings: Settings) -> None:
    filed = receive(database, settings, replace(PLAIN, message_id="a@x"))
    ticket = ticket_of(database, filed)
    assert ticket.number == f"MIN-{now().year}-000001"
    assert ticket.status == TicketStatus.NEW
    (ack,) = outbounds(database)
    assert ack.recipients == ["ada@example.org"]
    assert b"Auto-Submitted: auto-replied" in ack.content


def test_filing_a_mail_again_changes_nothing(database: Database, settings: Settings) -> None:
    raw = b"Message-ID: <a@x>\n\nhello"
    for _ in range(2):
        with database.write() as session:
            stored = inbound.store_mail(session, raw, channel="smtp", peer="", envelope_from="a@x", envelope_to=[])
            file_mail(session, settings, stored, PLAIN, "en")
    with database.read() as session:
        assert len(session.exec(select(Message)).all()) == 1
        assert stored.deliveries == 2
    assert len(outbounds(database)) == 1


def test_mails_without_message_id_are_never_taken_for_one_another(database: Database) -> None:
    with database.write() as session:
        ids = {
            inbound.store_mail(session, b"\n\nhi", channel="smtp", peer="", envelope_from="a@x", envelope_to=[]).id
            for _ in range(3)
        }
    assert len(ids) == 3


def test_the_same_message_id_with_another_body_is_another_mail(database: Database) -> None:
    with database.write() as session:
        ids = {
            inbound.store_mail(session, raw, channel="smtp", peer="", envelope_from="a@x", envelope_to=[]).id
            for raw in (
                b"Message-ID: <a@x>\n\none",
                b"Message-ID: <a@x>\n\ntwo",
                b"Received: x\nmessage-id: a@x\n\none\n",
            )
        }
    assert len(ids) == 2


def test_a_reply_to_the_acknowledgement_joins_the_ticket(database: Database, settings: Settings) -> None:
    first = receive(database, settings, PLAIN)
    (ack,) = outbounds(database)
    stranger = Address(name="", address="colleague@example.org")
    reply = receive(database, settings, replace(PLAIN, sender=stranger, in_reply_to=ack.message_id))
    assert reply.ticket_id == first.ticket_id
    assert ticket_of(database, reply).revision == 2
    assert len(outbounds(database)) == 1


def test_a_number_in_the_subject_opens_the_ticket_only_to_those_who_take_part(
    database: Database, settings: Settings
) -> None:
    first = receive(database, settings, PLAIN)
    subject = f"Re: [{ticket_of(database, first).number}]"
    mine = receive(database, settings, replace(PLAIN, subject=subject))
    forged = receive(
        database, settings, replace(PLAIN, subject=subject, sender=Address(name="", address="eve@evil.example"))
    )
    assert mine.ticket_id == first.ticket_id
    assert forged.ticket_id != first.ticket_id


@pytest.mark.parametrize(
    ("message", "envelope_from"),
    [
        (replace(PLAIN, auto_generated=True), "x@y.org"),
        (replace(PLAIN, bounce=True), "x@y.org"),
        (PLAIN, ""),
        (replace(PLAIN, sender=Address(name="", address="Support@minerva.example")), "support@minerva.example"),
    ],
    ids=["automatic", "bounce", "null sender", "our own mail"],
)
def test_machines_are_kept_but_not_answered(
    database: Database, settings: Settings, message: InboundMessage, envelope_from: str
) -> None:
    filed = receive(database, settings, message, envelope_from)
    assert filed.auto_generated
    assert ticket_of(database, filed).status == TicketStatus.SET_ASIDE
    assert outbounds(database) == []


def test_an_automatic_reply_joins_its_ticket_without_disturbing_it(database: Database, settings: Settings) -> None:
    first = receive(database, settings, PLAIN)
    draft = make_draft(database, first)
    (ack,) = outbounds(database)
    away = receive(database, settings, replace(PLAIN, auto_generated=True, in_reply_to=ack.message_id))
    ticket = ticket_of(database, away)
    assert (ticket.id, ticket.revision, ticket.status) == (first.ticket_id, 1, TicketStatus.DRAFTED)
    with database.read() as session:
        assert tickets.by_id(session, DraftRow, draft.id or 0).state == DraftState.WAITING


def made_earlier(database: Database, by: timedelta) -> None:
    """All mails of the outbox are that much older."""
    with database.write() as session:
        for mail in session.exec(select(Outbound)):
            mail.created_at -= by


def test_a_sender_is_acknowledged_once_in_three_hours(database: Database, settings: Settings) -> None:
    first, second = receive(database, settings, PLAIN), receive(database, settings, PLAIN)
    assert [mail.ticket_id for mail in outbounds(database)] == [first.ticket_id]
    with database.read() as session:
        events = tickets.events_of(session, ticket_of(database, second))
    assert ("not acknowledged", "the sender had one within 3 hours") in [(e.what, e.detail) for e in events]
    made_earlier(database, WINDOW)
    receive(database, settings, replace(PLAIN, sender=Address(name="", address="ADA@example.org")))
    receive(database, settings, replace(PLAIN, sender=Address(name="", address="bob@example.org")))
    assert [mail.recipient for mail in outbounds(database)] == [
        "ada@example.org", "ada@example.org", "bob@example.org",
    ]  # fmt: skip


def test_acknowledgements_to_one_mailbox_end_before_a_mail_war(database: Database, settings: Settings) -> None:
    for number in range(MAX_A_DAY + 5):
        tagged = Address(name="", address=f"robot+{number}@example.org")
        receive(database, settings, replace(PLAIN, sender=tagged))
    receive(database, settings, replace(PLAIN, sender=Address(name="", address="robot@example.org")))
    receive(database, settings, replace(PLAIN, sender=Address(name="", address="robotic+1@example.org")))
    assert [mail.recipient for mail in outbounds(database)] == [
        *(f"robot+{number}@example.org" for number in range(MAX_A_DAY)), "robotic+1@example.org",
    ]  # fmt: skip
    made_earlier(database, timedelta(days=1))
    receive(database, settings, replace(PLAIN, sender=Address(name="", address="robot+1@example.org")))
    assert len(outbounds(database)) == MAX_A_DAY + 2


def test_a_mail_that_cannot_be_read_still_becomes_a_ticket(database: Database) -> None:
    with database.write() as session:
        stored = inbound.store_mail(
            session, b"\x00", channel="smtp", peer="", envelope_from="a@example.org", envelope_to=[]
        )
        file_unreadable(session, stored)
    with database.read() as session:
        (ticket,) = views.find(session, views.Wanted(view=views.View.ASIDE), me=0)
        assert ticket.requester_address == "a@example.org"
        assert inbound.raw_of(session, stored.id or 0) == b"\x00"
        assert inbound.waiting(session) == []


def test_an_approved_draft_is_in_the_outbox_with_its_thread(
    database: Database, settings: Settings, engineer: Engineer
) -> None:
    filed = receive(database, settings, replace(PLAIN, message_id="a@x", references=("root@x",)))
    draft = make_draft(database, filed)
    with database.write() as session:
        sent = approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
    assert b"In-Reply-To: <a@x>" in sent.content
    assert b"References: <root@x> <a@x>" in sent.content
    assert b"> It waits." in sent.content
    assert ticket_of(database, filed).status == TicketStatus.ANSWERED
    reply = receive(database, settings, replace(PLAIN, in_reply_to=sent.message_id))
    assert reply.ticket_id == filed.ticket_id
    assert ticket_of(database, filed).status == TicketStatus.NEW


def test_an_approval_is_void_when_a_message_has_come_in(
    database: Database, settings: Settings, engineer: Engineer
) -> None:
    filed = receive(database, settings, replace(PLAIN, message_id="a@x"))
    draft = make_draft(database, filed)
    receive(database, settings, replace(PLAIN, in_reply_to="a@x"))
    with pytest.raises(ApprovalError), database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
    assert len(outbounds(database)) == 1


def test_two_engineers_cannot_approve_one_draft(database: Database, settings: Settings, engineer: Engineer) -> None:
    draft = make_draft(database, receive(database, settings, PLAIN))
    with database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
    with pytest.raises(ApprovalError, match="has been decided about"), database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
    assert len(outbounds(database)) == 2


def test_a_draft_other_than_the_one_shown_is_not_approved(
    database: Database, settings: Settings, engineer: Engineer
) -> None:
    draft = make_draft(database, receive(database, settings, PLAIN))
    with pytest.raises(ApprovalError, match="not the one that was shown"), database.write() as session:
        approval.approve(session, settings, draft.id or 0, engineer=engineer, binding="0" * 64)


def test_an_edited_answer_is_sent_as_edited(database: Database, settings: Settings, engineer: Engineer) -> None:
    draft = make_draft(database, receive(database, settings, PLAIN))
    with database.write() as session:
        sent = approval.approve(
            session, settings, draft.id or 0, engineer=engineer, binding=draft.binding, body="Ask for 4 GPUs.\r\n"
        )
        assert sent.approval_id is not None
        kept = tickets.by_id(session, approval.Approval, sent.approval_id)
    assert b"Ask for 4 GPUs." in sent.content
    assert b"Wait a little" not in sent.content
    assert (kept.decision, kept.body) == ("edited", "Ask for 4 GPUs.\n")


def test_an_approval_covers_the_files_that_were_shown(
    database: Database, settings: Settings, engineer: Engineer
) -> None:
    filed = receive(database, settings, PLAIN)
    script = script_file("#!/bin/bash\nsrun hostname")
    body = "Your script:\n\n```bash\n#!/bin/bash\nsrun hostname\n```\n"
    shown = make_draft(database, filed, body, attachments=[script])
    other = make_draft(database, filed, body, attachments=[replace(script, content=b"rm -rf /\n")])
    with pytest.raises(ApprovalError, match="not the one that was shown"), database.write() as session:
        approval.approve(session, settings, other.id or 0, engineer=engineer, binding=shown.binding)
    with database.write() as session:
        drafts.supersede(session, tickets.by_id(session, Ticket, filed.ticket_id))
    last = make_draft(database, filed, body, attachments=[script])
    edited = body.replace("hostname", "date")
    with database.write() as session:
        sent = approval.approve(
            session, settings, last.id or 0, engineer=engineer, binding=last.binding, body=edited, vouched=True
        )
    attached = [(item.filename, item.content) for item in parse_mail(sent.content).attachments]
    assert attached == [("job-corrected.sh", b"#!/bin/bash\nsrun date\n")]


def test_a_rejection_needs_a_reason_and_sends_nothing(
    database: Database, settings: Settings, engineer: Engineer
) -> None:
    filed = receive(database, settings, PLAIN)
    draft = make_draft(database, filed)
    with pytest.raises(ApprovalError), database.write() as session:
        approval.reject(session, draft.id or 0, engineer=engineer, reason=" ")
    with database.write() as session:
        approval.reject(session, draft.id or 0, engineer=engineer, reason="wrong system")
    assert ticket_of(database, filed).status == TicketStatus.NEW
    assert len(outbounds(database)) == 1


def test_after_a_crash_what_was_on_the_wire_is_uncertain_and_the_rest_goes_again(
    database: Database, settings: Settings
) -> None:
    for name in ("ada", "bob", "cyd"):
        receive(database, settings, replace(PLAIN, sender=Address(name="", address=f"{name}@example.org")))
    first, second, third = (mail.id or 0 for mail in outbounds(database))
    with database.write() as session:
        assert outbox.claim(session, first)
        assert not outbox.claim(session, first)
        assert outbox.claim(session, second)
        assert outbox.begin_transmission(session, second, 1)
    with database.write() as session:
        assert outbox.recover(session) == (1, 1)
    states = {mail.id: mail.state for mail in outbounds(database)}
    assert states == {first: OutboundState.QUEUED, second: OutboundState.UNCERTAIN, third: OutboundState.QUEUED}


def test_a_sign_in_link_works_once(database: Database, engineer: Engineer) -> None:
    with database.write() as session:
        token = people.new_sign_in_link(session, engineer)
    with database.write() as session:
        assert people.redeem_link(session, token) is not None
        assert people.redeem_link(session, token) is None
        assert people.redeem_link(session, "made-up") is None


def test_a_disabled_engineer_is_out_at_once(database: Database, engineer: Engineer) -> None:
    with database.write() as session:
        kept = people.by_email(session, engineer.email)
        people.set_password(session, kept, "a long enough password")
        token = people.start_session(session, kept)
        assert people.session_of(session, token) is not None
        people.disable(session, kept)
        assert people.session_of(session, token) is None
        assert people.check_password(session, kept.email, "a long enough password") is None


def test_another_draft_is_awaited_until_an_answer_is_approved(
    database: Database, settings: Settings, engineer: Engineer
) -> None:
    filed = receive(database, settings, replace(PLAIN, message_id="a@x"))
    draft = make_draft(database, filed)
    with database.write() as session:
        assert drafts.is_awaited(session, tickets.by_id(session, Ticket, filed.ticket_id))
        approval.approve(session, settings, draft.id or 0, engineer=engineer, binding=draft.binding)
        assert not drafts.is_awaited(session, tickets.by_id(session, Ticket, filed.ticket_id))
    receive(database, settings, replace(PLAIN, in_reply_to="a@x"))
    with database.read() as session:
        assert drafts.is_awaited(session, tickets.by_id(session, Ticket, filed.ticket_id))


def result_for(ticket: Ticket, *, parts: set[str], vector: tuple[float, float] = (1.0, 0.0)) -> TriageResult:
    return TriageResult(
        id=ticket.number, level="L1", level_confidence=0.9, type="T1", type_confidence=0.9,
        level_probabilities={}, type_probabilities={}, language="en", urgency="normal", route="approve", reasons=(),
        topics=(Topic(kind="system", id="lumi-g", name="LUMI-G"),),
        fingerprint=Fingerprint(
            vector=np.asarray(vector, dtype=np.float32), encoder="test", parts=frozenset(parts),
            systems=frozenset({"lumi-g"}),
        ),
    )  # fmt: skip


def test_a_correction_is_stored_and_stays(database: Database, settings: Settings) -> None:
    message = receive(database, settings, PLAIN)
    with database.write() as session:
        ticket = tickets.by_id(session, Ticket, message.ticket_id)
        tickets.place(ticket, result_for(ticket, parts=set()))
        engineer = people.add_engineer(session, name="Grace", email="grace@minerva.example")
        placings.correct(session, ticket, level="L4", type_="T2", engineer=engineer)
        placings.correct(session, ticket, level="L2", type_="T1", engineer=engineer)
        tickets.place(ticket, result_for(ticket, parts=set()))
        assert (ticket.level, ticket.type, ticket.placed_by) == ("L2", "T1", "Grace")
        assert ticket.level_confidence is None
        assert ticket.topics == [{"kind": "system", "id": "lumi-g", "name": "LUMI-G"}]
    with database.read() as session:
        kept = placings.corrected_requests(session)
        events = tickets.events_of(session, ticket)
    assert [(c.level, c.type, c.subject, c.body) for c in kept] == [("L2", "T1", "Job pending", "It waits.")]
    assert [e.detail for e in events if e.what == "corrected the placing"] == ["L1 T1 to L4 T2", "L4 T2 to L2 T1"]


def test_sixty_mails_of_one_incident_are_one_group(database: Database, settings: Settings) -> None:
    made = [receive(database, settings, replace(PLAIN, subject=f"scratch {n}")) for n in range(60)]
    other = receive(database, settings, replace(PLAIN, subject="something else"))
    with database.write() as session:
        for message in made:
            ticket = tickets.by_id(session, Ticket, message.ticket_id)
            placings.link(session, ticket, fingerprint_of(ticket, parts={"file system"}))
        alone = tickets.by_id(session, Ticket, other.ticket_id)
        assert placings.link(session, alone, fingerprint_of(alone, parts=set(), vector=(0.0, 1.0))) is None
        again = tickets.by_id(session, Ticket, made[0].ticket_id)
        placings.link(session, again, fingerprint_of(again, parts={"file system"}))
    with database.read() as session:
        groups = [placings.group_of(session, tickets.by_id(session, Ticket, m.ticket_id)) for m in made]
        assert placings.group_of(session, alone) is None
    assert {len(group.tickets) for group in groups if group is not None} == {59}
    assert all(group is not None and group.kind == "incident" for group in groups)
    assert groups[5] is not None
    assert groups[5].tickets[0].id == made[0].ticket_id
    assert "file system in trouble on lumi-g" in groups[5].why


def fingerprint_of(ticket: Ticket, *, parts: set[str], vector: tuple[float, float] = (1.0, 0.0)) -> Fingerprint:
    found = result_for(ticket, parts=parts, vector=vector).fingerprint
    assert found is not None
    return found


def test_answered_tickets_are_not_compared(database: Database, settings: Settings) -> None:
    first, second = (receive(database, settings, PLAIN) for _ in range(2))
    with database.write() as session:
        answered = tickets.by_id(session, Ticket, first.ticket_id)
        placings.link(session, answered, fingerprint_of(answered, parts=set()))
        answered.status = TicketStatus.ANSWERED
        session.add(answered)
        session.flush()
        fresh = tickets.by_id(session, Ticket, second.ticket_id)
        assert placings.link(session, fresh, fingerprint_of(fresh, parts=set())) is None
