"""What the world sends, over a real SMTP connection, into the running parts: listener, store, workflows, pipeline."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage

import pytest
from sqlmodel import select

from agent.draft import Draft, Evidence, Question
from agent.mail.arrivals import Arrivals
from agent.mail.intake import start_intake
from agent.mail.sender import sender_for
from agent.pipeline import Ports
from agent.settings import Settings
from agent.store import inbound, tickets, views
from agent.store.database import Database
from agent.store.tables import Draft as DraftRow
from agent.store.tables import MailState, Message, Outbound, StoredMail, Ticket, TicketStatus
from agent.store.views import View, Wanted
from agent.workflows import Workflows
from ingest.mail import parse_mail
from knowledge_base.passage import SearchResult
from triage.doctor.diagnosis import diagnose
from triage.result import Request, TriageResult

SUPPORT = "support@minerva.example"
MAX_BYTES = 30 * 1024 * 1024


def placed(request: Request) -> TriageResult:
    return TriageResult(
        id=request.id, level="L1", level_confidence=0.9, type="T1", type_confidence=0.9, level_probabilities={},
        type_probabilities={}, language="en", urgency="normal", route="approve", reasons=(),
    )  # fmt: skip


def composed(question: Question, evidence: tuple[Evidence, ...], answerable: float) -> Draft:
    return Draft(
        outcome="escalate", claims=(), unanswered=(question.subject,), questions=(), evidence=evidence,
        answerable=answerable, model="embedded",
    )  # fmt: skip


PORTS = Ports(
    read=parse_mail,
    language=lambda text: "en",
    place=placed,
    diagnose=lambda text, attachments: diagnose(text, attachments=attachments),
    search=lambda question, k: SearchResult(hits=(), answerable=0.0),
    compose=composed,
)


@dataclass(frozen=True)
class Service:
    database: Database
    port: int

    def send(self, raw: bytes, sender: str = "ada@example.org", recipients: tuple[str, ...] = (SUPPORT,)) -> None:
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as server:
            server.sendmail(sender, list(recipients), raw)

    def settled(self, count: int = 1, timeout_s: float = 30) -> list[Ticket]:
        """The tickets once `count` mails are filed and every request has its draft."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            with self.database.read() as session:
                handled = session.exec(select(StoredMail).where(StoredMail.state == MailState.HANDLED)).all()
                waiting = session.exec(select(Ticket).where(Ticket.status == TicketStatus.NEW)).all()
                if len(handled) >= count and not waiting:
                    return list(session.exec(select(Ticket).order_by(Ticket.id)))
            time.sleep(0.05)
        raise AssertionError("the mails were not worked on")


@pytest.fixture
def service(database: Database, settings: Settings) -> Iterator[Service]:
    arrivals = Arrivals()
    workflows = Workflows(database, settings, PORTS, sender_for(settings), arrivals)
    workflows.start()
    intake = start_intake(database, settings.model_copy(update={"smtp_port": 0}), arrivals)
    intake.listener.wait_until_ready()
    yield Service(database, intake.smtp_port)
    intake.stop()
    workflows.stop()


def messages(service: Service) -> list[Message]:
    with service.database.read() as session:
        return list(session.exec(select(Message)))


BROKEN = {
    "no mail at all": b"\xff\xfe\x00\x01 this is not a mail \x80\x81",
    "nothing": b"\r\n",
    "only headers": b"From: a@b.org\r\nSubject: only headers\r\n\r\n",
    "nul bytes": b"From: a@b.org\r\nSubject: n\x00ul\r\n\r\nbe\x00fore and after",
    "wrong charset": b"From: a@b.org\r\nSubject: c\r\nContent-Type: text/plain; charset=klingon\r\n\r\nM\xfcnchen",
    "html only": b"From: a@b.org\r\nSubject: h\r\nContent-Type: text/html\r\n\r\n<p>My <b>job</b> waits.<script>x()</script>",
    "cut off": b"From: a@b.org\r\nSubject: m\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: te",
    "bad base64": b"From: a@b.org\r\nSubject: b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!not base64!!!!",
    "no from": b"Subject: who am I\r\n\r\nhello",
    "a line of a megabyte": b"From: a@b.org\r\nSubject: long\r\n\r\n" + b"x" * 1_000_000,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_whatever_comes_becomes_a_ticket_with_its_original(service: Service, raw: bytes) -> None:
    service.send(raw)
    (ticket,) = service.settled()
    with service.database.read() as session:
        (stored,) = session.exec(select(StoredMail))
        assert inbound.raw_of(session, stored.id or 0).rstrip() == raw.rstrip().replace(b"\r\n", b"\n").replace(
            b"\n", b"\r\n"
        )
        assert len(session.exec(select(DraftRow)).all()) == 1
    assert ticket.status == TicketStatus.DRAFTED


def test_html_loses_its_scripts_and_keeps_its_words(service: Service) -> None:
    service.send(BROKEN["html only"])
    service.settled()
    (message,) = messages(service)
    assert "job" in message.visible_text
    assert "x()" not in message.text


def test_a_mail_just_under_the_limit_is_taken_and_a_larger_one_refused(service: Service) -> None:
    head = b"From: a@b.org\r\nSubject: big\r\n\r\n"
    line = b"0123456789" * 7 + b"\r\n"
    service.send(head + line * ((MAX_BYTES - 1000) // len(line)))
    with pytest.raises(smtplib.SMTPSenderRefused) as announced:
        service.send(head + line * (MAX_BYTES // len(line) + 10))
    assert announced.value.smtp_code == 552
    assert len(service.settled(timeout_s=60)) == 1


def test_a_client_that_does_not_announce_the_size_is_stopped_too(service: Service) -> None:
    with smtplib.SMTP("127.0.0.1", service.port, timeout=60) as server:
        server.helo("client")
        server.mail("ada@example.org")
        server.rcpt(SUPPORT)
        code, _ = server.data(b"From: a@b.org\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * (MAX_BYTES // 72 + 10))
    assert code == 552
    with service.database.read() as session:
        assert session.exec(select(StoredMail)).all() == []


def test_five_thousand_recipients_in_the_headers(service: Service) -> None:
    everyone = ",\r\n ".join(f"user{n}@example.org" for n in range(5000))
    service.send(f"From: a@b.org\r\nTo: {everyone}\r\nSubject: all of you\r\n\r\nhello".encode())
    service.settled()
    (message,) = messages(service)
    assert len(message.recipients) == 5000
    with service.database.read() as session:
        assert [mail.recipients for mail in session.exec(select(Outbound))] == [["a@b.org"]]
        assert [draft.recipients for draft in session.exec(select(DraftRow))] == [["a@b.org"]]


def test_five_thousand_recipients_in_the_envelope_are_put_off_not_refused(service: Service) -> None:
    with smtplib.SMTP("127.0.0.1", service.port, timeout=60) as server:
        server.ehlo()
        server.mail("ada@example.org")
        codes = [server.rcpt(f"support+{n}@minerva.example")[0] for n in range(120)]
    assert codes == [250] * 100 + [452] * 20


def test_unknown_recipients_are_refused(service: Service) -> None:
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        service.send(b"Subject: x\r\n\r\n", recipients=("somebody@else.example",))


def test_the_same_mail_twice_is_one_ticket(service: Service) -> None:
    raw = b"From: a@b.org\r\nMessage-ID: <one@b.org>\r\nSubject: twice\r\n\r\nhello\r\n"
    service.send(raw)
    service.send(b"Received: from elsewhere\r\n" + raw)
    assert len(service.settled()) == 1
    with service.database.read() as session:
        assert [stored.deliveries for stored in session.exec(select(StoredMail))] == [2]


def test_our_own_mail_back_is_set_aside_and_starts_nothing(service: Service) -> None:
    service.send(b"From: a@b.org\r\nMessage-ID: <q@b.org>\r\nSubject: loop\r\n\r\nhello")
    service.settled()
    with service.database.read() as session:
        (acknowledgement,) = session.exec(select(Outbound))
    service.send(acknowledgement.content, sender="mailing-list@b.org")
    (ticket,) = service.settled(count=2)
    assert [message.auto_generated for message in messages(service)] == [False, True]
    assert ticket.revision == 1
    with service.database.read() as session:
        assert len(session.exec(select(Outbound)).all()) == 1
        assert len(session.exec(select(DraftRow)).all()) == 1


def automatic(subject: str, **headers: str) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Robot <robot@b.org>", SUPPORT, subject
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("I am away until Monday.")
    return message.as_bytes()


@pytest.mark.parametrize(
    ("raw", "sender"),
    [
        (automatic("Away", Auto_Submitted="auto-replied"), "robot@b.org"),
        (automatic("Newsletter", Precedence="bulk", List_Id="<news.b.org>"), "robot@b.org"),
        (automatic("Undelivered", Auto_Submitted="auto-generated"), ""),
    ],
    ids=["out of office", "newsletter", "null sender"],
)
def test_automatic_mail_is_kept_and_not_answered(service: Service, raw: bytes, sender: str) -> None:
    with smtplib.SMTP("127.0.0.1", service.port, timeout=60) as server:
        server.sendmail(sender, [SUPPORT], raw)
    (ticket,) = service.settled()
    assert ticket.status == TicketStatus.SET_ASIDE
    with service.database.read() as session:
        assert session.exec(select(Outbound)).all() == []
        assert session.exec(select(DraftRow)).all() == []


def test_a_reply_joins_and_gets_a_draft_of_its_own(service: Service) -> None:
    service.send(b"From: a@b.org\r\nMessage-ID: <q@b.org>\r\nSubject: first\r\n\r\nhello")
    service.settled()
    with service.database.read() as session:
        (acknowledgement,) = session.exec(select(Outbound))
    reply = f"From: a@b.org\r\nIn-Reply-To: <{acknowledgement.message_id}>\r\nSubject: Re: first\r\n\r\nOne more thing."
    service.send(reply.encode())
    (ticket,) = service.settled(count=2)
    with service.database.read() as session:
        drafts = session.exec(select(DraftRow).order_by(DraftRow.id)).all()
        assert [(draft.revision, draft.state) for draft in drafts] == [(1, "superseded"), (2, "waiting")]
        assert tickets.messages_of(session, ticket)[1].visible_text.strip() == "One more thing."


def test_a_ticket_is_found_by_what_is_attached_but_not_by_a_secret_in_it(service: Service) -> None:
    token = "hf_" + "aBcDeFgH" * 4 + "ab"
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "ada@example.org", "It fails"
    mail.set_content("See the log.")
    mail.add_attachment(f"export HF_TOKEN={token}\nzebrafish.py: CUDA error\n", filename="run.log")
    service.send(mail.as_bytes())
    number = service.settled()[0].number
    with service.database.read() as session:
        for words, found in (("zebrafish", [number]), (token, []), ("aBcDeFgH", [])):
            assert [ticket.number for ticket in views.find(session, Wanted(view=View.ALL, text=words), me=0)] == found
