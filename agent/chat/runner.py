"""The services that are connected: events to their handlers, posts to their places, all of it until the stop."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.chat.conversation import apologise, hear_event
from agent.chat.posting import post_due
from agent.chat.rules import load_rules
from agent.chat.service import Chat, Handle, handle_event
from agent.chat.tickets import tell_resolved
from agent.chat.values import Channel
from agent.errors import HelpdeskError
from agent.pipeline import Ports
from agent.settings import Settings
from agent.store import chat as store
from agent.store import tickets
from agent.store.chat_tables import ChatEvent, EventState
from agent.store.database import Database
from ingest.masking import mask_secrets
from triage.policy import load_policy

log = structlog.get_logger()

TICK_S = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Service:
    chat: Chat
    handle: Handle = hear_event
    tick: Callable[[], None] = lambda: None
    """What the service itself looks after every second."""
    close: Callable[[], None] = lambda: None
    state: Callable[[], str] = lambda: "ok"


class Chats:
    """Made empty; services are added before `start`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._services: dict[str, Service] = {}
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._ticker = threading.Thread(target=self._tick_until_stopped, name="chat", daemon=True)

    def chat_on(self, channel: Channel, settings: Settings, ports: Ports, wake: Callable[[], None]) -> Chat:
        """What a service works with; `wake` tells the workflows. Raises SettingsError for unusable channel rules."""

        def wake_all() -> None:
            wake()
            self.wake()

        return Chat(
            channel=channel,
            database=self._database,
            settings=settings,
            ports=ports,
            rules=load_rules(settings.chat_rules_file),
            policy=load_policy(),
            wake=wake_all,
        )

    def add(self, service: Service) -> None:
        self._services[service.chat.channel.name] = service

    @property
    def by_name(self) -> dict[str, Chat]:
        return {name: service.chat for name, service in self._services.items()}

    def start(self) -> None:
        with self._database.write() as session:
            store.recover_posts(session, all_of_them=True)
        if self._services:
            self._ticker.start()

    def stop(self) -> None:
        self._stopping.set()
        self._news.set()
        for service in self._services.values():
            service.close()
        if self._ticker.is_alive():
            self._ticker.join(timeout=30)

    def wake(self) -> None:
        self._news.set()

    @property
    def state(self) -> str:
        """`none`, `ok`, or what is wrong."""
        states = [service.state() for service in self._services.values()]
        return next((state for state in states if state != "ok"), "ok") if states else "none"

    def waiting(self) -> list[store.Unhandled]:
        """Events of the services that are connected; those of others wait until they are again."""
        with self._database.read() as session:
            return store.waiting_events(session, list(self._services))

    def handle(self, event_id: int) -> list[int]:
        """Work on one stored event; the messages of tickets that are to be drafted for.

        What goes wrong is raised: the workflow tries again, then gives up.
        """
        with self._database.read() as session:
            channel = tickets.by_id(session, ChatEvent, event_id).channel
        service = self._services[channel]
        return handle_event(service.chat, service.handle, event_id)

    def give_up(self, event_id: int) -> None:
        """The event is kept as failed, and whoever waits for an answer is told."""
        with self._database.write() as session:
            event = tickets.by_id(session, ChatEvent, event_id)
            kept = mask_secrets(event.body.decode()).text.encode()
            store.settle_event(session, event_id, EventState.FAILED, body=kept)
        chat = self._services[event.channel].chat
        heard = chat.channel.heard(event.kind, json.loads(event.body))
        if heard is not None:
            apologise(chat, heard)

    def _tick_until_stopped(self) -> None:
        while not self._stopping.is_set():
            for service in self._services.values():
                self._tick(service)
            self._news.wait(TICK_S)
            self._news.clear()

    def _tick(self, service: Service) -> None:
        try:
            with self._database.write() as session:
                store.recover_posts(session)
            tell_resolved(service.chat)
            service.tick()
            post_due(service.chat)
        except (SQLAlchemyError, HelpdeskError):
            log.exception("chat_tick_failed", channel=service.chat.channel.name)
