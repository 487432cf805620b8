"""What a RESO Web API answers for Property: {"value": [ … ]}, field names and lookup values of the Data Dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from app.domain.errors import Invalid
from app.domain.listings.fields import FIELDS, stored
from app.domain.listings.imports import coerce
from app.domain.listings.imports.mapping import Column, FileMapping

_SQUARE_FEET = {"": 1, "squarefeet": 1, "squaremeters": Decimal("10.763910417"), "acres": 43560}


def _areas_in_square_feet(cells: Mapping[str, Any], values: dict[str, Any]) -> Iterable[tuple[str, str]]:
    """RESO states an area and its units apart; ours are always square feet. A unit we do not know leaves it unknown."""
    if values.get("living_area") is not None:
        yield from _convert(values, "living_area", values["living_area"], cells.get("LivingAreaUnits"))
    if values.get("lot_size_square_feet") is not None:
        return
    if not coerce.blank(cells.get("LotSizeAcres")):
        yield from _convert(values, "lot_size_square_feet", cells["LotSizeAcres"], "Acres")
    elif not coerce.blank(cells.get("LotSizeArea")):
        yield from _convert(values, "lot_size_square_feet", cells["LotSizeArea"], cells.get("LotSizeUnits") or "unsaid")


def _convert(values: dict[str, Any], name: str, cell: Any, units: Any) -> Iterable[tuple[str, str]]:
    field = FIELDS[name]
    amount = coerce.number(field, cell)
    factor = _SQUARE_FEET.get(coerce.folded(units or ""))
    values[name] = None
    if isinstance(amount, coerce.Flaw):
        yield name, amount.reason
    elif factor is None:
        yield name, f"the units are {coerce.quoted(units)}: left unknown"
    elif amount == 0:
        yield name, "0 is not an area: left unknown"
    else:
        try:
            values[name] = stored(field, amount * factor)
        except Invalid as wrong:
            yield name, wrong.sentence


PROPERTY = FileMapping(
    name="reso_web_api",
    title="RESO Web API (JSON)",
    about="Listings in the standard’s own names; fields we do not keep are passed over.",
    columns=(
        Column("StandardStatus", "standard_status"),
        Column("ListPrice", "list_price"),
    ),
    key=("ListingKey",),
    file_format="json",
    reads_reso_names=True,
    finish=_areas_in_square_feet,
)
