"""What people type about a listing: the whole form, and the small one for price and status.

Values leave here as the table stores them (fields.stored), so that "changed" means the same on the page and in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from flask_wtf import FlaskForm
from wtforms import BooleanField, Field, SelectField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice
from wtforms.widgets import DateInput, HiddenInput

from app.blueprints.listings import amounts
from app.blueprints.listings.words import LABELS, STATUS_MEANINGS
from app.display import money
from app.domain.errors import Invalid
from app.domain.listings.fields import FIELDS, Kind, stored
from app.domain.models import Listing
from app.domain.models.lookups import (
    FeeFrequency,
    PropertySubType,
    PropertyType,
    SpecialListingConditions,
    StandardStatus,
)

EXPECTED: dict[Kind, str] = {
    Kind.MONEY: "“{text}” is not a price. Write a number such as 450,000, or leave it empty.",
    Kind.AREA: "“{text}” is not a size. Write square feet such as 2,140, or acres such as 0.31 acres.",
    Kind.COUNT: "“{text}” is not a whole number.",
    Kind.NUMBER: "“{text}” is not a number.",
    Kind.DEGREES: "“{text}” is not in degrees. Write a number such as 43.6591.",
    Kind.DAY: "“{text}” is not a date. Write it as 2026-11-20.",
}


def _count(text: str) -> int:
    found = amounts.number(text)
    if found != found.to_integral_value():
        raise ValueError(text)
    return int(found)


PARSERS: dict[Kind, Callable[[str], Any]] = {
    Kind.MONEY: amounts.price,
    Kind.AREA: amounts.square_feet,
    Kind.COUNT: _count,
    Kind.NUMBER: amounts.number,
    Kind.DEGREES: amounts.degrees,
    Kind.DAY: date.fromisoformat,
}


def written(value: Any) -> str:
    """A stored value as a field shows it: 489,000 and 2026-11-20."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, Decimal):
        return f"{value:,.0f}" if value == value.to_integral_value() else f"{value.normalize():,f}"
    return str(value)


class Typed(StringField):  # type: ignore[misc]
    """A number or a date as people write it; what they typed stays in the field when it cannot be read."""

    def __init__(self, column: str, label: str = "", **options: Any) -> None:
        self.listing_field = FIELDS[column]
        kind = self.listing_field.kind
        hints = {"inputmode": "decimal", "autocomplete": "off"} if kind is not Kind.DAY else {}
        options.setdefault("render_kw", hints)
        if kind is Kind.DAY:
            options["widget"] = DateInput()
        super().__init__(label or LABELS.get(column) or self.listing_field.label, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data: Any = None
        text = valuelist[0].strip() if valuelist else ""
        if not text:
            return
        kind = self.listing_field.kind
        try:
            self.data = stored(self.listing_field, PARSERS[kind](text))
        except ValueError:
            raise ValueError(EXPECTED[kind].format(text=text[:60])) from None
        except Invalid as refused:
            raise ValueError(refused.sentence) from None

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        if self.listing_field.kind is Kind.DEGREES and self.data is not None:
            return f"{self.data.normalize():f}"
        return written(self.data) if self.listing_field.name != "year_built" else str(self.data or "")


class Words(StringField):  # type: ignore[misc]
    """A line of text, no longer than its column keeps."""

    def __init__(self, column: str, label: str = "", **options: Any) -> None:
        self.listing_field = FIELDS[column]
        options.setdefault("render_kw", {"maxlength": self.listing_field.longest, "autocomplete": "off"})
        super().__init__(label or LABELS.get(column) or self.listing_field.label, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = ""
        try:
            self.data = stored(self.listing_field, valuelist[0] if valuelist else "")
        except Invalid as refused:
            raise ValueError(refused.sentence) from None

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else str(self.data or "")


class Several(Words):
    """RESO's values with commas between; one that a feed brought stays, whatever it is. Empty is unknown."""

    def __init__(self, column: str, values: Iterable[Any], **options: Any) -> None:
        self.known = {value.value.casefold(): value.value for value in values}
        super().__init__(column, **options)

    def process_formdata(self, valuelist: list[str]) -> None:
        given = [" ".join(one.split()) for one in (valuelist[0] if valuelist else "").split(",")]
        super().process_formdata([",".join(self.known.get(one.casefold(), one) for one in given)])

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else written(self.data or None)


class Paragraphs(Words, TextAreaField):  # type: ignore[misc]
    """More than a line of it."""


class Choice(SelectField):  # type: ignore[misc]
    """One of RESO's values; one that a feed brought stays, whatever it is. Empty is unknown."""

    def __init__(self, column: str, values: Iterable[Any], label: str = "", **options: Any) -> None:
        super().__init__(
            label or FIELDS[column].label,
            choices=[SelectChoice("", "Unknown"), *(SelectChoice(value.value) for value in values)],
            coerce=lambda value: value or None,
            **options,
        )
        self.type = "SelectField"  # drawn as one

    def process_data(self, value: Any) -> None:
        super().process_data(value)
        self.keep(value)

    def keep(self, value: str | None) -> None:
        """Offer this value too."""
        offered: list[SelectChoice] = list(self.choices or ())  # type: ignore[has-type]
        if value and all(value != choice.value for choice in offered):
            self.choices = [*offered, SelectChoice(value)]


def _yes_no(value: Any) -> bool | None:
    return value if isinstance(value, bool) else {"yes": True, "no": False}.get(str(value or ""))


class YesNo(SelectField):  # type: ignore[misc]
    """Yes, no, or unknown."""

    def __init__(self, column: str, label: str = "", **options: Any) -> None:
        super().__init__(
            label or FIELDS[column].label,
            choices=[SelectChoice("", "Unknown"), SelectChoice("yes", "Yes"), SelectChoice("no", "No")],
            coerce=lambda value: value,
            **options,
        )
        self.type = "SelectField"

    def process_data(self, value: Any) -> None:
        self.data = {True: "yes", False: "no"}.get(value, "")


def _status_field() -> SelectField:
    return SelectField(
        "Status",
        choices=[SelectChoice(status.value, f"{status.value}: {STATUS_MEANINGS[status]}") for status in StandardStatus],
        default=StandardStatus.ACTIVE.value,
    )


def _agent_id(value: Any) -> int | None:
    text = str(value or "")
    return int(text) if _is_id(text) else None


def _is_id(text: str) -> bool:
    """Digits only ("²" is none that int reads), and no more than the database counts to."""
    return text.isascii() and text.isdecimal() and len(text) < 19


class Seen(StringField):  # type: ignore[misc]
    """What the page was made from: a number that travels hidden, -1 when it was lost or bent."""

    widget = HiddenInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        text = valuelist[0] if valuelist else ""
        self.data = int(text) if _is_id(text) else -1

    def _value(self) -> str:
        return str(self.data if self.data is not None else "")


class Guarded(FlaskForm):  # type: ignore[misc]
    """A form made from one version of a listing."""

    lock_version = Seen()
    seq = Seen()
    """The newest event its maker had seen."""
    is_correction = BooleanField("This is a correction: do not alert anybody")
    right_price = StringField()
    """The price that its maker says is no slip of typing; another one is asked about anew."""
    doubted: Decimal | None = None
    """The price that the page asks about."""

    names: Sequence[str] = ()
    """The listing's fields it holds."""

    def values(self) -> dict[str, Any]:
        """What was typed, as the table stores it."""
        return {name: self._stored(name) for name in self.names}

    def _stored(self, name: str) -> Any:
        value = self[name].data
        if isinstance(self[name], YesNo):
            value = _yes_no(value)
        return value if name == "list_agent_id" else stored(FIELDS[name], value)

    def changes(self, listing: Listing) -> dict[str, Any]:
        """Only what differs from the listing."""
        return {name: value for name, value in self.values().items() if value != getattr(listing, name)}

    def doubts(self, listing: Listing) -> bool:
        """Is the price so far from what it was that it may be a slip of typing, and nobody has said it is right? Says so
        beside the price. A form that was overtaken is not asked: it is shown what happened first."""
        before, after = listing.list_price, self["list_price"].data
        if not before or not after or self.lock_version.data != listing.lock_version:
            return False
        if after * 2 >= before and after <= before * 2:
            return False
        if self.right_price.data == str(after):
            return False
        self.doubted = after
        self["list_price"].errors = [
            f"The price was {money(before)}. Is {money(after)} right? Say so below, or mend it."
        ]
        return True

    def refuse(self, refused: Invalid) -> None:
        """Put a verb's refusal beside the field it names."""
        field: Field = self[refused.field] if refused.field in self else self[self.names[0]]
        field.errors = [*field.errors, refused.sentence]


class TermsForm(Guarded):
    """Price and status alone, changed on the listing's own page."""

    standard_status = _status_field()
    list_price = Typed("list_price")
    names = ("standard_status", "list_price")


SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "Status and price",
        "",
        ("standard_status", "list_price", "listing_contract_date", "close_price", "close_date"),
    ),
    (
        "Address",
        "",
        (
            "unparsed_address",
            "unit_number",
            "city",
            "state_or_province",
            "postal_code",
            "county_or_parish",
            "subdivision_name",
            "mls_area_major",
            "latitude",
            "longitude",
        ),
    ),
    (
        "The home",
        "what is empty is unknown, and no search that asks for it will match",
        (
            "property_type",
            "property_sub_type",
            "bedrooms_total",
            "bathrooms_full",
            "bathrooms_three_quarter",
            "bathrooms_half",
            "bathrooms_one_quarter",
            "living_area",
            "lot_size_square_feet",
            "year_built",
            "stories_total",
            "garage_spaces",
            "waterfront_yn",
            "pool_private_yn",
            "new_construction_yn",
            "senior_community_yn",
            "association_fee",
            "association_fee_frequency",
            "special_listing_conditions",
        ),
    ),
    ("Words and pictures", "", ("public_remarks", "private_remarks", "preferred_photo_url")),
    (
        "Who lists it",
        "",
        (
            "list_agent_id",
            "list_agent_full_name",
            "list_office_name",
            "list_office_phone",
            "listing_id",
            "parcel_number",
        ),
    ),
    ("Publication", "", ("internet_entire_listing_display_yn", "internet_address_display_yn")),
)
"""How the form is laid out: (heading, remark, fields)."""
WIDE = frozenset({"standard_status", "unparsed_address", "public_remarks", "private_remarks", "preferred_photo_url"})
"""Fields that take more room than one column."""


class ListingForm(Guarded):
    """All that people may say about a listing."""

    standard_status = _status_field()
    list_price = Typed("list_price", description="As $450,000 or 450k. Empty while it is not public.")
    listing_contract_date = Typed("listing_contract_date")
    close_price = Typed("close_price")
    close_date = Typed("close_date")

    unparsed_address = Words("unparsed_address", description="Street and number, as people read it.")
    unit_number = Words("unit_number")
    city = Words("city")
    state_or_province = Words("state_or_province")
    postal_code = Words("postal_code")
    county_or_parish = Words("county_or_parish")
    subdivision_name = Words("subdivision_name")
    mls_area_major = Words("mls_area_major")
    latitude = Typed("latitude")
    longitude = Typed("longitude")

    property_type = Choice("property_type", PropertyType, "Type")
    property_sub_type = Choice("property_sub_type", PropertySubType, "Kind of home")
    bedrooms_total = Typed("bedrooms_total")
    bathrooms_full = Typed("bathrooms_full")
    bathrooms_three_quarter = Typed("bathrooms_three_quarter")
    bathrooms_half = Typed("bathrooms_half")
    bathrooms_one_quarter = Typed("bathrooms_one_quarter")
    living_area = Typed("living_area", "Living area", description="Square feet.")
    lot_size_square_feet = Typed("lot_size_square_feet", "Lot", description="Square feet; or acres, as “0.31 acres”.")
    year_built = Typed("year_built")
    stories_total = Typed("stories_total")
    garage_spaces = Typed("garage_spaces")
    waterfront_yn = YesNo("waterfront_yn")
    pool_private_yn = YesNo("pool_private_yn")
    new_construction_yn = YesNo("new_construction_yn")
    senior_community_yn = YesNo("senior_community_yn")
    association_fee = Typed("association_fee", description="0 is no fee; empty is unknown.")
    association_fee_frequency = Choice("association_fee_frequency", FeeFrequency)
    special_listing_conditions = Several(
        "special_listing_conditions", SpecialListingConditions, description="Commas between: Standard, Short Sale."
    )

    public_remarks = Paragraphs("public_remarks", description="Buyers read this.", render_kw={"rows": 5})
    private_remarks = Paragraphs(
        "private_remarks",
        description="Only this office reads this: never in a mail, never on a buyer’s page.",
        render_kw={"rows": 3},
    )

    list_agent_id = SelectField("Listing agent", coerce=_agent_id, validate_choice=False)
    list_agent_full_name = Words(
        "list_agent_full_name", "Or an agent of another office", description="Left alone when one of yours is chosen."
    )
    list_office_name = Words("list_office_name")
    list_office_phone = Words("list_office_phone")
    listing_id = Words("listing_id", description="The number people quote.")
    parcel_number = Words("parcel_number")

    preferred_photo_url = Words(
        "preferred_photo_url", description="The address of the picture that stands for the home, as your MLS has it."
    )

    internet_entire_listing_display_yn = BooleanField(
        "May be shown on the internet", default=True, description="If not, no buyer is ever told of it."
    )
    internet_address_display_yn = BooleanField(
        "The address too", default=True, description="If not, mails name the city alone."
    )

    names = tuple(name for _, _, names in SECTIONS for name in names)
    needs_address = False

    def offer(self, members: Sequence[Any], listing: Listing | None = None) -> None:
        """The agents to choose from: the office's, and the one it has."""
        choices = [
            SelectChoice("", "Nobody of this office"),
            *(SelectChoice(str(member.id), member.member_full_name) for member in members),
        ]
        agent = listing.list_agent if listing is not None else None
        if agent is not None and all(choice.value != str(agent.id) for choice in choices):
            choices.append(SelectChoice(str(agent.id), agent.member_full_name))
        self.list_agent_id.choices = choices
        if self.list_agent_full_name.raw_data is None and self.list_agent_id.data is not None:
            self.list_agent_full_name.data = ""  # the account says it
        for name in ("property_type", "property_sub_type"):
            if listing is not None:
                self[name].keep(getattr(listing, name))

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        is_valid = bool(super().validate(extra_validators))
        if self.needs_address and not self.unparsed_address.data:
            self.unparsed_address.errors = ["A listing needs its address."]
            is_valid = False
        for one, other in (("latitude", "longitude"), ("longitude", "latitude")):
            if self[one].data is not None and self[other].data is None and not self[other].errors:
                self[other].errors = [f"A point has both: fill this in, or empty the {one}."]
                is_valid = False
        return is_valid

    def values(self) -> dict[str, Any]:
        values = super().values()
        chosen = values["list_agent_id"]
        if chosen is not None:
            names = {choice.value: choice.label for choice in self.list_agent_id.choices or ()}
            values["list_agent_full_name"] = names.get(str(chosen), values["list_agent_full_name"])
        return values

    def changes(self, listing: Listing) -> dict[str, Any]:
        changes = super().changes(listing)
        if changes.keys() & BATHS:
            changes["bathrooms_total_integer"] = None  # counted anew from the four
        return changes


BATHS = {"bathrooms_full", "bathrooms_three_quarter", "bathrooms_half", "bathrooms_one_quarter"}
