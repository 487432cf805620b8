"""What the first page reads: ten bounded queries, whatever the size of the office."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, func, or_, select, text, true
from sqlalchemy.engine import Row
from sqlalchemy.orm import aliased

from app.domain.digests.holds.queries import awaited
from app.domain.models import (
    AlertSubscription,
    ImportBatch,
    ImportState,
    JobRun,
    JobSchedule,
    MessageState,
    OutboundMessage,
    RunState,
)
from app.domain.today.days import Figure, Window, figure
from app.extensions import db

# One index range per day: the day's rows of the office, and those before this time of day.
EVENTS = text("""
    SELECT day.days_ago,
           counted.fresh, counted.fresh_by_now, counted.drops, counted.drops_by_now
    FROM unnest(CAST(:days_ago AS int[]), CAST(:starts AS timestamptz[]),
                CAST(:ends AS timestamptz[]), CAST(:untils AS timestamptz[])) AS day(days_ago, starts, ends, until)
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE kinds & 1 <> 0) AS fresh,
               count(*) FILTER (WHERE kinds & 1 <> 0 AND recorded_at <= day.until) AS fresh_by_now,
               count(*) FILTER (WHERE kinds & 2 <> 0) AS drops,
               count(*) FILTER (WHERE kinds & 2 <> 0 AND recorded_at <= day.until) AS drops_by_now
        FROM listing_event
        WHERE office_id = :office_id AND recorded_at >= day.starts AND recorded_at < day.ends
          AND origin IN ('live_sync', 'manual')
    ) AS counted
""")

# A match is one (subscription, event). A batch and its matches share found_on, a UTC date, which leads to the day's
# partition; the office's subscriptions are few beside the matches, so they are looked up in one hash.
MATCHES = text("""
    SELECT day.days_ago,
           sum(cardinality(found.event_seqs)) AS matches,
           coalesce(sum(cardinality(found.event_seqs)) FILTER (WHERE batch.taken_at <= day.until), 0) AS matches_by_now
    FROM unnest(CAST(:days_ago AS int[]), CAST(:starts AS timestamptz[]),
                CAST(:ends AS timestamptz[]), CAST(:untils AS timestamptz[])) AS day(days_ago, starts, ends, until)
    JOIN match_batch AS batch ON batch.taken_at >= day.starts AND batch.taken_at < day.ends
    JOIN alert_match AS found ON found.found_on = batch.found_on AND found.batch_id = batch.id
    JOIN alert_subscription AS subscription
         ON subscription.id = found.alert_subscription_id AND subscription.office_id = :office_id
    WHERE batch.found_on >= CAST(:since AS date)
    GROUP BY day.days_ago
""")

# A message is sent within a day of its making, or it has expired.
MAILS = text("""
    SELECT day.days_ago, counted.sent, counted.sent_by_now
    FROM unnest(CAST(:days_ago AS int[]), CAST(:starts AS timestamptz[]),
                CAST(:ends AS timestamptz[]), CAST(:untils AS timestamptz[])) AS day(days_ago, starts, ends, until)
    CROSS JOIN LATERAL (
        SELECT count(*) AS sent, count(*) FILTER (WHERE sent_at <= day.until) AS sent_by_now
        FROM outbound_message
        WHERE office_id = :office_id AND created_at >= day.starts - interval '1 day' AND created_at < day.ends
          AND sent_at >= day.starts AND sent_at < day.ends
    ) AS counted
""")

# The newest matches of the office: which home, for whom, why, and what became of it.
NEWEST = text("""
    WITH newest AS (
        SELECT found.found_on, found.batch_id, found.digest_id, found.alert_subscription_id,
               found.event_seqs[cardinality(found.event_seqs)] AS seq,
               subscription.contact_id, subscription.saved_search_id, subscription.schedule_type,
               subscription.next_send_timestamp
        FROM alert_match AS found
        JOIN alert_subscription AS subscription ON subscription.id = found.alert_subscription_id
        WHERE found.found_on >= CAST(:since AS date) AND subscription.office_id = :office_id
        ORDER BY found.found_on DESC, found.batch_id DESC, found.alert_subscription_id DESC
        LIMIT :size
    )
    SELECT newest.*, event.kinds, event.list_price, event.previous_list_price, event.listing_id,
           listing.unparsed_address, listing.city,
           contact.full_name,
           coalesce(nullif(search.saved_search_name, ''), rtrim(search.search_query_human_readable, '.')) AS saved_search_name,
           message.id AS message_id, message.state AS message_state, message.sent_at, digest.state AS digest_state,
           item.outcome, item.drop_reason
    FROM newest
    JOIN listing_event AS event ON event.seq = newest.seq
    JOIN listing ON listing.id = event.listing_id
    JOIN contact ON contact.id = newest.contact_id
    JOIN saved_search AS search ON search.id = newest.saved_search_id
    LEFT JOIN digest ON digest.id = newest.digest_id
    LEFT JOIN outbound_message AS message ON message.digest_id = newest.digest_id
    LEFT JOIN digest_item AS item ON item.digest_id = newest.digest_id
         AND item.alert_subscription_id = newest.alert_subscription_id AND item.event_seq = newest.seq
    ORDER BY newest.found_on DESC, newest.batch_id DESC, newest.alert_subscription_id DESC
""")


@dataclass(frozen=True)
class Numbers:
    new_listings: Figure
    price_drops: Figure
    matches: Figure
    mails_sent: Figure


def numbers(office_id: int, days: Sequence[Window]) -> Numbers:
    """The day in four numbers: three queries."""
    bound = {
        "office_id": office_id,
        "days_ago": [day.days_ago for day in days],
        "starts": [day.start for day in days],
        "ends": [day.end for day in days],
        "untils": [day.until for day in days],
        "since": min(day.start for day in days).date(),
    }
    events = db.session.execute(EVENTS, bound).all()
    return Numbers(
        new_listings=figure([(row.days_ago, row.fresh, row.fresh_by_now) for row in events]),
        price_drops=figure([(row.days_ago, row.drops, row.drops_by_now) for row in events]),
        matches=figure(
            [(row.days_ago, int(row.matches), int(row.matches_by_now)) for row in db.session.execute(MATCHES, bound)]
        ),
        mails_sent=figure([(row.days_ago, row.sent, row.sent_by_now) for row in db.session.execute(MAILS, bound)]),
    )


def newest_matches(office_id: int, now: datetime, *, size: int = 8) -> Sequence[Row[Any]]:
    """The newest matches of the last week, one line for each search of a buyer."""
    since = (now - timedelta(days=7)).date()
    return db.session.execute(NEWEST, {"office_id": office_id, "since": since, "size": size}).all()


def failed_runs(office_id: int, now: datetime, *, size: int = 5) -> Sequence[JobRun]:
    """Runs of the last 24 hours that failed for good, that nobody dismissed and no later run of the same work made up
    for."""
    later = aliased(JobRun)
    made_up_for = exists().where(
        later.kind == JobRun.kind, later.state == RunState.SUCCEEDED.value, later.finished_at > JobRun.finished_at
    )
    return db.session.scalars(
        select(JobRun)
        .where(
            JobRun.created_at >= now - timedelta(days=1),
            JobRun.state == RunState.FAILED.value,
            JobRun.dismissed_at.is_(None),
            or_(JobRun.office_id.is_(None), JobRun.office_id == office_id),
            ~made_up_for,
        )
        .order_by(JobRun.id.desc())
        .limit(size)
    ).all()


def approvals(office_id: int, member_id: int | None) -> Row[int, Any]:
    """How many mails of an agent's buyers wait for their word, and since when the oldest does."""
    return db.session.execute(awaited(office_id, member_id, everybody=False)).one()


def mails_to_decide(office_id: int) -> Row[Any]:
    """How many mails may or may not have arrived, however old, the newest one's id and the different reasons; and how
    many wait for an agent's word, and since when the oldest does."""
    unknown = (
        select(
            func.count().label("unknown"),
            func.max(OutboundMessage.id).label("newest"),
            func.array_agg(func.coalesce(OutboundMessage.state_reason, "").distinct()).label("reasons"),
        )
        .where(
            OutboundMessage.state == MessageState.UNKNOWN.value,
            OutboundMessage.office_id == office_id,
        )
        .subquery()
    )
    waiting = awaited(office_id, None, everybody=True).subquery()
    return db.session.execute(select(unknown, waiting).join_from(unknown, waiting, true())).one()


def imports_to_look_at(office_id: int, now: datetime, *, size: int = 5) -> Sequence[ImportBatch]:
    """Files of the last week that wait for their columns to be named, failed, or had rows that could not be used."""
    return db.session.scalars(
        select(ImportBatch)
        .where(
            ImportBatch.office_id == office_id,
            ImportBatch.created_at >= now - timedelta(days=7),
            or_(
                ImportBatch.state.in_([ImportState.MAPPING.value, ImportState.FAILED.value]),
                and_(ImportBatch.state == ImportState.FINISHED.value, ImportBatch.rows_rejected > 0),
            ),
        )
        .order_by(ImportBatch.id.desc())
        .limit(size)
    ).all()


def schedules() -> Sequence[JobSchedule]:
    """Every line of the clock, the next due first; paused ones too."""
    return db.session.scalars(select(JobSchedule).order_by(JobSchedule.next_due_at, JobSchedule.name)).all()


def mails_due(office_id: int, now: datetime, until: datetime, *, size: int = 6) -> list[tuple[datetime, int]]:
    """(when, how many buyers) of the daily mails between now and a moment, soonest first."""
    due = AlertSubscription.next_send_timestamp
    rows = db.session.execute(
        select(due, func.count(AlertSubscription.contact_id.distinct()))
        .where(
            AlertSubscription.active_yn,
            AlertSubscription.office_id == office_id,
            due > now,
            due < until,
        )
        .group_by(due)
        .order_by(due)
        .limit(size)
    )
    return [(moment, buyers) for moment, buyers in rows if moment is not None]
