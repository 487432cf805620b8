"""`flask runs`: the ledger from a terminal, with the filters and the deeds of its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click
from flask import Flask
from flask.cli import AppGroup

from app.domain.errors import Conflict, DomainError
from app.domain.models import RunState, Trigger
from app.domain.ops import audit, failures, ledger, words
from app.domain.ops.queries import runs as ledgered
from app.domain.ops.queries.errors import overtaken
from app.domain.ops.run_filter import PERIODS, Choices, read
from app.extensions import db

runs = AppGroup("runs", help="What was to be done, and what came of it.")


@contextmanager
def _in_words() -> Iterator[None]:
    """A refusal as a sentence and exit code 1, with nothing changed."""
    try:
        yield
    except DomainError as refusal:
        db.session.rollback()
        raise click.ClickException(refusal.sentence) from refusal


@runs.command("list")
@click.argument("argument", default="")
@click.option("--kind", default="", help="Of this job only.")
@click.option("--state", default="", type=click.Choice(["", *(state.value for state in RunState)]), show_choices=True)
@click.option("--period", default="", type=click.Choice(["", *PERIODS]), help="Written down within it.")
@click.option("--limit", default=20, show_default=True, help=f"At most {ledgered.PAGE}.")
def list_runs(argument: str, kind: str, state: str, period: str, limit: int) -> None:
    """The newest runs. ARGUMENT: a run's number, or import_batch_id:42."""
    from app.jobs.kinds import KINDS

    if kind and kind not in KINDS:
        raise click.BadParameter(f"there is no job “{kind}”; there are {', '.join(sorted(KINDS))}")
    given = {"argument": argument, "kind": kind, "state": state, "period": period}
    choices = Choices(KINDS, [each.value for each in RunState], (), [each.value for each in Trigger])
    asked = read(given, choices, "UTC")
    if asked.problem:
        raise click.ClickException(asked.problem)
    for run in ledgered.listed(asked)[: max(1, min(limit, ledgered.PAGE))]:
        said = words.counts_in_words(run.kind, run.counts) if run.state == RunState.SUCCEEDED else run.error_class or ""
        at = (run.started_at or run.due_at or run.created_at).astimezone(UTC)
        click.echo(f"{run.id:>8}  {at:%Y-%m-%d %H:%M:%SZ}  {run.state:<9}  {run.kind:<10}  {said}")


@runs.command("retry")
@click.argument("run_ids", type=int, nargs=-1, required=True)
def retry(run_ids: tuple[int, ...]) -> None:
    """Do these runs again, each as a new run."""
    from app.jobs.queue import retry as start_again
    from app.jobs.queue import ring

    with _in_words():
        started = []
        for run_id in sorted(set(run_ids)):  # oldest first
            if why := overtaken(ledgered.run(run_id)):
                raise Conflict(why)
            again = start_again(run_id)
            sentence = f"Retried run {run_id} of “{again.kind}” as run {again.id}"
            audit.record(None, "run.retried", "run", run_id, sentence, office_id=again.office_id, new_run=again.id)
            started.append((run_id, again.id))
        db.session.commit()
    ring([new_id for _, new_id in started])
    for run_id, new_id in started:
        click.echo(f"Run {new_id} does the work of run {run_id} again.")


@runs.command("cancel")
@click.argument("run_id", type=int)
def cancel(run_id: int) -> None:
    """Cancel a run that waits; ask one that is under way to stop."""
    with _in_words():
        run = ledger.cancel(run_id)
        is_over = run.state == RunState.CANCELLED
        deed, sentence = ("run.cancelled", "Cancelled") if is_over else ("run.stop_asked", "Asked to stop")
        audit.record(None, deed, "run", run_id, f"{sentence} run {run_id} of “{run.kind}”", office_id=run.office_id)
        db.session.commit()
    click.echo(f"Run {run_id} {'will not be done' if is_over else 'is asked to stop'}.")


@runs.command("dismiss")
@click.argument("run_ids", type=int, nargs=-1, required=True)
@click.option("--reason", default="", help="Why, for those who look later.")
def dismiss(run_ids: tuple[int, ...], reason: str) -> None:
    """These failures are seen to: they no longer ask for a look."""
    with _in_words():
        for run_id in run_ids:
            run = failures.dismiss_one(run_id, None, datetime.now(UTC))
            sentence = f"Dismissed the failure of run {run_id} of “{run.kind}”" + (f": {reason}" if reason else "")
            audit.record(None, "run.dismissed", "run", run_id, sentence, office_id=run.office_id, reason=reason)
        db.session.commit()
    click.echo(f"{len(run_ids)} dismissed.")


def register(app: Flask) -> None:
    app.cli.add_command(runs)
