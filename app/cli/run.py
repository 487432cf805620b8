"""flask worker · flask scheduler · flask run-now: the processes of the Procfile, and a run by hand."""

from __future__ import annotations

import sys

import click
from flask import Flask
from flask.cli import with_appcontext

from app.domain.models import JobRun, RunState, Trigger
from app.domain.ops import audit, heartbeat
from app.domain.ops.queries.runs import runs_after
from app.extensions import db, settings


def register(app: Flask) -> None:
    for command in (worker, scheduler, run_now):
        app.cli.add_command(command)


@click.command("worker")
@click.argument("queue")
@with_appcontext
def worker(queue: str) -> None:
    """Do the runs of one QUEUE, one at a time, until told to stop."""
    from app.jobs.kinds import KINDS
    from app.jobs.worker import PorchWorker

    queues = sorted({kind.queue for kind in KINDS.values()})
    if queue not in queues:
        raise click.BadParameter(f"there is no queue “{queue}”; there are {', '.join(queues)}")
    PorchWorker(queue, settings().redis_url, heartbeat.version()).work(logging_level=None)


@click.command("scheduler")
@click.option("--interval", default=5, show_default=True, help="Seconds between two looks at the clock.")
@with_appcontext
def scheduler(interval: int) -> None:
    """Keep the clock: make a run of each due time, take back what dead workers held, ring the bell. Two may run."""
    from app.jobs.schedule import SCHEDULE
    from app.jobs.scheduler import Clock, NotUTC

    try:
        clock = Clock(settings().redis_url, SCHEDULE, interval=interval, version=heartbeat.version())
    except NotUTC as refusal:
        raise click.ClickException(str(refusal)) from refusal
    clock.run()


@click.command("run-now")
@click.argument("kind")
@click.option("--wait", is_flag=True, help="Do it in this process, follow-up runs included, and say how it ended.")
@with_appcontext
def run_now(kind: str, *, wait: bool) -> None:
    """Start a run of KIND now; a worker does it. Exit code 1 when a waited-for run did not succeed."""
    from app.jobs.kinds import KINDS
    from app.jobs.queue import ring, start, work

    if kind not in KINDS:
        raise click.BadParameter(f"there is no job “{kind}”; there are {', '.join(sorted(KINDS))}")
    run = start(kind, trigger=Trigger.MANUAL)
    audit.record(None, "run.started", "run", run.id, f"Started run {run.id} of “{kind}”")
    db.session.commit()
    if not wait:
        ring([run.id])
        click.echo(f"Run {run.id}: {kind} will start as soon as a worker is free.")
        return
    ended_well, waiting = True, [run.id]
    while waiting:
        run_id = waiting.pop(0)
        work(run_id)
        db.session.expire_all()
        done = db.session.get_one(JobRun, run_id)
        ended_well = ended_well and done.state in {RunState.SUCCEEDED, RunState.RUNNING}
        counts = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in done.counts.items())
        click.echo(f"Run {done.id}: {done.kind} {done.state}" + (f": {counts}" if counts else ""))
        if done.error and done.state != RunState.SUCCEEDED:
            click.echo(done.error, err=True)
        waiting += [follower.id for follower in runs_after(run_id)]
    sys.exit(0 if ended_well else 1)
