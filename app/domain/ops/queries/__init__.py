"""What the operations pages read. Reports too wide for the ORM are text, with a word on each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Row, func, select, text

from app.domain.models import (
    JobRun,
    MessageState,
    OutboundMessage,
    ProcessHeartbeat,
)
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]


def due_messages(now: datetime, limit: int = 10_000) -> int:
    """How many messages could be sent now; counting stops at `limit`."""
    due = (
        select(OutboundMessage.id)
        .where(OutboundMessage.state == MessageState.QUEUED.value, OutboundMessage.not_before <= now)
        .limit(limit)
    )
    return db.session.execute(select(func.count()).select_from(due.subquery())).scalar_one()


# --- The balance: what came in, and where it is, each counted by itself ---

# What the matching took, batch by batch, and what it found; an event may be in several batches only by a fault.
_TAKEN = """
    seen AS (SELECT snapshot FROM match_cursor WHERE name = 'alerts'),
    taken AS (
        SELECT seq, count(*) FILTER (WHERE is_done) AS done, count(*) FILTER (WHERE NOT is_done) AS open
        FROM (SELECT unnest(event_seqs) AS seq, done_at IS NOT NULL AS is_done FROM match_batch
            WHERE found_on >= :first_day) AS each GROUP BY seq)
"""

_EVENTS = text(
    f"""
    WITH {_TAKEN},
    found AS (SELECT DISTINCT unnest(event_seqs) AS seq FROM alert_match WHERE found_on >= :first_day)
    SELECT count(*) AS total,
        count(*) FILTER (WHERE NOT e.alertable) AS not_alertable,
        coalesce(sum(taken.done) FILTER (WHERE found.seq IS NOT NULL), 0)::bigint AS matched,
        coalesce(sum(taken.done) FILTER (WHERE found.seq IS NULL), 0)::bigint AS unmatched,
        coalesce(sum(taken.open), 0)::bigint AS being_matched,
        count(*) FILTER (WHERE e.alertable AND NOT pg_visible_in_snapshot(e.xid, seen.snapshot)) AS unread
    FROM listing_event e CROSS JOIN seen LEFT JOIN taken ON taken.seq = e.seq LEFT JOIN found ON found.seq = e.seq
    WHERE e.recorded_at >= :since AND e.recorded_at < :until
    """
)

_LOST_EVENTS = text(
    f"""
    WITH {_TAKEN}
    SELECT e.seq, e.listing_id, e.office_id, e.recorded_at, e.change_type
    FROM listing_event e CROSS JOIN seen LEFT JOIN taken ON taken.seq = e.seq
    WHERE e.recorded_at >= :since AND e.recorded_at < :until AND e.alertable
      AND pg_visible_in_snapshot(e.xid, seen.snapshot) AND taken.seq IS NULL
    ORDER BY e.seq LIMIT :limit
    """
)

_UNALERTABLE = text(
    """
    SELECT not_alertable_reason AS reason, count(*) AS n FROM listing_event
    WHERE recorded_at >= :since AND recorded_at < :until AND NOT alertable GROUP BY 1 ORDER BY 2 DESC, 1
    """
)

# The matches of the batches that were done in the window, pair by pair: (subscription, event).
_MATCHES = """
    batch AS (SELECT id, found_on, pairs, matched_events FROM match_batch WHERE done_at >= :since AND done_at < :until),
    match AS (
        SELECT m.alert_subscription_id, m.event_seqs, m.digest_id, m.batch_id
        FROM alert_match m JOIN batch ON m.found_on = batch.found_on AND m.batch_id = batch.id),
    pair AS (
        SELECT digest_id, alert_subscription_id, batch_id, unnest(event_seqs) AS event_seq FROM match
        WHERE digest_id IS NOT NULL),
    item AS (
        SELECT i.outcome, i.drop_reason, d.state = 'held' AS is_held, digest_id, alert_subscription_id, event_seq
        FROM pair JOIN digest_item i USING (digest_id, alert_subscription_id, event_seq)
        JOIN digest d ON d.id = digest_id)
"""

_PAIRS = text(
    f"""
    WITH {_MATCHES}
    SELECT
        -- what the matching said it found, when it found it
        (SELECT coalesce(sum(pairs), 0) FROM batch)::bigint AS total,
        (SELECT coalesce(sum(cardinality(event_seqs)), 0) FROM match WHERE digest_id IS NULL)::bigint AS waiting,
        count(*) FILTER (WHERE item.outcome <> 'dropped' AND o.id IS NOT NULL) AS in_message,
        count(*) FILTER (WHERE item.outcome <> 'dropped' AND item.is_held AND o.id IS NULL) AS held,
        count(*) FILTER (WHERE item.outcome = 'dropped') AS dropped
    FROM item LEFT JOIN outbound_message o ON o.digest_id = item.digest_id
    """
)

_DROPPED = text(
    f"WITH {_MATCHES} SELECT drop_reason AS reason, count(*) AS n FROM item WHERE outcome = 'dropped'"
    " GROUP BY 1 ORDER BY 2 DESC, 1"
)

_LOST_PAIRS = text(
    f"""
    WITH {_MATCHES}
    SELECT pair.alert_subscription_id, pair.event_seq, pair.digest_id, pair.batch_id,
        CASE WHEN i.digest_id IS NULL THEN 'its digest does not say what became of it'
             ELSE 'its digest has no message' END AS why
    FROM pair LEFT JOIN digest_item i ON i.digest_id = pair.digest_id
        AND i.alert_subscription_id = pair.alert_subscription_id AND i.event_seq = pair.event_seq
        LEFT JOIN digest d ON d.id = pair.digest_id
        LEFT JOIN outbound_message o ON o.digest_id = pair.digest_id
    WHERE i.digest_id IS NULL OR (i.outcome <> 'dropped' AND o.id IS NULL AND d.state <> 'held')
    UNION ALL
    -- matches that the batch counted and that are not there
    SELECT NULL, NULL, NULL, batch.id, 'the batch counted ' || batch.pairs || ' matches, ' || coalesce(there.pairs, 0)
        || ' are there'
    FROM batch LEFT JOIN (SELECT batch_id, sum(cardinality(event_seqs)) AS pairs FROM match GROUP BY 1) AS there
        ON there.batch_id = batch.id
    WHERE batch.pairs <> coalesce(there.pairs, 0)
    LIMIT :limit
    """
)

# What each end of a message is proven by: a word in its own log of events.
_PROVEN = """
    CASE m.state
        WHEN 'sent' THEN EXISTS (SELECT 1 FROM message_event e WHERE e.outbound_message_id = m.id
            AND e.event_type = 'sent' AND (e.source IN ('smtp', 'person') OR e.fields ? 'proof'))
        WHEN 'failed' THEN EXISTS (SELECT 1 FROM message_event e WHERE e.outbound_message_id = m.id
            AND e.source = 'smtp' AND e.event_type = 'failed')
        WHEN 'unknown' THEN EXISTS (SELECT 1 FROM message_event e WHERE e.outbound_message_id = m.id
            AND e.source = 'smtp' AND e.event_type = 'unknown')
        WHEN 'sending' THEN m.lease_until >= :silent
        WHEN 'queued' THEN m.expires_at >= :silent OR m.not_before > :now
        ELSE EXISTS (SELECT 1 FROM message_event e WHERE e.outbound_message_id = m.id AND e.event_type = 'rejected')
    END
"""

_MESSAGES = text(
    f"""
    SELECT m.state, m.state = 'queued' AND m.not_before > :now AS is_later, {_PROVEN} AS is_proven, count(*) AS n
    FROM outbound_message m WHERE m.created_at >= :since AND m.created_at < :until GROUP BY 1, 2, 3
    """
)

_LOST_MESSAGES = text(
    f"""
    SELECT m.id, m.office_id, m.state, m.created_at,
        CASE m.state WHEN 'sending' THEN 'its sender fell silent' WHEN 'queued' THEN 'it should have been sent or expired'
             ELSE 'its log does not say so' END AS why
    FROM outbound_message m
    WHERE m.created_at >= :since AND m.created_at < :until AND NOT {_PROVEN} ORDER BY m.id LIMIT :limit
    """
)

SILENT = timedelta(minutes=5)
"""A message that is neither sent nor expired nor held this long after it should be is counted as lost."""


class Window(NamedTuple):
    since: datetime
    until: datetime

    @property
    def binds(self) -> dict[str, Any]:
        """`first_day`: batches and matches are filed under the UTC day of their finding, never before the event's."""
        return {
            "since": self.since,
            "until": self.until,
            "first_day": (self.since - timedelta(days=1)).date(),
            "now": self.until,
            "silent": self.until - SILENT,
        }


def events_in(window: Window) -> AnyRow:
    return db.session.execute(_EVENTS, window.binds).one()


def pairs_in(window: Window) -> AnyRow:
    return db.session.execute(_PAIRS, window.binds).one()


def messages_in(window: Window) -> list[AnyRow]:
    return list(db.session.execute(_MESSAGES, window.binds))


def lost_events(window: Window, limit: int = 50) -> list[AnyRow]:
    """Events that the watermark has passed and no batch took."""
    return list(db.session.execute(_LOST_EVENTS, window.binds | {"limit": limit}))


def lost_pairs(window: Window, limit: int = 50) -> list[AnyRow]:
    """Matches of which nothing says what became of them."""
    return list(db.session.execute(_LOST_PAIRS, window.binds | {"limit": limit}))


def lost_messages(window: Window, limit: int = 50) -> list[AnyRow]:
    """Messages whose state their own log does not bear out, or that are stuck."""
    return list(db.session.execute(_LOST_MESSAGES, window.binds | {"limit": limit}))


def drop_reasons(window: Window) -> list[AnyRow]:
    return list(db.session.execute(_DROPPED, window.binds))


def unalertable_reasons(window: Window) -> list[AnyRow]:
    return list(db.session.execute(_UNALERTABLE, window.binds))


def due_times(since: datetime, until: datetime) -> list[AnyRow]:
    """For each line: its clock, its pauses, and how many of its due times have a run in which state. `paused_since`: of
    the pause that still lasts; those that are over are `paused_ats` and `resumed_ats`, pairwise."""
    return list(
        db.session.execute(
            text(
                """
                SELECT s.name, s.cron, s.time_zone, s.due_from,
                    CASE WHEN NOT s.enabled THEN coalesce(s.paused_at, s.updated_at) END AS paused_since,
                    ARRAY(SELECT p.paused_at FROM schedule_pause p
                        WHERE p.schedule_name = s.name AND p.resumed_at > :since ORDER BY p.id) AS paused_ats,
                    ARRAY(SELECT p.resumed_at FROM schedule_pause p
                        WHERE p.schedule_name = s.name AND p.resumed_at > :since ORDER BY p.id) AS resumed_ats,
                    count(r.id) FILTER (WHERE r.state = 'succeeded') AS ran,
                    count(r.id) FILTER (WHERE r.state = 'failed') AS failed,
                    count(r.id) FILTER (WHERE r.state = 'missed') AS missed,
                    count(r.id) FILTER (WHERE r.state IN ('skipped', 'cancelled')) AS skipped,
                    count(r.id) FILTER (WHERE r.state IN ('pending', 'running')) AS going
                FROM job_schedule s LEFT JOIN job_run r
                    ON r.schedule_name = s.name AND r.due_at > greatest(:since, s.due_from) AND r.due_at <= :until
                WHERE NOT s.is_removed GROUP BY s.name ORDER BY s.name
                """
            ),
            {"since": since, "until": until},
        )
    )


def due_times_kept(name: str, since: datetime, until: datetime) -> set[datetime]:
    """The due times of one line that have a run, whatever became of it."""
    rows = db.session.execute(
        select(JobRun.due_at).where(JobRun.schedule_name == name, JobRun.due_at > since, JobRun.due_at <= until)
    )
    return {moment for (moment,) in rows if moment is not None}


# --- Vital signs: one statement, cheap enough for the lamp of every page ---

_VITALS = text(
    """
    SELECT
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT s.name, s.kind, s.cron, s.time_zone, s.grace_seconds, s.enabled, s.paused_reason, s.due_from,
                s.next_due_at, s.last_due_at, s.paused_at,
                (SELECT coalesce(json_agg(json_build_array(p.paused_at, p.resumed_at)), '[]') FROM schedule_pause p
                    WHERE p.schedule_name = s.name AND p.resumed_at > :month_ago) AS pauses,
                (SELECT u.full_name FROM "user" u WHERE u.id = s.paused_by_id) AS paused_by,
                (SELECT max(r.due_at) FROM job_run r WHERE r.schedule_name = s.name AND r.state = 'succeeded'
                    AND r.due_at > :month_ago AND r.due_at <= :now) AS last_good_due,
                (SELECT max(r.due_at) FROM job_run r WHERE r.schedule_name = s.name AND r.due_at <= :now)
                    AS last_written_due,
                (SELECT max(r.finished_at) FROM job_run r WHERE r.kind = s.kind AND r.state = 'succeeded') AS last_success
            FROM job_schedule s ORDER BY s.name) AS found) AS lines,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT k.kind, good.finished_at AS succeeded_at, bad.finished_at AS failed_at, bad.id AS failed_run,
                bad.error_class, fell.finished_at AS fell_at
            FROM unnest(CAST(:kinds AS text[])) AS k (kind)
            LEFT JOIN LATERAL (SELECT finished_at FROM job_run WHERE kind = k.kind AND state = 'succeeded'
                ORDER BY finished_at DESC LIMIT 1) AS good ON true
            -- since the last success, unless somebody has seen to it
            LEFT JOIN LATERAL (SELECT id, finished_at, error_class FROM job_run WHERE kind = k.kind AND state = 'failed'
                AND finished_at > coalesce(good.finished_at, '-infinity') AND dismissed_at IS NULL
                ORDER BY finished_at DESC LIMIT 1) AS bad ON true
            LEFT JOIN LATERAL (SELECT finished_at FROM job_run WHERE kind = k.kind AND state = 'failed'
                ORDER BY finished_at DESC LIMIT 1) AS fell ON true) AS found) AS kinds,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT role, queue, max(seen_at) AS seen_at, count(*) FILTER (
                WHERE seen_at >= CASE role WHEN 'scheduler' THEN CAST(:clock_alive AS timestamptz) ELSE :alive END
                    AND seen_at <= :ahead) AS alive
            FROM process_heartbeat GROUP BY role, queue) AS found) AS processes,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT q.queue,
                (SELECT run_after FROM job_run WHERE state = 'pending' AND queue = q.queue AND run_after <= :now
                    ORDER BY run_after LIMIT 1) AS oldest_due,
                EXISTS (SELECT 1 FROM job_run WHERE state = 'running' AND queue = q.queue) AS is_working
            FROM unnest(CAST(:queues AS text[])) AS q (queue)) AS found) AS queues,
        (SELECT count(*) FROM job_run WHERE state = 'running' AND lease_until < :reaped) AS held_by_nobody,
        (SELECT min(lease_until) FROM job_run WHERE state = 'running' AND lease_until < :reaped) AS held_since,
        -- what the newest question to each thing outside found, whoever asked; since when it is asked in vain, if it is
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT newest.name, newest.at, newest.is_up, newest.words,
                CASE WHEN NOT newest.is_up THEN (SELECT min(at) FROM integration_check WHERE name = newest.name
                    AND at <= :now AND at > coalesce((SELECT at FROM integration_check WHERE name = newest.name AND is_up
                        AND at <= :now ORDER BY at DESC LIMIT 1), '-infinity')) END AS since,
                (SELECT max(at) FROM integration_check WHERE name = newest.name AND NOT is_up
                    AND at > :asked AND at <= :now) AS failed_at
            FROM (SELECT DISTINCT ON (name) name, at, is_up, words FROM integration_check
                WHERE at > :asked AND at <= :now ORDER BY name, at DESC) AS newest) AS found) AS answers,
        -- the canary (PA-25): only when no bounce was heard of are the mails counted, and never beyond enough
        CASE WHEN EXISTS (SELECT 1 FROM message_event WHERE event_type = 'bounced' AND recorded_at >= :week_ago) THEN 0
            ELSE (SELECT count(*) FROM (SELECT 1 FROM outbound_message WHERE state = 'sent' AND created_at >= :week_ago
                LIMIT :canary) AS sent) END AS sent_unbounced,
        -- a receiving domain that blocks us (PA-24): it is about us, and a person must look
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT split_part(m.recipient, '@', 2) AS domain, count(*) AS n, min(e.recorded_at) AS since
            FROM message_event e JOIN outbound_message m ON m.id = e.outbound_message_id
            WHERE e.cause = 'block' AND e.recorded_at >= :hour_ago
            GROUP BY 1 HAVING count(*) >= :blocks ORDER BY 1 LIMIT 20) AS found) AS blocking,
        -- the first mail of today that a provider has told nothing of, nor of any after it (PA-25)
        CASE WHEN cardinality(CAST(:providers AS text[])) > 0 THEN
            (SELECT e.recorded_at FROM message_event e
             WHERE e.event_type = 'sent' AND e.source = 'smtp' AND e.recorded_at < :untold AND e.recorded_at > greatest(
                CAST(:heard_after AS timestamptz),
                (SELECT max(received_at) FROM inbound_event WHERE source = ANY (:providers) AND received_at > :heard_after))
             ORDER BY e.recorded_at LIMIT 1) END AS untold_since,
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT day, provider, words FROM provider_day
            WHERE is_off AND day = (SELECT max(day) FROM provider_day) AND checked_at > :two_days_ago
            ORDER BY provider) AS found) AS provider_off,
        (SELECT min(not_before) FROM outbound_message WHERE state = 'queued' AND not_before <= :now) AS oldest_message,
        -- halted runs (PA-27), and mails that an agent was asked about long ago
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT id, cause, mails, usual, most_items, created_at FROM mail_hold WHERE state = 'waiting'
            ORDER BY id LIMIT 20) AS found) AS holds,
        (SELECT min(created_at) FROM digest WHERE state = 'held' AND needs_approval) AS oldest_approval,
        -- sources that must come by themselves (PA-28), and when each was read to its end
        (SELECT coalesce(json_agg(found), '[]') FROM (
            SELECT f.name, o.time_zone, newest.finished_at AS read_at
            FROM unnest(CAST(:feeds AS text[])) AS f (name)
            LEFT JOIN LATERAL (SELECT b.finished_at, b.office_id FROM import_batch b
                WHERE b.source = f.name AND b.state = 'finished' ORDER BY b.id DESC LIMIT 1) AS newest ON true
            LEFT JOIN office o ON o.id = coalesce(newest.office_id, (SELECT min(id) FROM office))) AS found) AS feeds,
        -- synthetic homes on their way to a mailbox that is read: the last that came, and those that should have come
        (SELECT row_to_json(found) FROM (
            SELECT came.due_at, came.planted_at, came.arrived_at, gone.due_at AS missing_at, gone.n AS missing,
                gone.contact_id, gone.listing_id
            FROM (SELECT 1) AS one
            LEFT JOIN LATERAL (SELECT due_at, planted_at, arrived_at FROM canary_trip WHERE arrived_at IS NOT NULL
                AND due_at > :day_ago ORDER BY due_at DESC LIMIT 1) AS came ON true
            LEFT JOIN LATERAL (SELECT due_at, contact_id, listing_id, count(*) OVER () AS n FROM canary_trip
                WHERE arrived_at IS NULL AND due_at > :day_ago AND planted_at < :canary_late
                ORDER BY due_at DESC LIMIT 1) AS gone ON true) AS found) AS canary,
        -- however old: it stays until somebody decides
        (SELECT count(*) FROM outbound_message WHERE state = 'unknown') AS unknown,
        (SELECT row_to_json(found) FROM (
            SELECT counts, finished_at FROM job_run WHERE kind = 'sweep' AND state = 'succeeded'
            ORDER BY finished_at DESC LIMIT 1) AS found) AS last_sweep
    """
)


def vitals(now: datetime, queues: Mapping[str, str], limits: Mapping[str, Any]) -> AnyRow:
    """Everything that a verdict needs, in one round trip; the unaccounted-for rows as the last sweep counted them.
    `queues`: each kind and its queue; `limits`: from when on a sign counts, by the names in the statement."""
    return db.session.execute(
        _VITALS,
        {
            "now": now,
            "kinds": list(queues),
            "queues": sorted(set(queues.values())),
            **limits,
            "day_ago": now - timedelta(days=1),
            "hour_ago": now - timedelta(hours=1),
            "heard_after": now - timedelta(hours=26),
            "two_days_ago": now - timedelta(days=2),
            "week_ago": now - timedelta(days=7),
            "month_ago": now - timedelta(days=31),
        },
    ).one()


# --- Runs, schedules, processes ---


def last_runs(now: datetime, kinds: Iterable[str], each: int = 20) -> dict[str, list[AnyRow]]:
    """For each kind its newest runs, oldest first, without their errors' text."""
    found: dict[str, list[AnyRow]] = {}
    rows = db.session.execute(
        text(
            """
            SELECT k.kind, r.id, r.state, r.counts, r.started_at, r.finished_at, r.error_class
            FROM unnest(CAST(:kinds AS text[])) AS k (kind) CROSS JOIN LATERAL (
                SELECT * FROM job_run WHERE kind = k.kind AND created_at <= :now ORDER BY id DESC LIMIT :each) AS r
            ORDER BY k.kind, r.id
            """
        ),
        {"now": now, "kinds": list(kinds), "each": each},
    )
    for row in rows:
        found.setdefault(row.kind, []).append(row)
    return found


def processes(seen_since: datetime) -> list[ProcessHeartbeat]:
    """Processes that gave a sign since then, workers before schedulers."""
    return list(
        db.session.execute(
            select(ProcessHeartbeat)
            .where(ProcessHeartbeat.seen_at >= seen_since)
            .order_by(ProcessHeartbeat.role.desc(), ProcessHeartbeat.queue, ProcessHeartbeat.started_at)
        ).scalars()
    )


# --- Sizes ---

_SIZES = text(
    """
    SELECT coalesce(parent.relname, c.relname) AS name,
        sum(pg_total_relation_size(c.oid))::bigint AS bytes, sum(greatest(c.reltuples, 0))::bigint AS rows
    FROM pg_class c
        LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class parent ON parent.oid = i.inhparent
    WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace
        AND coalesce(parent.relname, c.relname) = ANY (:names)
    GROUP BY 1
    UNION ALL SELECT 'database', pg_database_size(current_database()), 0
    """
)


def sizes(names: Iterable[str]) -> dict[str, AnyRow]:
    """Bytes with indexes, and rows as PostgreSQL estimates them: no table is counted through for a page. The whole
    database comes along as “database”."""
    return {row.name: row for row in db.session.execute(_SIZES, {"names": list(names)})}
