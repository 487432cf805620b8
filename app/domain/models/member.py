from sqlalchemy import BigInteger, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.domain.models.columns import CreatedAt, Id, one_of
from app.domain.models.lookups import MemberStatus
from app.domain.models.office import Office
from app.extensions import Model


class Member(Model):
    """An agent (RESO Member)."""

    __tablename__ = "member"
    __table_args__ = (one_of("member_status", MemberStatus),)

    id: Mapped[Id]
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"), index=True)
    member_key: Mapped[str] = mapped_column(Text, unique=True)
    member_full_name: Mapped[str] = mapped_column(Text)
    member_email: Mapped[str] = mapped_column(Text, server_default="")
    member_mobile_phone: Mapped[str] = mapped_column(Text, server_default="")
    member_status: Mapped[str] = mapped_column(Text, server_default=MemberStatus.ACTIVE.value)
    created_at: Mapped[CreatedAt]

    office: Mapped[Office] = relationship(lazy="raise")
