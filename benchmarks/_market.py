"""A made-up market, the same for the same seed: places, homes that change, and what people search for.

Its shape is that of a large market: sixty cities by Zipf, prices lognormal, values missing here and there; searches
mostly for sets of cities, postal codes or subdivisions, some for circles, boxes or whole counties; nine in ten with a
price, most with two to four more wishes. A home is news for about half a percent of the searches.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CITIES = 60
POSTALS = 5  # in each city
HOODS = 10
COUNTIES = 5
CENTRE = (43.66, -70.26)

SUB_TYPES = (
    "Single Family Residence",
    "Condominium",
    "Townhouse",
    "Duplex",
    "Multi Family",
    "Ranch",
    "Cabin",
    "Apartment",
)
SUB_WEIGHTS = (55, 17, 12, 4, 4, 4, 2, 2)
TYPES = ("Residential", "Residential Income", "Land", "Residential Lease", "Farm")
TYPE_WEIGHTS = (82, 6, 6, 4, 2)


@dataclass(frozen=True)
class City:
    number: int
    latitude: float
    longitude: float

    @property
    def name(self) -> str:
        return f"City {self.number}"

    @property
    def county(self) -> str:
        return f"County {self.number % COUNTIES}"

    def postal(self, number: int) -> str:
        return f"{4000 + self.number * POSTALS + number:05}"

    def hood(self, number: int) -> str:
        return f"Hood {self.number * HOODS + number}"


class Market:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        rnd = self.random
        self.cities = [
            City(n, CENTRE[0] + rnd.uniform(-0.6, 0.6), CENTRE[1] + rnd.uniform(-0.8, 0.8)) for n in range(CITIES)
        ]
        self.weights = [1 / (n + 1) ** 0.85 for n in range(CITIES)]

    def a_city(self) -> City:
        return self.random.choices(self.cities, self.weights)[0]

    def homes(self, count: int) -> Iterator[dict[str, Any]]:
        """Listings under RESO names, with the kinds of news they make."""
        rnd = self.random
        for _ in range(count):
            city = self.a_city()

            def perhaps(value: Any, missing: float = 0.05) -> Any:
                return None if rnd.random() < missing else value

            spot = rnd.random() > 0.05
            yield {
                "city": city.name,
                "postal_code": perhaps(city.postal(rnd.randrange(POSTALS))) or "",
                "county_or_parish": city.county,
                "subdivision_name": perhaps(city.hood(rnd.randrange(HOODS)), 0.2) or "",
                "mls_area_major": "",
                "latitude": round(rnd.gauss(city.latitude, 0.03), 6) if spot else None,
                "longitude": round(rnd.gauss(city.longitude, 0.04), 6) if spot else None,
                "standard_status": rnd.choices(("Active", "Coming Soon", "Active Under Contract"), (94, 3, 3))[0],
                "kinds": rnd.choices((1, 2, 4), (50, 40, 10))[0],
                "list_price": int(rnd.lognormvariate(12.95, 0.5)) // 100 * 100,
                "property_type": perhaps(rnd.choices(TYPES, TYPE_WEIGHTS)[0], 0.02),
                "property_sub_type": perhaps(rnd.choices(SUB_TYPES, SUB_WEIGHTS)[0]),
                "bedrooms_total": perhaps(rnd.choices((1, 2, 3, 4, 5, 6), (6, 22, 38, 24, 8, 2))[0]),
                "baths_equivalent": perhaps(rnd.choices((1, 1.5, 2, 2.5, 3, 4), (20, 15, 30, 20, 10, 5))[0], 0.1),
                "living_area": perhaps(int(rnd.lognormvariate(7.5, 0.4)), 0.1),
                "lot_size_square_feet": perhaps(int(rnd.lognormvariate(9.2, 0.9)), 0.2),
                "year_built": perhaps(rnd.randrange(1880, 2026), 0.1),
            }

    def wishes(self, count: int) -> Iterator[dict[str, Any]]:
        """Criteria as they are given to Criteria.parse."""
        for _ in range(count):
            yield self._place() | self._values()

    def _place(self) -> dict[str, Any]:
        rnd = self.random
        city = self.a_city()
        drawn = rnd.random()
        areas = self._areas(city)
        if drawn < 0.12:
            shape = self._shape(city, box=drawn < 0.08)
            return shape | (areas if rnd.random() < 0.15 else {})
        if drawn < 0.135:
            return {"county_or_parish": [city.county]}
        return areas

    def _areas(self, city: City) -> dict[str, Any]:
        rnd = self.random
        kind = rnd.choices(("city", "postal_code", "subdivision_name"), (45, 28, 13))[0]
        more = rnd.choices((1, 2, 3), (60, 25, 15))[0]
        if kind == "city":
            return {kind: [city.name, *(self.a_city().name for _ in range(more - 1))]}
        if kind == "postal_code":
            return {kind: [city.postal(n) for n in rnd.sample(range(POSTALS), more)]}
        return {kind: [city.hood(n) for n in rnd.sample(range(HOODS), more)]}

    def _shape(self, city: City, *, box: bool) -> dict[str, Any]:
        rnd = self.random
        latitude, longitude = rnd.gauss(city.latitude, 0.02), rnd.gauss(city.longitude, 0.03)
        if box:
            tall, wide = rnd.uniform(0.01, 0.04), rnd.uniform(0.015, 0.05)
            return {
                "box": {
                    "south": round(latitude - tall, 6),
                    "west": round(longitude - wide, 6),
                    "north": round(latitude + tall, 6),
                    "east": round(longitude + wide, 6),
                }
            }
        return {
            "radius": {
                "latitude": round(latitude, 6),
                "longitude": round(longitude, 6),
                "miles": rnd.choice((0.5, 1, 1, 2, 2, 3, 5, 10)),
            }
        }

    def _values(self) -> dict[str, Any]:
        rnd = self.random
        wish: dict[str, Any] = {}
        if rnd.random() < 0.9:
            middle = rnd.lognormvariate(12.95, 0.45)
            wish["list_price"] = {"le": int(middle * rnd.uniform(1.0, 1.2)) // 1000 * 1000}
            if rnd.random() < 0.75:
                wish["list_price"]["ge"] = int(middle * rnd.uniform(0.65, 0.95)) // 1000 * 1000
        if rnd.random() < 0.7:
            if rnd.random() < 0.3:
                wish["property_type"] = list(dict.fromkeys(rnd.choices(TYPES, TYPE_WEIGHTS, k=2)))
            else:
                wish["property_sub_type"] = list(dict.fromkeys(rnd.choices(SUB_TYPES, SUB_WEIGHTS, k=2)))
        if rnd.random() < 0.6:
            wish["bedrooms_total"] = {"ge": rnd.choices((2, 3, 4, 5), (35, 40, 20, 5))[0]}
        if rnd.random() < 0.25:
            wish["baths_equivalent"] = {"ge": rnd.choice((1, 1.5, 2, 2.5, 3))}
        if rnd.random() < 0.2:
            wish["living_area"] = {"ge": rnd.randrange(800, 2600, 100)}
        if rnd.random() < 0.12:
            wish["year_built"] = {"ge": rnd.randrange(1950, 2015, 5)}
        if rnd.random() < 0.05:
            wish["standard_status"] = ["Active", "Coming Soon"]
        return wish
