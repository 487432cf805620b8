from datetime import time

from sqlalchemy import CheckConstraint, Text, Time
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id
from app.extensions import Model

CANARY = "porchlight-canary"
"""The office_key of the canary's office (app/domain/proof/canary): no person belongs to it, no list names it."""


class Office(Model):
    """A brokerage office: the boundary of sight. Every row a person can reach carries its office."""

    __tablename__ = "office"
    __table_args__ = (CheckConstraint("office_name <> ''", name="office_name"),)

    id: Mapped[Id]
    office_key: Mapped[str] = mapped_column(Text, unique=True)
    office_name: Mapped[str] = mapped_column(Text)
    office_phone: Mapped[str] = mapped_column(Text, server_default="")
    office_address1: Mapped[str] = mapped_column(Text, server_default="")
    office_city: Mapped[str] = mapped_column(Text, server_default="")
    office_state_or_province: Mapped[str] = mapped_column(Text, server_default="")
    office_postal_code: Mapped[str] = mapped_column(Text, server_default="")
    time_zone: Mapped[str] = mapped_column(Text, server_default="America/New_York")
    """IANA name. Daily alerts of its buyers, and its screens, run on this wall clock."""
    quiet_from: Mapped[time | None] = mapped_column(Time)
    quiet_until: Mapped[time | None] = mapped_column(Time)
    """Quiet hours of its buyers; null = those of the settings, the same twice = none (PA-21)."""
    created_at: Mapped[CreatedAt]
