from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import CreatedAt, Id, one_of
from app.extensions import Model


class HouseholdMail(StrEnum):
    TOGETHER = "together"
    """One mail that names all of them."""
    EACH = "each"
    """The same homes, a mail for each."""


class Household(Model):
    """Contacts who share their alerts: what one of them asks for, all are told (PA-09)."""

    __tablename__ = "household"
    __table_args__ = (one_of("mail", HouseholdMail),)

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    mail: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
