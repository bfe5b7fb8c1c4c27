"""`minerva slack …`"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from agent.settings import load_settings

slack_app = typer.Typer(help="The helpdesk in Slack.", no_args_is_help=True)


@slack_app.callback()
def slack() -> None:
    """The helpdesk in Slack."""


@slack_app.command("check")
def check(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Check tokens, scopes, clock, connection and channels, and say what is missing. Exit code 1 when something is."""
    from agent.slack.check import check_slack  # noqa: PLC0415  # the help does not need it

    findings = check_slack(load_settings())
    good = all(finding.ok for finding in findings)
    if as_json:
        print(json.dumps({"ok": good, "findings": [asdict(finding) for finding in findings]}, ensure_ascii=False))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'FAIL'} {finding.what}: {finding.detail}")
    if not good:
        sys.exit(1)
