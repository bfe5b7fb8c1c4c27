"""Asks model servers over HTTP: which one, how long, how often, and what when it dies in the middle of a reply."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

import structlog

from agent.errors import LanguageModelError
from agent.llm.chat import PURPOSES, Chat, Purpose, Reply, Told
from agent.llm.endpoints import Endpoint, Endpoints, endpoints_of
from agent.llm.health import Breakers
from agent.settings import Settings

if TYPE_CHECKING:
    from openai import DefaultHttpxClient, OpenAI

log = structlog.get_logger()

TRIES = 3
CONNECT_S = 3.0
SILENCE_S = 30.0
"""Longest wait for the next piece of a reply."""
BACK_OFF_S = 0.25
SEED = 7
MAX_REPLY_CHARS = 60_000
_NOT_AGAIN = {400, 401, 403, 404, 413, 422}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Drafts have a time and a budget of their own, so that small questions (triage, query, verification) never
    keep them waiting or use up their tokens."""

    concurrency: int
    timeout_s: float
    """For one draft, all tries together."""
    tokens_per_day: int
    """For drafts."""
    small_timeout_s: float = 15.0
    small_tokens_per_day: int = 5_000_000

    def time_for(self, purpose: Purpose) -> float:
        return self.timeout_s if purpose == "draft" else min(self.timeout_s, self.small_timeout_s)


class Client:
    """May be used from several threads."""

    def __init__(self, endpoints: Endpoints, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._endpoints = endpoints
        self._limits = limits
        self._clock = clock
        self._breakers = Breakers(clock)
        self._slots = threading.BoundedSemaphore(limits.concurrency)
        self._spent = {
            purpose: _Spent(limits.tokens_per_day if purpose == "draft" else limits.small_tokens_per_day)
            for purpose in PURPOSES
        }

    def ask(self, chat: Chat, told: Told) -> Reply:
        """Raises LanguageModelError."""
        preload()
        self._endpoints.note_use()
        spent, within_s = self._spent[chat.purpose], self._limits.time_for(chat.purpose)
        deadline = self._clock() + within_s
        spent.check()
        if not self._slots.acquire(timeout=within_s):
            raise LanguageModelError(f"all {self._limits.concurrency} places for questions to models were taken")
        try:
            reply = self._ask_in_turn(chat, told, deadline)
        finally:
            self._slots.release()
        spent.add(reply.prompt_tokens + reply.completion_tokens)
        return reply

    def is_configured(self) -> bool:
        return bool(self._endpoints.for_purpose("draft"))

    def wake(self) -> None:
        """A draft is wanted and no server answers: one that sleeps is started for the next."""
        self._endpoints.note_use()

    def state(self) -> str:
        """`ok`, `none` when there is no server, or what is wrong or awaited."""
        found = self._endpoints.for_purpose("draft")
        problems = [problem for item in found if (problem := self._breakers.problem_of(item.name))]
        if found:
            return "ok" if len(problems) < len(found) else problems[0]
        waiting = self._endpoints.waiting()
        if not waiting:
            return "none"
        first = waiting[0]
        about = f", starts about {_when(first.starts_at, self._endpoints.now())}" if first.starts_at else ""
        return f"{first.model} is {first.state}{about}{f': {first.note}' if first.state == 'failed' else ''}"

    def _ask_in_turn(self, chat: Chat, told: Told, deadline: float) -> Reply:
        problem = LanguageModelError("no model server is ready")
        for attempt in range(TRIES):
            candidates = [e for e in self._endpoints.for_purpose(chat.purpose) if self._breakers.admits(e.name)]
            for endpoint in candidates:
                if self._clock() >= deadline:
                    raise LanguageModelError(f"no reply within {self._limits.time_for(chat.purpose):g} s: {problem}")
                try:
                    reply = _ask_one(endpoint, chat, told, deadline=deadline, clock=self._clock)
                except LanguageModelError as error:
                    problem = error
                    self._breakers.failed(endpoint.name, str(error))
                    log.warning("model_failed", endpoint=endpoint.name, purpose=chat.purpose, problem=str(error))
                    continue
                self._breakers.succeeded(endpoint.name)
                return reply
            if problem.permanent or not candidates:
                break
            time.sleep(min(BACK_OFF_S * 2**attempt * (1 + random.random()), max(0.0, deadline - self._clock())))  # noqa: S311
        raise problem


def _when(moment: datetime, now: datetime) -> str:
    """With the day when it is not today's."""
    return f"{moment:%H:%M} UTC" if moment.date() == now.date() else f"{moment:%d %B, %H:%M} UTC"


def client_of(settings: Settings) -> Client:
    limits = Limits(
        concurrency=settings.llm_concurrency,
        timeout_s=settings.llm_timeout_s,
        tokens_per_day=settings.llm_tokens_per_day,
        small_timeout_s=settings.llm_small_timeout_s,
        small_tokens_per_day=settings.llm_small_tokens_per_day,
    )
    return Client(endpoints_of(settings), limits)


class _Spent:
    """Tokens of the current day."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._day = 0
        self._tokens = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        with self._lock:
            self._turn()
            if self._tokens >= self._most:
                raise LanguageModelError(f"the day's {self._most} tokens are used up", permanent=True)

    def add(self, tokens: int) -> None:
        with self._lock:
            self._turn()
            self._tokens += tokens

    def _turn(self) -> None:
        today = int(time.time() // 86400)
        if today != self._day:
            self._day, self._tokens = today, 0


def preload() -> None:
    """Imports the library, which takes a second or more: neither the service's start nor a deadline pays for it."""
    import openai  # noqa: F401, PLC0415


@cache
def _connections() -> DefaultHttpxClient:
    """Kept open, and one for all servers: those that come and go leave no connection behind."""
    import openai  # noqa: PLC0415  # see preload

    return openai.DefaultHttpxClient(timeout=openai.Timeout(SILENCE_S, connect=CONNECT_S))


@lru_cache(maxsize=64)
def _server(url: str, key: str | None) -> OpenAI:
    import openai  # noqa: PLC0415  # see preload

    return openai.OpenAI(base_url=url, api_key=key or "none", max_retries=0, http_client=_connections())


def _ask_one(endpoint: Endpoint, chat: Chat, told: Told, *, deadline: float, clock: Callable[[], float]) -> Reply:
    import openai  # noqa: PLC0415  # see preload

    begun = clock()
    try:
        stream = _server(endpoint.url, endpoint.key).chat.completions.create(
            **_request(endpoint, chat), timeout=openai.Timeout(min(SILENCE_S, deadline - begun), connect=CONNECT_S)
        )
        with stream:
            return _read(stream, endpoint, told, deadline=deadline, begun=begun, clock=clock)
    except openai.APIStatusError as error:
        again = error.status_code not in _NOT_AGAIN
        raise LanguageModelError(f"{endpoint.name} answered {error.status_code}", permanent=not again) from error
    except openai.APITimeoutError as error:
        raise LanguageModelError(f"{endpoint.name} was silent for too long") from error
    except (openai.APIError, openai.OpenAIError) as error:
        raise LanguageModelError(f"{endpoint.name} cannot be reached or broke off: {type(error).__name__}") from error
    except (ValueError, OSError, AttributeError, TypeError, KeyError) as error:
        raise LanguageModelError(f"{endpoint.name} did not speak the expected form: {type(error).__name__}") from error


def _request(endpoint: Endpoint, chat: Chat) -> dict[str, Any]:
    """`cache_salt` is vLLM's: https://docs.vllm.ai/en/stable/design/prefix_caching.html"""
    schema = {"name": chat.purpose, "schema": dict(chat.schema), "strict": True}
    return {
        "model": endpoint.model,
        "messages": [{"role": role, "content": content} for role, content in chat.messages],
        "response_format": {"type": "json_schema", "json_schema": schema},
        "temperature": 0,
        "seed": SEED,
        "max_tokens": chat.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
        "extra_body": {"cache_salt": chat.salt} if chat.salt else None,
    }


def _read(
    stream: Any, endpoint: Endpoint, told: Told, *, deadline: float, begun: float, clock: Callable[[], float]
) -> Reply:
    text, model, first = "", endpoint.model, None
    usage, finished = (0, 0), ""
    for chunk in stream:
        if clock() > deadline:
            raise LanguageModelError(f"{endpoint.name} was too slow")
        model = chunk.model or model
        if chunk.usage is not None:
            usage = (chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
        for choice in chunk.choices[:1]:
            finished = choice.finish_reason or finished
            if choice.delta.content:
                first = clock() - begun if first is None else first
                text += choice.delta.content
                told(text)
        if len(text) > MAX_REPLY_CHARS:
            raise LanguageModelError(f"{endpoint.name} does not stop writing", permanent=True)
    if not finished:
        raise LanguageModelError(f"{endpoint.name} broke off in the middle of its reply")
    return Reply(
        text=text,
        model=model,
        endpoint=endpoint.name,
        prompt_tokens=usage[0],
        completion_tokens=usage[1],
        first_token_s=first,
        latency_s=clock() - begun,
    )
