"""What the questions to each integration found over time, and how the real mail and the real alarms fared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB, insert

from app.domain.models import IntegrationCheck
from app.domain.ops.queries import AnyRow
from app.extensions import db

MOST_MAILS = 20_000
"""The newest attempts of a week that are looked at; beyond that a rate needs no more."""

_DAYS = text(
    """
    SELECT name, (at AT TIME ZONE :zone)::date AS day, sum(asked) AS asked,
        coalesce(sum(asked) FILTER (WHERE NOT is_up), 0) AS failed,
        max(at) FILTER (WHERE is_up) AS last_success, max(at) FILTER (WHERE NOT is_up) AS last_failure
    FROM integration_check WHERE at >= :since AND at <= :now GROUP BY 1, 2 ORDER BY 1, 2
    """
)
# Each name by hour, and each over the whole time; only answers have a time that counts.
_HOURS = text(
    """
    SELECT name, date_trunc('hour', at, 'UTC') AS hour, count(*) AS asked, count(*) FILTER (WHERE NOT is_up) AS failed,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY ms) FILTER (WHERE is_up) AS ms
    FROM integration_check WHERE at >= :since AND at <= :now
    GROUP BY GROUPING SETS ((name, date_trunc('hour', at, 'UTC')), (name)) ORDER BY 1, 2
    """
)
_FOLD = text(
    """
    WITH many AS (SELECT name, is_up, date_trunc('hour', at, 'UTC') AS hour FROM integration_check
            WHERE at < date_trunc('hour', CAST(:before AS timestamptz), 'UTC') GROUP BY 1, 2, 3 HAVING count(*) > 1),
        gone AS (DELETE FROM integration_check c USING many
            WHERE c.name = many.name AND c.is_up = many.is_up AND c.at >= many.hour
                AND c.at < many.hour + interval '1 hour' RETURNING c.*)
    INSERT INTO integration_check (name, at, is_up, ms, words, asked)
    SELECT name, max(at), is_up, percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), (array_agg(words ORDER BY at DESC))[1],
        sum(asked)
    FROM gone GROUP BY name, is_up, date_trunc('hour', at, 'UTC')
    """
)
_ADD_NEWS = text(
    """
    INSERT INTO integration_check (name, at, is_up, ms, words)
    SELECT found.name, found.at, found.is_up, found.ms, found.words
    FROM jsonb_to_recordset(:found) AS found (name text, at timestamptz, is_up boolean, ms double precision, words text)
        LEFT JOIN LATERAL (SELECT at, is_up FROM integration_check c WHERE c.name = found.name
            ORDER BY at DESC LIMIT 1) AS last ON true
    WHERE CASE WHEN last.at IS NULL THEN NOT found.is_up
        WHEN found.at <= last.at THEN false
        ELSE found.is_up <> last.is_up OR (NOT found.is_up AND found.at >= last.at + :patience) END
    ON CONFLICT DO NOTHING RETURNING name
    """
).bindparams(bindparam("found", type_=JSONB))
_MAILS = text(
    """
    SELECT event_type, count(*) AS week, count(*) FILTER (WHERE recorded_at >= :day_ago) AS day,
        max(recorded_at) AS newest
    FROM (SELECT event_type, source, recorded_at FROM message_event
        WHERE recorded_at >= :week_ago AND recorded_at <= :now ORDER BY recorded_at DESC LIMIT :most) AS event
    WHERE source = 'smtp' GROUP BY 1
    """
)
_ALARMS = text(
    """
    SELECT outcome, count(*) AS n, max(created_at) AS newest FROM alarm
    WHERE channel = :channel AND created_at >= :since AND created_at <= :now GROUP BY 1
    """
)


def add(rows: Sequence[Mapping[str, Any]]) -> None:
    """Answers, as they were found. At most once for each name and moment."""
    if rows:
        db.session.execute(insert(IntegrationCheck).on_conflict_do_nothing(), [dict(row) for row in rows])


def add_news(rows: Sequence[Mapping[str, Any]], patience: timedelta) -> int:
    """Those that say otherwise than the newest answer there is, or that it is still away after `patience`. Returns how
    many there were."""
    if not rows:
        return 0
    given = [dict(row) | {"at": row["at"].isoformat()} for row in rows]
    return len(db.session.execute(_ADD_NEWS, {"found": given, "patience": patience}).all())


def fold(before: datetime) -> None:
    """Make one row of those of an hour that ended alike, in the whole hours before then. Idempotent."""
    db.session.execute(_FOLD, {"before": before})


def days(since: datetime, now: datetime, zone: str) -> list[AnyRow]:
    """Each name on each day of the zone: how often it was asked, how often in vain, and when last."""
    return list(db.session.execute(_DAYS, {"since": since, "now": now, "zone": zone}))


def hours(since: datetime, now: datetime) -> list[AnyRow]:
    """Each name in each hour, and (without an hour) in all of them: asked, in vain, and the half and 19 in 20 of the
    milliseconds of its answers."""
    return list(db.session.execute(_HOURS, {"since": since, "now": now}))


def words_at(moments: Mapping[str, datetime]) -> dict[str, str]:
    """What each name's answer of that moment said."""
    key = tuple_(IntegrationCheck.name, IntegrationCheck.at)
    rows = db.session.execute(
        select(IntegrationCheck.name, IntegrationCheck.words).where(key.in_(list(moments.items())))
    )
    return {row.name: row.words for row in rows}


def mails(now: datetime) -> dict[str, AnyRow]:
    """How the attempts to hand mail to the relay ended, by event type: in the last day, in the last week, and when
    last. Of the newest MOST_MAILS."""
    binds = {"now": now, "day_ago": now - timedelta(days=1), "week_ago": now - timedelta(days=7), "most": MOST_MAILS}
    return {row.event_type: row for row in db.session.execute(_MAILS, binds)}


def alarms(channel: str, since: datetime, now: datetime) -> dict[str, AnyRow]:
    """How the alarms to a channel ended, by outcome."""
    rows = db.session.execute(_ALARMS, {"channel": channel, "since": since, "now": now})
    return {row.outcome: row for row in rows}
