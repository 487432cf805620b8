"""The list's address line: read forgivingly, written canonically, and said in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from werkzeug.datastructures import MultiDict

from app.blueprints.listings import amounts
from app.display import number
from app.domain.listings.queries import NARROWINGS, REACH, SORT_NAMES, Filter, View
from app.domain.models.lookups import PropertySubType, PropertyType, StandardStatus
from app.web import clean

SIZES = (20, 50, 100)
SIZE = 50
SORT = "-changed"
LONGEST_NAME = 100
"""Characters of a place or a type: every link of the page repeats it."""

TABS: dict[View, str] = {
    View.FOR_SALE: "For sale now",
    View.OURS: "Our listings",
    View.NEW: "New this week",
    View.DROPS: "Price drops, 7 days",
    View.STALE: "Over 60 days",
    View.ALL: "All statuses",
}
"""In the order they stand."""

SORT_WORDS = {
    "address": ("by address", "by address, Z first"),
    "status": ("by status", "by status, last first"),
    "price": ("lowest price first", "highest price first"),
    "beds": ("fewest beds first", "most beds first"),
    "baths": ("fewest baths first", "most baths first"),
    "sqft": ("smallest first", "largest first"),
    "dom": ("newest on the market first", "longest on the market first"),
    "changed": ("oldest change first", "newest change first"),
}


@dataclass(frozen=True)
class Chip:
    """A filter that is on, in words, and the fields that put it on."""

    label: str
    value: str
    names: tuple[str, ...]

    @property
    def words(self) -> str:
        return self.value if self.label == "Words" else f"{self.label} {self.value}"


@dataclass(frozen=True)
class Asked:
    """What the address line asks for, with a note for each part that could not be read and was left out."""

    filter: Filter
    zone: ZoneInfo
    sort: str = SORT
    page: int = 1
    size: int = SIZE
    notes: list[str] = field(default_factory=list)
    at: int | None = None
    """The place in this list of the listing that is open."""

    @property
    def column(self) -> str:
        return self.sort.removeprefix("-")

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def sort_words(self) -> str:
        return SORT_WORDS[self.column][self.descending]

    @property
    def narrowed(self) -> bool:
        """Is any filter on, a tab not counted?"""
        return any(getattr(self.filter, name) != getattr(Filter(), name) for name in NARROWINGS)

    def args(self, *, without: tuple[str, ...] = (), **changes: Any) -> dict[str, Any]:
        """The address line's arguments, only those that differ from the usual; `changes` of sort, page, size."""
        usual = Filter()
        wanted = replace(self.filter, **{name: getattr(usual, name) for name in without})
        if "view" in changes:
            wanted = replace(wanted, view=View(changes.pop("view")))
        found: dict[str, Any] = {}
        for name in ("view", *NARROWINGS):
            value = getattr(wanted, name)
            if value == getattr(usual, name):
                continue
            found[name] = self._written(value)
        rest = {"sort": (self.sort, SORT), "page": (self.page, 1), "size": (self.size, SIZE)}
        for name, (value, default) in rest.items():
            value = changes.get(name, value)  # noqa: PLW2901
            if value not in (default, None):
                found[name] = value
        return found

    def _written(self, value: Any) -> Any:
        if isinstance(value, datetime):
            return value.astimezone(self.zone).date().isoformat()
        if isinstance(value, Decimal):
            return f"{value.normalize():f}"
        if isinstance(value, tuple):
            return list(value)
        return value.value if isinstance(value, View) else value

    def tab(self, view: View) -> dict[str, Any]:
        """The arguments of a tab: a view of its own, so it keeps how rows are shown and drops what narrows them."""
        return replace(self, filter=Filter(view=view)).args(page=None)

    def chips(self, *, with_words: bool = False) -> list[Chip]:
        """The filters that are on; the words in the find box show themselves, unless asked for."""
        wanted = self.filter
        found: list[Chip] = []
        if wanted.q and with_words:
            found.append(Chip("Words", wanted.q, ("q",)))
        if wanted.status:
            found.append(Chip("Status", some(wanted.status), ("status",)))
        if wanted.price_min is not None or wanted.price_max is not None:
            found.append(Chip("Price", between(wanted.price_min, wanted.price_max), ("price_min", "price_max")))
        if wanted.beds is not None:
            found.append(Chip("Beds", f"{wanted.beds}+", ("beds",)))
        if wanted.baths is not None:
            found.append(Chip("Baths", f"{number(wanted.baths)}+", ("baths",)))
        if wanted.type:
            found.append(Chip("Type", some(wanted.type), ("type",)))
        if wanted.sub_type:
            found.append(Chip("Home", some(wanted.sub_type), ("sub_type",)))
        if wanted.city:
            found.append(Chip("City", some(wanted.city), ("city",)))
        if wanted.postal_code:
            found.append(Chip("Postal code", some(wanted.postal_code), ("postal_code",)))
        if wanted.since is not None:
            local = wanted.since.astimezone(self.zone)
            found.append(Chip("Changed", f"since {local:%b} {local.day}, {local.year}", ("since",)))
        return found


def some(values: tuple[str, ...]) -> str:
    """Port Ellery; Port Ellery, Quarry Hill; Port Ellery + 3."""
    return ", ".join(values) if len(values) < 3 else f"{values[0]} + {len(values) - 1}"


def between(low: Decimal | None, high: Decimal | None) -> str:
    if low is None and high is not None:
        return f"up to {amounts.short(high)}"
    if high is None and low is not None:
        return f"{amounts.short(low)} and up"
    return f"{amounts.short(low or Decimal(0))} to {amounts.short(high or Decimal(0))}"


def read(args: MultiDict[str, str], zone: ZoneInfo) -> Asked:
    """Read the address line. Never fails: what cannot be read is left out, with a note that quotes it."""
    notes: list[str] = []

    def one(name: str) -> str:
        return clean(args.get(name, ""))

    def many(name: str) -> tuple[str, ...]:
        words = [clean(word)[:LONGEST_NAME] for value in args.getlist(name)[:50] for word in value.split(",")]
        return tuple(dict.fromkeys(word for word in words if word))[:50]

    def parsed(name: str, label: str, parse: Callable[[str], Any], expected: str) -> Any:
        text = one(name)
        if not text:
            return None
        try:
            return parse(text)
        except (ValueError, ArithmeticError):
            notes.append(f"{label} “{text[:40]}” is not {expected}, so that filter was left out.")
            return None

    def known(name: str, label: str, lookup: type[StandardStatus]) -> tuple[str, ...]:
        by_fold = {value.value.casefold().replace(" ", ""): value.value for value in lookup}
        found = []
        for word in many(name):
            if value := by_fold.get(word.casefold().replace(" ", "")):
                found.append(value)
            else:
                notes.append(f"{label} “{word[:40]}” is not one we know, so it was left out.")
        return tuple(dict.fromkeys(found))

    low = parsed("price_min", "Lowest price", amounts.price, "a price")
    high = parsed("price_max", "Highest price", amounts.price, "a price")
    if low is not None and high is not None and low > high:
        notes.append("The lowest price was above the highest; they were swapped.")
        low, high = high, low
    view = View.FOR_SALE
    if text := one("view"):
        if text in {known_view.value for known_view in View}:
            view = View(text)
        else:
            notes.append(f"There is no tab “{text[:40]}”; these are the homes for sale now.")
    wanted = Filter(
        view=view,
        q=one("q")[:100],
        status=known("status", "Status", StandardStatus),
        price_min=low,
        price_max=high,
        beds=parsed("beds", "Beds", _count, "a count of beds"),
        baths=parsed("baths", "Baths", _quarters, "a count of baths"),
        type=_named(many("type"), PropertyType),
        sub_type=_named(many("sub_type"), PropertySubType),
        city=many("city"),
        postal_code=many("postal_code"),
        since=parsed("since", "Changed since", lambda text: _midnight(text, zone), "a date"),
    )
    sort = one("sort") or SORT
    if sort.removeprefix("-") not in SORT_NAMES:
        notes.append(f"There is no column “{sort[:40]}” to sort by; newest change comes first.")
        sort = SORT
    page = parsed("page", "Page", _whole, "a page number") or 1
    if page < 1:
        notes.append("Pages are numbered from 1; this is the first.")
    size = parsed("size", "Rows", _whole, "a number of rows") or SIZE
    if size not in SIZES:
        notes.append(f"A page shows 20, 50 or 100 rows; this one shows {SIZE}.")
        size = SIZE
    at = args.get("at", type=_whole)
    return Asked(wanted, zone, sort, min(max(page, 1), 10**6), size, notes, at if at and 0 < at <= REACH else None)


def _named(words: tuple[str, ...], lookup: type[PropertyType | PropertySubType]) -> tuple[str, ...]:
    """RESO's spelling where it is one of RESO's; others as they are, since a feed may bring its own."""
    by_fold = {value.value.casefold(): value.value for value in lookup}
    return tuple(by_fold.get(word.casefold(), word) for word in words)


def _whole(text: str) -> int:
    if len(text) > 18:
        raise ValueError(text)
    return int(text)


def _count(text: str) -> int:
    found = _whole(text.rstrip("+"))
    if not 0 <= found <= 99:
        raise ValueError(text)
    return found


def _quarters(text: str) -> Decimal:
    found = amounts.number(text.rstrip("+"))
    if not 0 <= found <= 99:
        raise ValueError(text)
    return (found * 4).to_integral_value() / 4


def _midnight(text: str, zone: ZoneInfo) -> datetime:
    found = date.fromisoformat(text)
    if not 1900 <= found.year <= 2200:
        raise ValueError(text)
    return datetime.combine(found, time(), zone).astimezone(UTC)
