"""Column shapes that many nouns share, so that a money, a time or a state is the same thing everywhere."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Numeric, func
from sqlalchemy.orm import mapped_column

Id = Annotated[int, mapped_column(BigInteger, Identity(always=False), primary_key=True)]
Money = Annotated[Decimal, mapped_column(Numeric(14, 2))]
Area = Annotated[Decimal, mapped_column(Numeric(14, 2))]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
CreatedAt = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]


def one_of(column: str, values: type[StrEnum], name: str | None = None) -> CheckConstraint:
    """A CHECK that holds a text column to the values of its StrEnum."""
    words = ", ".join("'" + value.value.replace("'", "''") + "'" for value in values)
    return CheckConstraint(f"{column} IN ({words})", name=name or column)
