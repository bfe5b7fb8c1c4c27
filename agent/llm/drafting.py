"""Drafting with a language model: what it is given, what its reply becomes, and the embedded draft when it fails."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from agent.checks.code import prose_of
from agent.draft import Compose, Draft, Evidence, Generation, Question, Register
from agent.errors import LanguageModelError
from agent.llm.budget import Counted, Meter, fit
from agent.llm.chat import Ask, Chat, Reply, Told, tell_nobody
from agent.llm.privacy import masked
from agent.llm.prompts import prompt
from agent.llm.structure import NOTHING, Written, draft_of, read_beginning, read_reply

log = structlog.get_logger()

LANGUAGES = {
    "bg": "Bulgarian", "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "es": "Spanish",
    "et": "Estonian", "fi": "Finnish", "fr": "French", "hr": "Croatian", "hu": "Hungarian", "it": "Italian",
    "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese",
    "ro": "Romanian", "sk": "Slovak", "sl": "Slovenian", "sv": "Swedish", "uk": "Ukrainian",
}  # fmt: skip
REGISTERS: dict[Register, str] = {
    "mail": "Register: an e-mail. Whole sentences, polite, no salutation.",
    "slack": "Register: a chat message. At most four short statements, no salutation.",
    "note": "Register: a note for a colleague. Terse; name the rule, the line and the doubt.",
}
MAX_REQUEST_CHARS = 12_000
FRAME_TOKENS = 200
"""For what stands around evidence and request."""
LEAST_LETTERS = 80
"""Of prose, for its language to be told."""
_TAGS = re.compile(r"<(?=/?(?:evidence|request|instruction)\b)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """Tokens of one question."""

    context: int
    reply: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What the composer is built on."""

    ask: Ask
    fallback: Compose
    language_of: Callable[[str], str]
    room: Room
    secret: bytes
    """Key of the cache salts."""
    told: Callable[[str], Told] = lambda _ticket: tell_nobody
    """By ticket, who is told of the text as it is written."""


def model_composer(parts: Parts) -> Compose:
    """Drafts by a model; whatever goes wrong, the embedded draft with a note of what it was."""
    meter = Meter()
    count = Counted(meter.count)

    def compose(question: Question, evidence: Sequence[Evidence], answerable: float) -> Draft:
        if not evidence:
            return parts.fallback(question, evidence, answerable)
        chat = chat_for(question, evidence, parts, count)
        told = _told(question, evidence, answerable, parts)
        try:
            written, reply, repaired = _written(chat, question, parts, told)
        except LanguageModelError as error:
            log.warning("drafted_without_model", ticket=question.ticket, problem=str(error))
            embedded = parts.fallback(question, evidence, answerable)
            return replace(embedded, generation=Generation(prompt=chat.prompt, trouble=str(error)))
        meter.learn(sum(len(content) for _, content in chat.messages), reply.prompt_tokens)
        return replace(
            draft_of(written, evidence, answerable),
            model=reply.model,
            prompt_hash=chat.sha256,
            generation=Generation(
                endpoint=reply.endpoint,
                prompt=chat.prompt,
                prompt_tokens=reply.prompt_tokens,
                completion_tokens=reply.completion_tokens,
                first_token_s=reply.first_token_s,
                latency_s=reply.latency_s,
                repaired=repaired,
            ),
        )

    return compose


def chat_for(question: Question, evidence: Sequence[Evidence], parts: Parts, count: Callable[[str], int]) -> Chat:
    """Instructions, then evidence, then the request: what repeats most comes first."""
    instructions = prompt("draft")
    request = _request(question)
    used = count(instructions.text) + count(request) + FRAME_TOKENS
    chosen = fit(evidence, count, parts.room.context - parts.room.reply - used)
    given = "\n\n".join(_evidence(item, text) for item, text in chosen)
    return Chat(
        purpose="draft",
        prompt=instructions.name,
        messages=(("system", instructions.text), ("user", f"Evidence:\n\n{given}\n\n{request}")),
        schema=Written.model_json_schema(),
        salt=_salt(question.ticket, parts.secret),
        max_tokens=parts.room.reply,
    )


def _evidence(item: Evidence, text: str) -> str:
    place = " / ".join(dict.fromkeys((item.title, *item.heading))).replace(">", "›").replace('"', "'")
    return f'<evidence passage_id="{item.number}" from="{_inert(place)}">\n{_inert(text)}\n</evidence>'


def _request(question: Question) -> str:
    text = masked(f"Subject: {question.subject}\n\n{question.text[:MAX_REQUEST_CHARS]}")
    language = LANGUAGES.get(question.language, "English")
    lines = [f"<request>\n{_inert(text)}\n</request>"]
    if question.instruction:
        lines.append(f'<instruction from="engineer">\n{_inert(masked(question.instruction))}\n</instruction>')
    lines.append(f"{REGISTERS[question.register]} Write every text in {language}; quotes stay as they are.")
    return "\n\n".join(lines)


def _inert(text: str) -> str:
    """No text can end its own frame."""
    return _TAGS.sub("‹", text)


def _salt(ticket: str, secret: bytes) -> str:
    return hashlib.blake2b(ticket.encode(), key=secret[:64], digest_size=16).hexdigest() if ticket else ""


def _told(question: Question, evidence: Sequence[Evidence], answerable: float, parts: Parts) -> Told:
    """Hands on the text, and each statement as soon as it is complete and in the requester's language."""
    tell, written = parts.told(question.ticket), question.written
    if written is None:
        return tell
    written(draft_of(NOTHING, evidence, answerable))
    count = 0

    def tell_both(text: str) -> None:
        nonlocal count
        tell(text)
        found = read_beginning(text)
        if found is not None and len(found.claims) != count and not _problem(found, question, parts):
            count = len(found.claims)
            written(draft_of(found, evidence, answerable))

    return tell_both


def _written(chat: Chat, question: Question, parts: Parts, told: Told) -> tuple[Written, Reply, bool]:
    """What was written, the reply it is from, and whether it took a second one. Raises LanguageModelError."""
    reply = parts.ask(chat, told)
    try:
        return _checked(reply.text, question, parts), reply, False
    except LanguageModelError as error:
        again = (
            *chat.messages,
            ("assistant", reply.text[:4000]),
            ("user", f"That cannot be used: {error}. Write the whole JSON object again, mended."),
        )
    second = parts.ask(replace(chat, messages=again), told)
    summed = replace(
        second,
        prompt_tokens=reply.prompt_tokens + second.prompt_tokens,
        completion_tokens=reply.completion_tokens + second.completion_tokens,
        latency_s=reply.latency_s + second.latency_s,
        first_token_s=reply.first_token_s,
    )
    return _checked(second.text, question, parts), summed, True


def _checked(text: str, question: Question, parts: Parts) -> Written:
    """Of the wanted form and in the requester's language. Raises LanguageModelError."""
    written = read_reply(text)
    if problem := _problem(written, question, parts):
        raise LanguageModelError(problem)
    return written


def _problem(written: Written, question: Question, parts: Parts) -> str:
    """What is wrong with the language of the texts; empty when nothing is."""
    wanted = question.language if question.language in LANGUAGES else "en"
    prose = prose_of("\n".join([*(claim.text for claim in written.claims), *written.next_steps, *written.questions]))
    if sum(map(str.isalpha, prose)) >= LEAST_LETTERS and (found := parts.language_of(prose)) != wanted:
        return f"the texts are in {LANGUAGES.get(found, found)}, not in {LANGUAGES[wanted]}"
    return ""
