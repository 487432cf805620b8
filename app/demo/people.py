"""Who works there and who is looking: accounts, agents, buyers and what they want. Pure, but for the seed."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import time
from random import Random
from typing import Any

from app.demo.places import FIRST_NAMES, LAST_NAMES, TOWNS, Town

PASSWORD = "porchlight-demo"  # noqa: S105 — the demo's, printed on purpose
SIGN_IN = "admin@harborvine.example"

STAFF = (
    (SIGN_IN, "Ruth Calloway", "admin"),
    ("staff@harborvine.example", "Edwin Marsh", "staff"),
    ("agent@harborvine.example", "Dana Whitlock", "agent"),
    ("viewer@harborvine.example", "Lena Fox", "viewer"),
)


@dataclass(frozen=True)
class Wish:
    """A saved search to be: whose, called what, after what, told when."""

    buyer: int
    name: str
    criteria: dict[str, Any]
    schedule_type: str
    send_time: time | None


def buyers(count: int, random: Random) -> list[dict[str, Any]]:
    """Names may repeat, addresses may not. A few gave no address, a few live in another zone."""
    people: list[dict[str, Any]] = []
    namesakes: Counter[str] = Counter()
    while len(people) < count:
        first, last = random.choice(FIRST_NAMES), random.choice(LAST_NAMES)
        name = f"{first}.{last}"
        namesakes[name] += 1
        if namesakes[name] > 1:
            name += str(namesakes[name])
        people.append(
            {
                "first_name": first,
                "last_name": last,
                "email": "" if random.random() < 0.02 else f"{name.lower()}@example.com",
                "mobile_phone": f"207-555-{random.randint(100, 199):04d}",
                "time_zone": random.choices(("", "America/Chicago", "America/Los_Angeles"), (92, 5, 3))[0],
                "lead_source": random.choice(("Website", "Open house", "Referral", "Portal", "Walk-in")),
            }
        )
    return people


def an_area(town: Town, random: Random) -> list[list[float]]:
    """Six corners around the middle of a town, as somebody draws them on a map."""
    corners = []
    for number in range(6):
        angle, reach = number * math.pi / 3, town.spread * random.uniform(0.5, 1.1)
        corners.append(
            [
                round(town.latitude + reach * math.sin(angle), 5),
                round(town.longitude + reach * 1.3 * math.cos(angle), 5),
            ]
        )
    return corners


def a_wish(buyer: int, random: Random) -> Wish:
    """Places first, then a price that fits them; the rest as people do, some of it left open."""
    town: Town = random.choices(TOWNS, weights=[town.weight for town in TOWNS])[0]
    middle = town.price_per_foot * random.choice((1100, 1500, 1900, 2400))
    low = round(middle * random.uniform(0.72, 0.88) / 5000) * 5000
    high = round(middle * random.uniform(1.08, 1.28) / 5000) * 5000
    criteria: dict[str, Any] = {}
    where = random.random()
    if where < 0.42:
        criteria["city"] = [town.city]
        name = town.city
    elif where < 0.56:
        other = random.choice([other for other in TOWNS if other is not town])
        criteria["city"] = sorted({town.city, other.city})
        name = f"{town.city} or {other.city}"
    elif where < 0.74:
        criteria["postal_code"] = [random.choice(town.postal_codes)]
        name = f"Around {criteria['postal_code'][0]}"
    elif where < 0.86:
        criteria["subdivision_name"] = [random.choice(town.subdivisions)]
        name = criteria["subdivision_name"][0]
    elif where < 0.91:
        criteria["polygons"] = [an_area(town, random)]
        name = f"Drawn in {town.city}"
    else:
        miles = random.choice((1, 2, 3))
        criteria["radius"] = {"latitude": town.latitude, "longitude": town.longitude, "miles": miles}
        name = f"Within {miles} mi of {town.city}"
    # A whole town or a wide circle wants both bounds, else it would be too broad to switch on (PA-14).
    is_narrow = "subdivision_name" in criteria
    criteria["list_price"] = {"le": high} if is_narrow and random.random() < 0.6 else {"ge": low, "le": high}
    if random.random() < 0.72:
        criteria["property_type"] = ["Residential"]
    if random.random() < 0.3:
        criteria["property_sub_type"] = random.choice(
            (["Single Family Residence"], ["Condominium"], ["Single Family Residence", "Townhouse"])
        )
    if random.random() < 0.62:
        criteria["bedrooms_total"] = {"ge": random.choice((2, 3, 3, 4))}
    if random.random() < 0.3:
        criteria["baths_equivalent"] = {"ge": random.choice((1, 2))}
    if random.random() < 0.22:
        criteria["living_area"] = {"ge": random.choice((1000, 1400, 1800))}
    if random.random() < 0.12:
        criteria["year_built"] = {"ge": random.choice((1950, 1980, 2000))}
    if random.random() < 0.06:
        criteria[random.choice(("keywords_any", "keywords_none"))] = [random.choice(("workshop", "garden", "porch"))]
    if random.random() < 0.08:
        criteria["garage_spaces"] = {"ge": 1}
        criteria["include_unknown"] = ["garage_spaces"]
    daily = random.random() < 0.45
    return Wish(
        buyer=buyer,
        name=f"{name} under ${high // 1000}k",
        criteria=criteria,
        schedule_type="Daily" if daily else "ASAP",
        send_time=time(random.choice((7, 7, 8, 18))) if daily else None,
    )
