from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Index,
    Integer,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.listing import PgSnapshot
from app.extensions import Model


class WaitsFor(StrEnum):
    """Why a match for “as soon as possible” does not go at once."""

    HOUR = "hour"
    """The buyer had a mail within the hour (PA-10)."""
    DAY = "day"
    """The buyer had all mails of the day: it goes with the daily one (PA-10)."""
    QUIET = "quiet"
    """Quiet hours (PA-21)."""
    AGE = "age"
    """Found late, after an outage: it goes with the daily one (PA-26)."""


class MatchCursor(Model):
    """The watermark over listing_event: a snapshot, so that a late commit is never skipped (PA-01)."""

    __tablename__ = "match_cursor"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    snapshot: Mapped[str] = mapped_column(PgSnapshot)
    moved_at: Mapped[CreatedAt]


class MatchBatch(Model):
    """Up to 1,000 events taken together; matched exactly once, in one transaction."""

    __tablename__ = "match_batch"
    __table_args__ = (
        CheckConstraint("(done_at IS NULL) = (matched_events IS NULL)", name="done_counts"),
        Index("match_batch_open_idx", "id", postgresql_where=text("done_at IS NULL")),
        Index("match_batch_found_on_idx", "found_on"),
    )

    id: Mapped[Id]
    found_on: Mapped[date] = mapped_column(Date)
    event_seqs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    taken_at: Mapped[CreatedAt]
    done_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    matched_events: Mapped[int | None] = mapped_column(Integer)
    unmatched_events: Mapped[int | None] = mapped_column(Integer)
    pairs: Mapped[int | None] = mapped_column(BigInteger)
    job_run_id: Mapped[int | None] = mapped_column(BigInteger)


class AlertMatch(Model):
    """The matches of one batch for one subscription: an array of event numbers. Partitioned by day.

    One (subscription, event) in the array is "a match" wherever matches are counted.
    """

    __tablename__ = "alert_match"
    __table_args__ = (
        one_of("waits_for", WaitsFor),
        Index("alert_match_waiting_idx", "alert_subscription_id", postgresql_where=text("digest_id IS NULL")),
        {"postgresql_partition_by": "RANGE (found_on)"},
    )

    found_on: Mapped[date] = mapped_column(Date, primary_key=True)
    batch_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    alert_subscription_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_seqs: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    digest_id: Mapped[int | None] = mapped_column(BigInteger)
    """Null while it waits for its digest; then the digest that accounted for every event of it."""
    waits_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """It may not go before; null until a run found that it may not go at once."""
    waits_for: Mapped[str | None] = mapped_column(Text)
    """What it waits for, one of WaitsFor."""
