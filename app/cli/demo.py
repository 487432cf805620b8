"""`flask demo`: one believable brokerage in an empty database."""

from __future__ import annotations

import logging
import time

import click
from flask import Flask

from app.extensions import db


@click.command("demo")
@click.option("--seed", default=20, show_default=True, help="The same seed makes the same brokerage.")
@click.option("--listings", default=5200, show_default=True, type=click.IntRange(100, 1_000_000))
@click.option("--buyers", default=300, show_default=True, type=click.IntRange(5, 100_000))
@click.option("--searches", default=600, show_default=True, type=click.IntRange(5, 1_000_000))
@click.option(
    "--days", default=3, show_default=True, type=click.IntRange(1, 30), help="Days of alerts, with real mail."
)
@click.option("--photos", default="", help="Where photographs lie, as NUMBER.jpg; without it the homes have none.")
def demo(*, seed: int, listings: int, buyers: int, searches: int, days: int, photos: str) -> None:
    """Fill an empty database with a brokerage: offices, agents, listings with a history, buyers, searches, and a few
    days of alerts whose mails are really sent. Refuses a database that already has an office."""
    from app.demo import people, story
    from app.domain.people.queries import any_office

    if any_office():
        raise click.ClickException("This database already has an office; the demo only fills an empty one.")
    logging.getLogger().setLevel(logging.WARNING)  # a thousand mails need no thousand lines
    begun = time.monotonic()
    counts = story.tell(
        story.Scale(listings=listings, buyers=buyers, searches=searches, days=days, photos=photos),
        seed,
        lambda sentence: click.echo(f"  {time.monotonic() - begun:5.1f} s  {sentence}"),
    )
    db.session.commit()
    click.echo(
        f"Harbor & Vine Realty is open: {counts['listings']:,} listings, {counts['contacts']:,} buyers, "
        f"{counts['searches']:,} searches, {counts.get('sent', 0):,} mails sent, in {time.monotonic() - begun:.1f} s."
    )
    click.echo(f"Sign in as {people.SIGN_IN}, password {people.PASSWORD}")


def register(app: Flask) -> None:
    app.cli.add_command(demo)
