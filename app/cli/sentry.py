"""flask sentry-test: does a report arrive?"""

from __future__ import annotations

from uuid import uuid4

import click
from flask import Flask

from app import sentry


def register(app: Flask) -> None:
    app.cli.add_command(sentry_test)


@click.command("sentry-test")
def sentry_test() -> None:
    """Send one event to SENTRY_DSN, and say whether it was taken. Exit code 1: it was not."""
    event_id = uuid4().hex
    if trouble := sentry.try_out(event_id):
        raise click.ClickException(f"The event did not arrive: {trouble}.")
    click.echo(f"Event {event_id} was taken.")
