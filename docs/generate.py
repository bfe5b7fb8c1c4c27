"""Writes docs/settings.md and docs/cli.md from the code: `make docs`. A test fails when they are out of date."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import typer
from typer.core import TyperGroup

from agent.cli import app
from agent.settings import Settings
from agent.settings_sources import CONFIG_VARIABLE, PREFIX

HERE = Path(__file__).parent
REPOSITORY = HERE.parent


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        "Made by `make docs` from `agent/settings.py`; do not edit.",
        "",
        f"Each is an environment variable, or a key of one TOML file: the one that `{CONFIG_VARIABLE}` names, else",
        "`minerva.toml` in the working directory (there the name without prefix, in lower case). The environment wins.",
        "Secrets can be given as a file: `…_FILE` holds its path. All problems are reported at once at the start.",
        "",
        "| setting | default | what it does |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        secret = "SecretStr" in str(field.annotation)
        variable = f"`{PREFIX}{name.upper()}`" + (f" or `{PREFIX}{name.upper()}_FILE`" if secret else "")
        lines.append(f"| {variable} | {_default(field.default)} | {field.description} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    lines = ["# Commands", "", "Made by `make docs` from `--help`; do not edit.", ""]
    lines += ["Exit codes: 0 success, 1 failure, 2 bad usage.", ""]
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    for words, command in _commands(group, ["minerva"]):
        context = typer.Context(command, info_name=" ".join(words))
        lines += [
            f"## {' '.join(words)}",
            "",
            (command.help or "").strip(),
            "",
            "```",
            _usage(command, context),
            "```",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


def _commands(group: TyperGroup, words: list[str]) -> Iterator[tuple[list[str], object]]:
    for name in sorted(group.list_commands(typer.Context(group))):
        command = group.get_command(typer.Context(group), name)
        if isinstance(command, TyperGroup):
            yield from _commands(command, [*words, name])
        else:
            yield [*words, name], command


def _usage(command: object, context: typer.Context) -> str:
    lines = [command.get_usage(context)]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[0] != "--help":
            lines.append(f"  {record[0]:<28} {record[1]}".rstrip())
    return "\n".join(lines).replace(f"{REPOSITORY}/", "")


def _default(value: object) -> str:
    if value in (None, ""):
        return "none"
    if isinstance(value, Path) and value.is_absolute():
        return f"`{value.relative_to(REPOSITORY)}` of the repository"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    with redirect_stdout(io.StringIO()):
        pages = {"settings.md": settings_page(), "cli.md": cli_page()}
    for name, text in pages.items():
        (HERE / name).write_text(text, encoding="utf-8")
