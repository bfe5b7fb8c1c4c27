"""A helpdesk that hands tickets over to the desk of a partner, for tests: what people do, and what came of it."""

from __future__ import annotations

import itertools
from email.message import EmailMessage

from agent import partners
from agent.bridges.desks import set_desk
from agent.bridges.runner import Bridges
from agent.bridges.sync import Bridge
from agent.filing import file_mail
from agent.settings import Settings
from agent.store import bridges, inbound, people, tickets
from agent.store.bridge_tables import ExternalDesk, HandOver
from agent.store.database import Database
from agent.store.tables import Message, Partner, Ticket, TicketCounter, TicketStatus, now
from ingest.mail import parse_mail
from ingest.masking import mask_message

SERIAL = itertools.count(1)


class Helpdesk:
    """A helpdesk with one partner, who has a desk of its own."""

    def __init__(self, database: Database, settings: Settings, *, kind: str, url: str, queue: str, token: str) -> None:
        self.database, self.settings = database, settings
        self.drafts: list[tuple[int, int]] = []
        self.bridges = Bridges(
            Bridge(database=database, settings=settings),
            draft=lambda message, attempt: self.drafts.append((message, attempt)),
            wake=lambda: None,
        )
        with database.write() as session:
            # A server is the same for several tests, so are its tickets.
            session.add(TicketCounter(year=now().year, last=next(SERIAL) * 100))
            self.eva = people.add_engineer(session, name="Eva", email="eva@minerva.example")
            self.partner = partners.add(
                session, name="Partner X", contact="", expertise="", systems="", days_per_month=0
            )
            set_desk(session, self.partner, kind=kind, address=url, queue=queue, token=token)

    def request(self, text: str = "My job waits. password = hunter2secret", *files: tuple[str, bytes]) -> Ticket:
        """A request by mail, filed."""
        return self.mail(f"Job pending {now().timestamp()}", text, *files)

    def mail(self, subject: str, text: str, *files: tuple[str, bytes], answers: str = "") -> Ticket:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "Ada <ada@example.org>", "support@minerva.example", subject
        mail["Message-ID"] = f"<{now().timestamp()}@example.org>"
        if answers:
            mail["In-Reply-To"] = f"<{answers}>"
        mail.set_content(text)
        for name, content in files:
            mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
        raw = mail.as_bytes()
        message, _ = mask_message(parse_mail(raw))
        with self.database.write() as session:
            stored = inbound.store_mail(
                session, raw, channel="smtp", peer="", envelope_from="ada@example.org", envelope_to=[]
            )
            filed = file_mail(session, self.settings, stored, message, "en")
            return tickets.by_id(session, Ticket, filed.ticket_id)

    def hand_over(self, ticket: Ticket, to: Partner | None, words: str = "", *, with_notes: bool = False) -> None:
        with self.database.write() as session:
            kept = tickets.by_number(session, ticket.number)
            partners.hand_over(session, kept, to, by=self.eva, words=words, with_notes=with_notes)

    def round(self) -> None:
        """Everything that is due, now: back-off and polling do not wait."""
        with self.database.write() as session:
            bridges.try_now(session, self.partner.id or 0)
        self.bridges.tick()

    def row(self, ticket: Ticket) -> HandOver:
        with self.database.read() as session:
            found = bridges.of_pair(session, ticket, self.partner.id or 0)
        assert found is not None
        return found

    def there(self, ticket: Ticket) -> str:
        remote_id = self.row(ticket).remote_id
        assert remote_id is not None, self.row(ticket).last_error or self.desk().last_error
        return remote_id

    def desk(self) -> ExternalDesk:
        with self.database.read() as session:
            return session.get_one(ExternalDesk, self.partner.id)

    def ticket(self, ticket: Ticket) -> Ticket:
        with self.database.read() as session:
            return tickets.by_number(session, ticket.number)

    def messages(self, ticket: Ticket, direction: str) -> list[Message]:
        with self.database.read() as session:
            return [m for m in tickets.messages_of(session, ticket) if m.direction == direction]

    def events(self, ticket: Ticket) -> list[str]:
        with self.database.read() as session:
            return [event.what for event in tickets.events_of(session, ticket)]

    def set_status(self, ticket: Ticket, status: TicketStatus) -> None:
        with self.database.write() as session:
            tickets.by_number(session, ticket.number).status = status
