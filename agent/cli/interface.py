"""`minerva token …` and `minerva webhook …`: other programs beside the helpdesk."""

from __future__ import annotations

from typing import Annotated

import typer

from agent import webhooks
from agent.settings import load_settings
from agent.store import tokens
from agent.store.database import writing

token_app = typer.Typer(help="Tokens of programs that use the REST interface.", no_args_is_help=True)
webhook_app = typer.Typer(help="Where programs hear what happens to tickets.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Of the program, as the audit log shows it.")]
Url = Annotated[str, typer.Argument(help="Address that is posted to.")]


@token_app.command("add")
def add_token(
    name: Name,
    scope: Annotated[list[str], typer.Option(help=f"What it may do, once for each: {', '.join(tokens.SCOPES)}.")],
) -> None:
    """Print a new token; it is shown this once."""
    with writing(load_settings().database) as session:
        print(tokens.add(session, name, scope))


@token_app.command("list")
def list_tokens() -> None:
    """List all tokens: name, scopes, when made, last used, revoked."""
    with writing(load_settings().database) as session:
        for token in tokens.all_tokens(session):
            times = (token.created_at, token.used_at, token.revoked_at)
            told = [f"{at:%Y-%m-%d %H:%M}" if at else "-" for at in times]
            print("\t".join([token.name, ",".join(token.scopes), *told]))


@token_app.command("revoke")
def revoke_token(name: Name) -> None:
    """Refuse the token from now on."""
    with writing(load_settings().database) as session:
        tokens.revoke(session, name)
    print(f"the token {name} no longer works")


@webhook_app.command("add")
def add_webhook(
    url: Url,
    event: Annotated[list[str] | None, typer.Option(help="Only this kind of event, once for each.")] = None,
) -> None:
    """Tell this address what happens from now on; print the secret that the messages are signed with."""
    with writing(load_settings().database) as session:
        print(webhooks.add(session, url, event or ()).secret)


@webhook_app.command("list")
def list_webhooks() -> None:
    """List all webhooks: address, events, failures in a row, last error."""
    with writing(load_settings().database) as session:
        for hook in webhooks.all_webhooks(session):
            print(f"{hook.url}\t{','.join(hook.events) or 'all'}\t{hook.failures}\t{hook.last_error or '-'}")


@webhook_app.command("remove")
def remove_webhook(url: Url) -> None:
    """Tell this address nothing more."""
    with writing(load_settings().database) as session:
        webhooks.remove(session, url)
    print(f"{url} hears nothing more")
