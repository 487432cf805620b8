"""The last two months of Harbor & Vine Realty, told through the same verbs the screens and jobs use.

The market comes first: sixty days of listings and what happened to them, most of it before the office began with
alerts. Then the searches are entered, and for the last days every quarter hour is replayed for real: events are
matched, digests built, mails sent. So nothing on the operations page is painted: the sums come from the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from app.demo import homes, integrations, ledger, people, sizes
from app.demo.places import AGENTS
from app.domain.alerts import match
from app.domain.contacts import household
from app.domain.digests.build import build_some
from app.domain.digests.letters import COMPOSERS
from app.domain.listings import openings
from app.domain.listings.record import record
from app.domain.messages.send import send_due
from app.domain.models import Contact, HouseholdMail, Member, Office, User
from app.domain.models.lookups import Origin, ScheduleType
from app.domain.people.accounts import hash_password
from app.domain.searches import saved
from app.extensions import db

SOURCE = "Ellery County MLS"
ZONE = ZoneInfo("America/New_York")
MARKET_DAYS = 60
QUARTER = timedelta(minutes=15)

Tell = Callable[[str], None]


@dataclass
class Scale:
    """How much there is of everything."""

    listings: int = 5200
    buyers: int = 300
    searches: int = 600
    days: int = 3
    photos: str = ""
    """Where photographs lie, as NUMBER.jpg."""


@dataclass
class World:
    office: Office
    members: list[Member]
    users: list[User]
    random: Random
    now: datetime
    homes: list[homes.Home] = field(default_factory=list)
    searches: list[int] = field(default_factory=list)
    listed: int = 0
    photos: str = ""


def tell(scale: Scale, seed: int, say: Tell, now: datetime | None = None) -> dict[str, int]:
    """Fill an empty database. Commits as it goes. The same seed and `now` make the same brokerage."""
    now = now or datetime.now(UTC)
    random = Random(seed)  # noqa: S311 — repeatable on purpose
    say("An office, its people and its buyers")
    world = found(random, now)
    world.photos = scale.photos
    contacts = bring_buyers(world, scale.buyers)
    alerts_begin = start_of_day(now) - timedelta(days=scale.days - 1)
    say(f"{scale.listings:,} listings, and sixty days of what happened to them")
    open_the_market(world, scale.listings, until=alerts_begin)
    say(f"{scale.searches:,} saved searches")
    enter_searches(world, contacts, scale.searches, alerts_begin)
    say(f"{scale.days} days of alerts, every quarter hour, with real mail")
    counts = live(world, alerts_begin)
    open_doors(world)
    integrations.write(now)
    sizes.write(now)
    return counts | {"listings": world.listed, "contacts": len(contacts), "searches": scale.searches}


def start_of_day(moment: datetime) -> datetime:
    """Midnight of the office's day, in UTC."""
    return moment.astimezone(ZONE).replace(hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)


def found(random: Random, now: datetime) -> World:
    office = Office(
        office_key="harbor-vine-port-ellery",
        office_name="Harbor & Vine Realty",
        office_phone="(555) 555-0117",
        office_address1="14 Customs House Lane",
        office_city="Port Ellery",
        office_state_or_province="ME",
        office_postal_code="04910",
        time_zone=str(ZONE),
    )
    db.session.add(office)
    db.session.flush()
    members = [
        Member(
            office_id=office.id,
            member_key=f"HV-{number:03d}",
            member_full_name=name,
            member_email=f"{name.lower().replace(' ', '.')}@harborvine.example",
            member_mobile_phone=f"(555) 555-02{number:02d}",
        )
        for number, name in enumerate(AGENTS, start=1)
    ]
    db.session.add_all(members)
    db.session.flush()
    secret = hash_password(people.PASSWORD)
    users = [
        User(
            office_id=office.id,
            member_id=members[0].id if role == "agent" else None,
            email=email,
            full_name=name,
            role=role,
            password_hash=secret,
            created_at=now - timedelta(days=MARKET_DAYS),
        )
        for email, name, role in people.STAFF
    ]
    db.session.add_all(users)
    db.session.commit()
    return World(office, members, users, random, now)


def bring_buyers(world: World, count: int) -> list[Contact]:
    contacts = []
    for number, person in enumerate(people.buyers(count, world.random), start=1):
        entered = world.now - timedelta(days=world.random.uniform(4, 700))
        contacts.append(
            Contact(
                office_id=world.office.id,
                contact_key=f"HV-B{number:04d}",
                full_name=f"{person['first_name']} {person['last_name']}",
                owner_member_id=world.random.choice(world.members).id,
                original_entry_timestamp=entered,
                modification_timestamp=entered,
                **person,
            )
        )
    db.session.add_all(contacts)
    db.session.flush()
    one, other = [contact for contact in contacts if contact.email][:2]
    household.share(one.id, other.email, HouseholdMail.TOGETHER, office_id=world.office.id, now=world.now)
    db.session.commit()
    return contacts


def open_the_market(world: World, count: int, until: datetime) -> None:
    """The stock of the first day as a backfill that alerts nobody (PA-02), then day by day."""
    first_day = start_of_day(world.now) - timedelta(days=MARKET_DAYS)
    agents = [member.id for member in world.members]
    a_day = count // 190
    stock = count - a_day * MARKET_DAYS
    for _ in range(stock):
        listed_at = first_day - timedelta(days=world.random.expovariate(1 / 70), hours=world.random.uniform(4, 14))
        world.homes.append(homes.a_home(len(world.homes), world.random, listed_at, agents, world.photos))
    record(
        world.office.id, SOURCE, [home.values for home in world.homes], origin=Origin.BACKFILL, now=first_day
    )  # fmt: skip
    world.listed = stock
    db.session.commit()
    day = first_day
    while day < until:
        moments = homes.spread_over(day, 3, world.random, until=until)
        for number, moment in enumerate(moments):
            a_quiet_step(world, moment, agents, a_day // 3 + (a_day % 3 if number == 0 else 0), share=1 / len(moments))
        db.session.commit()
        day = start_of_day(day + timedelta(hours=36))
    match_all(until)


def a_quiet_step(world: World, moment: datetime, agents: list[int], new: int, share: float) -> int:
    """New homes and changes up to `moment`, recorded as the source's feed would bring them. Returns how many."""
    rows: list[dict[str, Any]] = []
    for home in world.homes:
        change = homes.a_days_change(home, world.random) if world.random.random() < share else None
        if change:
            home.values |= change
            rows.append(home.values)
    for _ in range(new):
        home = homes.a_home(len(world.homes), world.random, moment - timedelta(minutes=4), agents, world.photos)
        world.homes.append(home)
        rows.append(home.values)
    if rows:
        record(world.office.id, SOURCE, rows, origin=Origin.LIVE_SYNC, occurred_at=moment, now=moment)
    world.listed = len(world.homes)
    return len(rows)


def enter_searches(world: World, contacts: list[Contact], count: int, now: datetime) -> None:
    reachable = [contact for contact in contacts if contact.email]
    for _ in range(count):
        wish = people.a_wish(world.random.randrange(len(reachable)), world.random)
        contact = reachable[wish.buyer]
        search = saved.create(
            world.office.id,
            contact.id,
            wish.name,
            wish.criteria,
            schedule_type=ScheduleType(wish.schedule_type),
            send_time=wish.send_time,
            kinds=world.random.choice((31, 31, 31, 11, 63)),
            member_id=contact.owner_member_id,
            user_id=world.users[1].id,
            now=now,
            judge=False,
        )
        world.searches.append(search.id)
    db.session.commit()


def match_all(now: datetime) -> dict[str, int]:
    totals = {"events": 0, "matched_events": 0, "pairs": 0}
    match.take_batches(now)
    db.session.commit()
    while counts := match.match_one_batch(now):
        db.session.commit()
        for name in totals:
            totals[name] += counts.get(name, 0)
    return totals


def live(world: World, begin: datetime) -> dict[str, int]:
    """Every quarter hour since alerts began: what the feed brought, then the three stages, then the ledger's rows."""
    agents = [member.id for member in world.members]
    runs = ledger.Ledger(world.now)
    totals: dict[str, int] = {}
    tick = begin
    asks = world.now - timedelta(hours=3)  # what waits longer than four hours is complained of
    while tick + timedelta(seconds=30) < world.now:
        if tick <= asks < tick + QUARTER:
            ask_the_agents(world, tick)
        hour = tick.astimezone(ZONE).hour
        brought = 0
        if 7 <= hour < 21 and world.random.random() < 0.25:
            brought = a_quiet_step(
                world,
                tick - timedelta(minutes=world.random.uniform(2, 14)),
                agents,
                world.random.randrange(3),
                1 / 40,
            )
            db.session.commit()
        matched = match_all(tick + timedelta(seconds=2)) if brought else {}
        built = build_all(tick)
        sent = send_due(COMPOSERS, now=tick + timedelta(seconds=9)) if built.get("messages") else {}
        db.session.commit()
        runs.note(tick, matched, built, sent)
        for name, value in (built | sent).items():
            totals[name] = totals.get(name, 0) + value
        tick += QUARTER
    runs.write(begin, tick - QUARTER)
    return totals


def ask_the_agents(world: World, moment: datetime, every: int = 8) -> None:
    """From now on some agents read each mail before it goes."""
    for search_id in world.searches[::every]:
        saved.edit(search_id, office_id=world.office.id, version=1, concierge=True, now=moment)
    db.session.commit()


def open_doors(world: World, doors: int = 5) -> None:
    """The newest homes can be seen next Saturday; the first run of alerts tells of it."""
    days = (5 - world.now.astimezone(ZONE).weekday()) % 7 or 7
    saturday = (start_of_day(world.now) + timedelta(days=days, hours=12)).astimezone(ZONE)
    shown = [home for home in reversed(world.homes) if home.values["standard_status"] == "Active"]
    for number, home in enumerate(shown[:doors]):
        starts = saturday.replace(hour=11 + number % 3, minute=0)
        listing_id = openings.queries.listing_of_source(world.office.id, SOURCE, home.values["originating_system_key"])
        if listing_id is not None:
            openings.create(
                world.office.id, listing_id, starts=starts, ends=starts + timedelta(hours=2),
                user_id=world.users[1].id, now=world.now,
            )  # fmt: skip
    db.session.commit()


def build_all(window_end: datetime) -> dict[str, int]:
    totals: dict[str, int] = {}
    while counts := build_some(window_end, window_end + timedelta(seconds=5)):
        db.session.commit()
        for name, value in counts.items():
            totals[name] = totals.get(name, 0) + value
    db.session.commit()
    return totals
