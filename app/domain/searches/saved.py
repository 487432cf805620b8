"""Saved searches: made, edited, restored, stopped, resumed and deleted. Each rewrites the search's keys in the same
transaction.

What is on the market when a search begins is not news (PA-13, PA-16): the subscription remembers what was visible then,
and matching tells only of what was not.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError

from app.domain.errors import Conflict, Invalid
from app.domain.listings.areas import area_ids
from app.domain.models import DEFAULT_KINDS, AlertSubscription, Contact, SavedSearch, SavedSearchVersion
from app.domain.models.lookups import ContactStatus, ReasonActiveOrDisabled
from app.domain.searches import queries
from app.domain.searches.criteria import PLACE_LISTS, Criteria
from app.domain.searches.keys import ALL_KINDS, explode, further
from app.domain.searches.odata import query_of
from app.domain.searches.schedule import Quiet, Schedule, first_zone, last_send, next_send
from app.extensions import db, settings

MOST_MATCHES = 500
"""A search that matches more homes now is too broad to switch on (PA-14)."""
MOST_A_WEEK = 100
"""So is one that would send more homes a week than this (PA-14)."""
MOST_NAME = 120
BACKTEST_DAYS = 30
COUNTED = 10_000
"""Counting stops here: nobody reads the rest."""
_READABLE = 255


def create(
    office_id: int,
    contact_id: int,
    name: str,
    criteria: Criteria | Mapping[str, Any],
    *,
    schedule_type: str,
    send_time: time | None = None,
    daily_schedule: Sequence[str] = (),
    kinds: int = DEFAULT_KINDS,
    concierge: bool = False,
    member_id: int | None = None,
    user_id: int | None = None,
    key: str | None = None,
    now: datetime | None = None,
    judge: bool = True,
) -> SavedSearch:
    """A search with its first version, switched on for its contact: from now on, nothing that is already there (PA-13).
    Asked again with the same `key`, it answers with the search it made then.

    Raises Invalid (also when it is too broad, PA-14) and NotFound for a contact of another office. `judge=False` leaves
    out the counts of PA-14, for a bulk load that knows its searches are narrow; a place is asked for all the same.
    """
    now = now or datetime.now(UTC)
    if key and (made := queries.search_by_key(office_id, key)):
        return made
    wanted = criteria if isinstance(criteria, Criteria) else Criteria.parse(criteria)
    schedule = Schedule.parse(schedule_type, send_time, daily_schedule)
    _check_kinds(kinds)
    name = _checked_name(name)
    contact = queries.contact_of(office_id, contact_id)
    if member_id is not None and not queries.has_member(office_id, member_id):
        raise Invalid("There is no such agent in this office.", field="member_id")
    if judge:
        refuse_too_broad(office_id, wanted, kinds, now=now)
    elif refusal := too_broad(wanted, matches=0, homes=0):
        raise refusal

    search = SavedSearch(
        office_id=office_id,
        contact_id=contact.id,
        member_id=member_id,
        saved_search_key=key or str(uuid.uuid4()),
        saved_search_name=name,
        version=1,
        original_entry_timestamp=now,
        modification_timestamp=now,
        time_zone=queries.zone_of_homes(office_id, wanted),
        **columns_of_criteria(wanted),
    )
    try:
        with db.session.begin_nested():
            db.session.add(search)
    except IntegrityError:
        if key and (made := queries.search_by_key(office_id, key)):  # the same form, sent twice at once
            return made
        raise
    db.session.add(_version(search, user_id, now))
    subscription = AlertSubscription(
        office_id=office_id,
        prospecting_key=str(uuid.uuid4()),
        saved_search_id=search.id,
        contact_id=contact.id,
        owner_member_id=member_id,
        active_yn=True,
        kinds=kinds,
        concierge_yn=concierge,
        since_snapshot=func.pg_current_snapshot(),
        token=secrets.token_urlsafe(16),
        original_entry_timestamp=now,
        modification_timestamp=now,
        **_schedule_columns(schedule, contact, search, now),
    )
    db.session.add(subscription)
    db.session.flush()
    _rewrite_keys(search, [subscription])
    return search


def edit(
    search_id: int,
    *,
    office_id: int,
    version: int,
    name: str | None = None,
    criteria: Criteria | Mapping[str, Any] | None = None,
    schedule_type: str | None = None,
    send_time: time | None = None,
    daily_schedule: Sequence[str] = (),
    kinds: int | None = None,
    concierge: bool | None = None,
    user_id: int | None = None,
    restored_from: int | None = None,
    now: datetime | None = None,
) -> SavedSearch:
    """Change what is named; other criteria make another version (PA-15). A schedule is given whole, with its time.

    The new version judges all that has happened since the subscription's last due moment: what it wants of that waits
    for the next mail, and the last look drops what it no longer wants. Homes that were there before stay no news.
    `restored_from` is the older version whose criteria these are. Raises Conflict when `version` is no longer the
    newest or the search was deleted, Invalid, NotFound.
    """
    now = now or datetime.now(UTC)
    wanted = None if criteria is None else criteria if isinstance(criteria, Criteria) else Criteria.parse(criteria)
    schedule = None if schedule_type is None else Schedule.parse(schedule_type, send_time, daily_schedule)
    search = queries.search_for_update(search_id, office_id)
    if search.deleted_at:
        raise Conflict("This search was deleted. Bring it back first.")
    if search.version != version:
        raise Conflict(f"This search was changed meanwhile: version {search.version} is in force.")
    subscriptions = queries.subscriptions_of(search.id)
    active = [one for one in subscriptions if one.active_yn]
    windows = {one.id: _last_due(one, now, search) or _asap_since(one, now, search) for one in active}

    is_revised = wanted is not None and wanted != readable(search)
    if kinds is not None:
        _check_kinds(kinds)
    if wanted is not None and is_revised and active:
        refuse_too_broad(office_id, wanted, kinds or active[0].kinds, now=now)
    search.saved_search_name = search.saved_search_name if name is None else _checked_name(name)

    for one in subscriptions:
        one.modification_timestamp = now
        if kinds is not None:
            one.kinds = kinds
        if concierge is not None:
            one.concierge_yn = concierge
        if schedule is not None:
            for column, value in _schedule_columns(schedule, one.contact, search, now).items():
                setattr(one, column, value if one.active_yn or column != "next_send_timestamp" else None)
    if wanted is not None and is_revised:
        search.version += 1
        for column, value in columns_of_criteria(wanted).items():
            setattr(search, column, value)
        search.time_zone = queries.zone_of_homes(office_id, wanted)
        db.session.add(_version(search, user_id, now, restored_from))
        for one in active:
            one.reason_active_or_disabled = ReasonActiveOrDisabled.REVISED.value
            one.revised_at = now
    search.modification_timestamp = now
    db.session.flush()
    _rewrite_keys(search, subscriptions)
    if wanted is not None and is_revised:
        for one in active:
            if (last_due := windows[one.id]) is not None:
                queries.add_matches(one, wanted, last_due)
    return search


def readable(search: SavedSearch) -> Criteria | None:
    """What it asks; None when that cannot be read, which a new version mends (PA-18)."""
    try:
        return Criteria.parse(search.criteria)
    except Invalid:
        return None


def restore(
    search_id: int,
    older: int,
    *,
    office_id: int,
    version: int,
    user_id: int | None = None,
    now: datetime | None = None,
) -> SavedSearch:
    """What version `older` asked, as a new version: history is never rewritten. The same wishes make no version.

    Raises as edit() does; NotFound also when the search never had that version.
    """
    criteria = queries.criteria_of_version(office_id, search_id, older)
    return edit(
        search_id,
        office_id=office_id,
        version=version,
        criteria=criteria,
        user_id=user_id,
        restored_from=older,
        now=now,
    )


def delete(search_id: int, *, office_id: int, now: datetime | None = None) -> SavedSearch:
    """Out of the lists and off; what waits for a mail is dropped by the last look (PA-16). Idempotent. Raises NotFound.

    Rows stay, so that "why did I get this" has an answer; bring_back() undoes it.
    """
    now = now or datetime.now(UTC)
    search = queries.search_for_update(search_id, office_id)
    if search.deleted_at is None:
        search.deleted_at = search.modification_timestamp = now
        for one in queries.subscriptions_of(search.id):
            stop(one.id, ReasonActiveOrDisabled.AGENT_DISABLED, now)
        db.session.flush()
    return search


def bring_back(search_id: int, *, office_id: int, now: datetime | None = None) -> SavedSearch:
    """A deleted search is in the lists again, still off: whether it sends is another question. Raises NotFound."""
    search = queries.search_for_update(search_id, office_id)
    if search.deleted_at is not None:
        search.deleted_at = None
        search.modification_timestamp = now or datetime.now(UTC)
        db.session.flush()
    return search


def stop(
    subscription_id: int,
    reason: ReasonActiveOrDisabled | str,
    now: datetime | None = None,
    *,
    office_id: int | None = None,
) -> AlertSubscription:
    """No more mails for this subscription, and why. Idempotent: the first reason stays.

    Matches that wait are dropped by the last look. Raises NotFound; name `office_id` where a person asks.
    """
    subscription = queries.subscription_for_update(subscription_id, office_id)
    if subscription.active_yn:
        now = now or datetime.now(UTC)
        subscription.active_yn = False
        subscription.reason_active_or_disabled = ReasonActiveOrDisabled(reason).value
        subscription.next_send_timestamp = None
        subscription.stopped_at, subscription.resumed_at = now, None
        subscription.modification_timestamp = now
        db.session.flush()
        queries.replace_keys([subscription.id], [])
    return subscription


def resume(subscription_id: int, now: datetime | None = None, *, office_id: int | None = None) -> AlertSubscription:
    """Switch a stopped subscription on again, from now on: what happened meanwhile is not mailed (PA-16). Idempotent.

    Raises NotFound, Conflict when the contact is gone or the search was deleted, Invalid when the search is too broad by now (PA-14).
    """
    now = now or datetime.now(UTC)
    subscription = queries.subscription_for_update(subscription_id, office_id)
    if subscription.active_yn:
        return subscription
    search, contact = subscription.saved_search, subscription.contact
    if search.deleted_at:
        raise Conflict("This search was deleted. Bring it back first.")
    if contact.contact_status == ContactStatus.DELETED:
        raise Conflict(f"{contact.full_name} was deleted: there is nobody to send to.")
    refuse_too_broad(search.office_id, Criteria.parse(search.criteria), subscription.kinds, now=now)
    schedule = Schedule.parse(subscription.schedule_type, subscription.send_time, subscription.daily_schedule)
    subscription.active_yn = True
    subscription.reason_active_or_disabled = ReasonActiveOrDisabled.RE_ACTIVATED.value
    subscription.since_snapshot = func.pg_current_snapshot()
    subscription.resumed_at = now
    subscription.next_send_timestamp = next_send(now, schedule, zone_for(contact, search))
    subscription.modification_timestamp = now
    db.session.flush()
    _rewrite_keys(search, [subscription])
    return subscription


def last_pause(subscription: AlertSubscription, now: datetime) -> tuple[datetime, datetime] | None:
    """From when until when nothing was sent, or None when it never stopped: "what I missed" (PA-16).

    It begins with the last mail before the stop, since what waited for the next one was dropped. Reads its contact.
    """
    stopped = subscription.stopped_at
    if stopped is None:
        return None
    since = max(_last_due(subscription, stopped) or stopped, subscription.original_entry_timestamp)
    return since, subscription.resumed_at or now


def refuse_too_broad(office_id: int, criteria: Criteria, kinds: int, *, now: datetime) -> None:
    """Raises Invalid when a search may not be switched on, naming the criterion to narrow (PA-14)."""
    matches = queries.count_matching(office_id, criteria, COUNTED) if criteria.has_place else 0
    if refusal := too_broad(criteria, matches=matches, homes=0):
        raise refusal
    sent = queries.backtest(office_id, criteria, kinds, days=BACKTEST_DAYS, now=now)
    if refusal := too_broad(criteria, matches=matches, homes=sum(day.homes for day in sent)):
        raise refusal


def too_broad(criteria: Criteria, *, matches: int, homes: int) -> Invalid | None:
    """Why a search may not be switched on, or None (PA-14). Pure: `matches` are the homes that match now, up to COUNTED,
    `homes` what it would have sent in BACKTEST_DAYS."""
    if not criteria.has_place:
        return Invalid("Say where: a search needs a place before it can be switched on.", field="city")
    field, how = _narrow(criteria)
    if matches > MOST_MATCHES:
        shown = f"{matches:,}" if matches < COUNTED else f"{COUNTED:,} or more"
        return Invalid(f"{shown} homes match now and the limit is {MOST_MATCHES}: {how}.", field=field)
    weekly = homes * 7 / BACKTEST_DAYS
    if weekly > MOST_A_WEEK:
        return Invalid(
            f"It would send about {weekly:,.0f} homes a week and the limit is {MOST_A_WEEK}: {how}.", field=field
        )
    return None


def zone_for(contact: Contact, search: SavedSearch | None = None) -> ZoneInfo:
    """The wall clock of a buyer's mails: their own zone, else that of the homes a search looks for, else the office's
    (PA-20)."""
    return zone_named(contact.time_zone, contact.office_id, search)


def zone_named(own: str, office_id: int, search: SavedSearch | None = None) -> ZoneInfo:
    """The same for a buyer whose own zone is, or was, this one; empty for none."""
    return first_zone(own, search.time_zone if search else "", queries.zone_of(office_id))


def _narrow(criteria: Criteria) -> tuple[str, str]:
    """The criterion that would narrow a search most, and what to do with it."""
    if not criteria.list_price or criteria.list_price.le is None:
        return "list_price", "give a highest price"
    if not criteria.property_type and not criteria.property_sub_type:
        return "property_sub_type", "choose the types of home"
    if not criteria.bedrooms_total:
        return "bedrooms_total", "ask for a number of beds"
    if criteria.list_price.ge is None:
        return "list_price", "give a lowest price"
    widest = max(PLACE_LISTS, key=lambda kind: len(getattr(criteria, kind)))
    if len(getattr(criteria, widest)) > 1:
        return widest, "choose fewer places"
    if criteria.radius:
        return "radius", "draw a smaller circle"
    if criteria.box:
        return "box", "draw a smaller box"
    if criteria.polygons:
        return "polygons", "draw a smaller area"
    return widest, "choose a smaller place"


def _checked_name(name: str) -> str:
    """Trimmed; may be empty, since a search without a name is called by its sentence."""
    name = " ".join(name.split())
    if not name.isprintable():
        raise Invalid("The name holds a character that cannot be printed.", field="saved_search_name")
    if len(name) > MOST_NAME:
        raise Invalid(f"The name is too long: {MOST_NAME} letters is the limit.", field="saved_search_name")
    return name


def _check_kinds(kinds: int) -> None:
    if not 0 < kinds <= ALL_KINDS:
        raise Invalid("Choose at least one kind of news.", field="kinds")


def columns_of_criteria(criteria: Criteria) -> dict[str, Any]:
    """The columns of saved_search that follow from its criteria."""
    said, query = criteria.sentence(), query_of(criteria)
    return {
        "criteria": criteria.as_dict(),
        "shape": list(criteria.shape.numbers) if criteria.shape else None,
        "further": further(criteria),
        "search_query": query.filter,
        "search_query_exceptions": bool(query.exceptions),
        "search_query_exception_details": " ".join(query.exceptions),
        "search_query_human_readable": said
        if len(said) <= _READABLE
        else said[: _READABLE - 1].rsplit(" ", 1)[0] + "…",
    }


def _schedule_columns(schedule: Schedule, contact: Contact, search: SavedSearch, now: datetime) -> dict[str, Any]:
    return {
        "schedule_type": schedule.schedule_type.value,
        "send_time": schedule.send_time,
        "daily_schedule": list(schedule.daily_schedule),
        "next_send_timestamp": next_send(now, schedule, zone_for(contact, search)),
    }


def _last_due(subscription: AlertSubscription, now: datetime, search: SavedSearch | None = None) -> datetime | None:
    """When its last mail was due; None for ASAP, which every run serves."""
    schedule = Schedule.parse(subscription.schedule_type, subscription.send_time, subscription.daily_schedule)
    return last_send(now, schedule, zone_for(subscription.contact, search))


def _asap_since(subscription: AlertSubscription, now: datetime, search: SavedSearch) -> datetime | None:
    """When a mail of ASAP could have gone last: before the quiet hours that hold now, before the first match that is held
    back, else with the last batch (PA-15). None when nothing was ever matched."""
    contact = subscription.contact
    quiet = quiet_of(contact)
    moments = [queries.held_since(contact.id, now), queries.last_batch_at(now)]
    if quiet is not None:
        moments.append(quiet.began_before(now, zone_for(contact, search)))
    return min((moment for moment in moments if moment is not None), default=None)


def quiet_of(contact: Contact) -> Quiet | None:
    """The quiet hours of a buyer: their own, else the office's, else those of the settings (PA-21)."""
    office = queries.office_of(contact.office_id)
    usual = settings().quiet_hours or (None, None)
    begin = contact.quiet_from or office.quiet_from or usual[0]
    end = contact.quiet_until or office.quiet_until or usual[1]
    return Quiet(begin, end) if begin is not None and end is not None else None


def _version(
    search: SavedSearch, user_id: int | None, now: datetime, restored_from: int | None = None
) -> SavedSearchVersion:
    return SavedSearchVersion(
        saved_search_id=search.id,
        version=search.version,
        criteria=search.criteria,
        user_id=user_id,
        restored_from=restored_from,
        created_at=now,
    )


def _rewrite_keys(search: SavedSearch, subscriptions: Sequence[AlertSubscription]) -> None:
    """The key rows of these subscriptions, as criteria, kinds and active_yn now ask."""
    criteria = Criteria.parse(search.criteria)
    areas = area_ids(search.office_id, criteria.areas)
    keys = [
        key
        for one in subscriptions
        if one.active_yn
        for key in explode(
            criteria,
            office_id=search.office_id,
            areas=areas,
            kinds=one.kinds,
            subscription_id=one.id,
            search_id=search.id,
        )
    ]
    queries.replace_keys([one.id for one in subscriptions], keys)
