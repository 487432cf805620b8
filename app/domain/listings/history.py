"""A home as it was: its columns of now, with what the log says was changed since taken back (PA-01, PA-04).

version_at  what a home was at a moment
undone      the same without a database: values and the changes to take back
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from app.domain.listings import queries
from app.domain.listings.fields import FIELDS, Kind

Values = Mapping[str, Any]
Changes = Mapping[str, Any]
"""listing_event.changes: {field: [before, after]}."""

_EXACT = frozenset({Kind.MONEY, Kind.AREA, Kind.NUMBER, Kind.DEGREES})


def version_at(office_id: int, listing_id: int, moment: datetime) -> dict[str, Any] | None:
    """What the log knows of a home as it was at a moment; None when it was not there yet, or is another office's.

    Columns that the log does not follow are left as they are now: those that we work out ourselves (areas, search words,
    the moments and prices that follow from a change). A text of more than 500 characters comes back cut. Valid for as
    long as events are kept.
    """
    home = queries.columns_of(office_id, listing_id)
    return None if home is None else undone(home, queries.changes_after(listing_id, moment))


def undone(home: Values, changes: Iterable[Changes]) -> dict[str, Any] | None:
    """`home` before all of `changes`, which are given oldest first; None where the first of them was its first sight."""
    changes = list(changes)
    if next((change["standard_status"][0] is None for change in changes if "standard_status" in change), False):
        return None  # without taking back all that a first sight says
    former = dict(home)
    for change in reversed(changes):
        former.update({name: value_of(name, step[0]) for name, step in change.items() if name in FIELDS})
    return None if former.get("standard_status") is None else former


def value_of(name: str, logged: Any) -> Any:
    """A value of the log as the column has it: money and measures exact, times as times."""
    kind = FIELDS[name].kind
    if logged is None:
        return None
    if kind in _EXACT:
        return Decimal(str(logged))
    if kind is Kind.MOMENT:
        return datetime.fromisoformat(logged)
    return date.fromisoformat(logged) if kind is Kind.DAY else logged
