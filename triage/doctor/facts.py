"""The tables of facts that the doctor reads, loaded at their first use."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

import knowledge_base
from triage.doctor.errors import FactsError

FACTS = Path(knowledge_base.__file__).parent / "facts"


@cache
def facts(name: str) -> Mapping[str, Any]:
    """Content of `knowledge_base/facts/<name>.yaml`."""
    path = FACTS / f"{name}.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where libyaml is there
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 (both are safe loaders)
    except (OSError, yaml.YAMLError) as error:
        raise FactsError(path, str(error)) from error
    if not isinstance(content, dict):
        raise FactsError(path, "expected a mapping")
    return content
