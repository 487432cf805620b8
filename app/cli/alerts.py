"""`flask alerts`: what only a person at a terminal asks of matching."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask import Flask
from flask.cli import AppGroup

from app.domain.errors import DomainError
from app.extensions import db

MOMENTS = click.DateTime(["%Y-%m-%dT%H:%M", "%Y-%m-%d"])
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


@alerts.command("why")
@click.argument("buyer", type=int)
@click.argument("listing", type=int)
@click.option("--event", type=int, help="About this event of the home; else the newest that could alert anybody.")
@click.option("--as-of", type=MOMENTS, help="The answer of that moment, UTC.")
def explain(buyer: int, listing: int, event: int | None, as_of: datetime | None) -> None:
    """Why BUYER (a contact's number) was, or was not, told about LISTING (a listing's number): the whole chain."""
    from app.domain.proof.why import why

    moment = as_of.replace(tzinfo=UTC) if as_of else None
    try:
        answer = why(buyer, listing, office_id=None, event_seq=event, as_of=moment)
    except DomainError as refusal:
        raise click.ClickException(refusal.sentence) from refusal
    click.echo(f"{answer.buyer} and {answer.address}, as of {answer.as_of:%Y-%m-%d %H:%M:%SZ}")
    click.secho(answer.verdict, bold=True)
    for step in answer.steps:
        mark = {"good": "+", "wait": "x", "bad": "!"}.get(step.tone, " ")
        rows = ", ".join(f"{row.noun} {row.number}" for row in step.rows)
        at = f"{step.at:%Y-%m-%d %H:%M:%SZ}" if step.at else ""
        click.echo(f" {mark} {step.question:<42} {step.answer:<16} {at:<21} {rows}".rstrip())
        for words in (step.sentence, *(f"{label}: {value}" for label, value in step.pairs)):
            if words:
                click.echo(f"     {words}")
        for line in step.criteria:
            verdict = {True: "holds", False: "does not hold", None: "not known"}[line.holds]
            click.echo(f"     {line.called:<18} asked {line.asked} | had {line.found} | {verdict}")
    for chain in answer.others:
        click.echo(f" - search {chain.saved_search_id}: {chain.verdict}")


@alerts.command("replay")
@click.option("--from", "since", type=MOMENTS, required=True, help="UTC.")
@click.option("--to", "until", type=MOMENTS, required=True, help="UTC; not included.")
@click.option("--office", help="This office's key; else all of them.")
@click.option("--now", "at", type=MOMENTS, hidden=True)
def replay_window(since: datetime, until: datetime, office: str | None, at: datetime | None) -> None:
    """Match a past window again, against the versions of then, and hold it beside what was stored and sent. Sends and
    writes nothing. Ends with 1 when they differ."""
    from app.domain.people.queries import office_by_key
    from app.domain.proof.replay import replay

    found = office_by_key(office) if office else None
    if office and found is None:
        raise click.ClickException(f"There is no office with the key “{office}”.")

    def progress(done: int, total: int) -> None:
        click.echo(f"\r{done:,} of {total:,} batches", nl=done == total, err=True)

    try:
        result = replay(
            since.replace(tzinfo=UTC),
            until.replace(tzinfo=UTC),
            office_id=found.id if found else None,
            now=at.replace(tzinfo=UTC) if at else None,
            progress=progress,
        )
    except DomainError as refusal:
        raise click.ClickException(refusal.sentence) from refusal
    counted = ", ".join(f"{count:,} {word}" for word, count in result.counts.items() if count)
    click.echo(f"{result.events:,} events in {result.batches:,} batches: {counted or 'nothing matched'}.")
    for one in result.differences:
        click.echo(
            f"{one.side}: {one.what}, event {one.event_seq}, listing {one.listing_id}, contact {one.contact_id}:"
            f" {one.reason}"
        )
    if not result.is_same:
        raise SystemExit(1)
    click.echo("The same once more.")


def register(app: Flask) -> None:
    app.cli.add_command(alerts)
