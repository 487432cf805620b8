"""Small worlds made to be awkward: values on bounds, missing values, points on vertices, edges and cell corners, places
that overlap, keywords at the borders of words, lookups nobody knows. And the oracle: which search wants which home,
decided one pair at a time by takes(), which reads the search's JSON and shares no rule with the app.

a_world(rnd) draws and writes one: events are world.seqs, subscriptions world.subscription_ids, and world.wanted() is the
set of (subscription number, home number) that matching must write. settle() does the same for homes and searches given
by hand; a home may leave out what is in BLANK. world.homes are homes as Criteria.judge takes them.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import insert, text

from app.domain.listings.areas import area_ids
from app.domain.listings.carried import PLACE_COLUMNS, carried
from app.domain.listings.words import words_of
from app.domain.models import (
    AlertSubscription,
    AreaKind,
    Contact,
    Listing,
    ListingEvent,
    Office,
    SavedSearch,
    SearchKey,
)
from app.domain.models.lookups import PropertySubType, PropertyType
from app.domain.searches.criteria import MAY_BE_UNKNOWN, Criteria
from app.domain.searches.keys import explode, further
from app.domain.searches.shapes import CELL_SIZES, Circle, cosine
from app.extensions import db

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)

BOUNDS = {
    "list_price": (0, 100_000, 250_000, 2_000_000_000),
    "bedrooms_total": (0, 2, 3),
    "baths_equivalent": (0, 1.5, 2),
    "living_area": (0, 900, 1600),
    "lot_size_square_feet": (0, 5_000, 100_000_000_000),
    "year_built": (1600, 1990, 2200),
    "association_fee_monthly": (0, 250, 1_000_000_000),
    "garage_spaces": (0, 1, 2),
}
TYPES = (PropertyType.RESIDENTIAL.value, PropertyType.LAND.value, PropertyType.MANUFACTURED_IN_PARK.value)
SUB_TYPES = (PropertySubType.AGRICULTURE.value, PropertySubType.TOWNHOUSE.value, PropertySubType.WAREHOUSE.value)
STATUSES = ("Active", "Coming Soon", "Withdrawn")
PLACES = {
    "city": ("Port Ellery", "Alder Glen"),
    "postal_code": ("04100", "04101-1234"),
    "county_or_parish": ("York", "Port Ellery"),
    "subdivision_name": ("Quarry Hill", "Alder Glen"),
    "mls_area_major": ("North Shore", "York"),
}
CIRCLES = (
    {"latitude": 43.66, "longitude": -70.25, "miles": 0.5},
    {"latitude": 43.6612, "longitude": -70.2544, "miles": 2},
    {"latitude": 43.7, "longitude": -70.2, "miles": 30},
    {"latitude": 0, "longitude": 179.9999, "miles": 1},
    {"latitude": -84.5, "longitude": -180, "miles": 0.25},
)
BOXES = (
    {"south": 43.65, "west": -70.27, "north": 43.67, "east": -70.25},
    {"south": 43.651234, "west": -70.261234, "north": 43.661235, "east": -70.259999},
    {"south": 43, "west": -71, "north": 44.5, "east": -70},
    {"south": 89, "west": 179, "north": 90, "east": 180},
)
POLYGONS = (
    [[43.65, -70.27], [43.65, -70.25], [43.67, -70.25], [43.67, -70.27]],
    [[43.655001, -70.262], [43.668003, -70.240007], [43.66, -70.275]],
    # The letter C: what lies in its mouth is outside, and its arms end on one latitude.
    [[43.64, -70.3], [43.64, -70.2], [43.65, -70.2], [43.65, -70.28], [43.67, -70.28], [43.67, -70.2], [43.68, -70.2],
     [43.68, -70.3]],
    [[42.5, -72], [42.5, -69], [45, -70.5], [44.999999, -71]],
    [[43.6599, -70.2551], [43.6599, -70.2549], [43.6601, -70.255]],
    [[-1, 178], [0, 180], [1, 178]],
    [[89.5, -180], [90, -178], [89.9, -180]],
)  # fmt: skip
REMARKS = (
    "",
    " --- ",
    "Sea view, and a new dock.",
    "SEAVIEW cottage with docks",
    "sea-view; fixer_upper!",
    "Straße am Meer: 3-car garage",
    "Owner’s pride. View\nnew sea",
    "ﬁxer upper, Sea\u00a0View",
)
KEYWORDS = ("sea view", "Dock", "SEA", "strasse", "fixer upper", "3 car", "view new", "owner's")
FEATURES = ("waterfront_yn", "pool_private_yn", "new_construction_yn", "senior_community_yn")
CONDITIONS = ("Auction", "Short Sale", "Trust")


def _points() -> list[tuple[int, int]]:
    """Where mistakes live: the shapes' corners, edges and extremes, one millionth inside and outside, cell corners."""
    found: set[tuple[int, int]] = {
        (43_660_000, -70_255_000),
        (0, -180_000_000),
        (0, 180_000_000),
        (90_000_000, 180_000_000),
    }
    for given in BOXES:
        box = Criteria.parse({"box": given}).box
        assert box
        for latitude in (box.south, box.north, (box.south + box.north) // 2):
            for longitude in (box.west, box.east, (box.west + box.east) // 2):
                found |= {(latitude, longitude), (latitude - 1, longitude), (latitude, longitude + 1)}
    for given in CIRCLES:
        circle = Criteria.parse({"radius": given}).radius
        assert circle
        found |= _rim(circle)
    for corners in POLYGONS:
        found |= _around_ring([(round(y * 1_000_000), round(x * 1_000_000)) for y, x in corners])
    for size in CELL_SIZES:
        south, west = 43_660_000 // size * size, -70_255_000 // size * size
        found |= {(south, west), (south - 1, west), (south, west - 1), (south + size, west + size)}
    return sorted((y, x) for y, x in found if abs(y) <= 90_000_000 and abs(x) <= 180_000_000)


def _around_ring(corners: list[tuple[int, int]]) -> set[tuple[int, int]]:
    found = set(corners)
    for (y1, x1), (y2, x2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        middle = (y1 + y2) // 2, (x1 + x2) // 2
        found |= {middle, (middle[0] - 1, middle[1]), (middle[0], middle[1] + 1)}
        found |= {(y1, x1 - 1), (y1, x1 + 1), (y1 + 1, x1), (y1 - 1, x1), (y1, (x1 + x2) // 2), (y1, x2 - 20_000)}
    return found


def _rim(circle: Circle) -> set[tuple[int, int]]:
    found = {(circle.latitude + circle.reach, circle.longitude), (circle.latitude - circle.reach, circle.longitude)}
    for dy in (0, circle.reach // 2, circle.reach):
        dx = circle.width_at(dy)
        for sign_y in (-1, 1):
            for sign_x in (-1, 1):
                for nudge in (-2, -1, 0):
                    longitude = circle.longitude + sign_x * (dx + nudge)
                    longitude = (longitude + 180_000_000) % 360_000_000 - 180_000_000
                    found.add((circle.latitude + sign_y * dy, longitude))
    return found


POINTS = _points()


def _around(bounds: tuple[float, ...], least: float, most: float) -> list[Decimal]:
    """Each bound, and a hundredth to either side of it."""
    steps = (Decimal(0), Decimal("0.01"), Decimal("-0.01"))
    values = {Decimal(str(bound)) + step for bound in bounds for step in steps}
    return sorted(value for value in values if least <= value <= most)


VALUES: dict[str, list[Any]] = {
    "list_price": _around(BOUNDS["list_price"], 1, 1_999_999_999.99),
    "bedrooms_total": [0, 1, 2, 3, 999],
    "baths_equivalent": _around((*BOUNDS["baths_equivalent"], 300), 0, 300),
    "living_area": _around(BOUNDS["living_area"], 1, 2_000_000),
    "lot_size_square_feet": _around(BOUNDS["lot_size_square_feet"], 0.01, 99_999_999_999.99),
    "year_built": [1600, 1989, 1990, 1991, 2200],
    "association_fee_monthly": _around((0, 250), 0, 300),
    "garage_spaces": [0, 1, 2, 999],
    "property_type": [*TYPES, "Houseboat"],
    "property_sub_type": [*SUB_TYPES, "Treehouse"],
}
_SIDES: dict[str, tuple[tuple[str, ...], ...]] = {
    **dict.fromkeys(("list_price", "living_area", "year_built"), (("ge",), ("le",), ("ge", "le"))),
    "association_fee_monthly": (("le",),),
}
BLANK: dict[str, Any] = dict.fromkeys((*VALUES, *FEATURES, "special_listing_conditions", "point")) | {
    "city": "", "postal_code": "", "county_or_parish": "", "subdivision_name": "", "mls_area_major": "",
    "public_remarks": "",
}  # fmt: skip


def a_home(rnd: random.Random) -> dict[str, Any]:
    """One value in eight is missing; names come in several spellings."""
    home = {name: None if rnd.random() < 0.12 else rnd.choice(values) for name, values in VALUES.items()}
    return home | {
        "standard_status": rnd.choice(("Active",) * 8 + (*STATUSES, "Pending")),
        "kinds": rnd.choice((1, 2, 4, 6)),
        "city": rnd.choice(("", "port  ellery", "Alder Glen", "Elsewhere")),
        "postal_code": rnd.choice(("", "04100-9999", "04101", "99999")),
        "county_or_parish": rnd.choice(("", "YORK", "Port Ellery", "Elsewhere")),
        "subdivision_name": rnd.choice(("", "quarry hill ", "Alder Glen", "Elsewhere")),
        "mls_area_major": rnd.choice(("", "", "north shore", "Elsewhere")),
        "point": None if rnd.random() < 0.1 else rnd.choice(POINTS),
        "public_remarks": rnd.choice(REMARKS),
        "special_listing_conditions": rnd.choice((None, ["Standard"], ["Auction", "Standard"], ["Trust"], ["Raffle"])),
        "listing_key": f"home-{rnd.getrandbits(64):016x}",
        **{feature: rnd.choice((None, True, True, False)) for feature in FEATURES},
    }


def a_search(rnd: random.Random, keys: Sequence[str] = ()) -> tuple[Criteria, int]:
    """Criteria with a place of any kinds, or none, and up to three wishes; and the kinds of news it asks for. `keys` are
    those of homes it may leave out."""
    wish: dict[str, Any] = {}
    for name in rnd.sample(sorted(VALUES), rnd.choice((0, 1, 1, 2))):
        if name in BOUNDS:
            sides = rnd.choice(_SIDES.get(name, (("ge",),)))
            bounds = sorted(rnd.choice(BOUNDS[name]) for _ in sides)
            wish[name] = dict(zip(sides, bounds, strict=True))
        else:
            wish[name] = rnd.sample(TYPES if name == "property_type" else SUB_TYPES, rnd.choice((1, 2)))
    if rnd.random() < 0.15:
        wish["standard_status"] = rnd.sample(STATUSES, rnd.choice((1, 2)))
    drawn = rnd.random()
    if drawn < 0.55:
        for kind in rnd.sample(sorted(PLACES), rnd.choice((0, 1, 1, 2))):
            wish[kind] = rnd.sample(PLACES[kind], rnd.choice((1, 2)))
    if 0.35 < drawn < 0.8:
        wish["radius"] = rnd.choice(CIRCLES)
    if 0.45 < drawn < 0.55 or drawn > 0.8:
        wish["box"] = rnd.choice(BOXES)
    if rnd.random() < 0.3:
        wish["polygons"] = rnd.sample(POLYGONS, rnd.choice((1, 1, 2)))
    if rnd.random() < 0.4:
        wish |= _a_further_wish(rnd, keys)
    if rnd.random() < 0.3:
        asked = sorted(Criteria.parse(wish).asked & MAY_BE_UNKNOWN.keys())
        wish["include_unknown"] = rnd.sample(asked, rnd.randint(0, len(asked)))
    return Criteria.parse(wish), rnd.choice((7, 7, 7, 1, 2, 4))


def _a_further_wish(rnd: random.Random, keys: Sequence[str]) -> dict[str, Any]:
    further = (
        lambda: {feature: rnd.random() < 0.7 for feature in rnd.sample(FEATURES, rnd.choice((1, 1, 2)))},
        lambda: {"special_listing_conditions_not": rnd.sample(CONDITIONS, rnd.choice((1, 2)))},
        lambda: {"keywords_any": rnd.sample(KEYWORDS, rnd.choice((1, 2, 3)))},
        lambda: {"keywords_none": rnd.sample(KEYWORDS, rnd.choice((1, 2)))},
        lambda: {"not_polygons": rnd.sample(POLYGONS, rnd.choice((1, 2)))},
        lambda: {"excluded_listing_keys": rnd.sample(list(keys), min(len(keys), 9))},
    )
    wish: dict[str, Any] = {}
    for draw in rnd.sample(further, rnd.choice((1, 1, 2))):
        wish |= draw()
    return wish


def a_snapshot(rnd: random.Random) -> str:
    """Of the time that XIDS are of."""
    xmin, more = rnd.choice((1, 98, 100, 103, 105)), rnd.randrange(6)
    xip = {xmin, *(rnd.randrange(xmin, xmin + more) for _ in range(rnd.randrange(3)))} if more else set()
    return f"{xmin}:{xmin + more}:{','.join(map(str, sorted(xip)))}"


XIDS = range(100, 107)


@dataclass
class World:
    """What a test drew, in the database: listing and event n are home n, subscription n is criteria n."""

    office_id: int
    homes: list[dict[str, Any]]
    criteria: list[Criteria]
    kinds: list[int]
    xids: list[int]
    since: list[str]
    listing_ids: list[int] = field(default_factory=list)
    seqs: list[int] = field(default_factory=list)
    subscription_ids: list[int] = field(default_factory=list)

    def wanted(self) -> set[tuple[int, int]]:
        """The oracle: (subscription number, home number), one pair at a time."""
        return {
            (s, h)
            for s, (criteria, kinds) in enumerate(zip(self.criteria, self.kinds, strict=True))
            for h, home in enumerate(self.homes)
            if kinds & home["kinds"] and takes(criteria.as_dict(), home) and not self.was_visible(s, h)
        }

    def was_visible(self, search: int, home: int) -> bool:
        """Whether the home's event was visible in the snapshot that the subscription began with (PA-13)."""
        xmin, xmax, xip = self.since[search].split(":")
        xid = self.xids[home]
        return xid < int(xmin) or (xid < int(xmax) and str(xid) not in xip.split(","))


def takes(asked: dict[str, Any], home: dict[str, Any]) -> bool:
    """Whether a search takes a home: its JSON read word by word, one wish after the other (PA-06)."""
    verdicts = judged(asked, home)
    return all(
        verdict or (verdict is None and field in asked.get("include_unknown", ())) for field, verdict in verdicts
    )


def judged(asked: dict[str, Any], home: dict[str, Any]) -> Iterator[tuple[str, bool | None]]:
    """Each field that is asked, and whether the home has it; None where nobody said."""
    point = None
    if home["latitude"] is not None:
        point = int(home["latitude"] * 1_000_000), int(home["longitude"] * 1_000_000)
    places: list[bool | None] = []
    for name, wish in asked.items():
        if name in ("radius", "box", "polygons"):
            places.append(None if point is None else _drawn(name, wish, *point))
        elif name in PLACES:
            called = _plain_name(name, home[name])
            places.append(called in {_plain_name(name, one) for one in wish} if called else None)
        elif name == "not_polygons":
            yield name, None if point is None else not _drawn("polygons", wish, *point)
        elif name.startswith("keywords"):
            said = _tokens(home["public_remarks"])
            found = any(_tokens(one) == said[i : i + len(_tokens(one))] for one in wish for i in range(len(said)))
            yield name, (found if name == "keywords_any" else not found) if said else None
        elif name == "special_listing_conditions_not":
            conditions = home["special_listing_conditions"]
            yield name, all(one not in wish for one in conditions) if conditions else None
        elif name == "excluded_listing_keys":
            yield name, home["listing_key"] not in wish
        elif name != "include_unknown":
            yield name, _plainly(wish, home[name])
    if places:
        yield "place", True if any(places) else None if None in places else False


def _plainly(wish: Any, value: Any) -> bool | None:
    if value is None:
        return None
    if isinstance(wish, dict):
        return Decimal(str(wish.get("ge", value))) <= value <= Decimal(str(wish.get("le", value)))
    return value in wish if isinstance(wish, list) else value == wish


def _plain_name(field: str, name: str) -> str:
    words = " ".join(name.split()).lower()
    return words[:5] if field == "postal_code" and len(words) == 10 else words


def _tokens(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter if letter.isalnum() else " " for letter in folded).split()


def _drawn(field: str, wish: Any, y: int, x: int) -> bool:
    if field == "box":
        south, west, north, east = (round(wish[side] * 1_000_000) for side in ("south", "west", "north", "east"))
        return south <= y <= north and west <= x <= east
    if field == "radius":
        middle_y, middle_x = round(wish["latitude"] * 1_000_000), round(wish["longitude"] * 1_000_000)
        reach = int(Decimal(str(wish["miles"])) * 100) * 1_447_316 // 10_000
        away = abs(x - middle_x)
        across = min(away, 360_000_000 - away) * cosine(middle_y) // 2**20
        return (y - middle_y) ** 2 + across**2 <= reach**2
    return any(_in_polygon([(round(a * 1_000_000), round(b * 1_000_000)) for a, b in ring], y, x) for ring in wish)


def _in_polygon(corners: list[tuple[int, int]], y: int, x: int) -> bool:
    """By fractions: where the edges meet the point's parallel, and how many of those places lie west of it."""
    west = 0
    for (y1, x1), (y2, x2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 == y2:
            if y == y1 and min(x1, x2) <= x <= max(x1, x2):
                return True
            continue
        meets = x1 + Fraction((x2 - x1) * (y - y1), y2 - y1)
        if min(y1, y2) <= y <= max(y1, y2) and meets == x:
            return True
        west += min(y1, y2) <= y < max(y1, y2) and meets < x
    return west % 2 == 1


def values_of(home: dict[str, Any]) -> dict[str, Any]:
    """The home as a listing has it: coordinates in degrees."""
    point = home["point"]
    return {name: value for name, value in home.items() if name not in {"point", "kinds"}} | {
        "latitude": Decimal(point[0]) / 1_000_000 if point else None,
        "longitude": Decimal(point[1]) / 1_000_000 if point else None,
    }


_AREA_COLUMNS = {kind: column for column, kind in PLACE_COLUMNS.items()}


def settle(
    homes: list[dict[str, Any]],
    searches: list[tuple[Criteria, int]],
    xids: list[int] | None = None,
    since: list[str] | None = None,
) -> World:
    """Write it: an office, its listings with one alertable event each, and one active subscription for each search.

    Key rows come from explode(), as everywhere. Without `xids` and `since`, every event is news to everybody.
    """
    number = db.session.scalar(text("SELECT coalesce(max(id), 0) + 1 FROM office"))
    office = {"office_key": f"world-{number}", "office_name": "World", "time_zone": "America/New_York"}
    office_id = db.session.scalar(insert(Office).returning(Office.id), [office])
    world = World(
        office_id,
        [values_of(BLANK | home) | {"kinds": home["kinds"]} for home in homes],
        [criteria for criteria, _ in searches],
        [kinds for _, kinds in searches],
        xids or [100] * len(homes),
        since or ["1:1:"] * len(searches),
    )
    _settle_homes(world)
    if world.criteria:
        _settle_searches(world)
    return world


def _settle_homes(world: World) -> None:
    named = {(kind, home[kind.value]) for home in world.homes for kind in AreaKind}
    areas = area_ids(world.office_id, named)
    rows = []
    for number, home in enumerate(world.homes):
        home.setdefault("listing_key", f"{world.office_id}-{number}")
        places = {column: areas.get((kind, home[kind.value])) for kind, column in _AREA_COLUMNS.items()}
        rows.append(
            {name: value for name, value in home.items() if name != "kinds"}
            | places
            | {
                "office_id": world.office_id,
                "remarks_words": words_of(home["public_remarks"]),
                "originating_system_name": "world",
                "originating_system_key": str(number),
                "market_spell_no": 1,
            }
        )
    listing = insert(Listing).returning(Listing.id, sort_by_parameter_order=True)
    world.listing_ids = list(db.session.scalars(listing, rows))
    events = [
        carried(row)
        | {
            "office_id": world.office_id,
            "xid": str(xid),
            "listing_id": listing_id,
            "change_type": "New Listing",
            "kinds": home["kinds"],
            "changes": {},
            "origin": "live_sync",
            "alertable": True,
            "occurred_at": NOW,
            "recorded_at": NOW - timedelta(days=number % 3, hours=number),
        }
        for number, (row, home, listing_id, xid) in enumerate(
            zip(rows, world.homes, world.listing_ids, world.xids, strict=True)
        )
    ]
    world.seqs = list(
        db.session.scalars(insert(ListingEvent).returning(ListingEvent.seq, sort_by_parameter_order=True), events)
    )


def _settle_searches(world: World) -> None:
    contact = db.session.scalar(
        insert(Contact).returning(Contact.id),
        [{"office_id": world.office_id, "contact_key": f"{world.office_id}", "full_name": "Amelia Carter"}],
    )
    names = [f"{world.office_id}-{number}" for number in range(len(world.criteria))]
    owned = {"office_id": world.office_id, "contact_id": contact}
    searches = [
        owned
        | {
            "saved_search_key": name,
            "saved_search_name": name,
            "criteria": criteria.as_dict(),
            "shape": list(criteria.shape.numbers) if criteria.shape else None,
            "further": further(criteria),
        }
        for name, criteria in zip(names, world.criteria, strict=True)
    ]
    search_ids = list(
        db.session.scalars(insert(SavedSearch).returning(SavedSearch.id, sort_by_parameter_order=True), searches)
    )
    subscriptions = [
        owned
        | {
            "prospecting_key": name,
            "token": name,
            "saved_search_id": search_id,
            "kinds": kinds,
            "since_snapshot": since,
        }
        for name, search_id, kinds, since in zip(names, search_ids, world.kinds, world.since, strict=True)
    ]
    world.subscription_ids = list(
        db.session.scalars(
            insert(AlertSubscription).returning(AlertSubscription.id, sort_by_parameter_order=True), subscriptions
        )
    )
    areas = area_ids(world.office_id, {area for criteria in world.criteria for area in criteria.areas})
    keys = [
        key._asdict()
        for criteria, kinds, search_id, subscription_id in zip(
            world.criteria, world.kinds, search_ids, world.subscription_ids, strict=True
        )
        for key in explode(
            criteria,
            office_id=world.office_id,
            areas=areas,
            kinds=kinds,
            subscription_id=subscription_id,
            search_id=search_id,
        )
    ]
    if keys:
        db.session.execute(insert(SearchKey), keys)


SEEDS = st.integers(0, 2**32).map(random.Random)
"""A source of worlds. Hypothesis chooses; a failure names the seed's first draw, and repeats."""


def a_world(rnd: random.Random, homes: int = 40, searches: int = 30, *, young: bool = False) -> World:
    """`young`: some subscriptions began while the events were being written."""
    drawn = [a_home(rnd) for _ in range(homes)]
    keys = [home["listing_key"] for home in drawn]
    return settle(
        drawn,
        [a_search(rnd, keys) for _ in range(searches)],
        rnd.choices(XIDS, k=homes) if young else None,
        [a_snapshot(rnd) for _ in range(searches)] if young else None,
    )
