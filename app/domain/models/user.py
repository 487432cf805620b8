from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Boolean, CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.office import Office
from app.extensions import Model


class Role(StrEnum):
    """What a signed-in person may do. Roles do not nest by themselves: a route names all that may enter."""

    ADMIN = "admin"
    STAFF = "staff"
    AGENT = "agent"
    VIEWER = "viewer"


class User(Model):
    """A person who signs in. An agent's account points at their Member row."""

    __tablename__ = "user"
    __table_args__ = (
        one_of("role", Role),
        CheckConstraint("email = lower(btrim(email)) AND email <> ''", name="email_normal"),
    )

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"), index=True)
    member_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("member.id"), index=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    full_name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    is_disabled: Mapped[bool] = mapped_column(Boolean, server_default="false")
    session_epoch: Mapped[int] = mapped_column(BigInteger, server_default="1")
    """Part of every session; raising it signs the person out everywhere."""
    last_login_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[CreatedAt]

    office: Mapped[Office] = relationship(lazy="joined", innerjoin=True)

    # What Flask-Login asks of a user.
    @property
    def is_authenticated(self) -> bool:
        return True

    @property
    def is_anonymous(self) -> bool:
        return False

    @property
    def is_active(self) -> bool:
        return not self.is_disabled

    def get_id(self) -> str:
        return f"{self.id}:{self.session_epoch}"

    @property
    def initials(self) -> str:
        words = self.full_name.split()
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()
