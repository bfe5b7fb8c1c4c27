"""Workshops (T3) and embedded support (T4): two people evaluate, one decides, the requester hears why."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel, Field
from sqlmodel import Session, col, select

from agent.errors import HandlingError
from agent.letters import draft_letter
from agent.partners import by_id as partner_by_id
from agent.store import people, tickets
from agent.store.partner_tables import Engagement, Evaluation, Selection
from agent.store.tables import Draft, Engineer, Ticket
from agent.translations import marked

TYPES = ("T3", "T4")
CRITERIA = {
    "need": marked("The need is concrete: code, data, system and goal are named"),
    "readiness": marked("Code and data are there and may be worked on"),
    "feasibility": marked("It can be done in the time: one or two days, or up to six months"),
    "impact": marked("More than one person gains: a team, a community, a European model or data set"),
    "lasting": marked("The team can go on alone afterwards"),
}
EVALUATORS = 2
ACCEPT_FROM = 3.5
"""Mean of all scores from which on the page suggests to accept; a person decides."""
APART = 2
"""Points between two people on one criterion from which on they should talk."""
MIN_REASON_CHARS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    evaluations: list[tuple[Evaluation, str]]
    """Each with the name of who made it."""
    mean: float | None
    """Over all scores; None before the first."""
    apart: list[str]
    """Criteria on which people differ by two points or more."""
    decision: tuple[Selection, str] | None
    """With the name of who decided."""

    @property
    def may_decide(self) -> bool:
        return self.decision is None and len(self.evaluations) >= EVALUATORS

    @property
    def suggestion(self) -> str:
        return "" if self.mean is None else "accept" if self.mean >= ACCEPT_FROM else "decline"


def standing(session: Session, ticket: Ticket) -> Standing:
    query = select(Evaluation, Engineer.name).join(Engineer, col(Engineer.id) == Evaluation.engineer_id)
    made = [(row, name) for row, name in session.exec(query.where(Evaluation.ticket_id == ticket.id))]
    scores = {key: [row.scores[key] for row, _ in made] for key in CRITERIA}
    decided = session.get(Selection, ticket.id)
    return Standing(
        evaluations=made,
        mean=round(statistics.mean(value for row, _ in made for value in row.scores.values()), 2) if made else None,
        apart=[key for key, values in scores.items() if values and max(values) - min(values) >= APART],
        decision=(decided, tickets.by_id(session, Engineer, decided.engineer_id).name) if decided else None,
    )


def evaluate(session: Session, ticket: Ticket, scores: Mapping[str, int], comment: str, *, by: Engineer) -> None:
    """Keep the person's scores; again as long as nothing is decided.

    Raises HandlingError for a ticket of another type, a missing or impossible score, and after the decision.
    """
    _check_type(ticket)
    if session.get(Selection, ticket.id) is not None:
        raise HandlingError("It has been decided already.")
    if set(scores) != set(CRITERIA) or not all(1 <= value <= 5 for value in scores.values()):
        raise HandlingError("Give each criterion a score from 1 to 5.")
    key = (tickets.key_of(ticket), people.key_of(by))
    kept = session.get(Evaluation, key) or Evaluation(ticket_id=key[0], engineer_id=key[1], scores={})
    kept.scores, kept.comment = dict(scores), comment.strip()
    session.add(kept)
    tickets.note_event(session, ticket, by.name, "evaluated")


def decide(session: Session, ticket: Ticket, *, accepted: bool, reasons: str, by: Engineer) -> Draft:
    """Decide, and draft the letter that tells the requester why; it leaves like every other, after an approval.

    Raises HandlingError with fewer than two evaluations, without reasons, and when it has been decided already.
    """
    _check_type(ticket)
    found = standing(session, ticket)
    if found.decision is not None:
        raise HandlingError("{name} has decided already.", name=found.decision[1])
    if len(found.evaluations) < EVALUATORS:
        raise HandlingError("Two people have to evaluate it first.")
    if len(reasons.strip()) < MIN_REASON_CHARS:
        raise HandlingError("Give the reasons as the requester should read them, in a sentence at least.")
    session.add(
        Selection(
            ticket_id=tickets.key_of(ticket),
            accepted=accepted,
            reasons=reasons.strip(),
            engineer_id=people.key_of(by),
        )
    )
    return draft_letter(
        session,
        ticket,
        letter(ticket, accepted=accepted, reasons=reasons.strip()),
        by=by,
        what="accepted" if accepted else "declined",
    )


def letter(ticket: Ticket, *, accepted: bool, reasons: str) -> str:
    """Without greeting and closing."""
    what = "a workshop" if ticket.type == "T3" else "embedded support"
    told = (
        f"your request for {what} has been selected."
        if accepted
        else f"we have evaluated your request for {what} and cannot offer it this time."
    )
    after = "We will write to you about dates and the people who come." if accepted else ""
    return "\n\n".join(part for part in (told, reasons, after) if part)


class PlanForm(BaseModel):
    """Who comes, when, for how long and for what."""

    partner: int
    starts: date
    ends: date
    days: int
    text: str = Field(default="", max_length=20_000)
    milestones: str = Field(default="", max_length=20_000)
    """One a line: `2027-01-31 baseline measured`."""


def plan(session: Session, ticket: Ticket, form: PlanForm, *, by: Engineer) -> Engagement:
    """Raises HandlingError before an acceptance, for impossible dates, or a line that is no milestone."""
    decided = session.get(Selection, ticket.id)
    if decided is None or not decided.accepted:
        raise HandlingError("Only what has been accepted is planned.")
    starts, ends, days = form.starts, form.ends, form.days
    if ends < starts or not 1 <= days <= (ends - starts).days + 1:
        raise HandlingError("The end comes after the beginning, and the working days fit between them.")
    kept = session.get(Engagement, ticket.id)
    done = {item["title"] for item in kept.milestones if item["done"]} if kept else set()
    partner = partner_by_id(session, form.partner)
    steps = [_milestone(line, done) for line in form.milestones.splitlines() if line.strip()]
    kept = kept or Engagement(
        ticket_id=tickets.key_of(ticket), partner_id=form.partner, starts=starts, ends=ends, days=days
    )
    kept.partner_id, kept.starts, kept.ends, kept.days = form.partner, starts, ends, days
    kept.plan, kept.milestones = form.text.strip(), steps
    session.add(kept)
    ticket.partner_id = form.partner
    tickets.note_event(session, ticket, by.name, "planned", f"{partner.name}, {starts} to {ends}, {days} days")
    return kept


def tick(session: Session, ticket: Ticket, position: int, *, by: Engineer) -> None:
    """A milestone is reached, or not after all. Raises HandlingError for one that is not there."""
    kept = session.get(Engagement, ticket.id)
    if kept is None or not 0 <= position < len(kept.milestones):
        raise HandlingError("There is no such milestone.")
    steps = [dict(item) for item in kept.milestones]
    steps[position]["done"] = not steps[position]["done"]
    kept.milestones = steps
    what = marked("milestone reached") if steps[position]["done"] else marked("milestone open again")
    tickets.note_event(session, ticket, by.name, what, steps[position]["title"])


def report(session: Session, ticket: Ticket, text: str, *, by: Engineer) -> None:
    """What came of it. Raises HandlingError without a plan or a text."""
    kept = session.get(Engagement, ticket.id)
    if kept is None or not text.strip():
        raise HandlingError("Write what came of it; only what was planned is reported.")
    kept.report = text.strip()
    tickets.note_event(session, ticket, by.name, "reported")


def _milestone(line: str, done: set[str]) -> dict[str, object]:
    due, _, title = line.strip().partition(" ")
    try:
        day = date.fromisoformat(due)
    except ValueError as error:
        raise HandlingError("“{line}” is no milestone: write a date and a title.", line=line.strip()[:60]) from error
    if not title.strip():
        raise HandlingError("The milestone of {day} has no title.", day=day)
    return {"title": title.strip(), "due": day.isoformat(), "done": title.strip() in done}


def _check_type(ticket: Ticket) -> None:
    if ticket.type not in TYPES:
        raise HandlingError("Only workshops (T3) and embedded support (T4) are selected. Correct the type first.")
