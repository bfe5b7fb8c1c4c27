"""The command `minerva`. Exit codes: 0 success, 1 failure, 2 bad usage."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from agent.errors import HelpdeskError, SettingsError
from agent.logs import configure_logs
from bench_runner.errors import BenchError
from knowledge_base.errors import KnowledgeBaseError
from triage.errors import TriageError

COMMANDS = {
    "serve": "serve:serve",
    "ask": "ask:ask",
    "triage": "triage:triage_app",
    "parse-mail": "parse_mail:parse_mail",
    "receive": "receive:receive",
    "check-job": "check_job:check_job",
    "kb": "kb:kb_app",
    "bench": "bench:bench_app",
    "eval": "evaluate:eval_app",
    "llm": "deploy.llm.cli:llm_app",
    "slack": "slack:slack_app",
    "status": "status:status",
    "user": "user:user_app",
    "audit": "audit:audit_app",
    "store": "store:store_app",
    "token": "interface:token_app",
    "webhook": "interface:webhook_app",
}
"""Name to `module:function` or `module:app`, below `agent.cli` unless the module's whole name is given."""


def on_demand(commands: Mapping[str, str]) -> type[TyperGroup]:
    """Imports the module of a command when that command is run: each starts with what it needs and no more."""

    class CommandsOnDemand(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  # as the base class has it
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
            if cmd_name not in commands:
                return None
            module_name, _, name = commands[cmd_name].partition(":")
            module = importlib.import_module(module_name if "." in module_name else f"agent.cli.{module_name}")
            found = getattr(module, name)
            if not isinstance(found, typer.Typer):
                single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
                single.command(cmd_name, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(found)
                found = single
            command = typer.main.get_command(found)
            command.name = cmd_name
            return command

    return CommandsOnDemand


app = typer.Typer(
    name="minerva",
    cls=on_demand(COMMANDS),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def minerva() -> None:
    """E-mail and Slack agent of a European support centre for AI on HPC."""


def main() -> None:
    """Runs the command; what went wrong is said in one message, never as a traceback."""
    configure_logs("text", logging.WARNING)
    try:
        app()
    except SettingsError as error:
        _stop(error, 2)
    except (HelpdeskError, KnowledgeBaseError, TriageError, BenchError) as error:
        _stop(error, 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _stop(error: Exception, code: int) -> None:
    print(f"minerva: {error}", file=sys.stderr)
    sys.exit(code)
