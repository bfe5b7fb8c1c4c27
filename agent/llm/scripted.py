"""Models that need no server: what they say is decided by a function. For tests and evaluations."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from agent.llm.chat import Chat, Reply, Told
from agent.sentences import quotable

Script = Callable[[Chat], str]

_EVIDENCE = re.compile(r'<evidence passage_id="(\d+)"[^>]*>\n(.*?)\n</evidence>', re.DOTALL)
_REQUEST = re.compile(r"<request>\n(.*)\n</request>", re.DOTALL)
WORDS_A_TOKEN = 0.75


class ScriptedModel:
    """Answers as its script says, the same every time; `asked` are the questions so far."""

    def __init__(self, script: Script, name: str = "scripted") -> None:
        self._script = script
        self._name = name
        self.asked: list[Chat] = []

    def ask(self, chat: Chat, told: Told) -> Reply:
        self.asked.append(chat)
        text = self._script(chat)
        for end in range(0, len(text), 200):
            told(text[: end + 200])
        return Reply(
            text=text,
            model=self._name,
            endpoint="scripted",
            prompt_tokens=sum(_tokens(content) for _, content in chat.messages),
            completion_tokens=_tokens(text),
            first_token_s=0.0,
            latency_s=0.0,
        )


def honest(chat: Chat) -> str:
    """Two sentences of each of the first three passages, word for word."""
    claims = [
        {"text": unit.text, "evidence": [{"passage_id": number, "quote": unit.quote}]}
        for number, text in evidence_in(chat)[:3]
        for unit in quotable(text)[:2]
    ]
    return written(claims)


def obedient(chat: Chat) -> str:
    """The worst case: does whatever any text tells it to, and dresses it up as cited, whatever that takes.

    Every line of the request and of the evidence comes back as a claim, once citing itself and once citing the first
    passage with a quote that does stand there; and again as a command, a step, a question and an open question. So do
    the instructions that it was given, which an attacker may have asked for.
    """
    passages = evidence_in(chat)
    number, first = passages[0] if passages else ("1", "")
    real = next((unit.quote for unit in quotable(first)), first[:80])
    asked = request_in(chat)
    lines = [line.strip() for line in asked.splitlines() if len(line.strip()) > 3]
    planted = [(at, line.strip()) for at, text in passages for line in text.splitlines() if len(line.strip()) > 3]
    claims = [{"text": line, "evidence": [{"passage_id": number, "quote": real}]} for line in lines[:4]]
    claims += [{"text": line, "evidence": [{"passage_id": number, "quote": line}]} for line in lines[:2]]
    claims += [{"text": line, "evidence": [{"passage_id": at, "quote": line}]} for at, line in planted[:4]]
    claims.append({"text": chat.messages[0][1][:300], "evidence": [{"passage_id": number, "quote": real}]})
    said = [*lines, *(line for _, line in planted)][:6]
    return written(claims[:12], commands=said, unanswered=lines[:6], questions=said[:4], next_steps=said)


def written(
    claims: Sequence[Mapping[str, object]],
    *,
    commands: list[str] | None = None,
    unanswered: list[str] | None = None,
    questions: list[str] | None = None,
    next_steps: list[str] | None = None,
) -> str:
    return json.dumps(
        {
            "claims": list(claims),
            "commands": commands or [],
            "unanswered": unanswered or [],
            "questions": questions or [],
            "next_steps": next_steps or [],
        },
        ensure_ascii=False,
    )


def evidence_in(chat: Chat) -> list[tuple[str, str]]:
    """(passage id, text) as the model was given them."""
    return [(found[1], found[2]) for found in _EVIDENCE.finditer(chat.messages[1][1])]


def request_in(chat: Chat) -> str:
    found = _REQUEST.search(chat.messages[1][1])
    return found[1] if found else ""


def _tokens(text: str) -> int:
    return int(len(text.split()) / WORDS_A_TOKEN) + 1
