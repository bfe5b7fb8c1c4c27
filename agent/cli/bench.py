"""`minerva bench`: results of many tools, how far each can be trusted, and new runs."""

from __future__ import annotations

import typer

from agent.cli import on_demand

_RESULTS = ("results", "compare", "plot", "export", "publish", "serve")
_RUNS = ("run", "approve", "reject", "status", "rerun", "cancel", "budget", "stop", "go", "watch")
COMMANDS = {
    "audit": "bench_audit:audit",
    "import": "bench_import:import_results",
    **{name: f"bench_results:{name}" for name in _RESULTS},
    **{name: f"bench_runs:{name}" for name in _RUNS},
}

bench_app = typer.Typer(cls=on_demand(COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False)


@bench_app.callback()
def bench() -> None:
    """Benchmarks: results, their checks and comparisons, and new runs."""
