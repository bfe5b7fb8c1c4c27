"""`minerva serve`: everything on one machine, in the foreground."""

from __future__ import annotations

import fcntl
import gc
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import IO, TYPE_CHECKING

import structlog
import uvicorn
from fastapi import FastAPI

from agent.bench_watch import watch_benches
from agent.bridges.runner import Bridges
from agent.bridges.sync import Bridge
from agent.chat.delivery import by_way
from agent.chat.runner import Chats
from agent.desk.app import desk_app, warm
from agent.desk.slack_events import take_events
from agent.errors import HelpdeskError, PortTakenError
from agent.llm.keeping import KeeperProcess
from agent.mail.arrivals import Arrivals
from agent.mail.intake import start_intake
from agent.mail.sender import sender_for
from agent.mail.senders import sender_check
from agent.matrix.channel import MatrixChannel, matrix_service
from agent.models import Models, ports_on
from agent.pipeline import Ports
from agent.settings import Settings
from agent.store import people
from agent.store.database import Database, open_database
from agent.store.tables import Role
from agent.webhooks import Teller
from agent.workflows import Workflows

if TYPE_CHECKING:
    from slack_bolt import App

log = structlog.get_logger()

CLOSING_S = 2
"""Open pages are left after so long when the service ends."""
FIRST_ENGINEER = ("First engineer", "engineer@localhost")


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where the running parts are."""

    smtp: str
    desk: str
    outbox: str
    sign_in: str | None


def serve(settings: Settings) -> None:
    """Runs until it is interrupted. Raises HelpdeskError or KnowledgeBaseError when it cannot start."""
    with ExitStack() as ending:  # whatever ends it, in mid-start too: what has begun is ended, the last first
        interrupted = ending.enter_context(interrupts_noted())
        _serve(settings, ending, interrupted)


@contextmanager
def interrupts_noted() -> Iterator[Event]:
    """Set once Ctrl-C was pressed. Python drops a KeyboardInterrupt that is raised while it calls a weak reference's
    function, as it does after each import; a start imports much, and a service must not go on after Ctrl-C."""
    interrupted = Event()

    def note(number: int, frame: FrameType | None) -> None:
        interrupted.set()
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(settings: Settings, ending: ExitStack, interrupted: Event) -> None:
    models = Models(settings)
    ending.callback(lock_folder(settings.data_dir).close)
    desk_socket = _bind(settings.desk_host, settings.desk_port)
    desk_url = settings.desk_url or f"http://{settings.desk_host}:{desk_socket.getsockname()[1]}"
    database = open_database(settings.database)
    ending.callback(database.close)
    arrivals = Arrivals()
    intake = start_intake(database, settings, arrivals)
    ending.callback(intake.stop)
    ports = replace(ports_on(models), check=sender_check(settings))
    chats = Chats(database)
    send = by_way(sender_for(settings), lambda: chats.by_name)
    workflows = Workflows(database, settings, ports, send, arrivals, chats=chats)
    ending.callback(workflows.stop)
    ending.callback(chats.stop)
    slack = connect_chats(chats, settings, ports=ports, workflows=workflows, desk_url=desk_url)
    chats.start()  # first: what was being posted when we stopped is due again before events go on
    workflows.start()
    teller = Teller(database)
    teller.start()
    ending.callback(teller.stop)
    bridges = _bridges(database, settings, workflows)
    bridges.start()
    ending.callback(bridges.stop)
    intake.listener.wait_until_ready()
    models.start()
    ending.callback(models.stop)
    if settings.llm_keep:
        ending.callback(KeeperProcess().stop)
    relay = f"relay {settings.relay_host}:{settings.relay_port}"
    places = Places(
        smtp=f"{settings.smtp_host}:{intake.smtp_port}",
        desk=desk_url,
        outbox=relay if settings.relay_host else f"folder {settings.outbox_dir}",
        sign_in=_first_link(database, desk_url),
    )
    print(_welcome(settings, places), flush=True)
    app = desk_app(
        database,
        settings,
        workflows,
        models=models,
        intake=intake,
        url=desk_url,
        live=models.live,
        language_model=models.client.state,
    )
    app.state.board.warm()
    Thread(target=warm, args=(app,), name="warm", daemon=True).start()
    gc.freeze()  # walking what was imported, again and again, held single requests up by 0.15 s
    ending.callback(watch_benches(settings.bench_dir))
    if slack is not None:
        take_events(app, slack)
    if interrupted.is_set():
        raise KeyboardInterrupt
    _server(app).run(sockets=[desk_socket])


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=CLOSING_S)
    )


def _bridges(database: Database, settings: Settings, workflows: Workflows) -> Bridges:
    return Bridges(
        Bridge(database=database, settings=settings),
        draft=lambda message, attempt: workflows.draft(message, attempt=attempt, asked=True),
        wake=workflows.wake,
    )


def connect_chats(chats: Chats, settings: Settings, *, ports: Ports, workflows: Workflows, desk_url: str) -> App | None:
    """What is configured; its libraries are imported only then. The app of Slack when it sends over HTTP."""
    if settings.matrix_url is not None and settings.matrix_token is not None:
        matrix = MatrixChannel(settings.matrix_url, settings.matrix_token.get_secret_value())
        chats.add(matrix_service(chats.chat_on(matrix, settings, ports, workflows.wake), matrix))
    if settings.slack_bot_token is None:
        return None
    from agent.slack.service import connect_slack  # noqa: PLC0415  # a tenth of a second that most starts can spare

    return connect_slack(chats, settings, ports=ports, workflows=workflows, desk_url=desk_url)


def lock_folder(folder: Path) -> IO[str]:
    """Held as long as the file is open: two services on one folder would do each other's work again."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "serve.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise HelpdeskError(f"another `minerva serve` works on {folder}: stop it, or set MINERVA_DATA_DIR") from error
    return file


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise PortTakenError(
            f"cannot open the desk on {host}:{port}: {os.strerror(error.errno or 0)}. "
            "Stop what uses it, or set MINERVA_DESK_PORT."
        ) from error


def _first_link(database: Database, desk_url: str) -> str | None:
    """A sign-in link as long as nobody has ever signed in."""
    with database.write() as session:
        engineers = people.all_engineers(session)
        if any(people.has_signed_in(session, engineer) for engineer in engineers):
            return None
        name, email = FIRST_ENGINEER
        first = engineers[0] if engineers else people.add_engineer(session, name=name, email=email, role=Role.ADMIN)
        return f"{desk_url}/sign-in/{people.new_sign_in_link(session, first)}"


def _welcome(settings: Settings, places: Places) -> str:
    host, _, port = places.smtp.rpartition(":")
    lines = [
        "",
        "MINERVA helpdesk is running.",
        f"  Mail comes in at   smtp://{places.smtp}  for {settings.support_address}",
        f"  Mail goes out to   {places.outbox}",
        f"  The desk is at     {places.desk}",
    ]
    if places.sign_in:
        lines.append(f"  Sign in once with  {places.sign_in}")
    lines += [
        "",
        "Send a first request from another terminal:",
        f"  python3 -c \"import smtplib; smtplib.SMTP('{host}', {port}).sendmail('ada@example.org', "
        f"'{settings.support_address}',",
        "    'From: Ada <ada@example.org>\\nTo: "
        f"{settings.support_address}\\nSubject: Job pending on LUMI\\nMessage-ID: <1@example.org>\\n\\n"
        "My job on LUMI stays pending with AssocGrpGRES. What does it mean?')\"",
        "",
        "Ctrl-C stops it; what was accepted is kept.",
        "",
    ]
    return "\n".join(lines)
