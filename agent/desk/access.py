"""Who may do what on the desk: one table, read from the top; the first line that fits decides."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from sqlmodel import Session

from agent.errors import NotAllowedError, NotFoundError
from agent.store import tickets
from agent.store.tables import Engineer, Outbound, Role, Ticket

EVERYBODY = frozenset(Role)
WORKERS = frozenset({Role.ENGINEER, Role.LEAD, Role.PARTNER, Role.ADMIN})
STAFF = frozenset({Role.ENGINEER, Role.LEAD, Role.ADMIN})
LEADS = frozenset({Role.LEAD, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Rule:
    method: str
    """`*` is any."""
    path: str
    """Beginning of the path; `*` is any part of it."""
    roles: frozenset[Role]


TABLE = (
    Rule("*", "/account", EVERYBODY),
    Rule("*", "/sign-", EVERYBODY),
    Rule("*", "/people", ADMINS),
    Rule("*", "/audit", LEADS),
    Rule("POST", "/partners", LEADS),
    Rule("GET", "/partners", STAFF | {Role.VIEWER}),
    Rule("GET", "/analytics", STAFF | {Role.VIEWER}),
    Rule("GET", "/gaps", STAFF | {Role.VIEWER}),
    Rule("GET", "/outbox", STAFF | {Role.VIEWER}),
    Rule("GET", "/benchmarks/runs", STAFF | {Role.VIEWER}),
    Rule("*", "/benchmarks/", STAFF),
    Rule("POST", "/tickets/*/colleague", STAFF),
    Rule("POST", "/macros", STAFF),
    Rule("POST", "/", WORKERS),
    Rule("GET", "/", EVERYBODY),
)


def check(session: Session, engineer: Engineer, method: str, path: str, parameters: dict[str, str]) -> None:
    """Raises NotAllowedError for what the role does not allow, NotFoundError for a ticket that is not a partner's."""
    rule = next(r for r in TABLE if r.method in {"*", method} and fnmatchcase(path, f"{r.path}*"))
    if engineer.role not in rule.roles:
        raise NotAllowedError("Your role, {role}, does not allow this. An admin can change it.", role=engineer.role)
    key = next((name for name in _KEYS if name in parameters), None)
    if key is not None and engineer.role == Role.PARTNER:
        check_ticket(engineer, _KEYS[key](session, parameters[key]))


def check_ticket(engineer: Engineer, ticket: Ticket | None) -> None:
    """Raises NotFoundError for a ticket that is neither a partner's nor her organisation's; others see all."""
    if engineer.role == Role.PARTNER and (ticket is None or not _is_theirs(engineer, ticket)):
        raise NotFoundError("there is no such ticket among yours")


def _is_theirs(engineer: Engineer, ticket: Ticket) -> bool:
    handed_over = ticket.partner_id is not None and ticket.partner_id == engineer.partner_id
    return handed_over or ticket.assignee_id == engineer.id


def _by_mail(session: Session, key: str) -> Ticket | None:
    return tickets.of_stored_mail(session, int(key)) if key.isdecimal() else None


def _by_outbound(session: Session, key: str) -> Ticket | None:
    mail = session.get(Outbound, int(key)) if key.isdecimal() else None
    return session.get(Ticket, mail.ticket_id) if mail else None


_KEYS = {"number": tickets.by_number, "stored_mail_id": _by_mail, "outbound_id": _by_outbound}
