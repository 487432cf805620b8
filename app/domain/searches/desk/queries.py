"""What the search screens read: the list, one search with its history, places while typing. Filtered by office."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import joinedload, load_only

from app.domain.errors import NotFound
from app.domain.listings.areas import normalise
from app.domain.models import (
    AlertSubscription,
    AreaKind,
    AreaName,
    Contact,
    Listing,
    ListingEvent,
    Member,
    SavedSearch,
    SavedSearchVersion,
    Suppression,
    SuppressionScope,
    User,
)
from app.domain.models.lookups import ScheduleType
from app.domain.searches.criteria import PLACES, Criteria
from app.domain.searches.queries import matching, would_have_sent
from app.extensions import db

COUNTED_UP_TO = 10_000
"""A count beyond this is written "10,000+"."""
MOST_MISSED = 2_000

SORTS: dict[str, Any] = {
    "name": func.lower(SavedSearch.called),
    "buyer": Contact.full_name,
    "last": AlertSubscription.last_new_changed_timestamp,
    "next": AlertSubscription.next_send_timestamp,
    "added": AlertSubscription.id,
}


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to; an empty value narrows nothing."""

    q: str = ""
    member_id: int | None = None
    schedule: str = ""
    """asap, daily or days."""
    state: str = ""
    """on, off, or a ReasonActiveOrDisabled of those that are off."""


@dataclass(frozen=True)
class SearchRow:
    """One line of the list."""

    id: int
    name: str
    sentence: str
    contact_id: int
    buyer: str
    email: str
    agent: str | None
    is_active: bool
    reason: str | None
    is_blocked: bool
    """The address is suppressed: nothing is sent although the search is on."""
    schedule_type: str
    daily_schedule: list[str]
    send_time: time | None
    next_send_at: datetime | None
    last_match_at: datetime | None


def _in_force(now: datetime) -> ColumnElement[bool]:
    return and_(Suppression.lifted_at.is_(None), or_(Suppression.expires_at.is_(None), Suppression.expires_at > now))


def _narrowed(office_id: int, filters: Filters) -> Select[int]:
    statement = (
        select(AlertSubscription.id)
        .join(AlertSubscription.saved_search)
        .join(AlertSubscription.contact)
        .where(AlertSubscription.office_id == office_id, SavedSearch.deleted_at.is_(None))
    )
    for word in filters.q.lower().split()[:6]:
        buyers = select(Contact.id).where(
            Contact.office_id == office_id, Contact.search_text.contains(word, autoescape=True)
        )
        named = select(SavedSearch.id).where(
            SavedSearch.office_id == office_id,
            func.lower(SavedSearch.called).contains(word, autoescape=True),
        )
        statement = statement.where(
            or_(AlertSubscription.contact_id.in_(buyers), AlertSubscription.saved_search_id.in_(named))
        )
    if filters.member_id:
        statement = statement.where(AlertSubscription.owner_member_id == filters.member_id)
    if filters.schedule == "asap":
        statement = statement.where(AlertSubscription.schedule_type == ScheduleType.ASAP.value)
    elif filters.schedule:
        chosen = func.cardinality(AlertSubscription.daily_schedule) > 0
        statement = statement.where(
            AlertSubscription.schedule_type == ScheduleType.DAILY.value,
            chosen if filters.schedule == "days" else ~chosen,
        )
    if filters.state == "on":
        statement = statement.where(AlertSubscription.active_yn)
    elif filters.state:
        statement = statement.where(~AlertSubscription.active_yn)
        if filters.state != "off":
            statement = statement.where(AlertSubscription.reason_active_or_disabled == filters.state)
    return statement


def count_searches(office_id: int, filters: Filters) -> int:
    """How many the list holds; COUNTED_UP_TO + 1 stands for more."""
    some = _narrowed(office_id, filters).limit(COUNTED_UP_TO + 1).subquery()
    return db.session.execute(select(func.count()).select_from(some)).scalar_one()


def search_rows(
    office_id: int,
    filters: Filters,
    *,
    sort: str = "added",
    descending: bool = True,
    offset: int = 0,
    limit: int = 50,
    now: datetime,
) -> list[SearchRow]:
    """One page of the list, in one statement. Rows without a time come last, whichever way it is sorted."""
    column = SORTS[sort]
    order = [
        column.desc().nulls_last() if descending else column.asc().nulls_last(),
        AlertSubscription.id.desc() if descending else AlertSubscription.id,
    ]
    if sort == "added":
        order = order[1:]
    blocked = (
        select(Suppression.id)
        .where(
            Suppression.office_id == AlertSubscription.office_id,
            Suppression.recipient == Contact.email,
            or_(
                Suppression.scope != SuppressionScope.SUBSCRIPTION.value,
                Suppression.alert_subscription_id == AlertSubscription.id,
            ),
            _in_force(now),
        )
        .exists()
    )
    statement: Select[*tuple[Any, ...]] = (
        _narrowed(office_id, filters)
        .outerjoin(Member, Member.id == AlertSubscription.owner_member_id)
        .with_only_columns(
            SavedSearch.id,
            SavedSearch.called,
            SavedSearch.search_query_human_readable,
            Contact.id,
            Contact.full_name,
            Contact.email,
            Member.member_full_name,
            AlertSubscription.active_yn,
            AlertSubscription.reason_active_or_disabled,
            blocked,
            AlertSubscription.schedule_type,
            AlertSubscription.daily_schedule,
            AlertSubscription.send_time,
            AlertSubscription.next_send_timestamp,
            AlertSubscription.last_new_changed_timestamp,
        )
        .order_by(*order)
        .offset(offset)
        .limit(limit)
    )
    return [SearchRow(*row) for row in db.session.execute(statement)]


@dataclass(frozen=True)
class Found:
    """A search with who is told about it."""

    search: SavedSearch
    contact: Contact
    subscription: AlertSubscription
    agent: str | None
    blocks: list[Suppression]
    """Suppressions in force that keep its mails back."""


def search_with_subscription(office_id: int, search_id: int, *, now: datetime) -> Found:
    """One search of the office. Raises NotFound, also for another office's."""
    row = db.session.execute(
        select(AlertSubscription, Member.member_full_name)
        .join(AlertSubscription.saved_search)
        .outerjoin(Member, Member.id == AlertSubscription.owner_member_id)
        .where(SavedSearch.id == search_id, SavedSearch.office_id == office_id)
        .options(joinedload(AlertSubscription.saved_search), joinedload(AlertSubscription.contact))
        .order_by(AlertSubscription.id)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such search here. It may have been removed.")
    subscription, agent = row
    return Found(
        search=subscription.saved_search,
        contact=subscription.contact,
        subscription=subscription,
        agent=agent,
        blocks=list(blocks_of(subscription.contact, subscription_id=subscription.id, now=now)),
    )


def blocks_of(contact: Contact, *, subscription_id: int | None = None, now: datetime) -> Sequence[Suppression]:
    """Suppressions in force that would keep back a mail to this contact, for this search if one is named."""
    if not contact.email:
        return []
    whole = Suppression.scope != SuppressionScope.SUBSCRIPTION.value
    return db.session.scalars(
        select(Suppression)
        .where(
            Suppression.office_id == contact.office_id,
            Suppression.recipient == contact.email,
            or_(whole, Suppression.alert_subscription_id == subscription_id) if subscription_id else whole,
            _in_force(now),
        )
        .order_by(Suppression.created_at, Suppression.id)
    ).all()


@dataclass(frozen=True)
class VersionRow:
    """Each criteria a search ever had, and who wrote it (PA-15)."""

    version: int
    criteria: dict[str, Any]
    created_at: datetime
    who: str | None
    restored_from: int | None
    """The older version whose wishes it brought back."""


def versions_of(search_id: int, *, limit: int = 50) -> list[VersionRow]:
    """The history of a search, newest first."""
    statement = (
        select(
            SavedSearchVersion.version,
            SavedSearchVersion.criteria,
            SavedSearchVersion.created_at,
            User.full_name,
            SavedSearchVersion.restored_from,
        )
        .outerjoin(User, User.id == SavedSearchVersion.user_id)
        .where(SavedSearchVersion.saved_search_id == search_id)
        .order_by(SavedSearchVersion.version.desc())
        .limit(limit)
    )
    return [VersionRow(*row) for row in db.session.execute(statement)]


@dataclass(frozen=True)
class MissedHome:
    """A home that a search would have told about, once, with its newest news and what has become of it since."""

    listing_id: int
    address: str
    city: str
    kinds: list[str]
    """Every kind of news it made meanwhile, newest first."""
    at: datetime
    price: Decimal | None
    """At that news; price_now is today's."""
    price_now: Decimal | None
    status_now: str
    bedrooms_total: int | None
    living_area: Decimal | None


def missed_homes(
    office_id: int, criteria: Criteria, kinds: int, *, since: datetime, until: datetime, limit: int = 100
) -> tuple[int, list[MissedHome]]:
    """(all, the newest of them): homes that a search of these wishes would have told about in a span (PA-16). Counting
    stops at MOST_MISSED pieces of news; homes that must not be shown are left out."""
    sent = would_have_sent(office_id, criteria, kinds, since=since, now=until).subquery()
    rows = db.session.execute(
        select(
            Listing.id,
            Listing.unparsed_address,
            Listing.city,
            sent.c.kind,
            ListingEvent.recorded_at,
            ListingEvent.list_price,
            Listing.list_price,
            Listing.standard_status,
            Listing.bedrooms_total,
            Listing.living_area,
        )
        .join(ListingEvent, ListingEvent.seq == sent.c.seq)
        .join(Listing, Listing.id == ListingEvent.listing_id)
        .where(Listing.internet_entire_listing_display_yn)
        .order_by(sent.c.seq.desc())
        .limit(MOST_MISSED)
    )
    homes: dict[int, MissedHome] = {}
    for listing_id, address, city, kind, *rest in rows:
        if listing_id in homes:
            homes[listing_id].kinds.append(kind)
        else:
            homes[listing_id] = MissedHome(listing_id, address, city, [kind], *rest)
    return len(homes), list(homes.values())[:limit]


def places_like(office_id: int, typed: str, *, limit: int = 12) -> list[tuple[str, str]]:
    """(kind, name) of places whose name, or a later word of it, begins with what is typed; the closest first."""
    begins = normalise(AreaKind.CITY, typed)
    if not begins:
        return []
    starts = AreaName.name_normal.startswith(begins, autoescape=True)
    later = AreaName.name_normal.contains(f" {begins}", autoescape=True)
    rows = db.session.execute(
        select(AreaName.kind, AreaName.name)
        .where(AreaName.office_id == office_id, or_(starts, later))
        .order_by(starts.desc(), func.length(AreaName.name_normal), AreaName.name_normal, AreaName.kind)
        .limit(limit)
    )
    return [(kind, name) for kind, name in rows]


def places_named(office_id: int, typed: str) -> list[tuple[str, str]]:
    """(kind, name) of every place with exactly this name, however it is spelled."""
    wanted = {(kind.value, normalise(kind, typed)) for kind in AreaKind}
    rows = db.session.execute(
        select(AreaName.kind, AreaName.name)
        .where(
            AreaName.office_id == office_id,
            or_(*(and_(AreaName.kind == kind, AreaName.name_normal == name) for kind, name in sorted(wanted))),
        )
        .order_by(AreaName.kind)
    )
    return [(kind, name) for kind, name in rows]


def price_after(office_id: int, criteria: Criteria, cheapest: int) -> Decimal | None:
    """What the first home costs that matches after the `cheapest` ones; None when there are no more."""
    statement = (
        matching(office_id, criteria)
        .with_only_columns(Listing.list_price)
        .where(Listing.list_price.is_not(None))
        .order_by(Listing.list_price)
        .offset(cheapest)
        .limit(1)
    )
    return db.session.scalar(statement)


@dataclass(frozen=True)
class Spot:
    """One home as a map shows it."""

    id: int
    listing_key: str
    latitude: Decimal
    longitude: Decimal
    list_price: Decimal | None
    address: str
    bedrooms_total: int | None
    living_area: Decimal | None


def spots(office_id: int, criteria: Criteria, *, limit: int) -> tuple[int, int, list[Spot]]:
    """(all that match, up to COUNTED_UP_TO; those of them without coordinates; the newest with them, up to `limit`)."""
    matched = (
        matching(office_id, criteria)
        .with_only_columns(Listing.id, Listing.latitude, Listing.on_market_timestamp)
        .limit(COUNTED_UP_TO)
        .cte("matched")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    total, nowhere = db.session.execute(
        select(func.count(), func.count().filter(matched.c.latitude.is_(None))).select_from(matched)
    ).one()
    shown = (
        select(matched.c.id)
        .where(matched.c.latitude.is_not(None))
        .order_by(matched.c.on_market_timestamp.desc().nulls_last(), matched.c.id.desc())
        .limit(limit)
        .subquery("shown")
    )
    return total, nowhere, _spots(select(Listing).join(shown, shown.c.id == Listing.id))


def spots_around(
    office_id: int, criteria: Criteria, view: Sequence[Decimal], *, limit: int, but: Sequence[int]
) -> list[Spot]:
    """Homes within the view (south, west, north, east) that have all but the place: what else could be drawn around."""
    anywhere: dict[str, Any] = {field: () if isinstance(getattr(criteria, field), tuple) else None for field in PLACES}
    south, west, north, east = view
    return _spots(
        matching(office_id, replace(criteria, **anywhere))
        .where(Listing.latitude.between(south, north), Listing.longitude.between(west, east), Listing.id.not_in(but))
        .limit(limit)
    )


def _spots(statement: Select[Listing]) -> list[Spot]:
    rows = db.session.execute(
        statement.with_only_columns(
            Listing.id,
            Listing.listing_key,
            Listing.latitude,
            Listing.longitude,
            Listing.list_price,
            Listing.unparsed_address,
            Listing.bedrooms_total,
            Listing.living_area,
        )
    )
    return [
        Spot(number, key, latitude, longitude, price, address, beds, area)
        for number, key, latitude, longitude, price, address, beds, area in rows
        if latitude is not None and longitude is not None
    ]


def keys_of_homes_called(office_id: int, typed: str) -> list[str]:
    """Keys of the homes with exactly this MLS number or address; at most two, since one is wanted."""
    wanted = " ".join(typed.lower().split())
    exact = or_(func.lower(Listing.listing_id) == wanted, func.lower(Listing.unparsed_address) == wanted)
    return list(
        db.session.scalars(
            select(Listing.listing_key)
            .where(Listing.office_id == office_id, Listing.search_text.contains(wanted, autoescape=True), exact)
            .order_by(Listing.id.desc())
            .limit(2)
        )
    )


def homes_of_keys(office_id: int, keys: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Key → (number, what it is called) of the office's homes among these."""
    if not keys:
        return {}
    rows = db.session.execute(
        select(Listing.listing_key, Listing.id, Listing.unparsed_address, Listing.listing_id).where(
            Listing.office_id == office_id, Listing.listing_key.in_(keys)
        )
    )
    return {key: (number, address or mls_number) for key, number, address, mls_number in rows}


def matches_and_newest(
    office_id: int, criteria: Criteria, *, limit: int, show: int = 3
) -> tuple[int, Sequence[Listing]]:
    """How many homes match now, up to `limit`, and those of them that came to the market last; in one scan."""
    matched = (
        matching(office_id, criteria)
        .with_only_columns(Listing.id, Listing.on_market_timestamp)
        .limit(limit)
        .cte("matched")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    newest = (
        select(matched.c.id)
        .order_by(matched.c.on_market_timestamp.desc().nulls_last(), matched.c.id.desc())
        .limit(show)
        .subquery("newest")
    )
    rows = db.session.execute(
        select(Listing, select(func.count()).select_from(matched).scalar_subquery())
        .join(newest, newest.c.id == Listing.id)
        .options(
            load_only(
                Listing.id,
                Listing.listing_key,
                Listing.unparsed_address,
                Listing.city,
                Listing.list_price,
                Listing.bedrooms_total,
                Listing.living_area,
            )
        )
        .order_by(Listing.on_market_timestamp.desc().nulls_last(), Listing.id.desc())
    ).all()
    return (rows[0][1] if rows else 0), [home for home, _ in rows]
