"""The systems of systems.yaml: which one a text names, and what is on record about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from triage.doctor.facts import facts

_NAMES = {
    "lumi-g": r"LUMI(?:-G)?",
    "leonardo-lisa": r"(?:Leonardo[ -])?LISA (?=upgrade|partition|nodes?)|Leonardo[ -]LISA",
    "leonardo-booster": r"Leonardo",
    "mn5-acc": r"Mare ?Nostrum ?5?|MN5",
    "jupiter-booster": r"JUPITER|Jupiter",
    "jean-zay": r"Jean[ -]?Zay|jeanzay|jean-zay",
    "adastra-mi250x": r"Adastra|ADASTRA",
    "adastra-mi300a": r"MI300A",
    "meluxina": r"MeluXina|Meluxina|MELUXINA|meluxina",
    "karolina": r"Karolina|KAROLINA|karolina",
    "vega": r"(?:HPC )?Vega|VEGA",
    "deucalion": r"Deucalion|DEUCALION|deucalion",
    "discoverer-plus": r"Discoverer ?\+|Discoverer Plus|DiscovererPlus|discoverer\+",
    "discoverer": r"Discoverer(?! ?\+| [Pp]lus)",
    "arrhenius": r"Arrhenius|arrhenius",
    "roihu": r"Roihu|ROIHU|roihu",
    "daedalus": r"D[ae]+dalus|DAEDALUS",
    "alice-recoque": r"Alice Recoque",
}
_NAMED = re.compile("|".join(f"(?P<s{index}>\\b(?:{name})(?![\\w/]))" for index, name in enumerate(_NAMES.values())))
_IDS = tuple(_NAMES)


def named_systems(text: str) -> tuple[str, ...]:
    """Ids of the systems that the text names, in the order of their first mention."""
    found: dict[str, None] = {}
    for match in _NAMED.finditer(text):
        if _is_person(text, match):
            continue
        found.setdefault(_IDS[int((match.lastgroup or "s0")[1:])])
    return tuple(found)


def _is_person(text: str, match: re.Match[str]) -> bool:
    """Karolina and Vega are names of people too: greeted, or alone on the line of a signature."""
    if match.group().lower() not in ("karolina", "vega"):
        return False
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.end())
    before, after = text[start : match.start()], text[match.end() : end if end >= 0 else len(text)]
    greeted = re.search(r"(?i)\b(?:dear|hi|hello|hallo|ahoj|regards|cheers|thanks|best),?\s*$", before)
    signed = not before.strip(" -–") and re.fullmatch(r"(?:\s+[A-Z][\w.\-]+){0,2}[,.]?\s*", after)
    surname = re.search(r"[A-Z][a-z]+ $", before) and not re.search(r"(?i)\b(?:on|at|hpc|cluster|system)\s+$", before)
    return bool(greeted or signed or (surname and match.group() == "Vega"))


@cache
def systems() -> Mapping[str, Mapping[str, Any]]:
    return {row["id"]: row for row in facts("systems")["systems"]}
