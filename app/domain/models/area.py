from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.domain.models.columns import one_of
from app.extensions import Model


class AreaKind(StrEnum):
    CITY = "city"
    POSTAL_CODE = "postal_code"
    COUNTY = "county_or_parish"
    SUBDIVISION = "subdivision_name"
    MLS_AREA = "mls_area_major"


class AreaName(Model):
    """The dictionary of places: one small integer for each name an office's listings or searches use.

    Matching joins on these integers: one space of keys for all kinds of places, compared for equality. Rows are never
    deleted or renumbered.
    """

    __tablename__ = "area"
    __table_args__ = (
        one_of("kind", AreaKind),
        Index("area_office_kind_name_key", "office_id", "kind", "name_normal", unique=True),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    office_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("office.id"))
    kind: Mapped[str] = mapped_column(Text)
    name_normal: Mapped[str] = mapped_column(Text)
    """Case-folded, single spaces: what equality is decided on."""
    name: Mapped[str] = mapped_column(Text)
    """As it was first written: what people read."""
