"""`minerva bench results | compare | plot | export | publish`: questions to the stored results."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.cli.bench_selection import selecting
from agent.cli.bench_store import bench_store
from bench_runner.comparison.compare import AXES, Compared, by_axis
from bench_runner.comparison.compare import compare as compare_two
from bench_runner.comparison.noise import Floor, floors
from bench_runner.comparison.queries import best, cost, scaling
from bench_runner.comparison.repeats import Configuration, Figure, configurations
from bench_runner.comparison.selection import Selection, parallelism, select, working_gpus
from bench_runner.errors import NotFoundError
from bench_runner.plausibility.findings import Judged
from bench_runner.plotting import PICTURES, picture, write_picture
from bench_runner.report import VERDICTS, normalised, printable
from bench_runner.store.results import Stored, load

Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
Limits = Annotated[
    list[str] | None, typer.Option("--at-most", metavar="METRIC=VALUE", help="Only what stays within, ttft_mean=200.")
]


@selecting
def results(
    chosen: Selection,
    sort: Annotated[str, typer.Option("--best", metavar="METRIC", help="What to rank by.")] = "output_throughput",
    at_most: Limits = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many configurations.")] = 20,
    scale: Annotated[bool, typer.Option("--scaling", help="Scaling efficiency by series instead.")] = False,
    as_json: Json = False,
) -> None:
    """Configurations, best first, with interval, verdict, cost and run ids."""
    found, _ = _configurations(chosen)
    if scale:
        _print_scaling(found, as_json)
        return
    ranked = best(found, sort, at_most=_limits(at_most or []), top=top)
    if as_json:
        _print_json({"metric": sort, "configurations": [as_dict(item) for item in ranked]})
        return
    if not ranked:
        print(f"Not measured: no stored result has {sort} under these conditions.")
    for item in ranked:
        sys.stdout.write(printable(_block(item, sort)))


@selecting
def compare(
    chosen: Selection,
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN RUN]", help="Ids of two runs.")] = None,
    axis: Annotated[str, typer.Option("--by", help=f"Compare along one of: {', '.join(AXES)}.")] = "",
    as_json: Json = False,
) -> None:
    """Two runs, or all that differ in one thing only: ratio, whether it is more than noise, and what else differs."""
    if bool(axis) == bool(runs) or (runs and len(runs) != 2) or (axis and axis not in AXES):
        raise typer.BadParameter(f"give two run ids, or --by with one of {', '.join(AXES)}")
    if runs:
        rows = _load()
        known = floors(rows)
        first, second = (configurations([_row(rows, run)], known) for run in runs)
        if not first or not second:
            raise NotFoundError("one of the two runs failed or is invalid: there is no figure to compare")
        pairs = [compare_two(first[0], second[0], known)]
    else:
        found, known = _configurations(chosen)
        pairs = by_axis(found, axis, known)
    if as_json:
        _print_json({"pairs": [_pair_dict(pair) for pair in pairs]})
    elif not pairs:
        print("Nothing to compare: no two stored configurations differ in that alone.")
    else:
        sys.stdout.write(printable("\n".join(_pair(pair, axis) for pair in pairs)))


@selecting
def plot(
    chosen: Selection,
    name: Annotated[str, typer.Argument(help=f"One of: {', '.join(PICTURES)}.")],
    out: Annotated[Path, typer.Argument(help="File to write: .png, .svg, .html (works offline) or .json (Vega-Lite).")],
) -> None:
    """Draws stored results; suspect ones are marked, invalid and failed ones left out, intervals shown."""
    if name not in PICTURES:
        raise typer.BadParameter(f"there is no picture {name!r}; there are {', '.join(PICTURES)}", param_hint="NAME")
    found, _ = _configurations(chosen)
    write_picture(picture(name, found), out)
    print(f"{out} written.")


@selecting
def export(
    chosen: Selection,
    out: Annotated[
        Path,
        typer.Argument(help="File: .csv (29 columns of minerva-benchmarks), .jsonl (everything), .html (the page)."),
    ],
) -> None:
    """Writes stored results to a file; a page works without server and network, with filters and pictures."""
    from bench_runner.dashboard import data, page  # noqa: PLC0415
    from bench_runner.importers import minerva_export  # noqa: PLC0415

    if out.suffix not in (".csv", ".jsonl", ".html"):
        raise typer.BadParameter("must end in .csv, .jsonl or .html", param_hint="OUT")
    rows = select(_load(), chosen)
    if out.suffix == ".html":
        page.write_whole(data.table(rows), out)
        print(f"{_counted(rows)} written to {out}.")
        return
    try:
        with out.open("w", newline="", encoding="utf-8") as file:
            if out.suffix == ".csv":
                rows = [row for row in rows if row.result.spec.kind == "inference"]
                minerva_export.write((row.result for row in rows), file)
            else:
                file.writelines(normalised(_judged(row)) + "\n" for row in rows)
    except OSError as error:
        raise NotFoundError(f"{out} cannot be written: {error.strerror}") from error
    print(f"{_counted(rows)} written to {out}.")
    if out.suffix == ".csv":
        print("The table has no columns for that: .jsonl has verdicts and reasons.")


def _counted(rows: Sequence[Stored]) -> str:
    verdicts = Counter(row.verdict for row in rows)
    return f"{len(rows)} results ({', '.join(f'{verdicts[name]} {name}' for name in VERDICTS)})"


@selecting
def publish(
    chosen: Selection,
    folder: Annotated[Path, typer.Argument(help="Folder to write, ready for a pull request.", metavar="DIR")],
) -> None:
    """Writes data, verdicts, pictures and a data card for the public repository; never pushes anything."""
    from bench_runner.publish import publish as write_tree  # noqa: PLC0415

    rows = _load()
    written = write_tree(select(rows, chosen), floors(rows), folder)
    print(f"{len(written)} files in {folder}. Nothing was pushed: look at them, then make the pull request yourself.")


def serve(
    host: Annotated[str, typer.Option("--host", help="Address to bind to.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8090,
) -> None:
    """Shows the public page of results over HTTP, without the desk, until it is interrupted."""
    import socket  # noqa: PLC0415
    from functools import cache  # noqa: PLC0415

    import uvicorn  # noqa: PLC0415

    from bench_runner.dashboard.web import app  # noqa: PLC0415

    store = cache(bench_store)
    store()  # says at once when it cannot be opened
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise NotFoundError(f"cannot listen on {host}:{port}: {error.strerror}; choose another --port") from error
    print(f"Benchmarks at http://{host}:{listening.getsockname()[1]}/, Ctrl-C stops it.", flush=True)
    uvicorn.Server(uvicorn.Config(app(store), log_config=None, access_log=False, server_header=False)).run([listening])


def _load() -> list[Stored]:
    with bench_store().read() as connection:
        return load(connection)


def _row(rows: Sequence[Stored], run: str) -> Stored:
    """By id or by its beginning, when that is enough to tell."""
    found = [row for row in rows if row.id.startswith(run)]
    if len(found) != 1:
        raise NotFoundError(f"{len(found)} runs begin with {run!r}: give more of the id" if found else f"no run {run}")
    return found[0]


def _configurations(chosen: Selection) -> tuple[list[Configuration], Mapping[str, Floor]]:
    rows = _load()
    known = floors(rows)
    return configurations(select(rows, chosen), known, near=True), known


def _limits(given: Sequence[str]) -> dict[str, float]:
    limits = {}
    for item in given:
        name, _, value = item.partition("=")
        try:
            limits[name] = float(value)
        except ValueError as error:
            raise typer.BadParameter(f"{item!r} is no METRIC=VALUE", param_hint="--at-most") from error
    return limits


def _print_json(value: dict[str, Any]) -> None:
    print(printable(json.dumps(value, ensure_ascii=False)))


def title(item: Configuration) -> str:
    spec = item.spec
    words = [spec.system, spec.framework, spec.model, spec.dataset, spec.precision, parallelism(spec) or None]
    words += [
        f"{working_gpus(spec)} GPUs" if working_gpus(spec) else None,
        f"{spec.nodes} nodes" if spec.nodes else None,
    ]
    words.append(f"c={spec.concurrency}" if spec.concurrency else None)
    return " ".join(word for word in words if word)


def shown(figure: Figure) -> str:
    """`5206.53 tok/s (4924.80 to 5488.26: one sample, noise of repeats)`."""
    sure = (
        "one sample, noise of repeats"
        if figure.coverage is None
        else f"{figure.repeats} repeats, {figure.coverage:.0%} interval of the median"
    )
    how = "" if figure.how == "measured" else f", {figure.how}"
    return f"{figure.value:g} {figure.unit} ({figure.low:.5g} to {figure.high:.5g}: {sure}{how})"


def _block(item: Configuration, metric: str) -> str:
    lines = [f"{title(item)}: {shown(item.figures[metric])} [{item.verdict}]"]
    paid = cost(item)
    if paid is not None:
        energy = f", {paid.kwh:.3g} kWh of GPU energy" if paid.kwh is not None else ", energy not measured"
        lines.append(f"  a million tokens: {paid.gpu_hours:.3g} GPU-hours on {paid.gpus} GPUs{energy} (derived)")
    lines.append(f"  runs {', '.join(item.ids)}; measured {_when(item)}")
    lines.extend(f"  {reason}" for reason in item.reasons[:4])
    return "\n".join(lines) + "\n"


def _when(item: Configuration) -> str:
    dates = sorted({row.measured_on for row in item.rows if row.measured_on})
    return ", ".join(dates) if dates else f"on an unstated date (imported {item.rows[0].imported_at[:10]})"


def as_dict(item: Configuration) -> dict[str, Any]:
    paid = cost(item)
    return {
        "title": title(item),
        "runs": list(item.ids),
        "verdict": item.verdict,
        "reasons": list(item.reasons),
        "measured": sorted({row.measured_on for row in item.rows if row.measured_on}),
        "figures": {
            name: {
                "value": figure.value,
                "low": figure.low,
                "high": figure.high,
                "unit": figure.unit,
                "repeats": figure.repeats,
                "coverage": figure.coverage,
                "how": figure.how,
            }
            for name, figure in item.figures.items()
        },
        "gpu_hours_per_million_tokens": paid.gpu_hours if paid else None,
        "kwh_per_million_tokens": paid.kwh if paid else None,
    }


def _pair(pair: Compared, axis: str) -> str:
    lines = [f"{title(pair.first)}  against  {title(pair.second)}"]
    for difference in pair.differences:
        sure = "more than noise" if difference.beyond_noise else "within noise"
        one, two = pair.first.figures[difference.metric], pair.second.figures[difference.metric]
        lines.append(
            f"  {difference.metric}: {one.value:g} and {two.value:g} {one.unit}, {difference.ratio - 1:+.1%}: {sure} "
            f"(floor {difference.floor.share:.1%})"
        )
    lines.append(
        "  not like for like: " + "; ".join(pair.unlike)
        if pair.unlike
        else f"  like for like but for {axis or 'the run'}"
    )
    lines.extend(f"  how they were measured differs: {text}" for text in pair.explained)
    for name, side in (("first", pair.first), ("second", pair.second)):
        lines.append(f"  {name}: {side.verdict}, runs {', '.join(side.ids)}")
        lines.extend(f"    {reason}" for reason in side.reasons[:3])
    return "\n".join(lines) + "\n"


def _pair_dict(pair: Compared) -> dict[str, Any]:
    return {
        "first": as_dict(pair.first),
        "second": as_dict(pair.second),
        "differences": [
            {"metric": d.metric, "ratio": d.ratio, "noise_floor": d.floor.share, "beyond_noise": d.beyond_noise}
            for d in pair.differences
        ],
        "unlike": list(pair.unlike),
        "explained": list(pair.explained),
    }


def _print_scaling(found: Sequence[Configuration], as_json: bool) -> None:
    series = scaling(found)
    if as_json:
        rows = [
            [
                {"gpus": s.gpus, "speedup": s.speedup, "efficiency": s.efficiency, "runs": s.configuration.ids}
                for s in one
            ]
            for one in series
        ]
        _print_json({"series": rows})
        return
    for one in series:
        sys.stdout.write(printable(f"{title(one[0].configuration)}\n"))
        for item in one:
            print(
                f"  {item.gpus} GPUs: {item.speedup:.2f} times {item.base_gpus} GPUs, efficiency {item.efficiency:.0%} "
                f"[{item.configuration.verdict}] {item.configuration.ids[0]}"
            )
    if not series:
        print("Not measured: no stored series differs in the number of GPUs alone.")


def _judged(row: Stored) -> Judged:
    return Judged(
        id=row.id, result=row.result, verdict=row.verdict, findings=row.findings, confirmed_by=row.confirmed_by
    )
