"""The ledger of runs: the list, one run, and what an admin may do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.ops import PAGE, READERS, bp, by_hand, one_of
from app.domain.errors import Invalid
from app.domain.models import RunState, Trigger
from app.domain.ops import ledger
from app.domain.ops.queries import runs as ledgered
from app.domain.ops.run_filter import RunFilter
from app.extensions import db
from app.jobs.kinds import KINDS
from app.jobs.queue import retry as start_again
from app.jobs.queue import ring, start
from app.jobs.schedule import SCHEDULE
from app.web import ADMINS, access, go, page, row_id, wants_fragment, with_args


@bp.get("/runs")
@access(*READERS)
def runs() -> Response:
    chosen = {
        "kind": one_of("kind", KINDS),
        "state": one_of("state", [state.value for state in RunState]),
        "schedule": one_of("schedule", [line.name for line in SCHEDULE]),
    }
    before = request.args.get("before", type=row_id)
    quiet = not any(chosen.values()) and "all" not in request.args
    found = ledgered.listed(RunFilter(**chosen, sweeps_too=not quiet), before=before)
    response = page(
        "ops/runs.html",
        "results",
        runs=found[:PAGE],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        is_first=before is None,
        chosen=chosen,
        quiet=quiet,
        kind_pairs=[(kind, kind) for kind in KINDS],
        state_pairs=[(state.value, state.value) for state in RunState],
        hand_pairs=[(kind, kind) for kind in by_hand()],
    )
    if wants_fragment():
        # What was left empty is not worth an address.
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


@bp.get("/runs/<int:run_id>")
@access(*READERS)
def run(run_id: int) -> Response:
    found = ledgered.run(run_id)
    return page(
        "ops/run.html",
        "live",
        run=found,
        attempts=ledgered.attempts_of(run_id),
        followers=ledgered.runs_after(run_id),
        starter=ledgered.people_of(found).get(found.user_id or 0),
        window_end=ledger.window_end(found),
        made=ledgered.made_by(found, current_user.office_id) if found.kind == "digests" else None,
        args=_shown_args(found.args),
    )


@bp.post("/runs")
@access(*ADMINS)
def run_now() -> Response:
    """Start a run by hand. One that waits or works already is shown instead of another."""
    kind = request.form.get("kind", "")
    if kind not in by_hand():
        raise Invalid(f"“{kind}” is not a job that can be started by hand.", field="kind")
    started = start(kind, trigger=Trigger.MANUAL, user_id=current_user.id, dedup_key=f"by-hand-{kind}")
    run_id = started.id
    db.session.commit()
    ring([run_id])
    flash(f"Run {run_id} of “{kind}” is on its way.", "good")
    return go("ops.run", run_id=run_id)


@bp.post("/runs/<int:run_id>/retry")
@access(*ADMINS)
def retry(run_id: int) -> Response:
    again = start_again(run_id, current_user.id)
    new_id = again.id
    db.session.commit()
    ring([new_id])
    flash(f"Run {new_id} does the work of run {run_id} again.", "good")
    return go("ops.run", run_id=new_id)


@bp.post("/runs/<int:run_id>/cancel")
@access(*ADMINS)
def cancel(run_id: int) -> Response:
    ledger.cancel(run_id)
    db.session.commit()
    flash(f"Run {run_id} will not be done.", "good")
    return go("ops.run", run_id=run_id)


def _shown_args(args: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Arguments are ids and moments; anything that is not is masked, since a run is read by many."""
    return [
        (name.replace("_", " "), str(value) if isinstance(value, int) or name.endswith(("_end", "_of")) else "•••")
        for name, value in args.items()
    ]
