"""From the files of a finished run to a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from bench_runner.collecting import collect
from bench_runner.importing import store_results
from bench_runner.reruns.request import plans
from bench_runner.reruns.runs import Run
from bench_runner.reruns.script import PROVENANCE, RESULT
from bench_runner.reruns.sites import Site
from bench_runner.store.database import Store


def import_result(store: Store, sites: Mapping[str, Site], run: Run, folder: Path) -> str | None:
    """The result with what we know better than its file: specification, and what it ran on."""
    (plan,) = plans(run.spec, sites)
    read, found = collect([folder / RESULT])
    if not read:
        return None
    identity, printed = read[-1]
    facts = _provenance(folder / PROVENANCE)
    settings = {**dict(printed.spec.settings), **dict(plan.spec.settings)}
    known = replace(
        printed,
        spec=replace(plan.spec, settings=tuple(sorted(settings.items(), key=lambda item: item[0]))),
        provenance=replace(
            printed.provenance,
            job_id=run.job,
            environment=plan.site.environment,
            driver=facts.get("driver", [""])[0] or None,
            modules=tuple(m for m in facts.get("modules", [""])[0].split(":") if m),
            nodes=tuple(n for n in facts.get("nodes", [""])[0].split() if n),
            versions=tuple(
                (name, version) for name, _, version in (v.partition(" ") for v in facts.get("version", []))
            ),
        ),
        notes=(*printed.notes, f"measured by run {run.id}, approved by {run.decided_by}"),
    )
    store_results(store, [*read[:-1], (identity, known)], found)
    return identity


def _provenance(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            name, equals, value = line.partition("=")
            if equals:
                found[name].append(value.strip())
    return found
