"""The tables of a replay: shadows under the names that matching uses, in the connection's own temporary schema, where
nobody else sees them and the end of the transaction takes them away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, select, text, update

from app.domain.models import Listing, ListingEvent, SavedSearch
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]

_SHADOWS = (
    """CREATE TEMP TABLE alert_match (LIKE public.alert_match INCLUDING DEFAULTS,
        PRIMARY KEY (found_on, batch_id, alert_subscription_id)) ON COMMIT DROP""",
    "CREATE TEMP TABLE saved_search (LIKE public.saved_search INCLUDING DEFAULTS, PRIMARY KEY (id)) ON COMMIT DROP",
    """CREATE TEMP TABLE alert_subscription (LIKE public.alert_subscription INCLUDING DEFAULTS, PRIMARY KEY (id))
        ON COMMIT DROP""",
    "CREATE TEMP TABLE search_key (LIKE public.search_key INCLUDING ALL) ON COMMIT DROP",
    "INSERT INTO pg_temp.saved_search SELECT * FROM public.saved_search",
    "INSERT INTO pg_temp.alert_subscription SELECT * FROM public.alert_subscription",
    "INSERT INTO pg_temp.search_key SELECT * FROM public.search_key",
    "ALTER TABLE pg_temp.search_key ALTER COLUMN id RESTART WITH 1000000000000000",
    "CREATE INDEX ON pg_temp.alert_subscription (pg_snapshot_xmax(since_snapshot))",
    "ANALYZE pg_temp.search_key",
    "ANALYZE pg_temp.alert_subscription",
    # From here on PostgreSQL itself refuses to write to anything but these.
    "SET TRANSACTION READ ONLY",
)


def make_shadows() -> None:
    """Copies of what matching reads, and an empty table for what it writes. This transaction can write to nothing else."""
    for statement in _SHADOWS:
        db.session.execute(text(statement))


_BATCHES = text("""
    SELECT b.id, b.found_on, b.done_at,
        ARRAY(SELECT e.seq FROM listing_event e WHERE e.seq = ANY (b.event_seqs)
                AND (CAST(:office_id AS bigint) IS NULL OR e.office_id = :office_id) ORDER BY e.seq) AS event_seqs
    FROM match_batch b
    WHERE b.taken_at >= :since AND b.taken_at < :until AND b.done_at IS NOT NULL
      AND b.found_on BETWEEN CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date)
                         AND CAST(CAST(:until AS timestamptz) AT TIME ZONE 'UTC' AS date)
    ORDER BY b.done_at, b.id
""")


def batches_between(since: datetime, until: datetime, office_id: int | None) -> Sequence[AnyRow]:
    """What was matched in the window, in its order: id, found_on, done_at, event_seqs (of the office)."""
    return db.session.execute(_BATCHES, {"since": since, "until": until, "office_id": office_id}).all()


_UNTAKEN = text("""
    SELECT e.seq FROM listing_event e
    WHERE e.recorded_at >= :since AND e.recorded_at < :until AND e.alertable
      AND (CAST(:office_id AS bigint) IS NULL OR e.office_id = :office_id)
      AND pg_visible_in_snapshot(e.xid, (SELECT snapshot FROM match_cursor WHERE name = 'alerts'))
      AND e.seq NOT IN (
        SELECT unnest(event_seqs) FROM match_batch
        WHERE found_on >= CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date))
    ORDER BY e.seq LIMIT 1000
""")


def untaken(since: datetime, until: datetime, office_id: int | None) -> list[int]:
    """Events of the window that the watermark has passed and that no batch took: they were never matched."""
    values = {"since": since, "until": until, "office_id": office_id}
    return list(db.session.scalars(_UNTAKEN, values))


_CHANGED = text("""
    SELECT alert_subscription_id AS id FROM subscription_past WHERE until > :after AND until <= :until
    UNION SELECT id FROM public.alert_subscription
    WHERE original_entry_timestamp > :after AND original_entry_timestamp <= :until
    UNION SELECT s.id FROM saved_search_version v JOIN public.alert_subscription s
        ON s.saved_search_id = v.saved_search_id
    WHERE v.created_at > :after AND v.created_at <= :until
    ORDER BY id
""")


def changed_between(after: datetime, until: datetime) -> list[int]:
    """Subscriptions that began, or became another, in (after, until]."""
    return list(db.session.scalars(_CHANGED, {"after": after, "until": until}))


def set_search(search_id: int, columns: dict[str, Any]) -> None:
    """The shadow of a search as it was."""
    db.session.execute(
        update(SavedSearch).where(SavedSearch.id == search_id).values(**columns),
        execution_options={"synchronize_session": False},
    )


def set_since(subscription_id: int, since_snapshot: str) -> None:
    """The shadow of a subscription: from when on it is told of news."""
    db.session.execute(
        text("UPDATE pg_temp.alert_subscription SET since_snapshot = CAST(:since AS pg_snapshot) WHERE id = :id"),
        {"since": since_snapshot, "id": subscription_id},
    )


_PAIRS = """
    SELECT am.alert_subscription_id, seq FROM {schema}.alert_match am CROSS JOIN unnest(am.event_seqs) AS seq
    WHERE am.found_on = :found_on AND am.batch_id = :batch_id AND seq = ANY (CAST(:seqs AS bigint[]))
"""
_PAIRS_NOW, _PAIRS_THEN = text(_PAIRS.format(schema="pg_temp")), text(_PAIRS.format(schema="public"))

Pair = tuple[int, int]
"""(subscription, event)."""


def pairs_now(found_on: date, batch_id: int, seqs: Sequence[int]) -> set[Pair]:
    """What the replay matched."""
    values = {"found_on": found_on, "batch_id": batch_id, "seqs": list(seqs)}
    return {(row[0], row[1]) for row in db.session.execute(_PAIRS_NOW, values)}


def pairs_then(found_on: date, batch_id: int, seqs: Sequence[int]) -> set[Pair]:
    """What was matched then, as it is stored."""
    values = {"found_on": found_on, "batch_id": batch_id, "seqs": list(seqs)}
    return {(row[0], row[1]) for row in db.session.execute(_PAIRS_THEN, values)}


_ITEMS = text("""
    SELECT i.alert_subscription_id, i.event_seq, i.listing_id, i.recipient, i.kind, i.price_before, i.price_shown,
        i.outcome, i.drop_reason, i.search_version, d.contact_id, d.office_id, d.created_at AS built_at,
        m.id AS message_id, m.state, m.sent_at, m.attempting_at, m.created_at AS queued_at,
        newest.seq AS home_seq
    FROM digest_item i
    JOIN digest d ON d.id = i.digest_id
    LEFT JOIN outbound_message m ON m.digest_id = d.id
    -- the home as it was at the last look: the newest event by then carries it
    LEFT JOIN LATERAL (
        SELECT e.seq FROM listing_event e
        WHERE e.listing_id = i.listing_id AND e.recorded_at <= coalesce(m.attempting_at, d.created_at)
        ORDER BY e.seq DESC LIMIT 1
    ) newest ON true
    WHERE i.event_seq = ANY (:seqs)
""")


def items_of(seqs: Sequence[int]) -> Sequence[AnyRow]:
    """What became of the matches of these events."""
    return db.session.execute(_ITEMS, {"seqs": list(seqs)}).all()


_STOPS = text("""
    SELECT x.office_id, x.recipient, x.scope, x.alert_subscription_id, x.created_at, x.lifted_at, x.expires_at
    FROM suppression x
    WHERE (x.stream IS NULL OR x.stream = 'alerts') AND x.recipient = ANY (:recipients)
""")


def stops_of(recipients: Sequence[str]) -> Sequence[AnyRow]:
    """Every stop of alerts there ever was for these addresses."""
    return db.session.execute(_STOPS, {"recipients": list(recipients)}).all() if recipients else []


def owners_of(subscriptions: Sequence[int]) -> dict[int, int]:
    """subscription → its buyer."""
    rows = db.session.execute(
        text("SELECT id, contact_id FROM public.alert_subscription WHERE id = ANY (:ids)"), {"ids": list(subscriptions)}
    )
    return {row.id: row.contact_id for row in rows}


def homes_of(seqs: Sequence[int]) -> dict[int, int]:
    """event → its home."""
    rows = db.session.execute(
        text("SELECT seq, listing_id FROM listing_event WHERE seq = ANY (:seqs)"), {"seqs": list(seqs)}
    )
    return {row.seq: row.listing_id for row in rows}


def events_of(seqs: Sequence[int]) -> list[ListingEvent]:
    """These events."""
    return list(db.session.scalars(select(ListingEvent).where(ListingEvent.seq.in_(seqs))))


def listing_keys(listings: Sequence[int]) -> dict[int, str]:
    """home → its key."""
    found = db.session.execute(select(Listing.id, Listing.listing_key).where(Listing.id.in_(listings)))
    return {row.id: row.listing_key for row in found}
