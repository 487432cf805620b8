"""What is kept, and for how long (PA-29): one row for each table that grows. Applied nightly in batches, each its own
transaction, so nothing waits long for a lock. No balance looks back further than a week; everything here is older.

What does not grow by itself stands in KEPT with its reason. A guard compares both with the models. The files of imports
leave with their rows: app.domain.listings.imports.forget_files().
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

    @property
    def takes_rows(self) -> bool:
        """False: it empties them."""
        return "DELETE FROM" in self.statement

    def apply(self, now: datetime) -> int:
        """One batch. Fewer than BATCH means that there is no more."""
        result = db.session.execute(text(self.statement), {"before": now - self.age, "batch": BATCH})
        return int(getattr(result, "rowcount", 0))


def _older(table: str, moment: str, only: str = "true") -> str:
    return f"""
        DELETE FROM {table} WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM {table} WHERE {moment} < :before AND {only} ORDER BY {moment} LIMIT :batch))"""


LAST_RUNS = 20
_NOT_THE_LAST = f"""(schedule_name IS NULL OR id < (
    SELECT r.id FROM job_run r WHERE r.schedule_name = job_run.schedule_name AND r.due_at IS NOT NULL
    ORDER BY r.id DESC OFFSET {LAST_RUNS - 1} LIMIT 1))"""
"""The last runs of each schedule stay whatever their age: one that is due once a year has a past, too."""

RULES: tuple[Rule, ...] = (
    Rule(
        "job_run",
        "30 days",
        timedelta(days=30),
        "job_run",
        _older("job_run", "created_at", f"state IN ('succeeded', 'skipped', 'cancelled') AND {_NOT_THE_LAST}"),
    ),
    Rule(
        "job_run",
        f"failed and missed 180 days, the last {LAST_RUNS} of a schedule always",
        timedelta(days=180),
        "job_run",
        _older("job_run", "created_at", f"state IN ('failed', 'missed') AND {_NOT_THE_LAST}"),
    ),
    Rule(
        "incident",
        "24 months",
        timedelta(days=730),
        "incident",
        _older("incident", "closed_at", "closed_at IS NOT NULL"),
    ),
    Rule(
        "mail_hold",
        "24 months",
        timedelta(days=730),
        "mail_hold",
        _older(
            "mail_hold",
            "created_at",
            "state <> 'waiting' AND NOT EXISTS (SELECT 1 FROM digest d WHERE d.hold_id = mail_hold.id)",
        ),
    ),
    Rule("audit_entry", "7 years", timedelta(days=2556), "audit_entry", _older("audit_entry", "created_at")),
    Rule("integration_check", "14 days", timedelta(days=14), "integration_check", _older("integration_check", "at")),
    Rule("receiving_site", "30 days", timedelta(days=30), "receiving_site", _older("receiving_site", "slow_until")),
    Rule("job_hour", "35 days", timedelta(days=35), "job_hour", _older("job_hour", "hour")),
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
        "import_batch",
        "never started 7 days",
        timedelta(days=7),
        "import_never_started",
        _older("import_batch", "created_at", "state = 'mapping'"),
    ),
    Rule(
        "import_batch",
        "24 months, its file 90 days",
        timedelta(days=730),
        "import_batch",
        # The last one read to its end stays for each source: it says that the next is not the first (PA-02). One that
        # an event names leaves after the event.
        _older(
            "import_batch",
            "created_at",
            """state IN ('finished', 'failed')
               AND NOT EXISTS (SELECT 1 FROM listing_event e WHERE e.import_batch_id = import_batch.id)
               AND (state = 'failed' OR EXISTS (
                   SELECT 1 FROM import_batch later
                   WHERE later.office_id = import_batch.office_id AND later.source = import_batch.source
                     AND later.state = 'finished' AND later.id > import_batch.id))""",
        ),
    ),
    Rule(
        "buyer_listing",
        "12 months off the market",
        timedelta(days=365),
        "buyer_listing",
        # A mail may show a home that is off the market already: neither moment alone is enough.
        """
        DELETE FROM buyer_listing WHERE ctid = ANY (ARRAY(
            SELECT b.ctid FROM listing l JOIN buyer_listing b ON b.listing_id = l.id
            WHERE l.standard_status IN ('Closed', 'Canceled', 'Expired', 'Withdrawn', 'Delete')
              AND coalesce(l.status_change_timestamp, l.off_market_timestamp, l.modification_timestamp) < :before
              AND b.listing_sent_timestamp < :before
            LIMIT :batch))""",
    ),
    Rule(
        "buyer_listing",
        "buyer gone 30 days",
        timedelta(days=30),
        "buyer_listing",
        # A holiday is no leaving: who comes back is not told of the same homes again.
        """
        DELETE FROM buyer_listing WHERE ctid = ANY (ARRAY(
            SELECT b.ctid FROM contact c JOIN buyer_listing b ON b.contact_id = c.id
            WHERE c.contact_status IN ('Inactive', 'Deleted') AND c.modification_timestamp < :before
              AND b.listing_sent_timestamp < :before
            LIMIT :batch))""",
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
    Rule("inbound_event", "30 days", timedelta(days=30), "inbound_event", _older("inbound_event", "received_at")),
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
    Rule(
        "subscription_past", "18 months", timedelta(days=548), "subscription_past", _older("subscription_past", "until")
    ),
    Rule("search_change", "7 days", timedelta(days=7), "search_change", _older("search_change", "changed_at")),
    Rule("canary_trip", "90 days", timedelta(days=90), "canary_trip", _older("canary_trip", "due_at")),
    Rule("listing_event", "18 months", timedelta(days=548), "listing_event", _older("listing_event", "recorded_at")),
    Rule("open_house", "18 months", timedelta(days=548), "open_house", _older("open_house", "open_house_start_time")),
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

KEPT: dict[str, str] = {
    "alarm": "leaves with its incident",
    "alert_subscription": "a few for each search",
    "area": "one for each place that listings name",
    "contact": "people, entered by people",
    "household": "one for each home whose people share alerts",
    "job_attempt": "leaves with its run",
    "job_day": "one row a day for each kind of run, for ever",
    "job_log_line": "leaves with its run",
    "job_schedule": "one for each kind of job",
    "listing": "one for each home; a change is an event, not a row",
    "listing_owner": "one or two for each home that the office sells",
    "match_cursor": "one row",
    "member": "the people of the office",
    "office": "the offices",
    "provider_day": "one row a day for each mail provider, for ever",
    "saved_search": "a few for each buyer",
    "saved_search_version": "a few for each search, kept as long as it; answers why a home matched",
    "schedule_pause": "one for each time that a person stopped a line of the clock",
    "search_key": "rewritten with its search",
    "suppression": "must never be forgotten (PA-24)",
    "table_size": "one row a day for each table, for ever: ten years are about 150,000",
    "user": "the people who sign in",
}
"""Tables that do not grow by themselves, and why."""


def drop_partitions(now: datetime) -> list[int]:
    """Drop the days of alert_match that are older than their keeping. Returns how many rows left with each."""
    before = (now - MATCHES_KEPT).astimezone(UTC).date()
    gone = []
    for day in sorted(day for day in _partitions() if day < before):
        gone.append(int(db.session.scalar(text(f"SELECT count(*) FROM {_name(day)}")) or 0))
        db.session.execute(text(f"DROP TABLE {_name(day)}"))
    return gone


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
