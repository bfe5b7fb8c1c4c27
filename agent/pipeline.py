"""What happens to a request, from raw mail to a draft that waits for a person. Read this first.

    file_request   raw mail -> InboundMessage -> ticket and acknowledgement          (seconds at most, needs no model)
    draft_answer   message -> place -> diagnose -> retrieve -> compose -> check -> show       (needs the models)
    answer         the middle of draft_answer on its own: question in, draft out, nothing stored (`minerva ask`)

Both stored steps may run again after a crash: each finds what it has already done and stops there.
What is sent, and to whom, is decided later by a person (`agent.approval`) and carried out by `agent.delivery`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace

import structlog
from sqlmodel import Session

from agent.attachment import script_file
from agent.checks.draft import Asked, check_draft, unattended
from agent.draft import Compose, Draft, Evidence, Question, Register, renumbered
from agent.evidence import evidence_of_diagnosis, evidence_of_passage
from agent.filing import file_mail
from agent.mail.outbound import subject_for
from agent.mail.secrets_notice import with_notice
from agent.rendering import answer_body
from agent.rows import ANSWERED as ROWS_ANSWER
from agent.rows import answered_from_rows, evidence_of_row, gives_speed, is_benchmark
from agent.settings import Settings
from agent.store import drafts, fulltext, inbound, placings, tickets
from agent.store.chat import is_chat, recipients_of
from agent.store.database import Database
from agent.store.inbound import API, CHAT, FORM
from agent.store.tables import Message, StoredMail, Ticket
from ingest.attached_text import attached_texts
from ingest.masking import mask_message, mask_secrets
from ingest.message import InboundMessage
from ingest.sender_checks import NOT_CHECKED, SIGNED_IN, TYPED, VOUCHED, SenderTrust
from knowledge_base.passage import SearchResult
from knowledge_base.rows.answer import rows_for
from knowledge_base.rows.row import Row
from triage.doctor.diagnosis import Diagnosis
from triage.result import Request, TriageResult

log = structlog.get_logger()

MAX_EVIDENCE = 8
MAX_ROWS = 6
MAX_QUERY_CHARS = 800
MAX_BODY_CHARS = 1_000_000
"""Read of a request; more is a log that belongs into a file."""
ROW_ANSWERS = 0.7
"""How likely a recognised error is what the request is about."""
STRUCTURED_ROWS = 6
HIDDEN_ANSWERS = 0.5
"""How likely the citable evidence answers, at most, when the best passage is for engineers only."""


Check = Callable[[bytes, StoredMail, str], SenderTrust]


def not_checked(_raw: bytes, _stored: StoredMail, _author: str) -> SenderTrust:
    return NOT_CHECKED


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """What the pipeline is built on; tests pass others."""

    read: Callable[[bytes], InboundMessage]
    language: Callable[[str], str]
    place: Callable[[Request], TriageResult]
    diagnose: Callable[[str, Sequence[tuple[str, str]]], Diagnosis]
    search: Callable[[str, int], SearchResult]
    compose: Compose
    rows: Callable[[str], tuple[Row, ...]] = rows_for
    """Rows that answer a structured question; none for every other text."""
    wish: Callable[[str, str, str], bool] = lambda *_: False
    """(ticket number or chat service, words, requester): puts a measurement that only a person can start on the list;
    False when it is there."""
    review: Callable[[Draft], Draft] = lambda draft: draft
    """A second look at a checked draft, which may only raise doubts."""
    check: Check = not_checked
    """(raw mail, its envelope, From address) to how far the sender is verified."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answered:
    triage: TriageResult
    diagnosis: Diagnosis
    draft: Draft
    asked: Asked

    @property
    def unattended(self) -> Answered:
        """As far as it may be said without a person who has looked at it."""
        return replace(self, draft=unattended(self.draft, self.asked))


def file_request(database: Database, settings: Settings, ports: Ports, stored_mail_id: int) -> int | None:
    """Give the mail its ticket. Returns the message to answer, or None when nobody waits for an answer."""
    with database.read() as session:
        stored = tickets.by_id(session, StoredMail, stored_mail_id)
        raw = inbound.raw_of(session, stored_mail_id)
    message, masked = mask_message(ports.read(raw))
    language = ports.language(f"{message.subject}\n{message.visible_text}")
    author = message.sender.address if message.sender else ""
    trust = _trust(ports, raw, stored, author)
    with database.write() as session:
        filed = file_mail(session, settings, stored, message, language, trust=trust, masked=masked)
        wanted = None if filed.auto_generated or filed.direction == "partner" else filed.id
        number = tickets.by_id(session, Ticket, filed.ticket_id).number
    log.info("mail_filed", ticket=number, kind=filed.kind, trust=trust.level, defects=len(message.defects))
    return wanted


def _trust(ports: Ports, raw: bytes, stored: StoredMail, author: str) -> SenderTrust:
    if stored.channel.startswith(CHAT):
        return SIGNED_IN
    if stored.channel == FORM:
        return TYPED
    return VOUCHED if stored.channel == API else ports.check(raw, stored, author)


def draft_answer(database: Database, ports: Ports, message_id: int, *, attempt: int, instruction: str = "") -> None:
    """Put the `attempt`-th draft for the message before the engineers.

    Does nothing when that draft is there already, when an answer has been approved meanwhile, or when a newer
    message has come, which gets a draft of its own.
    """
    with database.read() as session:
        wanted = _wanted(session, message_id, attempt)
        if wanted is None:
            return
        ticket, message = wanted
        texts = _attached_texts(session, ports, message)
    request = Request(
        id=ticket.number,
        channel="chat" if is_chat(message.sender_address) else "email",
        subject=message.subject,
        body=message.visible_text,
        attachments=tuple(item["filename"] for item in message.attachments),
    )
    answered = answer(ports, request, attachments=texts, instruction=instruction)
    with database.write() as session:
        wanted = _wanted(session, message_id, attempt)
        if wanted is None:
            return
        ticket, message = wanted
        files = [mask_secrets(text) for _, text in texts]
        masked = {*message.masked, *(kind for file in files for kind in file.kinds)}
        if attempt == 1:
            fulltext.add_attached(session, ticket, [file.text for file in files])
        _show(session, ticket, message, answered, instruction=instruction, masked=masked)
    if answered.triage.route == "benchmark" and ports.wish(ticket.number, message.subject, ticket.requester_address):
        with database.write() as session:
            ticket = tickets.by_number(session, ticket.number)
            tickets.note_event(session, ticket, "minerva", "measurement asked for", "see `minerva bench status`")
    log.info("drafted", ticket=ticket.number, outcome=answered.draft.outcome, level=ticket.level, type=ticket.type)


def answer(
    ports: Ports,
    request: Request,
    *,
    attachments: Sequence[tuple[str, str]] = (),
    instruction: str = "",
    register: Register | None = None,
    watch: Callable[[Answered], None] | None = None,
) -> Answered:
    """Place, diagnose, retrieve, compose. `attachments` are (file name, text); the register is that of the channel.

    While a model writes, `watch` is told what the answer is with the statements that are complete, checked as the
    whole will be; with none of them as it begins.
    """
    request, attachments, instruction = _masked(request, attachments, instruction)
    placed = ports.place(request)
    diagnosis = ports.diagnose(f"{request.subject}\n{request.body}", attachments)
    rows = ports.rows(f"{request.subject}\n{request.body}")[:STRUCTURED_ROWS]
    evidence, answerable = _retrieve(ports, request, diagnosis, rows, instruction)

    def finished(drafted: Draft) -> Answered:
        return _finished(drafted, request, placed, diagnosis, rows=rows, evidence=evidence)

    question = Question(
        subject=request.subject,
        text=request.body,
        language=placed.language,
        instruction=instruction,
        ticket=request.id,
        level=placed.level,
        register=register or ("slack" if request.channel in {"slack", "chat"} else "mail"),
        written=(lambda drafted: watch(finished(drafted))) if watch else None,
    )
    citable = [item for item in evidence if not item.internal]
    answered = finished(ports.compose(question, citable, answerable))
    return replace(answered, draft=ports.review(answered.draft))


def _finished(
    drafted: Draft,
    request: Request,
    placed: TriageResult,
    diagnosis: Diagnosis,
    *,
    rows: Sequence[Row],
    evidence: Sequence[Evidence],
) -> Answered:
    """With what rows answer, what is asked back and what only engineers may read; then checked."""
    text = f"{request.subject}\n{request.body}"
    in_rows = [item for item in evidence if item.id in {f"row:{row.id}" for row in rows}]
    known = all(row.known for row in rows)
    draft = renumbered(answered_from_rows(drafted, in_rows, known=known, text=text))
    questions = (*draft.questions, *(diagnosis.questions or placed.questions))
    kept = (*draft.evidence, *_after(draft, [item for item in evidence if item.internal]))
    script, changes = diagnosis.corrected_script, diagnosis.diff
    draft = replace(draft, questions=questions, corrected_script=script, script_diff=changes, evidence=kept)
    asked = Asked(text=text, language=placed.language, level=placed.level)
    return Answered(triage=placed, diagnosis=diagnosis, draft=check_draft(draft, asked), asked=asked)


def _ends(text: str) -> str:
    """Of a text beyond any letter the beginning and the end; the ticket shows all of it."""
    half = MAX_BODY_CHARS // 2
    return text if len(text) <= MAX_BODY_CHARS else f"{text[:half]}\n[…]\n{text[-half:]}"


def _masked(
    request: Request, attachments: Sequence[tuple[str, str]], instruction: str
) -> tuple[Request, list[tuple[str, str]], str]:
    """No secret reaches a model, a search or a draft, whichever way the request came."""
    subject, body = mask_secrets(request.subject).text, mask_secrets(_ends(request.body)).text
    texts = [(name, mask_secrets(text).text) for name, text in attachments]
    return replace(request, subject=subject, body=body), texts, mask_secrets(instruction).text


def _after(draft: Draft, internal: Sequence[Evidence]) -> list[Evidence]:
    """What only engineers may read, numbered behind the evidence of the draft."""
    last = max((item.number for item in draft.evidence), default=0)
    return [replace(item, number=number) for number, item in enumerate(internal, start=last + 1)]


def _retrieve(
    ports: Ports, request: Request, diagnosis: Diagnosis, structured: Sequence[Row], instruction: str
) -> tuple[tuple[Evidence, ...], float]:
    """Evidence best first: what was asked of rows, what was diagnosed, what was found; and how likely it answers.

    Where runs answer, or nobody measured, speeds that articles quote from somewhere are left out.
    """
    found = ports.search(f"{request.subject}\n{instruction}\n{request.body[:MAX_QUERY_CHARS]}".strip(), MAX_EVIDENCE)
    rows = [*map(evidence_of_row, structured), *evidence_of_diagnosis(diagnosis, MAX_ROWS)]
    by_runs = any(is_benchmark(row) for row in structured)
    passages = [evidence_of_passage(hit) for hit in found.hits if not (by_runs and gives_speed(hit.passage.text))]
    numbered = tuple(replace(item, number=n) for n, item in enumerate([*rows, *passages], start=1))
    hidden = bool(passages) and passages[0].internal
    answerable = min(found.answerable, HIDDEN_ANSWERS) if hidden else found.answerable
    by_rows = ROWS_ANSWER if structured and all(row.known for row in structured) else ROW_ANSWERS
    return numbered, max(answerable, by_rows if rows else 0.0)


def _show(
    session: Session,
    ticket: Ticket,
    message: Message,
    answered: Answered,
    *,
    instruction: str,
    masked: Collection[str],
) -> None:
    script, places = answered.draft.corrected_script, [finding.where for finding in answered.diagnosis.findings]
    tickets.place(ticket, answered.triage)
    if answered.triage.fingerprint is not None:
        placings.link(session, ticket, answered.triage.fingerprint)
    drafts.save_draft(
        session,
        ticket,
        message,
        answered.draft,
        recipients=recipients_of(session, ticket, message),
        subject=subject_for(ticket.number, ticket.subject),
        body=with_notice(
            answer_body(answered.draft, name=ticket.requester_name, language=ticket.language), masked, ticket.language
        ),
        findings=[
            *(asdict(finding) for finding in answered.diagnosis.log_findings),
            *(asdict(finding) for finding in answered.diagnosis.findings),
        ],
        instruction=instruction or None,
        attachments=[script_file(script, places)] if script else [],
    )


def _wanted(session: Session, message_id: int, attempt: int) -> tuple[Ticket, Message] | None:
    message = tickets.by_id(session, Message, message_id)
    ticket = tickets.by_id(session, Ticket, message.ticket_id)
    newest = tickets.latest_request(session, ticket)
    if newest is None or newest.id != message_id or not drafts.is_awaited(session, ticket):
        return None
    return (ticket, message) if drafts.next_attempt(session, ticket) == attempt else None


def _attached_texts(session: Session, ports: Ports, message: Message) -> list[tuple[str, str]]:
    """(file name, text) of what is attached, within a budget."""
    if not message.attachments or message.stored_mail_id is None:
        return []
    parsed = ports.read(inbound.raw_of(session, message.stored_mail_id))
    return [(item.filename, item.text) for item in attached_texts(parsed.attachments) if item.text]
