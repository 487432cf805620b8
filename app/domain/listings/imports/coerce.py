"""From what a cell says to what a field keeps. A cell that cannot be read is a Flaw with a sentence, never a guess.

Each coercer takes the field and the cell as text (or a JSON number, truth or nothing) and returns the value, None for
a blank, or a Flaw.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.domain.errors import Invalid
from app.domain.listings.fields import Field, Kind, stored
from app.domain.models.lookups import (
    FeeFrequency,
    PropertySubType,
    PropertyType,
    SpecialListingConditions,
    StandardStatus,
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a cell is not used as it stands. `kept` is stored all the same (None: the field stays empty)."""

    reason: str
    kept: Any = None


Coercer = Callable[[Field, Any], Any]

SHOWN = 60
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def quoted(cell: Any) -> str:
    """A cell as a sentence may quote it: one line, not too long."""
    text = " ".join(_UNSTORABLE.sub("", str(cell)).split())
    return f"“{text[:SHOWN]}…”" if len(text) > SHOWN else f"“{text}”"


def blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _one_value(cell: Any) -> Flaw | None:
    if isinstance(cell, list | dict):
        return Flaw("a list or a record stands where one value belongs")
    return None


def photo(field: Field, cell: Any) -> Any:
    """An address, or RESO's Media: a list of records of which the preferred photograph, else the first, is kept."""
    if isinstance(cell, list):
        photos = [one for one in cell if isinstance(one, dict) and one.get("MediaCategory", "Photo") == "Photo"]
        first = min(photos, key=_place_of_photo, default={})
        cell = first.get("MediaURL") or ""
    if (flaw := _one_value(cell)) is not None:
        return flaw
    try:
        return stored(field, cell) or None
    except Invalid as refusal:
        return Flaw(refusal.sentence[:1].lower() + refusal.sentence[1:].rstrip("."))


def _place_of_photo(media: dict[str, Any]) -> tuple[bool, int]:
    order = media.get("Order")
    return media.get("PreferredPhotoYN") is not True, order if isinstance(order, int) else 1_000


def text(field: Field, cell: Any) -> Any:
    if (flaw := _one_value(cell)) is not None:
        return flaw
    said = str(cell)
    if "\x00" in said:
        return _flawed("holds a NUL character, which was left out", _kept(field, said))
    if "\ufffd" in said:
        return _flawed("holds characters that could not be read in the file’s encoding", _kept(field, said))
    return _kept(field, said)


def _flawed(reason: str, kept: Any) -> Flaw:
    """A flaw of what is kept all the same; with its own reason, too, where it cannot be."""
    return Flaw(f"{reason}; {kept.reason}") if isinstance(kept, Flaw) else Flaw(reason, kept)


def _kept(field: Field, value: Any) -> Any:
    """The value as the table keeps it, or the Flaw that it cannot."""
    try:
        return stored(field, value)
    except Invalid as wrong:
        return Flaw(wrong.sentence[0].lower() + wrong.sentence[1:].rstrip("."))


_AMOUNT = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?(?:[eE]\+?\d{1,2})?|[+-]?\.\d+")


def _amount(cell: Any) -> Decimal | None:
    """A number written plainly, with thousands commas or as 1.2e6; None for anything else."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float | Decimal):
        exact = Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell)
        return exact if exact.is_finite() else None
    said = str(cell).strip()
    if not said.isascii() or not _AMOUNT.fullmatch(said):
        return None
    try:
        return Decimal(said.replace(",", ""))
    except InvalidOperation:
        return None


def _number(field: Field, cell: Any, what: str) -> Any:
    amount = _amount(cell)
    if amount is None:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not {what}")
    return _kept(field, amount)


def number(field: Field, cell: Any) -> Any:
    return _number(field, cell, "a number")


def count(field: Field, cell: Any) -> Any:
    return _number(field, cell, "a whole number")


def price(field: Field, cell: Any) -> Any:
    """Dollars. 0 is how many files write "no price": it is not one."""
    said = cell.strip().removeprefix("$").lstrip() if isinstance(cell, str) else cell
    amount = _amount(said)
    if amount is None:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not a price")
    if amount == 0:
        return Flaw("0 is not a price: left unknown")
    return _kept(field, amount)


def fee(field: Field, cell: Any) -> Any:
    """Dollars; 0 is no fee."""
    amount = _amount(cell.strip().removeprefix("$").lstrip() if isinstance(cell, str) else cell)
    return (_one_value(cell) or Flaw(f"{quoted(cell)} is not a fee")) if amount is None else _kept(field, amount)


def area(field: Field, cell: Any) -> Any:
    """Square feet; 0 is no size."""
    amount = _amount(cell)
    if amount is None:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not an area in square feet")
    if amount == 0:
        return Flaw("0 is not an area: left unknown")
    return _kept(field, amount)


def year(field: Field, cell: Any) -> Any:
    amount = _amount(cell)
    if amount is None:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not a year")
    if amount == 0:
        return Flaw("0 is not a year: left unknown")
    return _kept(field, amount)


def degrees(field: Field, cell: Any) -> Any:
    amount = _amount(cell)
    if amount is None:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not a {field.label.lower()} in degrees")
    if amount == 0:
        return Flaw(f"0 is how files write an unknown {field.label.lower()}: left unknown")
    return _kept(field, amount)


_TRUTH = dict.fromkeys(("true", "t", "yes", "y", "1"), True) | dict.fromkeys(("false", "f", "no", "n", "0"), False)


def yes_no(_field: Field, cell: Any) -> Any:
    truth = cell if isinstance(cell, bool) else _TRUTH.get(str(cell).strip().lower())
    return truth if truth is not None else _one_value(cell) or Flaw(f"{quoted(cell)} is neither yes nor no")


def folded(word: Any) -> str:
    return re.sub(r"[\W_]+", "", str(word).casefold())


_STATUSES = {folded(status.value): status.value for status in StandardStatus} | {
    "cancelled": StandardStatus.CANCELED.value,
    "deleted": StandardStatus.DELETE.value,
}
_WORDS = {
    "property_type": {folded(word.value): word.value for word in PropertyType},
    "property_sub_type": {folded(word.value): word.value for word in PropertySubType},
    "association_fee_frequency": {folded(word.value): word.value for word in FeeFrequency},
    "special_listing_conditions": {folded(word.value): word.value for word in SpecialListingConditions},
}


def status(_field: Field, cell: Any) -> Any:
    """StandardStatus is locked by RESO: its eleven values in either spelling ("ActiveUnderContract"), and no other."""
    found = _STATUSES.get(folded(cell))
    return found if found is not None else Flaw(f"{quoted(cell)} is not one of RESO’s eleven statuses")


def lookup(field: Field, cell: Any) -> Any:
    """An open lookup: both spellings of a known value; an unknown one is kept as it came, and reported."""
    known = _WORDS.get(field.name, {}).get(folded(cell))
    if known is not None:
        return known
    value = text(field, cell)
    return value if isinstance(value, Flaw) else Flaw(f"{quoted(cell)} is not a RESO value: kept as it came", value)


def lookups(field: Field, cell: Any) -> Any:
    """Several values of an open lookup, as a list or with commas between; those we do not know are kept and reported."""
    if isinstance(cell, dict):
        return _one_value(cell)
    given = [one for one in (cell if isinstance(cell, list) else str(cell).split(",")) if not blank(one)]
    known = _WORDS.get(field.name, {})
    strange = [one for one in given if folded(one) not in known]
    kept = _kept(field, [known.get(folded(one), one) for one in given])
    if isinstance(kept, Flaw) or not strange:
        return kept
    return Flaw(f"{quoted(strange[0])} is not a RESO value: kept as it came", kept)


_FIVE_OR_NINE = re.compile(r"\d{5}(?:-?\d{4})?")


def postal_code(field: Field, cell: Any) -> Any:
    """As given. A ZIP code has five digits: a shorter one has lost its zeros somewhere, and which is not for us."""
    said = str(cell).strip()
    if said.isdigit() and not _FIVE_OR_NINE.fullmatch(said):
        return Flaw(
            f"{quoted(said)} is not a ZIP code of five or nine digits: kept as it came", _text_or_none(field, said)
        )
    if _amount(said) is not None and not said.isdigit() and not _FIVE_OR_NINE.fullmatch(said):
        return Flaw(f"{quoted(said)} is a number, not a postal code")
    return text(field, cell)


def _text_or_none(field: Field, said: str) -> Any:
    kept = _kept(field, said)
    return None if isinstance(kept, Flaw) else kept


_ISO_DAY = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:[T ][0:.]*Z?)?")
_US_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")


def day(_field: Field, cell: Any) -> Any:
    """2026-11-20, 20261120 (with an empty time behind it or not) or 11/20/2026."""
    said = str(cell).strip()
    if found := _ISO_DAY.fullmatch(said):
        year_, month, day_ = found.groups()
    elif found := _US_DAY.fullmatch(said):
        month, day_, year_ = found.groups()
    else:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not a date (write 2026-11-20 or 11/20/2026)")
    try:
        return date(int(year_), int(month), int(day_))
    except ValueError:
        return Flaw(f"{quoted(cell)} is not a day of the calendar")


def moment(field: Field, cell: Any) -> Any:
    """ISO 8601 with its zone. Without one the moment is not known."""
    try:
        found = datetime.fromisoformat(str(cell).strip())
    except ValueError:
        return _one_value(cell) or Flaw(f"{quoted(cell)} is not a time (write 2026-11-20T10:42:00Z)")
    if found.tzinfo is None:
        return Flaw(f"{quoted(cell)} does not say its time zone")
    try:
        return stored(field, found.astimezone(UTC))
    except (OverflowError, ValueError):
        return Flaw(f"{quoted(cell)} is not a time that can be kept")


BY_KIND: dict[Kind, Coercer] = {
    Kind.TEXT: text,
    Kind.LINK: photo,
    Kind.WORD: lookup,
    Kind.WORDS: lookups,
    Kind.STATUS: status,
    Kind.MONEY: price,
    Kind.AREA: area,
    Kind.COUNT: count,
    Kind.NUMBER: number,
    Kind.DEGREES: degrees,
    Kind.YES_NO: yes_no,
    Kind.SHOWN: yes_no,
    Kind.DAY: day,
    Kind.MOMENT: moment,
}
BY_FIELD: dict[str, Coercer] = {
    "postal_code": postal_code,
    "year_built": year,
    "association_fee": fee,
    "association_fee_monthly": fee,
}


def usual(field: Field) -> Coercer:
    """How a field is read where no mapping says otherwise."""
    return BY_FIELD.get(field.name) or BY_KIND[field.kind]


def from_table(table: Mapping[str, Any]) -> Coercer:
    """A coercer for a code list: what each code means; an unknown code is a Flaw."""
    meanings = {folded(code): meaning for code, meaning in table.items()}

    def look_up(_field: Field, cell: Any) -> Any:
        code = folded(cell)
        return meanings[code] if code in meanings else Flaw(f"{quoted(cell)} is not a code we know")

    return look_up
