"""What went wrong, grouped: each kind of trouble once, however many runs it took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from flask import Response, request, url_for
from flask_login import current_user

from app.blueprints.ops import READERS, bp
from app.blueprints.ops.runs import WITH_ARGS, dismiss_failed, retry_failed
from app.display import plural
from app.domain.errors import NotFound
from app.domain.ops.queries import errors as grouped
from app.domain.ops.queries import runs as ledgered
from app.domain.ops.run_filter import RunFilter
from app.web import ADMINS, access, clean, go, page

MOST_RETRIED = 500
MOST_DISMISSED = 5_000
DAYS = 30
RUNS = 20
"""So many of its runs a kind of trouble shows."""


class Bar(NamedTuple):
    """A day of a chart, how often it failed, and the runs behind it."""

    label: str
    times: int
    rest: int
    url: str


@bp.get("/errors")
@access(*READERS)
def errors() -> Response:
    now = datetime.now(UTC)
    groups = grouped.groups(now, WITH_ARGS, office_id=current_user.office_id)
    return page(
        "ops/errors.html",
        "live",
        groups=groups[: grouped.SHOWN],
        has_more=len(groups) > grouped.SHOWN,
        wanting=sum(group.open for group in groups),
        daily=grouped.daily(now) if groups else {},
        quiet_days=[0] * grouped.DAYS,
        most_retried=MOST_RETRIED,
    )


@bp.get("/errors/<fingerprint>")
@access(*READERS)
def error(fingerprint: str) -> Response:
    now = datetime.now(UTC)
    group = _group(fingerprint, now)
    days = grouped.occurrences(fingerprint, current_user.office.time_zone, now, DAYS)
    runs = ledgered.listed(RunFilter(error=fingerprint, sweeps_too=True))
    return page(
        "ops/error.html",
        "live",
        group=group,
        fingerprint=fingerprint,
        runs=runs[:RUNS],
        has_more=len(runs) > RUNS,
        bars=[_bar(row.day, row.n, fingerprint) for row in days],
        finding=finding(days, now - timedelta(days=DAYS), group.first_seen),
        most_retried=MOST_RETRIED,
    )


@bp.post("/errors/<fingerprint>/retry")
@access(*ADMINS)
def retry_error(fingerprint: str) -> Response:
    """Each of its runs that nothing made up for starts again."""
    asked = RunFilter(error=fingerprint, office_id=current_user.office_id)
    retry_failed("error", fingerprint, _named(fingerprint), asked=asked, at_once=MOST_RETRIED)
    return go("ops.error", fingerprint=fingerprint)


@bp.post("/errors/<fingerprint>/dismiss")
@access(*ADMINS)
def dismiss_error(fingerprint: str) -> Response:
    """Somebody has seen to all of them."""
    dismiss_failed(
        "error",
        fingerprint,
        _named(fingerprint),
        asked=RunFilter(error=fingerprint, office_id=current_user.office_id),
        reason=clean(request.form.get("reason", ""))[:300],
        at_once=MOST_DISMISSED,
    )
    return go("ops.error", fingerprint=fingerprint)


def _group(fingerprint: str, now: datetime) -> Any:
    """One kind of trouble. Raises NotFound."""
    found = grouped.groups(now, WITH_ARGS, office_id=current_user.office_id, only=fingerprint)
    if not found:
        raise NotFound("No failure of this kind is on record. Failures are kept for 180 days.")
    return found[0]


def _named(fingerprint: str) -> str:
    """For the audit: “all of OperationalError in alerts”."""
    group = _group(fingerprint, datetime.now(UTC))
    return f"all of {group.error_class or 'one kind'} in {', '.join(group.kinds)}"


def _bar(day: date, times: int, fingerprint: str) -> Bar:
    url = url_for("ops.runs", error=fingerprint, since=day.isoformat(), until=day.isoformat())
    return Bar(f"{day:%b} {day.day}", times, 0, url)


def finding(days: Sequence[Any], begins: datetime, first_seen: datetime) -> str:
    """What the chart shows, in a sentence."""
    total = sum(row.n for row in days)
    if not total:
        return f"It did not come in the last {len(days)} days."
    worst = max(days, key=lambda row: (row.n, row.day))
    day = f"{worst.day:%b} {worst.day.day}"
    often = plural(total, "time")
    began = "" if first_seen < begins else ", and never before"
    if sum(row.n > 0 for row in days) == 1:
        return f"It came {often} in {len(days)} days{began}, only on {day}."
    return f"It came {often} in {len(days)} days{began}, most on {day} ({worst.n:,})."
