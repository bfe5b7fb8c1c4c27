"""One thing under several names: systems and models as tables, people and model hubs write them."""

from __future__ import annotations

import re
from functools import cache

from knowledge_base.catalogue import systems

_OTHER = re.compile(r"[^a-z0-9+.]+")


def plain(name: str) -> str:
    """Lower case letters, digits, `+` and `.` only."""
    return _OTHER.sub("", name.lower())


@cache
def _aliases() -> tuple[tuple[str, str], ...]:
    """(plain alias, system id), the longest first."""
    pairs = {(plain(alias), system.id) for system in systems() for alias in system.aliases}
    return tuple(sorted(pairs, key=lambda pair: (-len(pair[0]), pair)))


@cache
def system_id(name: str) -> str:
    """Id in systems.yaml; a system that is not there is its own plain name."""
    wanted = plain(name)
    return next((system for alias, system in _aliases() if wanted.startswith(alias)), wanted)


def systems_in(text: str) -> list[str]:
    """Ids of the systems that a text names."""
    words = f" {re.sub(r'[^a-z0-9+.]+', ' ', text.lower())} "
    found: dict[str, None] = {}
    for system in systems():
        for alias in system.aliases:
            spaced = re.sub(r"[^a-z0-9+.]+", " ", alias).strip()
            if spaced and f" {spaced} " in words:
                found.setdefault(system.id)
    return list(found)


def model_name(name: str) -> str:
    """Without the organisation, plain: `meta-llama/Llama-3.1-8B-Instruct` -> `llama3.18binstruct`."""
    return plain(name.rstrip("/").rpartition("/")[2])


def same_model(asked: str, model: str) -> bool:
    """Whether a model is what was asked for or a tuned variant of it (`-Instruct`, `-it`, `-v0.3`)."""
    wanted, found = model_name(asked), model_name(model)
    return found == wanted or (found.startswith(wanted) and not found[len(wanted)].isdigit())
