"""Homes and their lives: what each is like, and what happens to it from day to day. Pure; one random.Random decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from app.demo.places import AGENTS, FIRMS, REMARKS, STREETS, TOWNS

TYPES = (
    ("Residential", "Single Family Residence", 58),
    ("Residential", "Condominium", 18),
    ("Residential", "Townhouse", 11),
    ("Residential Income", "Duplex", 4),
    ("Residential Income", "Multi Family", 3),
    ("Land", "Unimproved Land", 5),
    ("Farm", "Farm", 1),
)


@dataclass
class Home:
    """One listing as its source would report it today."""

    values: dict[str, Any]
    listed_at: datetime
    changes: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)


def round_price(amount: float) -> Decimal:
    """Prices people ask: …,900 or …,000 or …,500."""
    step = 5000 if amount > 400_000 else 1000
    base = round(amount / step) * step
    return Decimal(base - 100 if base % 10_000 == 0 and base > 200_000 else base)


def a_home(number: int, random: Random, listed_at: datetime, agents: list[int], photos: str = "") -> Home:
    """The number makes the key and the photograph; everything else is drawn. Some facts are unknown, as in any feed."""
    town = random.choices(TOWNS, weights=[town.weight for town in TOWNS])[0]
    property_type, sub_type, _ = random.choices(TYPES, weights=[weight for *_, weight in TYPES])[0]
    land = property_type == "Land"
    size = {"Condominium": 980, "Townhouse": 1480, "Duplex": 2300, "Multi Family": 3100, "Farm": 2600}.get(
        sub_type, 1850
    )
    living = None if land else round(size * random.lognormvariate(0, 0.28) / 5) * 5
    beds = None if land else max(1, min(7, round((living or 0) / 620 + random.uniform(-0.6, 0.9))))
    full = None if land else max(1, min(5, round((beds or 1) * 0.62)))
    half = None if land else random.choice((0, 0, 1, 1))
    usual_lot = {"Condominium": None, "Unimproved Land": 60_000, "Farm": 900_000}.get(sub_type, 9_800)
    lot = None if usual_lot is None else round(usual_lot * random.lognormvariate(0, 0.5))
    price = (
        lot * random.uniform(1.1, 2.4)
        if land and lot
        else (living or 1500) * town.price_per_foot * random.lognormvariate(0, 0.16)
    )
    ours = random.random() < 0.3
    firm, phone = ("Harbor & Vine Realty", "(555) 555-0117") if ours else random.choice(FIRMS)
    street = random.choice(STREETS)
    unit = f"{random.randint(1, 9)}{random.choice('ABC')}" if sub_type == "Condominium" else ""
    address = f"{random.randint(1, 480)} {street}" + (f", Unit {unit}" if unit else "")
    # The sales side keeps to its own people: only our listings carry one of our agents.
    agent = random.randrange(len(agents)) if ours else None
    values: dict[str, Any] = {
        "originating_system_key": f"PE-{2_600_000 + number}",
        "listing_id": f"PE-{2_600_000 + number}",
        "standard_status": "Active",
        "list_price": round_price(price),
        "property_type": property_type,
        "property_sub_type": sub_type,
        "bedrooms_total": beds,
        "bathrooms_full": full,
        "bathrooms_half": half,
        "bathrooms_total_integer": None if full is None else full + (half or 0),
        "living_area": None if living is None or random.random() < 0.04 else Decimal(living),
        "lot_size_square_feet": None if lot is None or random.random() < 0.06 else Decimal(lot),
        "year_built": None if land or random.random() < 0.03 else int(random.triangular(1880, 2026, 1992)),
        "garage_spaces": None if land else random.choice((0, 1, 1, 2, 2)),
        "unparsed_address": address,
        "unit_number": unit,
        "city": town.city,
        "state_or_province": "ME",
        "postal_code": random.choice(town.postal_codes),
        "county_or_parish": town.county_or_parish,
        "subdivision_name": random.choice(town.subdivisions) if random.random() < 0.6 else "",
        "latitude": Decimal(str(round(random.gauss(town.latitude, town.spread / 2), 6))),
        "longitude": Decimal(str(round(random.gauss(town.longitude, town.spread / 2), 6))),
        "waterfront_yn": random.random() < 0.08,
        "public_remarks": random.choice(REMARKS),
        "private_remarks": "Lockbox on the side door; call first." if random.random() < 0.3 else "",
        "list_agent_id": None if agent is None else agents[agent],
        "list_agent_full_name": "" if agent is None else AGENTS[agent],
        "list_office_name": firm,
        "list_office_phone": phone,
        "internet_entire_listing_display_yn": random.random() > 0.01,
        "internet_address_display_yn": random.random() > 0.02,
        "listing_contract_date": listed_at.date(),
        "on_market_timestamp": listed_at,
    }
    values |= _further(number, values)
    if photos and not land:
        values |= {"preferred_photo_url": f"{photos}/{number}.jpg", "photos_count": 1 + number % 24}
    return Home(values, listed_at)


def _further(number: int, values: dict[str, Any]) -> dict[str, Any]:
    """What searches may ask beside place, price and size; by a draw of its own, so that the rest stays what it was."""
    random = Random(f"further {number}")  # noqa: S311  a made-up market
    shared = values["property_sub_type"] in ("Condominium", "Townhouse")
    return {
        "pool_private_yn": None if random.random() < 0.3 else random.random() < 0.08,
        "new_construction_yn": values["year_built"] is not None and values["year_built"] >= 2024,
        "senior_community_yn": None if random.random() < 0.5 else shared and random.random() < 0.1,
        "association_fee": Decimal(random.randrange(120, 620, 10)) if shared and random.random() < 0.9 else None,
        "association_fee_frequency": "Monthly" if shared else None,
        "special_listing_conditions": random.choices((["Standard"], None, ["Short Sale"], ["Auction"]), (80, 15, 3, 2))[
            0
        ],
    }


def a_days_change(home: Home, random: Random) -> dict[str, Any] | None:
    """What its source might report of this home today, or None: price cuts, offers, fall-throughs, sales."""
    status, price = home.values["standard_status"], home.values["list_price"]
    draw = random.random()
    if status == "Active":
        if draw < 0.011:
            return {"list_price": round_price(float(price) * random.uniform(0.93, 0.985))}
        if draw < 0.012:
            return {"list_price": round_price(float(price) * random.uniform(1.01, 1.03))}
        if draw < 0.017:
            return {"standard_status": "Active Under Contract"}
        if draw < 0.021:
            return {"standard_status": "Pending"}
        if draw < 0.0215:
            return {"standard_status": "Withdrawn"}
        if draw < 0.0225:
            return {"public_remarks": random.choice(REMARKS)}
    elif status == "Active Under Contract":
        if draw < 0.05:
            return {"standard_status": "Pending"}
        if draw < 0.06:
            return {"standard_status": "Active"}
    elif status == "Pending":
        if draw < 0.06:
            return {"standard_status": "Closed", "close_price": round_price(float(price) * random.uniform(0.95, 1.02))}
        if draw < 0.07:
            return {"standard_status": "Active"}
    elif status == "Withdrawn" and draw < 0.02:
        return {"standard_status": "Active"}
    return None


def spread_over(day: datetime, count: int, random: Random, *, until: datetime) -> list[datetime]:
    """`count` moments of one day, most of them in working hours, none after `until`; sorted."""
    moments = [day + timedelta(minutes=int(random.triangular(8 * 60, 20 * 60, 11 * 60))) for _ in range(count)]
    return sorted(moment for moment in moments if moment <= until)
