"""The dictionary of places: every city, postal code, county, subdivision and MLS area by one small integer, and what counts as the same name.

Listings and searches both name places through here, so that matching compares integers and never spellings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from sqlalchemy import bindparam, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert

from app.domain.models import AreaKind, AreaName
from app.extensions import db

_ZIP_PLUS_4 = re.compile(r"(\d{5})-?\d{4}")
_CHUNK = 1_000


@lru_cache(maxsize=10_000)
def normalise(kind: AreaKind | str, name: str | None) -> str:
    """What equality of places is decided on: case-folded, single spaces, trimmed; a ZIP+4 counts as its ZIP.

    Empty when there is no name.
    """
    folded = " ".join((name or "").casefold().split())
    if kind == AreaKind.POSTAL_CODE and (long_code := _ZIP_PLUS_4.fullmatch(folded)):
        return long_code[1]
    return folded


def micro_degrees(degrees: Decimal | float | None) -> int | None:
    """Degrees in millionths, the half rounded away from zero, as PostgreSQL's round(numeric) does."""
    if degrees is None:
        return None
    exact = degrees if isinstance(degrees, Decimal) else Decimal(repr(degrees))
    return int((exact * 1_000_000).to_integral_value(ROUND_HALF_UP))


def _spelling(kind: AreaKind | str, name: str) -> str:
    """How people will read a place: as it was first written; a ZIP+4 as the ZIP it counts for."""
    written = " ".join(name.split())
    long_code = _ZIP_PLUS_4.fullmatch(written) if kind == AreaKind.POSTAL_CODE else None
    return long_code[1] if long_code else written


def area_ids(
    office_id: int, wanted: Iterable[tuple[AreaKind, str]], *, create: bool = True
) -> dict[tuple[AreaKind, str], int]:
    """The number of each (kind, name), under the names as asked. Names nobody has used are added, or left out.

    Empty names have no number. Safe when two transactions add the same name: both get the same number.
    """
    normal = {(kind, name): (AreaKind(kind).value, normalise(kind, name)) for kind, name in wanted}
    keys = sorted({key for key in normal.values() if key[1]})
    found: dict[tuple[str, str], int] = {}
    for start in range(0, len(keys), _CHUNK):
        found |= _look_up(office_id, keys[start : start + _CHUNK])
    if create and (missing := [key for key in keys if key not in found]):
        spelt = {normal[asked]: _spelling(*asked) for asked in normal}
        for start in range(0, len(missing), _CHUNK):
            chunk = missing[start : start + _CHUNK]
            rows = [
                {"office_id": office_id, "kind": kind, "name_normal": name, "name": spelt[kind, name]}
                for kind, name in chunk
            ]
            db.session.execute(insert(AreaName).values(rows).on_conflict_do_nothing())
            found |= _look_up(office_id, chunk)
    return {asked: found[key] for asked, key in normal.items() if key in found}


_NAMED = (
    select(AreaName.kind, AreaName.name_normal, AreaName.id)
    .where(AreaName.office_id == bindparam("office_id"))
    .where(
        tuple_(AreaName.kind, AreaName.name_normal).in_(
            select(text("kind"), text("name")).select_from(
                text("unnest(cast(:kinds AS text[]), cast(:names AS text[])) AS wanted(kind, name)")
            )
        )
    )
)


def _look_up(office_id: int, keys: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    asked = {"office_id": office_id, "kinds": [kind for kind, _ in keys], "names": [name for _, name in keys]}
    return {(kind, name): number for kind, name, number in db.session.execute(_NAMED, asked)}
