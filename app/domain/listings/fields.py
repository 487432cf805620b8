"""The listing's fields as a source may give them: their kind, their bounds, their RESO name.

Everything that writes a listing passes here, so a value in the table is always in range and written one way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from app.domain.errors import Invalid
from app.domain.models.lookups import StandardStatus
from app.domain.plain import plain_line


class Kind(StrEnum):
    """How a field is stored."""

    TEXT = "text"
    """Never null: unknown is the empty string."""
    LINK = "link"
    """The address of a file on the web; never null."""
    WORD = "word"
    """A lookup value; null when unknown."""
    WORDS = "words"
    """Several lookup values, sorted; null when none is known."""
    STATUS = "status"
    MONEY = "money"
    AREA = "area"
    COUNT = "count"
    NUMBER = "number"
    DEGREES = "degrees"
    YES_NO = "yes_no"
    """Null when unknown."""
    SHOWN = "shown"
    """A display flag: unknown means yes, as in RESO."""
    DAY = "day"
    MOMENT = "moment"
    ID = "id"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its kind, the smallest and largest value the table takes, decimals kept, longest text."""

    name: str
    kind: Kind
    label: str
    low: Decimal | None = None
    high: Decimal | None = None
    places: int = 0
    longest: int = 255
    single_line: bool = True
    step: Decimal = Decimal(1)
    """The smallest difference the column keeps."""

    @property
    def reso(self) -> str:
        """The RESO name, made by rule: list_price → ListPrice, …_yn → …YN. One breaks it."""
        if self.name == "mls_area_major":  # beside MlsStatus
            return "MLSAreaMajor"
        return "".join("YN" if part == "yn" else part.capitalize() for part in self.name.split("_"))


def snake_case(reso_name: str) -> str:
    """ListPrice → list_price, InternetEntireListingDisplayYN → internet_entire_listing_display_yn."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", reso_name).lower()


def _money(name: str, label: str, low: str) -> Field:
    return Field(name, Kind.MONEY, label, Decimal(low), Decimal("1999999999.99"), 2)


def _count(name: str, label: str, low: int = 0, high: int = 999) -> Field:
    return Field(name, Kind.COUNT, label, Decimal(low), Decimal(high))


_ALL = (
    Field("listing_id", Kind.TEXT, "MLS number"),
    Field("parcel_number", Kind.TEXT, "Parcel number"),
    Field("standard_status", Kind.STATUS, "Status"),
    Field("mls_status", Kind.TEXT, "MLS status"),
    Field("status_change_timestamp", Kind.MOMENT, "Status changed at"),
    Field("on_market_timestamp", Kind.MOMENT, "On market since"),
    Field("off_market_timestamp", Kind.MOMENT, "Off market since"),
    Field("back_on_market_timestamp", Kind.MOMENT, "Back on market at"),
    Field("listing_contract_date", Kind.DAY, "Listing contract date"),
    Field("close_date", Kind.DAY, "Close date"),
    _money("list_price", "List price", "0.01"),
    _money("original_list_price", "Original list price", "0.01"),
    _money("previous_list_price", "Previous list price", "0.01"),
    Field("price_change_timestamp", Kind.MOMENT, "Price changed at"),
    _money("close_price", "Close price", "0"),
    Field("property_type", Kind.WORD, "Property type"),
    Field("property_sub_type", Kind.WORD, "Property sub type"),
    _count("bedrooms_total", "Bedrooms"),
    _count("bathrooms_total_integer", "Bathrooms, simple sum"),
    _count("bathrooms_full", "Full baths", high=99),
    _count("bathrooms_three_quarter", "Three-quarter baths", high=99),
    _count("bathrooms_half", "Half baths", high=99),
    _count("bathrooms_one_quarter", "Quarter baths", high=99),
    Field("baths_equivalent", Kind.NUMBER, "Baths", Decimal(0), Decimal(300), 2),
    Field("living_area", Kind.AREA, "Living area, sq ft", Decimal("0.01"), Decimal("1999999999.99"), 2),
    Field("lot_size_square_feet", Kind.AREA, "Lot size, sq ft", Decimal("0.01"), Decimal("99999999999.99"), 2),
    _count("year_built", "Year built", 1600, 2200),
    Field("stories_total", Kind.NUMBER, "Stories", Decimal(0), Decimal(999), 1),
    _count("garage_spaces", "Garage spaces"),
    Field("new_construction_yn", Kind.YES_NO, "New construction"),
    Field("unparsed_address", Kind.TEXT, "Address"),
    Field("unit_number", Kind.TEXT, "Unit", longest=50),
    Field("city", Kind.TEXT, "City", longest=100),
    Field("state_or_province", Kind.TEXT, "State", longest=50),
    Field("postal_code", Kind.TEXT, "Postal code", longest=10),
    Field("county_or_parish", Kind.TEXT, "County", longest=100),
    Field("subdivision_name", Kind.TEXT, "Subdivision", longest=100),
    Field("mls_area_major", Kind.TEXT, "MLS area", longest=100),
    Field("property_time_zone_name", Kind.TEXT, "Time zone", longest=64),
    Field("latitude", Kind.DEGREES, "Latitude", Decimal(-90), Decimal(90), 8),
    Field("longitude", Kind.DEGREES, "Longitude", Decimal(-180), Decimal(180), 8),
    Field("waterfront_yn", Kind.YES_NO, "Waterfront"),
    Field("pool_private_yn", Kind.YES_NO, "Private pool"),
    Field("senior_community_yn", Kind.YES_NO, "Senior community"),
    Field("association_fee", Kind.MONEY, "Association fee", Decimal(0), Decimal("9999999.99"), 2),
    Field("association_fee_frequency", Kind.WORD, "Fee is paid"),
    _money("association_fee_monthly", "Association fee a month", "0"),
    Field("special_listing_conditions", Kind.WORDS, "Conditions of the sale"),
    Field("public_remarks", Kind.TEXT, "Public remarks", longest=20_000, single_line=False),
    Field("private_remarks", Kind.TEXT, "Private remarks", longest=20_000, single_line=False),
    Field("list_agent_id", Kind.ID, "Listing agent"),
    Field("list_agent_full_name", Kind.TEXT, "Listing agent’s name"),
    Field("list_office_name", Kind.TEXT, "Listing office"),
    Field("list_office_phone", Kind.TEXT, "Listing office’s phone", longest=50),
    Field("internet_entire_listing_display_yn", Kind.SHOWN, "May be shown on the internet"),
    Field("internet_address_display_yn", Kind.SHOWN, "Address may be shown on the internet"),
    Field("preferred_photo_url", Kind.LINK, "Photograph", longest=2_000),
    _count("photos_count", "Photos", high=32_767),
    Field("original_entry_timestamp", Kind.MOMENT, "Entered at"),
    Field("modification_timestamp", Kind.MOMENT, "Modified at the source"),
)
FIELDS: dict[str, Field] = {item.name: replace(item, step=Decimal(1).scaleb(-item.places)) for item in _ALL}
"""Every field that a form, a file or a feed may set. modification_timestamp only dates the change: ours is our own."""

KEY_LENGTH = 255
MOST_WORDS = 50


def normalise(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same values as the table stores them. Raises Invalid naming the first field that cannot be stored."""
    clean: dict[str, Any] = {}
    for name, value in values.items():
        field = FIELDS.get(name)
        if field is None:
            raise Invalid(f"{name} is not a field of a listing.", field=name)
        clean[name] = stored(field, value)
    return clean


def stored(field: Field, value: Any) -> Any:
    """One value in the form its column keeps. Raises Invalid with a sentence when it cannot be kept."""
    kind = field.kind
    if kind is Kind.TEXT:
        return _text(field, value)
    if kind is Kind.LINK:
        return _link(field, value)
    if value is None or value == "":
        return _empty(field)
    if kind is Kind.WORD:
        return _text(field, value) or None
    if kind is Kind.WORDS:
        return _words(field, value)
    if kind is Kind.STATUS:
        return _status(value)
    if kind in (Kind.YES_NO, Kind.SHOWN):
        if not isinstance(value, bool):
            raise Invalid(f"{field.label} must be yes or no.", field=field.name)
        return value
    if kind is Kind.DAY:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise Invalid(f"{field.label} must be a date.", field=field.name)
        return value
    if kind is Kind.MOMENT:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise Invalid(f"{field.label} must be a time with its zone.", field=field.name)
        return value.astimezone(UTC)
    return _number(field, value)


def _empty(field: Field) -> Any:
    if field.kind is Kind.STATUS:
        raise Invalid("A listing needs a status.", field=field.name)
    if field.kind is Kind.SHOWN:
        return True
    return 0 if field.name == "photos_count" else None


_LINK = re.compile(r"https?://[^\s/<>\"'\\]+(/[^\s<>\"'\\]*)?", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _text(field: Field, value: Any) -> str:
    if value is None:
        return ""
    text = plain_line(str(value)) if field.single_line else _UNSTORABLE.sub("", str(value)).strip()
    if len(text) > field.longest:
        raise Invalid(f"{field.label} is longer than {field.longest:,} characters.", field=field.name)
    return text


def _words(field: Field, value: Any) -> list[str] | None:
    """Each once, sorted: the same words are the same value. Text is one word, or several with commas between."""
    given = value.split(",") if isinstance(value, str) else value
    if not isinstance(given, list | tuple | set | frozenset):
        raise Invalid(f"{field.label} must be a list.", field=field.name)
    if len(given) > MOST_WORDS:
        raise Invalid(f"{field.label}: {MOST_WORDS} values is the limit.", field=field.name)
    return sorted({word for one in given if (word := _text(field, one))}) or None


def _link(field: Field, value: Any) -> str:
    """Only what a mail program would load, and nothing that runs."""
    link = _text(field, value)
    if link and not _LINK.fullmatch(link):
        raise Invalid(f"{field.label} must be an address on the web that begins with https://.", field=field.name)
    return link


def _status(value: Any) -> str:
    try:
        return StandardStatus(value).value
    except ValueError:
        raise Invalid(f"“{str(value)[:50]}” is not one of RESO’s eleven statuses.", field="standard_status") from None


def _number(field: Field, value: Any) -> Any:
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
        if not exact.is_finite():
            raise InvalidOperation
        if field.places:
            exact = exact.quantize(field.step)
        elif exact != exact.to_integral_value():
            raise Invalid(f"{field.label} must be a whole number.", field=field.name)
    except InvalidOperation:
        raise Invalid(f"{field.label} must be a number.", field=field.name) from None
    if (field.low is not None and exact < field.low) or (field.high is not None and exact > field.high):
        raise Invalid(out_of_range(field), field=field.name)
    return exact if field.places else int(exact)


def out_of_range(field: Field) -> str:
    """The sentence for a number outside what the table takes."""
    if field.low is not None and field.kind in (Kind.MONEY, Kind.AREA) and field.low > 0:
        return f"{field.label} must be above zero and below {field.high:,.0f}."
    return f"{field.label} must be between {field.low} and {field.high}."
