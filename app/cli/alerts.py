"""`flask alerts`: what only a person at a terminal asks of matching."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from app.extensions import db

alerts = AppGroup("alerts", help="Matching, for operators.")


@alerts.command("restored")
def restored() -> None:
    """After a restore from a dump, before any worker starts: transaction ids began anew, so alerts must too."""
    from app.domain.alerts.restore import reset_cursor

    counts = reset_cursor()
    db.session.commit()
    click.echo(
        f"{counts['requeued']:,} events had waited; {counts['batches']:,} batches matched, {counts['pairs']:,} matches."
        " Everything from now on is news."
    )


def register(app: Flask) -> None:
    app.cli.add_command(alerts)
