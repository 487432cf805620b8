from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, one_of
from app.extensions import Model


class IncidentTone(StrEnum):
    BAD = "bad"
    """A person must act: it is told."""
    WAIT = "wait"
    """Shown, and told to nobody; but for a pause that may be forgotten."""


class Incident(Model):
    """A check that failed, from the first look that found it until a look that finds it mended. One open row for each
    key, whoever looks."""

    __tablename__ = "incident"
    __table_args__ = (
        one_of("tone", IncidentTone),
        Index("incident_open_key", "key", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("incident_opened_idx", text("opened_at DESC")),
        Index("incident_closed_idx", "closed_at"),
        Index("incident_notice_idx", "next_notice_at", postgresql_where=text("next_notice_at IS NOT NULL")),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(Text)
    """Names the check and its subject: “silent:worker:alerts”, “overdue:retention”."""
    tone: Mapped[str] = mapped_column(Text)
    sentence: Mapped[str] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(Text, server_default="")
    run_id: Mapped[int | None] = mapped_column(BigInteger)
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    opened_by: Mapped[str] = mapped_column(Text)
    """Which process saw it first: scheduler, worker, web."""
    opened_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """When a look last found it still so."""
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    acknowledged_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    acknowledged_by_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("user.id"))
    """“I am on it”: no more reminders."""
    notified_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When a channel first took the news."""
    next_notice_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When it is to be told (again); taken by a conditional update, so that one process tells it."""

    alarms: Mapped[list["Alarm"]] = relationship(lazy="raise", order_by="Alarm.id")

    @property
    def since(self) -> datetime:
        """Since when it is so, as the check tells; else since it was first seen."""
        told = self.detail.get("since") if self.detail else None
        return datetime.fromisoformat(told) if told else self.opened_at


class AlarmOccasion(StrEnum):
    OPENED = "opened"
    REMINDER = "reminder"
    CLOSED = "closed"


class AlarmOutcome(StrEnum):
    SENT = "sent"
    FAILED = "failed"


class Alarm(Model):
    """One try to tell people of an incident through one channel, and what came of it. Appended, never edited."""

    __tablename__ = "alarm"
    __table_args__ = (
        one_of("occasion", AlarmOccasion),
        one_of("outcome", AlarmOutcome),
        Index("alarm_incident_idx", "incident_id", "id"),
    )

    id: Mapped[Id]
    incident_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("incident.id", ondelete="CASCADE"))
    occasion: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    """slack, email, webhook."""
    outcome: Mapped[str] = mapped_column(Text)
    words: Mapped[str] = mapped_column(Text, server_default="")
    """What the channel answered."""
    created_at: Mapped[CreatedAt]


class IntegrationCheck(Model):
    """What one question to something outside found. Asked each minute by the sweep; after a day, one row for those
    of an hour that ended alike."""

    __tablename__ = "integration_check"
    __table_args__ = (Index("integration_check_at_idx", "at"),)

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), primary_key=True, server_default=func.now())
    is_up: Mapped[bool]
    ms: Mapped[float | None]
    asked: Mapped[int] = mapped_column(Integer, server_default="1")
    """How many questions it stands for: then `at` and `words` are of the newest, and half took less than `ms`."""
    words: Mapped[str] = mapped_column(Text, server_default="")
