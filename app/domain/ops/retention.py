"""What is kept, and for how long (PA-29): one row for each table that grows. Applied nightly in batches, each its own
transaction, so nothing waits long for a lock. No balance looks back further than a week; everything here is older.

Files brought by people, searches, contacts, listings and suppressions are not here: they do not grow by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import text

from app.extensions import db

BATCH = 1_000
MATCHES_KEPT = timedelta(days=90)


@dataclass(frozen=True)
class Rule:
    """`statement` takes `before` and `batch`, and says how many rows it moved out."""

    table: str
    kept: str
    """In words, for the operations page."""
    age: timedelta
    counted_as: str
    statement: str

    def apply(self, now: datetime) -> int:
        """One batch. Fewer than BATCH means that there is no more."""
        result = db.session.execute(text(self.statement), {"before": now - self.age, "batch": BATCH})
        return int(getattr(result, "rowcount", 0))


def _older(table: str, moment: str, only: str = "true") -> str:
    return f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {moment} < :before AND {only} ORDER BY {moment} LIMIT :batch))"""


RULES: tuple[Rule, ...] = (
    Rule(
        "job_run",
        "30 days",
        timedelta(days=30),
        "job_run",
        _older("job_run", "created_at", "state IN ('succeeded', 'skipped', 'cancelled')"),
    ),
    Rule(
        "job_run",
        "failed and missed 180 days",
        timedelta(days=180),
        "job_run",
        _older("job_run", "created_at", "state IN ('failed', 'missed')"),
    ),
    Rule("process_heartbeat", "1 day", timedelta(days=1), "process_heartbeat", _older("process_heartbeat", "seen_at")),
    Rule(
        "digest_item",
        "90 days",
        timedelta(days=90),
        "digest_item",
        # Digests are numbered about in the order of their making, so only what is left of the old ones is looked at.
        """
        DELETE FROM digest_item WHERE ctid = ANY (ARRAY(
            SELECT i.ctid FROM digest_item i JOIN digest d ON d.id = i.digest_id
            WHERE d.created_at < :before AND i.digest_id <=
                (SELECT id FROM digest WHERE created_at < :before ORDER BY created_at DESC LIMIT 1)
            ORDER BY i.digest_id LIMIT :batch))""",
    ),
    Rule(
        "import_row",
        "90 days",
        timedelta(days=90),
        "import_row",
        """
        DELETE FROM import_row WHERE ctid = ANY (ARRAY(
            SELECT r.ctid FROM import_row r JOIN import_batch b ON b.id = r.import_batch_id
            WHERE b.created_at < :before AND b.state IN ('finished', 'failed') LIMIT :batch))""",
    ),
    Rule(
        "outbound_message",
        "bodies 30 days",
        timedelta(days=30),
        "bodies",
        """
        UPDATE outbound_message SET body_text = NULL, body_html = NULL WHERE id = ANY (ARRAY(
            SELECT id FROM outbound_message
            WHERE created_at < :before AND (body_text IS NOT NULL OR body_html IS NOT NULL)
              AND state NOT IN ('queued', 'sending')
            ORDER BY created_at DESC LIMIT :batch))""",
    ),
    Rule("message_event", "24 months", timedelta(days=730), "message_event", _older("message_event", "recorded_at")),
    Rule(
        "outbound_message",
        "24 months",
        timedelta(days=730),
        "outbound_message",
        _older("outbound_message", "created_at", "state NOT IN ('queued', 'sending')"),
    ),
    Rule(
        "digest",
        "24 months",
        timedelta(days=730),
        "digest",
        _older("digest", "created_at", "NOT EXISTS (SELECT 1 FROM outbound_message m WHERE m.digest_id = digest.id)"),
    ),
    Rule("listing_event", "18 months", timedelta(days=548), "listing_event", _older("listing_event", "recorded_at")),
    Rule(
        "alert_match",
        "90 days",
        MATCHES_KEPT,
        "alert_match",
        # Whole days leave by drop_partitions(); this is for days that never got a partition.
        """
        DELETE FROM alert_match_default WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM alert_match_default WHERE found_on < :before LIMIT :batch))""",
    ),
    Rule(
        "match_batch", "90 days", MATCHES_KEPT, "match_batch", _older("match_batch", "found_on", "done_at IS NOT NULL")
    ),
)


def drop_partitions(now: datetime) -> int:
    """Drop the days of alert_match that are older than their keeping. Returns how many days left."""
    before = (now - MATCHES_KEPT).astimezone(UTC).date()
    old = [day for day in _partitions() if day < before]
    for day in old:
        db.session.execute(text(f"DROP TABLE {_name(day)}"))
    return len(old)


def _partitions() -> set[date]:
    names = db.session.execute(
        text(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = 'alert_match'::regclass"
        )
    ).scalars()
    return {
        datetime.strptime(name.removeprefix("alert_match_"), "%Y%m%d").replace(tzinfo=UTC).date()
        for name in names
        if name != "alert_match_default"
    }


def _name(day: date) -> str:
    return f"alert_match_{day:%Y%m%d}"
