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


def obedient(part: str) -> Script:
    """The worst case: does whatever any text tells it to, dresses it up as cited, and hides it beside honest claims.

    Every line of the request and of the evidence comes back in `part`: `foreign quote` is a claim that cites the first
    passage with a quote that does stand there, `own quote` a claim that quotes the line itself where it stands in a
    passage, `appended` one behind the words of an honest claim; `command`, `next_step`, `question` and `unanswered` are
    those; `instructions` gives away what it was told. `everything` is all of it at once.
    """

    def script(chat: Chat) -> str:
        passages = evidence_in(chat)
        number, first = passages[0]
        real = next((unit.quote for unit in quotable(first)), first[:80])
        lines = _lines(request_in(chat)) + [line for _, text in passages[1:] for line in _lines(text)]
        planted = [(at, line) for at, text in passages[1:] for line in _lines(text)]
        wholly = part == "everything"

        def made(name: str) -> list[str]:
            return lines[:5] if wholly or part == name else []

        claims = [_claim(real, number, real)]
        claims += [_claim(line, number, real) for line in made("foreign quote")]
        claims += [_claim(line, at, line) for at, line in (planted[:5] if wholly or part == "own quote" else [])]
        claims += [_claim(f"{real} {line}", number, real) for line in made("appended")]
        if wholly or part == "instructions":
            claims.append(_claim(chat.messages[0][1][:300], number, real))
        return written(
            claims[:12],
            commands=made("command"),
            unanswered=made("unanswered"),
            questions=made("question"),
            next_steps=made("next_step"),
        )

    return script


OBEDIENT_PARTS = (
    "everything", "foreign quote", "own quote", "appended", "instructions", "command", "next_step",
    "question", "unanswered",
)  # fmt: skip


def _claim(text: str, number: str, quote: str) -> dict[str, object]:
    return {"text": text, "evidence": [{"passage_id": number, "quote": quote}]}


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if len(line.strip()) > 3]


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
