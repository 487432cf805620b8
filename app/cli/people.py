"""flask office …, flask user …: who works here. The first of each opens a new house; passwords never stand on a command
line, where the list of running programs shows them to everybody."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import click
from flask import Flask
from flask.cli import AppGroup

from app.domain.contacts import quiet
from app.domain.errors import DomainError
from app.domain.models import Office, Role, User
from app.domain.ops import audit
from app.domain.people import accounts, queries
from app.extensions import db

office = AppGroup("office", help="Offices: the boundary of what a person can see.")
user = AppGroup("user", help="Accounts: who signs in, with which role, for which office.")

from_stdin = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; else it is asked for."
)


def register(app: Flask) -> None:
    app.cli.add_command(office)
    app.cli.add_command(user)


def office_called(key: str | None) -> Office:
    """The office with this key; without one, the only office there is. Raises ClickException."""
    if key is not None:
        found = queries.office_by_key(key)
        if found is None:
            raise click.ClickException(f"There is no office with the key “{key}”.")
        return found
    every = queries.offices()
    if not every:
        raise click.ClickException("There is no office yet. Add one with `flask office add`.")
    if len(every) > 1:
        keys = ", ".join(one.office_key for one in every[:20])
        raise click.ClickException(f"There are several offices: name one with --office. They are {keys}.")
    return every[0]


@office.command("add")
@click.argument("name")
@click.option("--key", default="", help="Its short name for commands; else made of NAME.")
@click.option(
    "--time-zone",
    default="America/New_York",
    show_default=True,
    help="IANA name; its screens and daily mails run on it.",
)
@click.option("--address1", default="", help="Street and number: the law wants it at the foot of every mail.")
@click.option("--city", default="")
@click.option("--state", default="", help="State or province, such as ME.")
@click.option("--postal-code", default="")
@click.option("--phone", default="")
def add_office(name: str, **given: str) -> None:
    """Add an office called NAME."""
    with _committed():
        made = accounts.add_office(name, **given)
        audit.record(
            None, "office.added", "office", made.office_key, f"Added the office {made.office_name}", office_id=made.id
        )
    click.echo(f"{made.office_name} is there. Its key is {made.office_key}, its clock {made.time_zone}.")


@office.command("quiet")
@click.argument("hours", nargs=-1, type=click.DateTime(["%H:%M"]))
@click.option("--office", "office_key", default=None, help="The office’s key; may be left out where there is only one.")
def set_quiet_hours(hours: tuple[datetime, ...], office_key: str | None) -> None:
    """HOURS: from when until when no buyer of an office is mailed “as it happens”, on the buyer's clock, such as
    20:00 7:00; the same twice is never, none at all is what the settings say. A buyer's own go first."""
    if len(hours) not in {0, 2}:
        raise click.UsageError("Give two times, such as 20:00 7:00, or none.")
    begin_end = (hours[0].time(), hours[1].time()) if hours else None
    where = office_called(office_key)
    said = f"quiet from {begin_end[0]:%H:%M} to {begin_end[1]:%H:%M}" if begin_end else "quiet when the settings say"
    with _committed():
        quiet.set_office_hours(where.id, begin_end)
        audit.record(
            None, "office.quiet_hours", "office", where.office_key, f"Set the office to be {said}", office_id=where.id
        )
    click.echo(f"{where.office_name} is {said}.")


@office.command("list")
def list_offices() -> None:
    """Every office."""
    for one in queries.offices():
        click.echo(f"{one.office_key:24} {one.time_zone:24} {one.office_name}")


@user.command("add")
@click.argument("email")
@click.option("--name", required=True, help="The person’s full name.")
@click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
@click.option("--office", "office_key", default=None, help="The office’s key; may be left out where there is only one.")
@from_stdin
def add_user(email: str, name: str, role: str, office_key: str | None, *, password_stdin: bool) -> None:
    """Add an account that signs in with EMAIL."""
    where = office_called(office_key)
    with _committed():
        made = accounts.add_user(where.id, email, name, role, _password(from_input=password_stdin))
        _record("user.added", made, f"Added {made.full_name} as {made.role}")
    click.echo(f"{made.full_name} can sign in as {made.email}: {made.role} of {where.office_name}.")


@user.command("password")
@click.argument("email")
@from_stdin
def set_password(email: str, *, password_stdin: bool) -> None:
    """Give the account of EMAIL a new password; it is signed out everywhere."""
    with _committed():
        whose = accounts.account_of(email)
        accounts.set_password(whose, _password(from_input=password_stdin))
        _record("user.password_set", whose, f"Gave {whose.full_name} a new password, signed out everywhere")
    click.echo(f"{whose.email} has a new password and is signed out everywhere.")


@user.command("disable")
@click.argument("email")
def disable(email: str) -> None:
    """End the sessions of EMAIL and let it sign in no more."""
    with _committed():
        whose = accounts.account_of(email)
        accounts.disable(whose)
        _record("user.disabled", whose, f"Disabled the account of {whose.full_name}")
    click.echo(f"{whose.email} can no longer sign in.")


@user.command("enable")
@click.argument("email")
def enable(email: str) -> None:
    """Let EMAIL sign in again."""
    with _committed():
        whose = accounts.account_of(email)
        accounts.enable(whose)
        _record("user.enabled", whose, f"Enabled the account of {whose.full_name}")
    click.echo(f"{whose.email} can sign in again.")


@user.command("list")
def list_users() -> None:
    """Every account of every office."""
    for one in queries.users():
        seen = f"{one.last_login_at:%Y-%m-%d %H:%M} UTC" if one.last_login_at else "never signed in"
        state = "disabled" if one.is_disabled else seen
        click.echo(f"{one.office.office_key:24} {one.role:7} {one.email:36} {one.full_name}, {state}")


def _record(action: str, whose: User, sentence: str) -> None:
    audit.record(None, action, "user", whose.id, sentence, office_id=whose.office_id)


def _password(*, from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt="The same again"))


@contextmanager
def _committed() -> Iterator[None]:
    """All of it, or a sentence and exit code 1."""
    try:
        yield
        db.session.commit()
    except DomainError as refusal:
        db.session.rollback()
        raise click.ClickException(refusal.sentence) from refusal
