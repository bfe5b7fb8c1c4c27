"""`minerva user …`: the engineers who may sign in."""

from __future__ import annotations

from typing import Annotated

import typer

from agent.settings import Settings, load_settings
from agent.store import chat as chat_accounts
from agent.store import people
from agent.store.database import writing
from agent.store.tables import Role

user_app = typer.Typer(help="The engineers who may sign in to the desk.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The engineer's e-mail address.")]


@user_app.command("add")
def add(
    email: Email,
    name: Annotated[str, typer.Option(help="As colleagues see it.")] = "",
    role: Annotated[Role, typer.Option(help="What the engineer may do, see docs/operations.md.")] = Role.ENGINEER,
) -> None:
    """Add an engineer and print a sign-in link that works once, for 24 hours."""
    settings = load_settings()
    with writing(settings.database) as session:
        engineer = people.add_engineer(session, name=name or email.partition("@")[0], email=email, role=role)
        token = people.new_sign_in_link(session, engineer)
    print(_address(settings, token))


@user_app.command("link")
def link(email: Email) -> None:
    """Print a new sign-in link for an engineer."""
    settings = load_settings()
    with writing(settings.database) as session:
        token = people.new_sign_in_link(session, people.by_email(session, email))
    print(_address(settings, token))


@user_app.command("list")
def list_users() -> None:
    """List all engineers."""
    with writing(load_settings().database) as session:
        for engineer in people.all_engineers(session):
            state = "disabled" if engineer.disabled_at else "active"
            print(f"{engineer.email}\t{engineer.name}\t{engineer.role}\t{state}")


@user_app.command("chat")
def chat(
    email: Email,
    account: Annotated[str, typer.Argument(help="In Slack: ids of team and user, such as T0123ABC/U0456DEF.")],
    service: Annotated[str, typer.Option(help="The chat service.")] = "slack",
) -> None:
    """Let an engineer decide about drafts from an account in chat; accounts that are not mapped decide nothing."""
    with writing(load_settings().database) as session:
        chat_accounts.map_account(session, service, account, people.by_email(session, email))
    print(f"{account} in {service} acts as {email}")


@user_app.command("disable")
def disable(email: Email) -> None:
    """End an engineer's sessions and refuse new ones; what the engineer did stays on record."""
    with writing(load_settings().database) as session:
        people.disable(session, people.by_email(session, email))
    print(f"{email} can no longer sign in")


@user_app.command("role")
def set_role(email: Email, role: Role) -> None:
    """Say what an engineer may do: viewer, engineer, lead, partner or admin."""
    with writing(load_settings().database) as session:
        people.set_role(session, people.by_email(session, email), role)
    print(f"{email} is {role} now")


@user_app.command("forget-second-factor")
def forget_second_factor(email: Email) -> None:
    """For an engineer who has lost the device: passkeys are forgotten, and sign-in works without a code again."""
    with writing(load_settings().database) as session:
        people.forget_second_factor(session, people.by_email(session, email))
    print(f"{email} signs in without a code or passkey now")


def _address(settings: Settings, token: str) -> str:
    base = settings.desk_url or f"http://{settings.desk_host}:{settings.desk_port}"
    return f"{base}/sign-in/{token}"
