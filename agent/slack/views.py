"""Forms and the app home. Pure; https://docs.slack.dev/reference/views"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.chat.tickets import Wish
from agent.slack.blocks import Block, button, context, plain, section
from agent.slack.markup import escaped, link
from agent.store.tables import Ticket

TICKET, REASON = "ticket", "reason"
CONSENT = "consent"
MAX_INPUT_CHARS = 3000
MAX_HOME_TICKETS = 20
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\.[^\s@<>,;]+")

HELP = (
    "*MINERVA* answers questions about AI on EuroHPC systems from its guides, with sources.\n"
    "• Mention me in a channel, or write to me directly. In a thread that I answered, just go on.\n"
    "• Paste or upload a job script or a log, and I look through it.\n"
    "• `/minerva ask …` asks me in private, `/minerva ticket` asks a person, `/minerva bench …` looks for "
    "measurements, `/minerva status` lists your tickets.\n"
    "Please send no passwords, keys or tokens."
)


def ticket_form(where: Mapping[str, str], *, text: str = "") -> Block:
    """Asks for what a ticket needs. `where`: place, thread, and direct as `yes` or empty."""
    mail = {"type": "email_text_input", "action_id": "v"}
    return form(
        TICKET,
        "Ask a person",
        "Open the ticket",
        where,
        [
            field("text", "What would you like to know?", text_input(text)),
            field("mail", "Your mail address", mail, optional=True, hint="Only if you want the answer by mail, too."),
            field("institution", "Your institution", text_input("", lines=1), optional=True),
            field(
                CONSENT,
                "Personal data",
                {
                    "type": "checkboxes",
                    "action_id": "v",
                    "options": [{"text": plain("I agree that they are processed for this request"), "value": CONSENT}],
                },
                hint="Regulation (EU) 2016/679. The thread is kept with the ticket; you can ask for its deletion.",
            ),
        ],
    )


def reason_form(where: Mapping[str, str]) -> Block:
    """Why an answer did not help."""
    return form(REASON, "Not helpful", "Send", where, [field("reason", "What was wrong or missing?", text_input(""))])


def form(name: str, title: str, submit: str, where: Mapping[str, str], blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": name,
        "title": plain(title),
        "submit": plain(submit),
        "close": plain("Cancel"),
        "private_metadata": json.dumps(dict(where)),
        "blocks": blocks,
    }


def field(block_id: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    made: Block = {"type": "input", "block_id": block_id, "label": plain(label), "element": element}
    return made | ({"optional": True} if optional else {}) | ({"hint": plain(hint)} if hint else {})


def text_input(value: str, *, lines: int = 2) -> Block:
    element: Block = {"type": "plain_text_input", "action_id": "v", "max_length": MAX_INPUT_CHARS}
    element |= {"multiline": True} if lines > 1 else {}
    return element | ({"initial_value": value[:MAX_INPUT_CHARS]} if value else {})


def filled(view: Mapping[str, Any]) -> dict[str, str]:
    """By block id: what was typed, or the values that were ticked, separated by commas."""
    values = {}
    for block_id, actions in view["state"]["values"].items():
        for element in actions.values():
            chosen = [option["value"] for option in element.get("selected_options") or ()]
            values[block_id] = element.get("value") or ",".join(chosen)
    return values


def where_of(view: Mapping[str, Any]) -> dict[str, str]:
    return dict(json.loads(view.get("private_metadata") or "{}"))


def problems_of_ticket(values: Mapping[str, str]) -> dict[str, str]:
    """By block id, shown beside the field."""
    mail = (values.get("mail") or "").strip()
    problems = {}
    if mail and not _ADDRESS.fullmatch(mail):
        problems["mail"] = "This is no mail address. Leave it empty if the answer in Slack is enough."
    if CONSENT not in (values.get(CONSENT) or ""):
        problems[CONSENT] = "Without your consent we may not keep the request."
    return problems


def wish_of(values: Mapping[str, str], sender: str, *, direct: bool) -> Wish:
    return Wish(
        sender=sender,
        text=values.get("text") or "",
        mail=(values.get("mail") or "").strip() or None,
        institution=(values.get("institution") or "").strip(),
        direct=direct,
    )


def home(found: Sequence[tuple[Ticket, str]]) -> Block:
    """`found`: the reader's tickets, each with the address of its thread."""
    blocks = [section(HELP), {"type": "actions", "elements": [button("Ask a person", "person", "home", "primary")]}]
    blocks += [{"type": "divider"}, section("*My tickets*")]
    blocks += [section(ticket_line(ticket, url)) for ticket, url in found[:MAX_HOME_TICKETS]]
    if not found:
        blocks.append(context(["You have none."]))
    return {"type": "home", "blocks": blocks}


def ticket_line(ticket: Ticket, url: str) -> str:
    number = link(url, ticket.number) if url else ticket.number
    return f"{number} · {ticket.status} · {escaped(ticket.subject)[:200]}"
