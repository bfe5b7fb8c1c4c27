"""The command `minerva`. Exit codes: 0 success, 1 failure, 2 bad usage."""

from __future__ import annotations

import logging
import sys

import typer

from agent.cli.ask import ask
from agent.cli.check_job import check_job
from agent.cli.kb import kb_app
from agent.cli.parse_mail import parse_mail
from agent.cli.receive import PipeCommand, receive
from agent.cli.serve import serve
from agent.cli.status import status
from agent.cli.triage import triage
from agent.cli.user import user_app
from agent.errors import HelpdeskError, SettingsError
from agent.logs import configure_logs
from knowledge_base.errors import KnowledgeBaseError
from triage.errors import TriageError

app = typer.Typer(
    name="minerva",
    help="E-mail and Slack agent of a European support centre for AI on HPC.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve)
app.command("ask")(ask)
app.command("triage")(triage)
app.command("parse-mail")(parse_mail)
app.command("receive", cls=PipeCommand)(receive)
app.command("check-job")(check_job)
app.command("status")(status)
app.add_typer(kb_app, name="kb")
app.add_typer(user_app, name="user")


def main() -> None:
    """Runs the command; what went wrong is said in one message, never as a traceback."""
    configure_logs("text", logging.WARNING)
    try:
        app()
    except SettingsError as error:
        _stop(error, 2)
    except (HelpdeskError, KnowledgeBaseError, TriageError) as error:
        _stop(error, 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)


def _stop(error: Exception, code: int) -> None:
    print(f"minerva: {error}", file=sys.stderr)
    sys.exit(code)
