"""The ledger of runs: the list, one run, and what an admin may do about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from flask import Response, flash, request, url_for
from flask_login import current_user

from app.blueprints.ops import READERS, bp, by_hand, changed, said
from app.display import exact_time, plural
from app.domain.errors import Conflict, Invalid
from app.domain.models import JobRun, RunState, Trigger
from app.domain.ops import audit, failures, ledger, results
from app.domain.ops.queries import errors as failed
from app.domain.ops.queries import messages as mail
from app.domain.ops.queries import runs as ledgered
from app.domain.ops.run_filter import PERIODS, Choices, RunFilter, read
from app.extensions import db, settings
from app.jobs.kinds import KINDS
from app.jobs.queue import retry as start_again
from app.jobs.queue import ring, start
from app.jobs.schedule import SCHEDULE
from app.web import ADMINS, access, clean, go, link_to, may, page, row_id, wants_fragment, with_args

bp.add_app_template_filter(failures.error_line, "error_line")
bp.add_app_template_filter(failures.error_words, "error_words")
bp.add_app_template_filter(lambda count, most: f"{most:,}+" if count > most else f"{count:,}", "capped_at")

WITH_ARGS = tuple(name for name, kind in KINDS.items() if not kind.by_hand)
"""Kinds whose runs each have work of their own: one does not do for another."""
AT_ONCE = 1_000
"""So many runs one click retries or dismisses at most."""
CHOICES = Choices(
    kinds=tuple(KINDS),
    states=tuple(state.value for state in RunState),
    schedules=tuple(line.name for line in SCHEDULE),
    queues=tuple(sorted({kind.queue for kind in KINDS.values()})),
    triggers=tuple(trigger.value for trigger in Trigger),
)


@bp.get("/runs")
@access(*READERS)
def runs() -> Response:
    asked = _asked()
    before, after = (request.args.get(name, type=row_id) for name in ("before", "after"))
    found = [] if asked.problem else ledgered.listed(asked, before=before, after=None if before else after)
    has_more = len(found) > ledgered.PAGE
    shown = found[: ledgered.PAGE]
    if after is not None and before is None:
        shown.reverse()
    has_newer, has_older = (has_more, True) if after is not None and before is None else (before is not None, has_more)
    is_first = before is None and after is None
    total = ledgered.count(asked) if found and (has_more or not is_first) else len(found)
    bulk = may(*ADMINS) and any(run.state == RunState.FAILED for run in shown)
    to_do_again, to_dismiss = (
        failed.left_to_do(
            KINDS, WITH_ARGS, datetime.now(UTC), office_id=current_user.office_id, asked=asked, limit=AT_ONCE
        )
        if bulk
        else (0, 0)
    )
    response = page(
        "ops/runs.html",
        "results",
        status=422 if asked.problem else 200,
        asked=asked,
        runs=shown,
        total=total,
        most=ledgered.MOST_HITS,
        newer=shown[0].id if shown and has_newer else None,
        older=shown[-1].id if shown and has_older else None,
        is_first=is_first,
        emptied=[] if shown or asked.problem else ledgered.emptied_by(asked),
        bulk=bulk,
        to_do_again=to_do_again,
        to_dismiss=to_dismiss,
        at_once=AT_ONCE,
        pairs={name: [(value, value) for value in values] for name, values in vars(CHOICES).items()},
        periods=[(name, words.capitalize()) for name, (words, _) in PERIODS.items()],
        hand_pairs=[(kind, kind) for kind in by_hand()],
    )
    if wants_fragment():
        # What was left empty is not worth an address; a part that drew itself anew is no new place.
        here = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
        if here != _shown_address():
            response.headers["HX-Push-Url"] = here
    return response


def _asked() -> RunFilter:
    return read(request.args, CHOICES, current_user.office.time_zone, office_id=current_user.office_id)


def _shown_address() -> str:
    """What the browser's address line says by now. Empty when htmx does not tell, or nothing that is an address."""
    try:
        parts = urlsplit(request.headers.get("HX-Current-URL", ""))
    except ValueError:  # "http://[", which only an attacker sends
        return ""
    return parts.path + (f"?{parts.query}" if parts.query else "")


@bp.get("/runs/<int:run_id>")
@access(*READERS)
def run(run_id: int) -> Response:
    found = ledgered.run(run_id)
    is_told = found.office_id in {None, current_user.office_id}
    log = said.log_of(run_id, whole=request.args.get("log") == "all") if is_told else said.NOTHING
    made = ledgered.made_by(found, current_user.office_id)
    return page(
        "ops/run.html",
        "live",
        run=found,
        attempts=ledgered.attempts_of(run_id),
        is_told=is_told,
        log=log,
        relatives=ledgered.relatives(found),
        people=ledgered.people_of(found) if is_told else {},
        deeds=ledgered.deeds_on(run_id, current_user.office_id),
        window_begin=made.previous_due if found.due_at else None,
        window_end=ledger.window_end(found),
        made=made,
        taken_up=mail.of_run(current_user.office_id, run_id) if found.kind == "messages" else {},
        args=[_shown(name, value) for name, value in found.args.items()] if is_told else [],
        shares=results.shares(found.kind, found.counts),
        other_counts=results.others(found.kind, found.counts),
        report_url=_report_url(found) if is_told else None,
        schedule_url=link_to("ops.schedule", name=found.schedule_name) if found.schedule_name else None,
        by_hand=found.kind in KINDS,
        now=datetime.now(UTC),
    )


@bp.post("/runs")
@access(*ADMINS)
def run_now() -> Response:
    """Start a run by hand. One that waits or works already is shown instead of another."""
    kind = request.form.get("kind", "")
    if kind not in by_hand():
        raise Invalid(f"“{kind}” is not a job that can be started by hand.", field="kind")
    key = f"by-hand-{kind}"
    in_hand = ledger.in_hand(key)
    if in_hand is not None:
        db.session.commit()
        ring([in_hand])
        flash(f"Run {in_hand} of “{kind}” waits or works already: no other was started.", "info")
        return go("ops.run", run_id=in_hand)
    started = start(kind, trigger=Trigger.MANUAL, user_id=current_user.id, dedup_key=key)
    run_id = started.id
    if started.attempt == 0 and not ledgered.deeds_on(run_id, current_user.office_id, limit=1):
        audit.record(current_user, "run.started", "run", run_id, f"Started run {run_id} of “{kind}”")
    db.session.commit()
    ring([run_id])
    flash(f"Run {run_id} of “{kind}” is on its way.", "good")
    return go("ops.run", run_id=run_id)


@bp.post("/runs/<int:run_id>/retry")
@access(*ADMINS)
def retry(run_id: int) -> Response:
    """Do it again as a new run. One that does so already is shown instead of another, also to whoever pressed in the
    same moment. An import is not done again after a newer file of its source."""
    found = ledgered.run_to_act_on(run_id, current_user.office_id)
    in_hand = failed.retry_in_hand(run_id)
    if in_hand is not None:
        flash(f"Run {in_hand} does the work of run {run_id} again already.", "good")
        return go("ops.run", run_id=in_hand)
    if why := failed.overtaken(found):
        raise Conflict(why)
    again = start_again(run_id, current_user.id)
    new_id = again.id
    sentence = f"Retried run {run_id} of “{again.kind}” as run {new_id}"
    _record("run.retried", found, sentence, new_run=new_id)
    db.session.commit()
    ring([new_id])
    flash(f"Run {new_id} does the work of run {run_id} again.", "good")
    return go("ops.run", run_id=new_id)


@bp.post("/runs/<int:run_id>/cancel")
@access(*ADMINS)
def cancel(run_id: int) -> Response:
    """A run that waits is not done; one that is under way is asked to stop."""
    was_asked = ledgered.run_to_act_on(run_id, current_user.office_id).cancel_requested_at is not None
    ended = ledger.cancel(run_id)
    if ended.state == RunState.CANCELLED:
        _record("run.cancelled", ended, f"Cancelled run {run_id} of “{ended.kind}”")
        words = f"Run {run_id} will not be done."
    else:
        if not was_asked:
            _record("run.stop_asked", ended, f"Asked run {run_id} of “{ended.kind}” to stop")
        words = f"Run {run_id} is asked to stop. What it has committed stays."
    db.session.commit()
    flash(words, "good")
    return go("ops.run", run_id=run_id)


@bp.post("/runs/<int:run_id>/dismiss")
@access(*ADMINS)
def dismiss(run_id: int) -> Response:
    """Somebody has seen to this failure: it no longer asks for a look."""
    reason = clean(request.form.get("reason", ""))[:300]
    ledgered.run_to_act_on(run_id, current_user.office_id)
    seen = failures.dismiss_one(run_id, current_user.id)
    sentence = f"Dismissed the failure of run {run_id} of “{seen.kind}”" + (f": {reason}" if reason else "")
    _record("run.dismissed", seen, sentence, reason=reason)
    db.session.commit()
    changed()
    flash(f"The failure of run {run_id} is dismissed.", "good")
    return go("ops.run", run_id=run_id)


@bp.post("/runs/<int:run_id>/restore")
@access(*ADMINS)
def restore(run_id: int) -> Response:
    ledgered.run_to_act_on(run_id, current_user.office_id)
    seen = failures.restore(run_id)
    sentence = f"Took back the dismissal of run {run_id} of “{seen.kind}”"
    _record("run.restored", seen, sentence)
    db.session.commit()
    changed()
    flash(f"The failure of run {run_id} asks for a look again.", "good")
    return go("ops.run", run_id=run_id)


def _record(action: str, found: JobRun, sentence: str, **fields: Any) -> None:
    audit.record(current_user, action, "run", found.id, sentence, office_id=found.office_id, **fields)


@bp.post("/runs/chosen")
@access(*ADMINS)
def act_on_runs() -> Response:
    """Retry or dismiss failed runs: those that were ticked, or all that the address's filter finds."""
    deed = request.form.get("do", "")
    asked = _asked()
    if asked.problem:
        raise Invalid(f"{asked.problem} Nothing was changed.")
    if asked.state not in {"", RunState.FAILED.value}:
        raise Invalid("Only failed runs are retried or dismissed together. Nothing was changed.")
    run_ids = [
        row_id(text) for text in request.form.getlist("run")[:AT_ONCE] if re.fullmatch(r"\d{1,18}", text, re.ASCII)
    ]
    if deed in {"retry", "dismiss"} and not run_ids:
        flash("Tick the runs first. Nothing was changed.", "bad")
    elif deed == "retry":
        retry_failed("run", "chosen", f"{len(run_ids):,} chosen", run_ids=run_ids)
    elif deed == "dismiss":
        dismiss_failed("run", "chosen", f"{len(run_ids):,} chosen", run_ids=run_ids)
    elif deed == "retry-all":
        retry_failed("run", "filter", asked.words(), asked=asked)
    elif deed == "dismiss-all":
        dismiss_failed("run", "filter", asked.words(), asked=asked)
    else:
        raise Invalid("There is nothing of that name to do with runs. Nothing was changed.")
    return go("ops.runs", **asked.args())


def retry_failed(
    subject: str,
    subject_id: str,
    named: str,
    *,
    asked: RunFilter | None = None,
    run_ids: Collection[int] = (),
    at_once: int = AT_ONCE,
) -> None:
    """Start the failed runs again that nothing made up for, oldest first, in one transaction with one line in the audit
    (two when some are the works' and some the office's own). Those of other offices, and imports that a newer file has
    overtaken, are left out and counted."""
    now = datetime.now(UTC)
    again = failed.to_retry(
        KINDS, WITH_ARGS, now, office_id=current_user.office_id, asked=asked, run_ids=run_ids, limit=at_once
    )
    left_out = _left_out(again.foreign, at_once)
    if again.overtaken:
        imports = "1 import is" if again.overtaken == 1 else f"{_up_to(again.overtaken, at_once)} imports are"
        left_out += f" {imports} left out: a newer file of the same source was read since."
    started = {each.id: start_again(each.id, current_user.id).id for each in again.runs}
    if not started:
        db.session.rollback()
        flash(
            left_out.strip() or "Nothing of it is left to do again: each was done again, dismissed or made up for.",
            "info",
        )
        return
    for office_id, runs in _by_affair(started):
        audit.record(
            current_user,
            "runs.retried",
            subject,
            subject_id,
            f"Retried {plural(len(runs), 'failed run')}: {named}",
            office_id=office_id,
            count=len(runs),
            filter=asked.args() if asked else None,
            runs=runs[:100],
            new_runs=[started[run_id] for run_id in runs][:100],
        )
    db.session.commit()
    ring(started.values())
    words = f"{plural(len(started), 'run')} {'starts' if len(started) == 1 else 'start'} again."
    if again.covered:
        others = "the other" if again.covered == 1 else f"the {again.covered:,} others"
        words += f" {'It does' if len(started) == 1 else 'They do'} for {others} of the same job."
    if again.is_more:
        words += f" At most {at_once:,} are looked at in one go; press again for more."
    flash(words + left_out, "wait" if left_out else "good")


def _by_affair(run_ids: Collection[int]) -> list[tuple[int | None, list[int]]]:
    """Those of the works, which everybody may know of, and those of the reader's office; each with its office."""
    works = failed.of_the_works(run_ids)
    parts = [
        (None, [number for number in run_ids if number in works]),
        (current_user.office_id, [number for number in run_ids if number not in works]),
    ]
    return [(office_id, runs) for office_id, runs in parts if runs]


def _left_out(foreign: int, at_once: int) -> str:
    if not foreign:
        return ""
    runs = "1 run is" if foreign == 1 else f"{_up_to(foreign, at_once)} runs are"
    return f" {runs} left out: another office’s own people see to {'it' if foreign == 1 else 'them'}."


def _up_to(count: int, most: int) -> str:
    return f"{count:,}" if count < most else f"{most:,} or more"


def dismiss_failed(
    subject: str,
    subject_id: str,
    named: str,
    *,
    asked: RunFilter | None = None,
    run_ids: Collection[int] = (),
    reason: str = "",
    at_once: int = AT_ONCE,
) -> None:
    """Dismiss these failures, in one transaction with one line in the audit (two when some are the works' and some the
    office's own). Those of other offices are left out and counted."""
    found, foreign = failed.to_dismiss(office_id=current_user.office_id, asked=asked, run_ids=run_ids, limit=at_once)
    left_out = _left_out(foreign, at_once)
    seen = failures.dismiss(found, current_user.id)
    if not seen:
        db.session.rollback()
        flash(left_out.strip() or "None of them was left to dismiss.", "info")
        return
    for office_id, runs in _by_affair(seen):
        audit.record(
            current_user,
            "runs.dismissed",
            subject,
            subject_id,
            f"Dismissed {plural(len(runs), 'failure')}: {named}" + (f": {reason}" if reason else ""),
            office_id=office_id,
            count=len(runs),
            filter=asked.args() if asked else None,
            runs=runs[:100],
            reason=reason,
        )
    db.session.commit()
    changed()
    more = f" That were {at_once:,}, the most at once; press again for more." if len(seen) == at_once else ""
    flash(f"{plural(len(seen), 'failure')} dismissed.{more}{left_out}", "wait" if left_out else "good")


LINKED: Mapping[str, str] = {"retry_of": "ops.run"}
CODE = re.compile(r"[0-9]+|[0-9a-f-]{8,64}", re.ASCII)


def _shown(name: str, value: Any) -> tuple[str, str, str | None]:
    """An argument's name, its value and where it leads. Numbers, moments and ids are shown; words may be anybody's,
    and are masked, since a run is read by many."""
    words = name.replace("_", " ").capitalize()
    if isinstance(value, bool) or value is None:
        return words, {True: "yes", False: "no", None: "–"}[value], None
    if isinstance(value, int | float):
        url = url_for(LINKED[name], run_id=value) if name in LINKED and isinstance(value, int) and value > 0 else None
        return words, str(value), url
    if isinstance(value, str):
        return words, _moment_or_code(value) or "•••", None
    return words, plural(len(value), "value") + ", masked", None


def _moment_or_code(text: str) -> str | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text if CODE.fullmatch(text) else None
    return exact_time(moment) if moment.tzinfo else text


def _report_url(found: JobRun) -> str | None:
    """Where the report of its failure is read."""
    pattern: str = settings().sentry_url
    if not pattern or not found.sentry_event_id:
        return None
    return pattern.replace("{event_id}", quote(found.sentry_event_id, safe=""))
