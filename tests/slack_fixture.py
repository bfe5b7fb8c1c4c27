"""Everything that Slack needs of the product, in this process, against the stand-in: real Bolt, store, workflows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import uvicorn
from slack_stand_in import SlackStandIn
from slack_stand_in.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET
from slack_stand_in.workspace import BOT_USER, Args

from agent.chat.delivery import by_way
from agent.chat.runner import Chats
from agent.desk.app import desk_app
from agent.desk.slack_events import take_events
from agent.draft import Citation, Claim, Evidence, Question
from agent.draft import Draft as Draft_
from agent.mail.arrivals import Arrivals
from agent.mail.sender import sender_for
from agent.pipeline import Ports
from agent.settings import Settings
from agent.slack.service import connect_slack
from agent.store import chat as store
from agent.store import drafts, people, tickets
from agent.store.database import Database, open_database
from agent.store.tables import Draft
from agent.workflows import Workflows
from ingest.mail import parse_mail
from knowledge_base.passage import Access, Passage, RetrievedPassage, SearchResult
from triage.doctor.diagnosis import diagnose
from triage.result import Request, TriageResult

SUPPORT = "support@minerva.example"
ME = f"<@{BOT_USER}>"
WAIT_S = 20.0
Found = TypeVar("Found")

ACCOUNTS = (
    "You apply for an account on LUMI through the portal of your national consortium. "
    "The account is created within two working days after the project has been granted."
)
QUOTA = (
    "The quota of the scratch folder is shared by all members of a project. Ask for more through the same portal.\n\n"
    "| folder | TB |\n|---|---|\n| scratch | 50 |\n| project | 20 |"
)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
HANDBOOK = "\n\n".join(f"The {nth} rule of the handbook: {'think before you submit a job; ' * 8}" for nth in ORDINALS)
SECRET_PLACE = "The maintenance password of the login nodes lies in the safe of the operators."


def passage(name: str, text: str, *, access: Access = Access.PUBLIC) -> Passage:
    return Passage(
        id=name, text=text, path=f"{name}.md", title=name.capitalize(), heading=(), anchor="", revision="1", start=0,
        end=len(text), systems=("lumi-g",), url=f"https://docs.example/{name}", date="2026-06-01", access=access,
    )  # fmt: skip


PASSAGES = {
    "account": passage("accounts", ACCOUNTS),
    "quota": passage("quotas", QUOTA),
    "handbook": passage("handbook", HANDBOOK),
    "act": passage("responsible-ai/act", "The AI Act applies."),
    "maintenance": passage("operators", SECRET_PLACE, access=Access.ENGINEERS),
}


def search(question: str, k: int) -> SearchResult:
    """What the question names, best last word first; nothing answers anything else."""
    named = [p for word, p in PASSAGES.items() if word in question.casefold()]
    hits = tuple(RetrievedPassage(passage=p, score=1.0, rank=rank) for rank, p in enumerate(named, 1))
    return SearchResult(hits=hits[:k], answerable=0.95 if hits else 0.02)


def place(request: Request) -> TriageResult:
    """By words: what the tests of triage show for real ones."""
    text = f"{request.subject}\n{request.body}".casefold()
    level, kind, route = "L1", "T1", "answer"
    if "law" in text:
        level, route = "L5", "approve"
    elif "ethics" in text:
        level, route = "L4", "approve"
    elif "workshop" in text:
        kind, route = "T3", "human"
    elif "#sbatch" in text:
        route = "ask"
    if not any(word in request.body.casefold() for word in _ASKING):
        level, kind, route = "none", "none", "ignore"
    return TriageResult(
        id=request.id, level=level, level_confidence=0.95, type=kind, type_confidence=0.95,
        level_probabilities={level: 0.95}, type_probabilities={kind: 0.95}, language="en", urgency="normal",
        route=route, reasons=("words",),
    )  # fmt: skip


_ASKING = ("?", "#sbatch")


def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft_:
    """Every paragraph of the evidence, quoted."""
    claims = tuple(
        Claim(text=text, citations=(Citation(evidence=item.number, quote=text.splitlines()[0]),))
        for item in evidence
        for text in item.text.split("\n\n")
    )
    return Draft_(
        outcome="answer" if claims else "escalate", claims=claims, unanswered=(), questions=(),
        evidence=tuple(evidence), answerable=answerable, model="test",
    )  # fmt: skip


def light_ports() -> Ports:
    return Ports(
        read=parse_mail,
        language=lambda _text: "en",
        place=place,
        diagnose=lambda text, attachments: diagnose(text, attachments=attachments),
        search=search,
        compose=compose,
        rows=lambda _text: (),
    )


@dataclass(frozen=True, kw_only=True)
class Running:
    slack: SlackStandIn
    database: Database
    settings: Settings
    workflows: Workflows
    chats: Chats
    url: str

    def thread(self, channel: str, ts: str) -> list[Args]:
        with self.slack.lock:
            return [dict(m) for m in self.slack.thread(channel, ts)]

    def ours(self, channel: str, ts: str) -> list[Args]:
        """Our own messages of a thread, once they are complete."""
        return [
            m for m in self.thread(channel, ts) if m["user"] == BOT_USER and m.get("streaming_state") != "in_progress"
        ]

    def answer(self, channel: str, ts: str, count: int = 1) -> Args:
        """The `count`-th message of ours in a thread."""
        return wait_for(lambda: (self.ours(channel, ts)[count - 1 :] or [None])[0])

    def settle(self) -> None:
        """Until every event has been worked on and every message posted."""

        def quiet() -> bool:
            with self.database.read() as session:
                events = store.waiting_events(session, ["slack"])
                posts = store.due_posts(session, "slack")
            return not events and not posts

        wait_for(quiet)

    def ask(self, user: str, channel: str, text: str, **more: Any) -> str:
        ts = self.slack.say(user, channel, text, **more)
        self.settle()
        return ts

    def ticket_draft(self, number: str, attempt: int = 1) -> Draft:
        def drafted() -> Draft | None:
            with self.database.read() as session:
                ticket = tickets.by_number(session, number)
                draft = drafts.latest(session, ticket)
            current = draft is not None and draft.revision == ticket.revision and draft.attempt >= attempt
            return draft if current else None

        return wait_for(drafted)

    def engineer(self, name: str, account: str | None = None) -> None:
        with self.database.write() as session:
            email = f"{name.casefold()}@minerva.example"
            known = {engineer.email: engineer for engineer in people.all_engineers(session)}
            engineer = known.get(email) or people.add_engineer(session, name=name, email=email)
            if account:
                store.map_account(session, "slack", account, engineer)


def wait_for(found: Callable[[], Found | None], timeout_s: float = WAIT_S) -> Found:
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        value = found()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def text_of(message: Args) -> str:
    """All that a reader sees of a message."""
    parts = ["".join(message.get("streamed", [])) or ""]
    for block in message.get("blocks", []):
        parts.append(block.get("text", {}).get("text", ""))
        parts += [
            e["text"] if isinstance(e.get("text"), str) else e.get("text", {}).get("text", "")
            for e in block.get("elements", [])
        ]
    return "\n".join(part for part in parts if part) or message.get("text", "")


def buttons_of(message: Args) -> list[str]:
    return [e["action_id"] for b in message.get("blocks", []) if b["type"] == "actions" for e in b["elements"]]


def people_of(slack: SlackStandIn) -> None:
    for key, name in (("U1ADA", "Ada"), ("U2ALAN", "Alan"), ("U3GRACE", "Grace")):
        slack.person(key, name)
    slack.person("U9EVE", "Eve", team="T9OTHER")
    everybody = ("U1ADA", "U2ALAN", "U3GRACE", "U9EVE")
    slack.channel("C1HELP", *everybody)
    slack.channel("C2ALL", *everybody)
    slack.channel("C3NEVER", *everybody)
    slack.channel("C5FRENCH", *everybody)
    slack.channel("C6QUIET", *everybody)
    slack.channel("C4SHARED", *everybody, external=True)
    slack.channel("G1CARDS", *everybody, kind="group")
    for user in everybody:
        slack.dm(user)


RULES = """
[channels.C2ALL]
answer = "all"
[channels.C3NEVER]
answer = "never"
[channels.C5FRENCH]
language = "fr"
[channels.C6QUIET]
answer = "all"
quiet_hours = "00:00-23:59:59.999999"
"""


@contextmanager
def running_slack(
    folder: Path,
    *,
    http: bool = False,
    ports: Ports | None = None,
    slack: SlackStandIn | None = None,
    second_approval: str = "L4",
    **settings: Any,
) -> Iterator[Running]:
    """The desk is up as well: Slack's events reach it over HTTP where that is asked for."""
    own = slack is None
    slack = slack or SlackStandIn().start()
    if own:
        people_of(slack)
    (folder / "rules.toml").write_text(RULES)
    settings_ = Settings(
        data_dir=folder / "var", support_address=SUPPORT, undo_s=0, second_approval=second_approval, slack_bot_token=BOT_TOKEN,
        slack_app_token=None if http else APP_TOKEN, slack_signing_secret=SIGNING_SECRET, slack_api_url=slack.url,
        chat_rules_file=folder / "rules.toml", **settings,
    )  # fmt: skip
    database = open_database(settings_.database)
    chats = Chats(database)
    ports = ports or light_ports()
    send = by_way(sender_for(settings_), lambda: chats.by_name)
    workflows = Workflows(database, settings_, ports, send, Arrivals(), chats=chats)
    app = connect_slack(chats, settings_, ports=ports, workflows=workflows, desk_url="http://desk.example")
    chats.start()
    workflows.start()
    desk = desk_app(database, settings_, workflows, models=_Ready(), intake=_Intake(), url="http://127.0.0.1")
    if app is not None:
        take_events(desk, app)
    server = uvicorn.Server(uvicorn.Config(desk, host="127.0.0.1", port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        if http:
            slack.events_url = f"{url}/slack/events"
        else:
            slack.wait_until_connected()
        yield Running(slack=slack, database=database, settings=settings_, workflows=workflows, chats=chats, url=url)
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        chats.stop()
        workflows.stop()
        database.close()
        if own:
            slack.stop()


@dataclass(frozen=True)
class _Ready:
    state: str = "ready"


@dataclass(frozen=True)
class _Intake:
    listener: _Ready = _Ready()
    mailbox: str = "none"


def with_rows(ports: Ports, rows: Sequence[Any]) -> Ports:
    return replace(ports, rows=lambda _text: tuple(rows))
