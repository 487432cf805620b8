"""The form of a search: what was typed, as it was typed, and what it says.

Without JavaScript every button posts the whole form, so nothing typed is lost: "add" and "drop" carry one value of a
list, "do" says whether to look or to save. Numbers are read as people write them; app.domain.searches judges the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import time
from decimal import Decimal, InvalidOperation
from typing import Any

from werkzeug.datastructures import MultiDict

from app.domain.errors import Invalid
from app.domain.models import KIND_BITS, AlertKind, AlertSubscription, SavedSearch
from app.domain.models.lookups import (
    PropertySubType,
    PropertyType,
    ScheduleType,
    SpecialListingConditions,
    StandardStatus,
)
from app.domain.searches.criteria import ASKABLE_STATUSES, PLACE_LISTS, PLACES, Criteria
from app.domain.searches.desk.words import days_of, miles_words
from app.domain.searches.schedule import WEEKDAYS

CHOICES = ("property_type", "property_sub_type", "standard_status")
CARRIED = ("special_listing_conditions_not", "excluded_listing_keys", "include_unknown")
LISTS = (*PLACE_LISTS, *CHOICES, *CARRIED)
NUMBERS = {
    "price_low": ("list_price", "ge"),
    "price_high": ("list_price", "le"),
    "beds": ("bedrooms_total", "ge"),
    "baths": ("baths_equivalent", "ge"),
    "living_low": ("living_area", "ge"),
    "living_high": ("living_area", "le"),
    "lot_low": ("lot_size_square_feet", "ge"),
    "year_low": ("year_built", "ge"),
    "year_high": ("year_built", "le"),
    "fee_high": ("association_fee_monthly", "le"),
    "garage_low": ("garage_spaces", "ge"),
}
FEATURES = {
    "waterfront_yn": ("Waterfront", "On the water", "Not on the water"),
    "pool_private_yn": ("Pool", "With a private pool", "Without a pool"),
    "new_construction_yn": ("New construction", "Only new construction", "No new construction"),
    "senior_community_yn": ("55+ community", "Only in 55+ communities", "Not in a 55+ community"),
}
"""Yes or no, with the words of each."""
DRAWN = ("polygons", "not_polygons")
"""Areas as text: one a line, its corners as "44.1037, -70.2119; …"."""
PHRASES = ("keywords_any", "keywords_none")
"""Words or phrases, with commas between."""
SHAPES = {"radius": ("latitude", "longitude", "miles"), "box": ("south", "west", "north", "east")}
WORDS = ("name", "place", "exclude", "schedule", "send_time")
SCHEDULES = {"asap": "As it happens", "daily": "Every day", "days": "Chosen days", "monthly": "Monthly"}
KINDS = tuple(sorted(AlertKind, key=lambda kind: KIND_BITS[kind]))
OPT_IN = frozenset({"Status change"})
"""Kinds that a new search does not tell about unless somebody asks."""
ON_MARKET = (StandardStatus.ACTIVE, StandardStatus.COMING_SOON, StandardStatus.ACTIVE_UNDER_CONTRACT)
PLACE_WORDS = {
    "city": "city",
    "postal_code": "postal code",
    "county_or_parish": "county",
    "subdivision_name": "subdivision",
    "mls_area_major": "MLS area",
}
ROWS = {
    **dict.fromkeys((*PLACES, "polygons"), "where"),
    "bedrooms_total": "rooms",
    "baths_equivalent": "rooms",
    **dict.fromkeys(FEATURES, "features"),
    **dict.fromkeys((*CARRIED, "not_polygons", "keywords_none"), "never"),
    "include_unknown": "features",
}
"""Which line of the form a field stands in, where it is not its own."""
LINES = (
    *("name", "where", "property_type", "property_sub_type", "list_price", "rooms", "living_area"),
    *("lot_size_square_feet", "year_built", "association_fee_monthly", "garage_spaces", "features", "keywords_any"),
    *("never", "standard_status", "kinds", "schedule"),
)
UNKNOWN_WORDS = {
    "place": "place on the map",
    "property_type": "type",
    "property_sub_type": "sub type",
    "list_price": "price",
    "bedrooms_total": "number of beds",
    "baths_equivalent": "number of baths",
    "living_area": "living area",
    "lot_size_square_feet": "lot size",
    "year_built": "year",
    "association_fee_monthly": "fee",
    "garage_spaces": "number of garage spaces",
    "waterfront_yn": "word on water",
    "pool_private_yn": "word on a pool",
    "new_construction_yn": "word on new construction",
    "senior_community_yn": "word on 55+",
    "keywords_any": "description",
    "not_polygons": "place on the map",
    "special_listing_conditions_not": "condition of sale",
    "keywords_none": "description",
}
"""What a home may leave open, as it stands after "no" (PA-06)."""
JUMPS = {
    "list_price": ("search-price_high", "the price"),
    "bedrooms_total": ("search-beds", "the beds"),
    "property_type": ("more-property_type", "the types"),
    "property_sub_type": ("more-property_sub_type", "the types"),
    **dict.fromkeys((*PLACES, "polygons"), ("place", "the places")),
}
"""Where the criterion of a refusal stands (PA-14)."""

_AMOUNT = re.compile(
    r"\$?\s*([\d,]+(?:\.\d+)?|\.\d+)\s*(k|m|sq\s*ft|sqft|acres?|ac|beds?|baths?)?\.?", re.IGNORECASE | re.ASCII
)
_FACTORS = {"k": 1_000, "m": 1_000_000, "acre": 43_560, "acres": 43_560, "ac": 43_560}


def read_amount(typed: str) -> Decimal | None:
    """450,000 · $450k · 0.45m · 1,600 sq ft · 0.5 acre (in square feet). None when it is no number."""
    found = _AMOUNT.fullmatch(typed.strip())
    if not found:
        return None
    try:
        number = Decimal(found[1].replace(",", ""))
    except InvalidOperation:
        return None
    return number * _FACTORS.get((found[2] or "").lower(), 1)


def _is_below_zero(typed: str) -> bool:
    """-5, − $450k, $-450,000: a number but for its minus."""
    trimmed = typed.strip()
    without = re.sub(r"^(\$?\s*)[-−–]\s*", r"\1", trimmed)
    return without != trimmed and read_amount(without) is not None


def read_degrees(typed: str) -> Decimal | None:
    """A number with a sign and a point; also with a typographic minus."""
    trimmed = typed.strip().replace("−", "-")
    return Decimal(trimmed) if re.fullmatch(r"[+-]?\d{1,3}(\.\d{1,12})?", trimmed, re.ASCII) else None


@dataclass
class SearchForm:
    """Every field of the builder. `typed` is what the boxes show; `faults` is what is wrong, by line of the form."""

    lists: dict[str, list[str]]
    typed: dict[str, str]
    kinds: list[str]
    days: list[str]
    version: int | None = None
    concierge: bool = False
    """Its agent approves each mail before it goes."""
    faults: dict[str, str] = field(default_factory=dict)
    offers: list[tuple[str, str, str]] = field(default_factory=list)
    """(kind, name, words): places that the typed word may mean, when it is not plain which."""
    offers_unknown: bool = False
    """The places offered are kinds of place that the office has never had under this name."""
    focus: str = ""
    """The field that goes on after a value was added or dropped."""

    @classmethod
    def blank(cls) -> SearchForm:
        lists: dict[str, list[str]] = {name: [] for name in LISTS}
        lists["standard_status"] = [StandardStatus.ACTIVE.value]
        typed = dict.fromkeys((*NUMBERS, *FEATURES, *DRAWN, *PHRASES, *WORDS, *_shape_fields()), "")
        kinds = [kind.value for kind in KINDS if kind.value not in OPT_IN]
        return cls(lists, typed | {"schedule": "daily", "send_time": "07:00"}, kinds, [])

    @classmethod
    def of(cls, search: SavedSearch, subscription: AlertSubscription) -> SearchForm:
        """The stored search, as the form shows it."""
        form = cls.blank()
        form.typed["name"] = search.saved_search_name
        form.show(search.criteria)
        form.kinds = [kind.value for kind in KINDS if subscription.kinds & KIND_BITS[kind]]
        form.days = days_of(subscription.daily_schedule)
        form.typed["schedule"] = {ScheduleType.ASAP: "asap", ScheduleType.MONTHLY: "monthly"}.get(
            ScheduleType(subscription.schedule_type), "days" if form.days else "daily"
        )
        if subscription.send_time:
            form.typed["send_time"] = f"{subscription.send_time:%H:%M}"
        form.version, form.concierge = search.version, subscription.concierge_yn
        return form

    @classmethod
    def like(cls, search: SavedSearch, subscription: AlertSubscription, *, for_same: bool) -> SearchForm:
        """A new search that asks what this one asks. For the same buyer it needs another name; what was left out for
        one buyer is no reason to leave it out for another."""
        form = cls.of(search, subscription)
        form.version = None
        if for_same and form.typed["name"]:
            form.typed["name"] = f"Copy of {form.typed['name']}"[:120]
        if not for_same:
            form.lists["excluded_listing_keys"] = []
        return form

    def show(self, criteria: dict[str, Any]) -> None:
        for name in LISTS:
            self.lists[name] = [str(one) for one in criteria.get(name) or []]
        for name, (asked, side) in NUMBERS.items():
            value = (criteria.get(asked) or {}).get(side)
            self.typed[name] = _as_typed(asked, value)
        for shape, parts in SHAPES.items():
            for part in parts:
                value = (criteria.get(shape) or {}).get(part)
                self.typed[f"{shape}_{part}"] = "" if value is None else str(value)
        for name in FEATURES:
            self.typed[name] = {True: "yes", False: "no"}.get(criteria.get(name), "")  # type: ignore[arg-type]
        for name in PHRASES:
            self.typed[name] = ", ".join(criteria.get(name) or [])
        for name in DRAWN:
            self.typed[name] = "\n".join(write_corners(one) for one in criteria.get(name) or [])

    @classmethod
    def read(cls, posted: MultiDict[str, str]) -> SearchForm:
        """What a browser sent. Unknown names are ignored, text is cut at 200 letters."""
        form = cls.blank()
        form.lists = {name: list(dict.fromkeys(_text(one) for one in posted.getlist(name) if one)) for name in LISTS}
        form.typed = {name: _text(posted.get(name, ""), _MOST.get(name, 200)) for name in form.typed}
        for name in DRAWN:
            lines = posted.get(name, "")[:MOST_DRAWN].splitlines()
            form.typed[name] = "\n".join(line for line in (_text(one, MOST_DRAWN) for one in lines) if line)
        form.concierge = posted.get("concierge") == "yes"
        form.kinds = [kind.value for kind in KINDS if kind.value in posted.getlist("kind")]
        form.days = [day for day in WEEKDAYS if day in posted.getlist("day")]
        form.version = posted.get("version", type=int)
        for act in ("drop", "add"):
            name, _, value = posted.get(act, "").partition(":")
            if name in LISTS or name in SHAPES or (name in DRAWN and act == "drop"):
                form.change(act, name, _text(value))
        name, _, value = posted.get("set", "").partition(":")
        if name in NUMBERS:
            form.typed[name], form.focus = _text(value), name
        return form

    def change(self, act: str, name: str, value: str) -> None:
        if name in SHAPES:
            self.typed |= {f"{name}_{part}": "" for part in SHAPES[name]}
        elif name in DRAWN:
            lines = self.typed[name].splitlines()
            self.typed[name] = "\n".join(line for number, line in enumerate(lines) if str(number) != value)
        elif act == "drop":
            self.lists[name] = [one for one in self.lists[name] if one != value]
        elif value and value not in self.lists[name]:
            self.lists[name].append(value)
        if act == "add":
            self.typed["place"] = ""
        at_place, at_homes = (*PLACE_LISTS, *SHAPES, *DRAWN), name == "excluded_listing_keys"
        self.focus = "place" if name in at_place else "exclude" if at_homes else f"more-{name}"

    def take_place(self, known: list[tuple[str, str]]) -> None:
        """Move the typed place among the chosen ones when it is plain which is meant; else offer what it may mean.

        `known` are the places of the office with this name; "Alder Glen, city" says the kind itself.
        """
        words = self.typed["place"]
        if len(known) == 1:
            [(kind, name)] = known
            self.change("add", kind, name)
            return
        offered = known or [(kind, words) for kind in _kinds_like(words)]
        self.offers = [(kind, name, f"{name}, {PLACE_WORDS[kind]}") for kind, name in offered]
        self.offers_unknown = not known
        self.faults["where"] = (
            f"“{words}” is the name of more than one place. Which is meant?"
            if known
            else f"Nothing here has been in a place called “{words}”. Check the spelling."
        )
        self.focus = "place"

    def take_home(self, known: list[str]) -> None:
        """Move the typed home among those left out. `known`: the keys of the office's homes that are called so."""
        if len(known) == 1:
            self.change("add", "excluded_listing_keys", known[0])
            self.typed["exclude"] = ""
            return
        self.faults["never"] = f"“{self.typed['exclude']}” is " + (
            "what more than one home is called. Give its MLS number instead."
            if known
            else "not the MLS number or the address of a home here."
        )
        self.focus = "exclude"

    def criteria(self) -> Criteria:
        """What is asked. Raises Invalid when anything cannot be read; `faults` then names every line that is wrong."""
        wrong: dict[str, str] = {}
        asked: dict[str, Any] = {name: values for name, values in self.lists.items() if values}
        for name, (wanted, side) in NUMBERS.items():
            if not self.typed[name].strip():
                continue
            number = read_amount(self.typed[name])
            if number is None:
                wrong_how = "below zero" if _is_below_zero(self.typed[name]) else "not a number"
                sentence = f"“{self.typed[name]}” is {wrong_how}. Write it like {_EXAMPLES[wanted]}."
                wrong.setdefault(_row(wanted), sentence)
            else:
                asked.setdefault(wanted, {})[side] = number
        for shape, parts in SHAPES.items():
            try:
                if read := self._shape(shape, parts):
                    asked[shape] = read
            except Invalid as refusal:
                wrong.setdefault(_row(shape), refusal.sentence)
        for name in DRAWN:
            try:
                if areas := [read_corners(line) for line in self.typed[name].splitlines()]:
                    asked[name] = areas
            except Invalid as refusal:
                wrong.setdefault(_row(name), refusal.sentence)
        asked |= {name: self.typed[name] == "yes" for name in FEATURES if self.typed[name] in {"yes", "no"}}
        asked |= {name: words for name in PHRASES if (words := phrases(self.typed[name]))}
        for name, value in asked.items():
            try:
                Criteria.parse({name: value})
            except Invalid as refusal:
                wrong.setdefault(_row(name), refusal.sentence)
        if wrong:
            self.faults = wrong | self.faults
            line, sentence = next(iter(wrong.items()))
            raise Invalid(sentence, field=line)
        return Criteria.parse(asked)

    def _shape(self, shape: str, parts: tuple[str, ...]) -> dict[str, Decimal] | None:
        """Its numbers, None when none is given. Raises Invalid when they are not all there and numbers."""
        given = {part: self.typed[f"{shape}_{part}"] for part in parts if self.typed[f"{shape}_{part}"].strip()}
        read: dict[str, Decimal] = {}
        for part, typed in given.items():
            number = read_degrees(typed)
            if number is None:
                raise Invalid(f"“{typed}” is not a number of degrees or miles. Write it like 44.1037.")
            read[part] = number
        if given and len(given) < len(parts):
            missing = ", ".join(part for part in parts if part not in given)
            raise Invalid(f"{'A point' if shape == 'radius' else 'A box'} also needs its {missing}.")
        return read or None

    def refused(self, refusal: Invalid) -> None:
        """Put a refusal of the domain beside the line it is about."""
        name = refusal.field or ""
        line = "schedule" if name in {"schedule_type", "send_time", "daily_schedule"} else _row(name)
        self.faults.setdefault({"saved_search_name": "name", "kinds": "kinds"}.get(name, line), refusal.sentence)

    @property
    def bits(self) -> int:
        """The kinds that are ticked, as alert_subscription.kinds has them."""
        return sum(KIND_BITS[kind] for kind in KINDS if kind.value in self.kinds)

    def schedule(self) -> dict[str, Any]:
        """As the verbs take it: schedule_type, send_time, daily_schedule. Raises Invalid."""
        chosen = self.typed["schedule"]
        if chosen not in SCHEDULES:
            raise Invalid("Choose when it is sent.", field="schedule_type")
        if chosen == "asap":
            return {"schedule_type": ScheduleType.ASAP, "send_time": None, "daily_schedule": ()}
        try:
            at = time.fromisoformat(self.typed["send_time"])
        except ValueError:
            raise Invalid("Write the time of day like 07:00.", field="send_time") from None
        if chosen == "monthly":
            return {"schedule_type": ScheduleType.MONTHLY, "send_time": at, "daily_schedule": ()}
        if chosen == "days" and not self.days:
            raise Invalid("Tick at least one day.", field="daily_schedule")
        return {
            "schedule_type": ScheduleType.DAILY,
            "send_time": at,
            "daily_schedule": tuple(self.days) if chosen == "days" else (),
        }

    def drawn(self, name: str) -> list[str]:
        """4.2 sq mi: each area's size; one that cannot be read is "an area"."""
        said = []
        for line in self.typed[name].splitlines():
            try:
                corners = read_corners(line)
            except Invalid:
                corners = []
            said.append(miles_words(corners) if len(corners) > 2 else "an area")
        return said

    @property
    def asks_more(self) -> bool:
        """Something of the lines that are folded away."""
        return any(self.typed[name] for name in ("fee_high", "garage_low", "keywords_any", *FEATURES))

    @property
    def places(self) -> list[tuple[str, str]]:
        """(kind, name) of every named place, in the order of the form."""
        return [(kind, name) for kind in PLACE_LISTS for name in self.lists[kind]]


MOST_DRAWN = 60_000
_MOST = dict.fromkeys(PHRASES, 2_200)
_CORNER = re.compile(r"([+\-−]?\d{1,3}(?:\.\d{1,12})?)\s*,\s*([+\-−]?\d{1,3}(?:\.\d{1,12})?)", re.ASCII)
_EXAMPLES = {
    "list_price": "450,000 or 450k",
    "bedrooms_total": "3",
    "baths_equivalent": "2.5",
    "living_area": "1,600",
    "lot_size_square_feet": "8,000 or 0.5 acre",
    "year_built": "1998",
    "association_fee_monthly": "350",
    "garage_spaces": "2",
}
CHOICE_VALUES = {
    "property_type": [value.value for value in PropertyType],
    "property_sub_type": [value.value for value in PropertySubType],
    "standard_status": list(ASKABLE_STATUSES),
    "special_listing_conditions_not": [value.value for value in SpecialListingConditions],
}


def read_corners(line: str) -> list[list[Decimal]]:
    """The corners of one drawn area, as [latitude, longitude] each. Raises Invalid when something else stands there."""
    if left := re.sub(r"[\s;]+", "", _CORNER.sub("", line)):
        raise Invalid(f"“{left[:40]}” is no corner. Write each as 44.1037, -70.2119 with a semicolon between them.")
    return [[Decimal(number.replace("−", "-")) for number in pair] for pair in _CORNER.findall(line)]


def write_corners(corners: list[list[Any]]) -> str:
    return "; ".join(f"{latitude}, {longitude}" for latitude, longitude in corners)


def phrases(typed: str) -> list[str]:
    """Sea view, porch → two phrases."""
    return [phrase for one in typed.split(",") if (phrase := " ".join(one.split()))]


def split_place(typed: str) -> tuple[str, str | None]:
    """ "Alder Glen, city" → (Alder Glen, city): the form a suggestion is written in."""
    name, comma, kind = typed.rpartition(",")
    named = {words.lower(): kind for kind, words in PLACE_WORDS.items()}.get(kind.strip().lower())
    return (name.strip(), named) if comma and named else (typed.strip(), None)


def _kinds_like(words: str) -> tuple[str, ...]:
    return ("postal_code",) if re.fullmatch(r"[\d-]{3,10}", words) else tuple(PLACE_WORDS)


def _shape_fields() -> list[str]:
    return [f"{shape}_{part}" for shape, parts in SHAPES.items() for part in parts]


def _row(name: str) -> str:
    return ROWS.get(name, name)


def _text(value: str, most: int = 200) -> str:
    return "".join(c for c in " ".join(value.split()) if c.isprintable())[:most]


def _as_typed(asked: str, value: Any) -> str:
    if value is None:
        return ""
    if asked == "year_built":
        return str(value)
    return f"${value:,}" if asked == "list_price" else f"{value:,}"
