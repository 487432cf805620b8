from datetime import date, datetime

from sqlalchemy import BigInteger, Date, DateTime, Double, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.extensions import Model


class _Tally:
    """What ended in a span of time, for one kind of run and one schedule line. Counted from job_run, and counted again
    while the span is young; what it says outlives the runs."""

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    schedule_name: Mapped[str] = mapped_column(Text, primary_key=True, server_default="")
    """Empty: not from the clock."""
    queue: Mapped[str] = mapped_column(Text)
    succeeded: Mapped[int] = mapped_column(Integer, server_default="0")
    failed: Mapped[int] = mapped_column(Integer, server_default="0")
    missed: Mapped[int] = mapped_column(Integer, server_default="0")
    skipped: Mapped[int] = mapped_column(Integer, server_default="0")
    cancelled: Mapped[int] = mapped_column(Integer, server_default="0")
    lost: Mapped[int] = mapped_column(Integer, server_default="0")
    """Attempts whose worker was killed or fell silent."""
    seconds: Mapped[float] = mapped_column(Double, server_default="0")
    """Working time, summed."""
    durations: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    """How many succeeded or failed runs took up to each bound of app.domain.ops.tallies.BOUNDS; the last: longer."""
    waits: Mapped[list[int]] = mapped_column(ARRAY(Integer), server_default="{}")
    """The same for the time from being due to being begun."""


class JobHour(_Tally, Model):
    __tablename__ = "job_hour"

    hour: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True, sort_order=-1)


class JobDay(_Tally, Model):
    """The UTC day; kept for ever."""

    __tablename__ = "job_day"

    day: Mapped[date] = mapped_column(Date, primary_key=True, sort_order=-1)


class TableSize(Model):
    """How large a table was on a day, with its indexes."""

    __tablename__ = "table_size"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    table_name: Mapped[str] = mapped_column(Text, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    rows: Mapped[int] = mapped_column(BigInteger)
    """As PostgreSQL estimates them."""
