"""flask listings …: bring files of listings in from a terminal, by the same verbs as the screens."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup

from app.cli.people import office_called
from app.display import duration, number, plural
from app.domain.errors import DomainError
from app.domain.listings import imports
from app.domain.listings.imports import queries
from app.domain.listings.imports.mappings import MAPPINGS
from app.domain.models import ImportBatch, ImportState, Office
from app.domain.models.lookups import Origin
from app.extensions import db

listings = AppGroup("listings", help="Bring listings in from files.")

EVERY_SECONDS = 1.0


def register(app: Flask) -> None:
    app.cli.add_command(listings)


@listings.command("mappings")
def show_mappings() -> None:
    """The kinds of file that are known."""
    for mapping in MAPPINGS.values():
        click.echo(f"{mapping.name:22} {mapping.title}. {mapping.about}")


@listings.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--source", required=True, help="Where these listings come from; the first file of a source alerts nobody."
)
@click.option(
    "--mapping", "mapping_name", default=None, help="A name from `flask listings mappings`; else the best fit."
)
@click.option("--office", "office_key", default=None, help="The office’s key; may be left out where there is only one.")
@click.option("--correction", is_flag=True, help="Correct the listings without alerting anybody.")
def import_file(file: Path, source: str, mapping_name: str | None, office_key: str | None, correction: bool) -> None:
    """Read FILE (CSV or RESO JSON, gzipped or not) into an office's listings.

    Exit code 0: read to its end, even when rows were rejected; 1: refused.
    """
    began = time.monotonic()
    try:
        office = office_called(office_key)
        batch = _receive(file, source, mapping_name, office, correction=correction)
        imports.queue(batch)
        db.session.commit()
        imports.run_import(batch.id, _Progress())
    except DomainError as refusal:
        db.session.rollback()
        raise click.ClickException(refusal.sentence) from refusal
    _tell(batch, time.monotonic() - began)
    if batch.state != ImportState.FINISHED:
        sys.exit(1)


def _receive(file: Path, source: str, mapping: str | None, office: Office, *, correction: bool) -> ImportBatch:
    try:
        with file.open("rb") as stream:
            return imports.receive(office.id, source, stream, file.name, mapping=mapping, is_correction=correction)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror or error}.") from error


class _Progress:
    """A line on the terminal about once a second."""

    def __init__(self) -> None:
        self.said = time.monotonic()

    def __call__(self, step: str, done: int, total: int | None) -> None:
        if time.monotonic() - self.said < EVERY_SECONDS:
            return
        self.said = time.monotonic()
        part = f" {100 * done // total} %" if total else ""
        click.echo(f"{step}{part}", err=True)


def _tell(batch: ImportBatch, seconds: float) -> None:
    counts = imports.counts(batch)
    click.echo(
        f"{plural(counts['rows_read'], 'row')} in {duration(seconds)}: {counts['created']:,} created, "
        f"{counts['updated']:,} updated, {counts['unchanged']:,} unchanged, {counts['rejected']:,} rejected, "
        f"{counts['rejected'] + counts['with_warnings']:,} with remarks. Import {batch.id}."
    )
    if batch.origin == Origin.BACKFILL:
        click.echo(f"The first file of “{batch.source}”: nobody is alerted about it.")
    for group in queries.issue_groups(batch.id, limit=12):
        example = group.examples[0]
        where = f"{group.column or group.field}: " if group.column or group.field else ""
        click.echo(
            f"  {group.severity:8}{number(group.rows):>8} × {where}{group.reason}; line {example['line']}: {example['reason']}"
        )
    if batch.error:
        click.echo(f"Stopped: {batch.error}", err=True)
