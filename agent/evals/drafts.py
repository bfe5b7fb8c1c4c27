"""How good drafts are, by configuration: each case goes through the whole pipeline; its draft is held against facts.

A case is one JSON line: `id`, `language`, `question`, `facts` (wordings of one fact apart by ` | `, as they stand in a
gold file), `gold` (files of the articles that answer); no facts and no gold means that nothing we have answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.checks.support import Support
from agent.checks.tokens import tokens_of
from agent.checks.words import bare
from agent.draft import Draft, Evidence
from agent.errors import HelpdeskError

Drafted = Callable[["Case"], Draft]
"""Drafts an answer to a case."""


class Case(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str
    language: str
    question: str = Field(min_length=1)
    facts: tuple[str, ...]
    gold: tuple[str, ...]

    @property
    def is_answerable(self) -> bool:
        return bool(self.gold)


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    case: Case
    covered: int
    """Facts in the draft's own words."""
    cited: int
    """Pieces of evidence that the draft cites."""
    right: int
    """Of them, those of a gold file or with a fact in them."""
    carried: int
    """Facts that stand in what is cited."""
    abstained: bool
    unsupported: int
    """Tokens of claims that no evidence they cite holds."""
    red: int
    without_model: bool
    """A model was to draft it and did not."""


def read_cases(path: Path) -> list[Case]:
    """Raises HelpdeskError, naming the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HelpdeskError(f"{path} cannot be read: {error}") from error
    cases = []
    for number, line in enumerate(lines, 1):
        try:
            cases.append(Case.model_validate_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise HelpdeskError(f"{path}, line {number}: {where + ': ' if where else ''}{first['msg']}") from error
    if not cases:
        raise HelpdeskError(f"{path} holds no case")
    return cases


def score(case: Case, draft: Draft) -> Score:
    said = bare("\n".join([*(claim.text for claim in draft.claims), *draft.commands, *draft.next_steps]))
    cited = draft.cited
    return Score(
        case=case,
        covered=sum(_holds(said, fact) for fact in case.facts),
        cited=len(cited),
        right=sum(_is_right(item, case) for item in cited),
        carried=sum(_holds(bare("\n".join(item.text for item in cited)), fact) for fact in case.facts),
        abstained=draft.outcome in {"ask", "escalate"},
        unsupported=sum(_unsupported(draft)),
        red=len(draft.red),
        without_model=draft.generation is not None and bool(draft.generation.trouble),
    )


def compare(cases: Sequence[Case], configurations: Sequence[tuple[str, Drafted]]) -> str:
    """One column a configuration."""
    columns = [[score(case, drafted(case)) for case in cases] for _, drafted in configurations]
    answerable = sum(case.is_answerable for case in cases)
    facts = sum(len(case.facts) for case in cases)
    lines = [f"{answerable} cases with an answer ({facts} facts), {len(cases) - answerable} without"]
    lines.append(f"{'':34}" + "".join(f"{name[:26]:>28}" for name, _ in configurations))
    rows = [_figures(scores) for scores in columns]
    lines += [f"{label:34}" + "".join(f"{row[label]:>28}" for row in rows) for label in rows[0]]
    return "\n".join(lines) + "\n"


def _figures(scores: Sequence[Score]) -> dict[str, str]:
    known = [s for s in scores if s.case.is_answerable]
    unknown = [s for s in scores if not s.case.is_answerable]
    facts = sum(len(s.case.facts) for s in known)
    return {
        "facts covered": _share(sum(s.covered for s in known), facts),
        "citation precision": _share(sum(s.right for s in known), sum(s.cited for s in known)),
        "citation recall (facts carried)": _share(sum(s.carried for s in known), facts),
        "abstained, without an answer": _share(sum(s.abstained for s in unknown), len(unknown)),
        "abstained, with an answer": _share(sum(s.abstained for s in known), len(known)),
        "unsupported tokens a draft": f"{fmean(s.unsupported for s in scores):.3f}",
        "drafts with something red": _share(sum(bool(s.red) for s in scores), len(scores)),
        "drafted without the model": _share(sum(s.without_model for s in scores), len(scores)),
    }


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f} ({part}/{whole})" if whole else "-"


def _holds(text: str, fact: str) -> bool:
    return any(bare(wording) in text for wording in fact.split(" | "))


def _is_right(item: Evidence, case: Case) -> bool:
    return item.path in case.gold or any(_holds(bare(item.text), fact) for fact in case.facts)


def _unsupported(draft: Draft) -> list[int]:
    by_number = {item.number: item for item in draft.evidence}
    counts = []
    for claim in draft.claims:
        cited = [by_number[citation.evidence] for citation in claim.citations if citation.evidence in by_number]
        support = Support([text for item in cited for text in (item.text, item.url or "")])
        counts.append(sum(not support.holds(token) for token in tokens_of(claim.text)))
    return counts
