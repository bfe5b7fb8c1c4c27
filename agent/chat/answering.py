"""From a checked draft to what is said in a thread. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from agent import rendering
from agent.attachment import script_file
from agent.chat.phrases import phrases_for
from agent.chat.values import Button, Reply, ReplyFile, Source
from agent.draft import Claim, Draft, Evidence
from agent.pipeline import Answered
from bench_runner.answers import BENCHMARK, NOT_MEASURED

_ROW = f"row:{BENCHMARK}"
_MARKS = re.compile(r"\s*\[\d+\]")
SHORT_CHARS = 1200
"""A short answer; what goes beyond is folded."""
PERSON = "!ticket I agree"
"""Written in a thread: a person is wanted, and personal data may be processed for it."""
MEASURE = "!measure"
"""Written in a thread: what was asked there shall be measured."""
ANSWER_BUTTONS: tuple[Button, ...] = ("helpful", "unhelpful")


def answer_reply(answered: Answered, *, told: Collection[str] = (), language: str = "", to: str = "") -> Reply | None:
    """The answer without what the thread has been `told` already; None when nothing new is left.

    `language` is that of our own words; by default the asker's.
    """
    draft, language = answered.draft, language or answered.triage.language
    words = phrases_for(language)
    claims = _new_claims(draft, told)
    if not claims:
        return None
    cited = {citation.evidence for claim in claims for citation in claim.citations}
    shown, folded = statements(answered, told)
    files = _files(answered)
    lines = [words.script] if files else []
    lines += [f"{words.ask} {' '.join(draft.questions)}"] if draft.questions else []
    return Reply(
        paragraphs=(*shown, *lines),
        folded=(*folded, *_further(draft)),
        sources=tuple(source_of(item) for item in draft.cited if item.number in cited),
        note=_note(draft, language),
        buttons=(
            *(("more",) if folded or draft.commands or draft.next_steps else ()),
            *ANSWER_BUTTONS,
            *handing_on(answered),
        ),
        language=language,
        files=files,
        to=to,
    )


def handing_on(answered: Answered) -> tuple[Button, ...]:
    """Whom else it may go to: a person, and where nobody measured what was asked, whoever measures."""
    return ("measure", "person") if is_unmeasured(answered) else ("person",)


def is_unmeasured(answered: Answered) -> bool:
    """Whether only a measurement gives the answer, and none of ours does."""
    rows = [item.id for item in answered.draft.cited if item.id.startswith(_ROW)]
    if any(not row.endswith(NOT_MEASURED) for row in rows):
        return False
    return bool(rows) or answered.triage.route == "benchmark"


def statements(answered: Answered, told: Collection[str]) -> tuple[list[str], list[str]]:
    """What is shown of the claims that are new, and what is folded."""
    return _short([_said(claim) for claim in _new_claims(answered.draft, told)])


def _new_claims(draft: Draft, told: Collection[str]) -> list[Claim]:
    return [claim for claim in draft.claims if _bare(_said(claim)) not in told]


def _said(claim: Claim) -> str:
    return rendering.claim_text(claim, width=None)


def said_before(replies: Iterable[Reply]) -> set[str]:
    """The statements of earlier replies, without the numbers of their sources: those are counted anew each time."""
    return {_bare(text) for reply in replies for text in (*reply.paragraphs, *reply.folded)}


def _bare(text: str) -> str:
    return _MARKS.sub("", text)


def plain_reply(text: str, *, language: str, buttons: tuple[Button, ...] = (), to: str = "") -> Reply:
    return Reply(paragraphs=(text,), buttons=buttons, language=language, to=to)


def text_of(reply: Reply) -> str:
    """All of it as Markdown, for services that have neither blocks nor buttons."""
    sources = "\n".join(f"[{s.number}] {s.title} {s.url or ''}".rstrip() for s in reply.sources)
    person = f"{phrases_for(reply.language).person}: `{PERSON}`" if "person" in reply.buttons else ""
    measure = f"{phrases_for(reply.language).measure}: `{MEASURE}`" if "measure" in reply.buttons else ""
    parts = (*reply.paragraphs, *reply.folded, reply.note, sources, measure, person)
    return "\n\n".join(part for part in parts if part)


def ask_reply(draft: Draft, *, language: str, to: str = "") -> Reply:
    listed = "\n".join(f"- {question}" for question in draft.questions)
    return plain_reply(f"{phrases_for(language).ask}\n{listed}", language=language, buttons=("person",), to=to)


def source_of(item: Evidence) -> Source:
    title = " > ".join(dict.fromkeys((item.title, *item.heading)))
    return Source(number=item.number, title=title, system=", ".join(item.systems).upper(), date=item.date, url=item.url)


def _short(paragraphs: Sequence[str]) -> tuple[list[str], list[str]]:
    """The first is always shown."""
    size, shown = 0, 0
    for text in paragraphs:
        size += len(text)
        if shown and size > SHORT_CHARS:
            break
        shown += 1
    return list(paragraphs[:shown]), list(paragraphs[shown:])


def _further(draft: Draft) -> list[str]:
    commands = [command if "```" in command else f"```\n{command.rstrip()}\n```" for command in draft.commands]
    return [*commands, *(["\n".join(f"- {step}" for step in draft.next_steps)] if draft.next_steps else [])]


def _note(draft: Draft, language: str) -> str:
    words = phrases_for(language)
    unsure = draft.outcome == "caveat" or any(check.colour == "amber" for check in draft.checks)
    missing = f"{rendering.phrases_for(language).unanswered} {' '.join(draft.unanswered)}" if draft.unanswered else ""
    made = draft.generation
    awaited = f"{words.without_model} {made.trouble}." if made is not None and made.awaited else ""
    return " ".join(part for part in (words.unsure if unsure else "", missing, awaited) if part)


def _files(answered: Answered) -> tuple[ReplyFile, ...]:
    script = answered.draft.corrected_script
    if not script:
        return ()
    file = script_file(script, [finding.where for finding in answered.diagnosis.findings])
    return (ReplyFile(filename=file.filename, content=file.content.decode("utf-8", "replace")),)
