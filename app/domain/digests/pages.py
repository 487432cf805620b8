"""The pages behind a digest's link: exactly the homes it showed, as they are now. Reads only.

Anybody who has the link may see them, so there is nothing of the buyer on them, and nothing private of a home.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from app.display import money, number
from app.domain.digests import queries, words
from app.domain.digests.words import Line, News, OpenTime
from app.domain.errors import NotFound
from app.domain.messages.mime import one_line
from app.domain.models import AlertKind, DigestItem, Listing
from app.domain.models.lookups import StandardStatus

LARGEST_ID = 2**63 - 1
_SHAPE = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True, slots=True)
class Home:
    """One home of a page. When the seller no longer wants it shown, `line` is None and nothing is said of it."""

    line: Line | None
    status: str
    now: str
    """What changed since the mail, in words; empty when nothing did."""


@dataclass(frozen=True, slots=True)
class Page:
    token: str
    office_name: str
    title: str
    ask_words: str
    day: str
    as_of: str
    agent_name: str
    phone: str
    is_answered: bool
    """Whether a reply to the mail reaches the agent."""
    homes: Sequence[Home]


@dataclass(frozen=True, slots=True)
class HomePage:
    """One home by itself, at its price of now."""

    page: Page
    status: str
    line: Line
    price: str
    was: str
    facts: Sequence[tuple[str, str]]
    remarks: Sequence[str]
    agent: str


def page_of(token: str, now: datetime | None = None) -> Page:
    """The homes of a digest. Raises NotFound for a link we never made."""
    return _page(token, None, now or datetime.now(UTC))[0]


def home_of(token: str, listing_id: int, now: datetime | None = None) -> HomePage:
    """One home of a digest. Raises NotFound for a home that was not in it, or may no longer be shown."""
    if listing_id > LARGEST_ID:
        raise NotFound("There is no such home.")
    page, rows = _page(token, listing_id, now or datetime.now(UTC))
    line = page.homes[0].line if rows else None
    if line is None:
        raise NotFound("This home is not, or no longer, shown here.")
    home = rows[0][1]
    return HomePage(
        page=page,
        status=home.standard_status,
        line=line,
        price=words.price_of(home.list_price),
        was=line.price if line.price != words.price_of(home.list_price) else line.was,
        facts=_facts(home),
        remarks=[part.strip() for part in home.public_remarks.splitlines() if part.strip()],
        agent=one_line(home.list_agent_full_name),
    )


def _page(token: str, listing_id: int | None, now: datetime) -> tuple[Page, Sequence[tuple[DigestItem, Listing]]]:
    head = queries.digest_page(token) if _SHAPE.fullmatch(token) else None
    if head is None:
        raise NotFound("This link is not one of ours.")
    zone = words.zone_named(head.time_zone)
    rows = queries.homes_of_page(head.id, listing_id)
    openings: dict[int, list[OpenTime]] = defaultdict(list)
    for row in queries.openings_of_page(head.id):
        openings[row["listing_id"]].append(OpenTime.of(row))
    homes = []
    for item, home in rows:
        news = News(
            AlertKind(item.kind),
            item.price_before,
            item.price_shown,
            fingerprint=item.fingerprint,
            cause=item.cause,
            openings=openings.get(home.id, ()),
        )
        line = words.line_of(news, home, home.id, searches=(), url=f"/d/{token}/{home.id}", zone=zone)
        is_shown = home.internet_entire_listing_display_yn
        homes.append(Home(line if is_shown else None, home.standard_status, _since(item.price_shown, home)))
    count = len(homes)
    page = Page(
        token=token,
        office_name=head.office_name,
        ask_words=words.ask_words(count),
        title=f"{words.count_words(count)} {'home' if count == 1 else 'homes'}",
        day=words.day_of(head.sent_at or head.created_at, zone),
        as_of=words.as_of(now, zone),
        agent_name=one_line(head.member_full_name or ""),
        phone=one_line(head.member_mobile_phone or "") or head.office_phone,
        is_answered=bool(head.member_email),
        homes=homes,
    )
    return page, rows


def _since(price_shown: Decimal | None, home: Listing) -> str:
    if home.standard_status != StandardStatus.ACTIVE:
        return f"Now {home.standard_status}"
    if home.list_price is not None and home.list_price != price_shown:
        return f"Now {money(home.list_price)}"
    return ""


def _facts(home: Listing) -> list[tuple[str, str]]:
    """What is known of a home that anybody may see, by its RESO names."""
    lot = home.lot_size_square_feet
    known = [
        ("Type", home.property_sub_type or home.property_type),
        ("Beds", home.bedrooms_total),
        ("Baths", home.baths_equivalent),
        ("Living area", f"{number(home.living_area)} sq ft" if home.living_area else None),
        (
            "Lot",
            None
            if lot is None
            else f"{number(round(lot / 43560, 2))} acres"
            if lot >= 43560
            else f"{number(lot)} sq ft",
        ),
        ("Year built", home.year_built),
        ("Stories", home.stories_total),
        ("Garage", home.garage_spaces),
        ("Waterfront", None if home.waterfront_yn is None else "Yes" if home.waterfront_yn else "No"),
        ("Subdivision", home.subdivision_name if home.internet_address_display_yn else ""),
        ("County", home.county_or_parish),
        ("MLS number", home.listing_id),
    ]
    return [
        (name, number(value) if isinstance(value, Decimal) else str(value))
        for name, value in known
        if value not in (None, "")
    ]
