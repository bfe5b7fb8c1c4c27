"""The options that choose stored results, the same for every command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from bench_runner.comparison.selection import Selection

OPTIONS: dict[str, Any] = {
    "system": Annotated[str | None, typer.Option("--system", help="Supercomputer, as people write it.")],
    "framework": Annotated[str | None, typer.Option("--framework", help="vllm, sglang, deepspeed …")],
    "model": Annotated[str | None, typer.Option("--model", help="Model; tuned variants of it count too.")],
    "dataset": Annotated[str | None, typer.Option("--dataset", help="Data set.")],
    "precision": Annotated[str | None, typer.Option("--precision", help="Such as bfloat16 or fp8.")],
    "parallelism": Annotated[str | None, typer.Option("--parallelism", help='Such as "TP4 PP1".')],
    "gpus": Annotated[int | None, typer.Option("--gpus", help="GPUs at work.")],
    "nodes": Annotated[int | None, typer.Option("--nodes", help="Nodes.")],
    "concurrency": Annotated[int | None, typer.Option("--concurrency", help="Requests in flight.")],
    "kind": Annotated[str | None, typer.Option("--kind", help="inference or training.")],
}


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """`command(chosen: Selection, …)` as a command with an option for each field of the selection."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        fields = {name: given.pop(name) for name in OPTIONS}
        command(chosen=Selection(**fields), **given)

    hints = get_type_hints(command, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name])
        for name, parameter in inspect.signature(command).parameters.items()
        if name != "chosen"
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    chosen = [inspect.Parameter(name, keyword, default=None, annotation=kind) for name, kind in OPTIONS.items()]
    wrapped.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [parameter.replace(kind=keyword) for parameter in own] + chosen
    )
    wrapped.__annotations__ = hints | OPTIONS
    return wrapped
