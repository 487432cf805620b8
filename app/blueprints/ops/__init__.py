"""The works, on one page that says without a doubt whether they work: read by admins, staff and viewers; only admins
act. Messages can be read by everybody of the office they went out for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, flash, g, make_response, request, url_for
from flask.blueprints import BlueprintSetupState
from flask_login import current_user

from app.domain.digests.decide import IN_WORDS as DROPPED_IN_WORDS
from app.domain.errors import Invalid
from app.domain.messages import queries as mail
from app.domain.messages.preview import disarm
from app.domain.models import MessageState, Role, RunState, Trigger
from app.domain.ops import balance as sums
from app.domain.ops import health, ledger, probing, queries, words
from app.domain.ops.overview import overview as look
from app.domain.ops.queries import Window
from app.extensions import db, settings
from app.jobs.kinds import KINDS
from app.jobs.queue import retry as start_again
from app.jobs.queue import ring, start
from app.jobs.schedule import SCHEDULE
from app.web import ADMINS, EVERYONE, access, go, page, row_id, wants_fragment, with_args

bp = Blueprint("ops", __name__, url_prefix="/ops")
bp.add_app_template_filter(words.counts_in_words, "counts_in_words")
bp.add_app_template_filter(words.bytes_in_words, "bytes_in_words")
bp.add_app_template_filter(disarm, "disarmed")

READERS = (Role.ADMIN, Role.STAFF, Role.VIEWER)
PAGE = 50
WINDOWS = {"today": "Since midnight", "24h": "24 hours", "7d": "7 days"}


@bp.record
def light_the_lamp(state: BlueprintSetupState) -> None:
    """The foot of every page says whether everything works."""
    state.app.extensions["verdict"] = lamp


def lamp() -> dict[str, Any]:
    """The verdict in short, at most a few seconds old. Agents see it, and have nothing to open behind it."""
    return _short(health.lamp(settings().database_url))


def _short(verdict: health.Verdict) -> dict[str, Any]:
    may_read = current_user.is_authenticated and current_user.role in READERS
    return {
        "tone": verdict.tone.value,
        "sentence": verdict.sentence,
        "checked_at": verdict.checked_at,
        "url": url_for("ops.overview" if may_read else "home.today"),
    }


@bp.get("")
@access(*READERS)
def overview() -> Response:
    # The network is asked first: what it says is part of the verdict.
    answers = probing.ask_lately()
    seen = look(current_user.office.time_zone)
    health.light(settings().database_url, seen.verdict)
    g.verdict = _short(seen.verdict)
    return page("ops/overview.html", "live", seen=seen, answers=answers, now=datetime.now(UTC), by_hand=_by_hand())


@bp.get("/balance")
@access(*READERS)
def balance() -> Response:
    """Check it yourself: each number, what it counts, and the rows that make a remainder."""
    now = datetime.now(UTC)
    name = request.args.get("since", "today")
    begins = {
        "today": sums.midnight(now, current_user.office.time_zone),
        "24h": now - timedelta(hours=24),
        "7d": now - timedelta(days=7),
    }
    if name not in begins:
        name = "today"
    window = Window(begins[name], now)
    lines = sums.balance(window.since, now)
    lost = {
        "events": queries.lost_events,
        "matches": queries.lost_pairs,
        "messages": queries.lost_messages,
        "due_times": sums.missing_times,
    }
    return page(
        "ops/balance.html",
        lines=lines,
        since=window.since,
        chosen=name,
        windows=WINDOWS,
        lost={line.key: lost[line.key](window) if line.remainder else [] for line in lines},
        drop_reasons=queries.drop_reasons(window),
        unalertable=queries.unalertable_reasons(window),
        reason_words=DROPPED_IN_WORDS,
        office_id=current_user.office_id,
    )


# --- Runs ---


@bp.get("/runs")
@access(*READERS)
def runs() -> Response:
    chosen = {
        "kind": _one_of("kind", KINDS),
        "state": _one_of("state", [state.value for state in RunState]),
        "schedule": _one_of("schedule", [line.name for line in SCHEDULE]),
    }
    before = request.args.get("before", type=row_id)
    quiet = not any(chosen.values()) and "all" not in request.args
    found = list(db.session.scalars(queries.runs(**chosen, before=before, quiet=quiet).limit(PAGE + 1)))
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
        hand_pairs=[(kind, kind) for kind in _by_hand()],
    )
    if wants_fragment():
        # What was left empty is not worth an address.
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


@bp.get("/runs/<int:run_id>")
@access(*READERS)
def run(run_id: int) -> Response:
    found = queries.run(run_id)
    return page(
        "ops/run.html",
        "live",
        run=found,
        attempts=queries.attempts_of(run_id),
        followers=queries.runs_after(run_id),
        starter=queries.starter_of(found),
        window_end=ledger.window_end(found),
        made=queries.digests_of_run(run_id) if found.kind == "digests" else None,
        args=_shown_args(found.args),
    )


@bp.post("/runs")
@access(*ADMINS)
def run_now() -> Response:
    """Start a run by hand. One that waits or works already is shown instead of another."""
    kind = request.form.get("kind", "")
    if kind not in _by_hand():
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


# --- Messages ---


@bp.get("/messages")
@access(*READERS)
def messages() -> Response:
    state = _one_of("state", [state.value for state in MessageState])
    before = request.args.get("before", type=row_id)
    found = list(
        db.session.scalars(queries.messages(current_user.office_id, state=state, before=before).limit(PAGE + 1))
    )
    return page(
        "ops/messages.html",
        "results",
        messages=found[:PAGE],
        more=found[PAGE - 1].id if len(found) > PAGE else None,
        is_first=before is None,
        state=state,
        counts=queries.message_states(current_user.office_id, datetime.now(UTC) - timedelta(days=7)),
        states=[state.value for state in MessageState],
    )


@bp.get("/messages/<int:message_id>")
@access(*EVERYONE)
def message(message_id: int) -> Response:
    """One mail as it was: its words, what happened to it, which homes it shows and which were dropped, and why."""
    found = mail.message_for(current_user.office_id, message_id)
    return page(
        "ops/message.html",
        message=found,
        events=list(db.session.scalars(mail.events_of_message(message_id))),
        items=queries.items_of_digest(found.digest_id) if found.digest_id else [],
        mail_from=settings().mail_from,
        reason_words=DROPPED_IN_WORDS,
    )


@bp.get("/messages/<int:message_id>/html")
@access(*EVERYONE)
def message_html(message_id: int) -> Response:
    """The mail's HTML alone, for a frame: no script, no forms, nothing from elsewhere but its pictures. Its links that
    stop mail do nothing: a preview must not act for the buyer, whoever reads it."""
    found = mail.message_for(current_user.office_id, message_id)
    response = make_response(disarm(found.body_html or "<p>The words were taken out after 30 days.</p>"))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data: https:; sandbox; frame-ancestors 'self'"
    )
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _by_hand() -> list[str]:
    return [name for name, kind in KINDS.items() if kind.by_hand]


def _one_of(name: str, allowed: Any) -> str:
    given = request.args.get(name, "")
    return given if given in allowed else ""


def _shown_args(args: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Arguments are ids and moments; anything that is not is masked, since a run is read by many."""
    return [
        (name.replace("_", " "), str(value) if isinstance(value, int) or name.endswith(("_end", "_of")) else "•••")
        for name, value in args.items()
    ]
