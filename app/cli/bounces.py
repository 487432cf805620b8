"""`flask bounces`: mail that came back, from a terminal or a mail server's pipe."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy.exc import SQLAlchemyError

from app.domain.digests.optout import stop_by_mail
from app.domain.messages.returns import inbound
from app.domain.messages.returns.causes import cause_of
from app.domain.messages.returns.letters import LARGEST
from app.domain.messages.returns.letters import read as read_letter
from app.domain.moments import database_now
from app.extensions import db
from app.gateways import mailbox

TRY_LATER = 75
"""EX_TEMPFAIL: a mail server keeps the mail and pipes it again."""

bounces = AppGroup("bounces", help="Mail that came back.")


@bounces.command("read")
@click.argument("source")
@click.option("--recipient", default="", help="The envelope recipient, as the mail server knows it.")
def read(source: str, recipient: str) -> None:
    """Read a mailbox file, a Maildir folder or one mail; “-” is one mail from standard input, as a mail server pipes it.
    Changes nothing there; each mail counts once, however often it is read."""
    try:
        stored = 0
        mails = _mails(source)
        while batch := list(itertools.islice(mails, mailbox.BATCH)):
            stored += inbound.store_mails(batch, recipient)
            db.session.commit()
        counts = dict.fromkeys(inbound.COUNTS, 0)
        while (worked := inbound.work_some(stop_by_mail, database_now())) is not None:
            db.session.commit()
            for name, number in worked.items():
                counts[name] += number
    except SQLAlchemyError as error:
        db.session.rollback()
        click.echo(f"The database cannot keep it just now ({type(error).__name__}); try again later.", err=True)
        raise SystemExit(TRY_LATER) from error
    except OSError as error:
        raise click.ClickException(f"{source} cannot be read: {error.strerror or error}") from error
    click.echo(f"{stored} new. {', '.join(f'{number} {name}' for name, number in counts.items())}.")


@bounces.command("judge")
@click.argument("source")
def judge(source: str) -> None:
    """Say what each mail is taken for, and write nothing."""
    try:
        for raw in _mails(source):
            returned = read_letter(raw)
            judged = cause_of(returned)
            person = returned.person
            click.echo(
                f"{returned.kind}\t{judged.cause or '-'}\t{judged.rule}\t{person.status or '-'}\t{(person.words or returned.words)[:120]}"
            )
    except OSError as error:
        raise click.ClickException(f"{source} cannot be read: {error.strerror or error}") from error


def _mails(source: str) -> Iterator[bytes]:
    if source == "-":
        return iter([sys.stdin.buffer.read(LARGEST)])
    return mailbox.mails_in(Path(source))


def register(app: Flask) -> None:
    app.cli.add_command(bounces)
