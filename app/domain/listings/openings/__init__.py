"""The one way to write an open house. What buyers may hear of goes to listing_event in the same transaction (PA-01).

create    one, by hand
change    another time or other words
cancel    it does not take place
record    many of one source
announce  those that have come near enough to be told of

A buyer is told of one that is for the public and begins within seven days, once; of another time, or that it is off,
only those hear who were told of it. Callers commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.listings.carried import carried
from app.domain.listings.changes import OPEN_HOUSE, Silence, is_on_market
from app.domain.listings.openings import queries
from app.domain.listings.record import OWN_SOURCE
from app.domain.listings.record.queries import append_events, lock_one
from app.domain.models import OpenHouse, OpenHouseStatus, OpenHouseType
from app.domain.models.lookups import ALERTABLE_ORIGINS, ChangeType, Origin
from app.domain.plain import plain_line
from app.extensions import db

NEAR = timedelta(days=7)
LONGEST = timedelta(hours=24)
LONGEST_REMARKS = 500
TOLD = ("open_house_start_time", "open_house_end_time", "open_house_status", "open_house_type")
"""What a buyer who was told of it is told of again. Other words are not news."""
GIVEN = (
    *TOLD,
    "open_house_remarks",
    "open_house_attended_by",
    "appointment_required_yn",
    "showing_agent_key",
)

Values = Mapping[str, Any]


def create(
    office_id: int,
    listing_id: int,
    *,
    starts: datetime,
    ends: datetime | None = None,
    kind: str = OpenHouseType.PUBLIC,
    remarks: str = "",
    key: str | None = None,
    user_id: int | None = None,
    now: datetime | None = None,
) -> OpenHouse:
    """Add one by hand. Asked again with the same `key`, it answers with the one it added then.

    Raises Invalid with the field to mend, NotFound for another office's listing.
    """
    now = now or datetime.now(UTC)
    if key and (known := queries.by_key(office_id, OWN_SOURCE, key)):
        return known
    if starts <= now:
        raise Invalid("The open house would have begun already.", field="open_house_start_time")
    values = {
        "open_house_start_time": starts,
        "open_house_end_time": ends,
        "open_house_type": kind,
        "open_house_remarks": remarks,
    }
    home = _locked(office_id, listing_id)
    return _write(home, None, values, OWN_SOURCE, key or uuid4().hex, Origin.MANUAL, user_id, now)


def change(
    open_house_id: int,
    values: Values,
    *,
    office_id: int,
    user_id: int | None = None,
    origin: Origin | str = Origin.MANUAL,
    lock_version: int | None = None,
    now: datetime | None = None,
) -> OpenHouse:
    """Change some of GIVEN. Raises NotFound, Invalid, and Conflict when `lock_version` is not the newest."""
    now = now or datetime.now(UTC)
    opening = queries.of_office(office_id, open_house_id)
    if opening is None:
        raise NotFound("There is no such open house.")
    home = _locked(office_id, opening.listing_id)
    db.session.refresh(opening, with_for_update=True)
    if lock_version is not None and lock_version != opening.lock_version:
        raise Conflict("Somebody changed this open house meanwhile. Nothing of yours was saved yet.")
    return _write(
        home, opening, values, opening.originating_system_name, opening.open_house_key, Origin(origin), user_id, now
    )


def cancel(
    open_house_id: int,
    *,
    office_id: int,
    user_id: int | None = None,
    origin: Origin | str = Origin.MANUAL,
    now: datetime | None = None,
) -> OpenHouse:
    """It does not take place. Idempotent. Raises NotFound."""
    canceled = {"open_house_status": OpenHouseStatus.CANCELED.value}
    return change(open_house_id, canceled, office_id=office_id, user_id=user_id, origin=origin, now=now)


def record(
    office_id: int,
    source: str,
    rows: Iterable[Values],
    *,
    origin: Origin | str,
    user_id: int | None = None,
    now: datetime | None = None,
) -> int:
    """Write what a source says of its open houses; how many were new or other than before. Idempotent.

    A row has `open_house_key`, `originating_system_key` (the listing's) and GIVEN columns; one whose listing the source
    has not named yet is left for its next time. Raises Invalid.
    """
    now = now or datetime.now(UTC)
    written = 0
    for row in rows:
        key = plain_line(str(row.get("open_house_key") or ""))
        if not key:
            raise Invalid("An open house needs its key at the source.", field="open_house_key")
        listing_id = queries.listing_of_source(office_id, source, str(row.get("originating_system_key") or ""))
        if listing_id is None:
            continue
        home = _locked(office_id, listing_id)
        opening = queries.by_key(office_id, source, key)
        version = opening.lock_version if opening else 0
        given = {name: row[name] for name in GIVEN if name in row}
        written += _write(home, opening, given, source, key, Origin(origin), user_id, now).lock_version != version
    return written


def announce(now: datetime | None = None, limit: int = 1_000) -> int:
    """Write the events of those that begin within seven days and were too far away until now, or whose homes were off
    the market; how many. Safe at any moment and from several places at once: each is announced once."""
    now = now or datetime.now(UTC)
    found = queries.lock_near(now, now + NEAR, limit)
    if not found:
        return 0
    homes = queries.columns_of({opening.listing_id for opening in found})
    append_events(
        [_event(opening, homes[opening.listing_id], _first(opening), Origin.MANUAL, None, now) for opening in found]
    )
    for opening in found:
        opening.announced_at = now
    db.session.flush()
    return len(found)


def _locked(office_id: int, listing_id: int) -> dict[str, Any]:
    home = lock_one(office_id, listing_id)
    if home is None:
        raise NotFound("There is no such listing here. It may belong to another office.")
    return home


def _write(  # noqa: PLR0917  what all verbs share
    home: dict[str, Any],
    opening: OpenHouse | None,
    given: Values,
    source: str,
    key: str,
    origin: Origin,
    user_id: int | None,
    now: datetime,
) -> OpenHouse:
    values = _checked(given)
    if opening is None:
        if values.get("open_house_start_time") is None:
            raise Invalid("Say when the open house begins.", field="open_house_start_time")
        opening = OpenHouse(
            office_id=home["office_id"],
            listing_id=home["id"],
            originating_system_name=source,
            open_house_key=key,
            open_house_status=OpenHouseStatus.ACTIVE.value,
            open_house_type=OpenHouseType.PUBLIC.value,
            open_house_remarks="",
            original_entry_timestamp=now,
            lock_version=0,
        )
    changes = {
        name: [_logged(getattr(opening, name)), _logged(value)]
        for name, value in values.items()
        if getattr(opening, name) != value
    }
    if not changes and opening.id is not None:
        return opening
    for name, value in values.items():
        setattr(opening, name, value)
    _check_times(opening)
    opening.open_house_date = opening.open_house_start_time.astimezone(zone_of(home)).date()
    opening.modification_timestamp = now
    opening.lock_version += 1
    db.session.add(opening)
    db.session.flush()
    _tell(opening, home, {name: step for name, step in changes.items() if name in TOLD}, origin, user_id, now)
    return opening


def _tell(  # noqa: PLR0917
    opening: OpenHouse, home: Values, changes: Values, origin: Origin, user_id: int | None, now: datetime
) -> None:
    """The event of a write, where there is one for buyers."""
    if opening.announced_at is not None:
        if changes:
            append_events([_event(opening, home, changes, origin, user_id, now)])
        return
    if origin in ALERTABLE_ORIGINS and not is_near(opening, home, now):
        return  # announce() sees it when it is
    append_events([_event(opening, home, _first(opening), origin, user_id, now)])
    opening.announced_at = now
    db.session.flush()


def is_near(opening: OpenHouse, home: Values, now: datetime) -> bool:
    """Whether buyers may be told of it now. lock_near() says the same in SQL."""
    return (
        opening.open_house_status == OpenHouseStatus.ACTIVE
        and opening.open_house_type == OpenHouseType.PUBLIC
        and now < opening.open_house_start_time <= now + NEAR
        and is_on_market(home)
        and bool(home["internet_entire_listing_display_yn"])
    )


def _first(opening: OpenHouse) -> dict[str, list[Any]]:
    return {name: [None, _logged(getattr(opening, name))] for name in ("open_house_status", "open_house_start_time")}


def _event(  # noqa: PLR0917
    opening: OpenHouse, home: Values, changes: Values, origin: Origin, user_id: int | None, now: datetime
) -> dict[str, Any]:
    silence: Silence | None = None
    if origin not in ALERTABLE_ORIGINS:
        silence = Silence(origin.value)
    elif not home["internet_entire_listing_display_yn"]:
        silence = Silence.HIDDEN
    columns = carried(home)
    return columns | {
        "office_id": home["office_id"],
        "listing_id": home["id"],
        "change_type": ChangeType.OPEN_HOUSE,
        "kinds": OPEN_HOUSE,
        "changes": changes,
        "origin": origin,
        "alertable": silence is None,
        "not_alertable_reason": silence,
        "occurred_at": now,
        "recorded_at": now,
        "user_id": user_id,
        "previous_list_price": home["list_price"],
        "open_house_id": opening.id,
        "remarks_words": columns["remarks_words"] if silence is None else None,
    }


def zone_of(home: Values) -> ZoneInfo:
    """The wall clock of a property: its own zone, else its office's (SH-03)."""
    for name in (home["property_time_zone_name"], queries.zone_of_office(home["office_id"])):
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return ZoneInfo("UTC")


def _checked(given: Values) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in GIVEN:
            raise Invalid(f"{name} is not a field of an open house.", field=name)
        if name.endswith("_time"):
            values[name] = _moment(name, value)
        elif name == "appointment_required_yn":
            values[name] = None if value is None else bool(value)
        elif name == "open_house_status":
            values[name] = _status(value)
        else:
            values[name] = plain_line(str(value or "")) or (None if name == "open_house_attended_by" else "")
    if len(values.get("open_house_remarks", "")) > LONGEST_REMARKS:
        raise Invalid(f"The remarks are longer than {LONGEST_REMARKS} characters.", field="open_house_remarks")
    if "open_house_type" in values and not values["open_house_type"]:
        values["open_house_type"] = OpenHouseType.PUBLIC.value
    return values


def _moment(name: str, value: Any) -> datetime | None:
    if value is None and name == "open_house_end_time":
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise Invalid("Give the times of an open house with their zone.", field=name)
    return value.astimezone(UTC)


def _status(value: Any) -> str:
    try:
        return OpenHouseStatus(value).value
    except ValueError:
        raise Invalid("An open house is Active, Canceled or Ended.", field="open_house_status") from None


def _check_times(opening: OpenHouse) -> None:
    begins, ends = opening.open_house_start_time, opening.open_house_end_time
    if ends is None:
        return
    if ends <= begins:
        raise Invalid("The open house would end before it begins.", field="open_house_end_time")
    if ends - begins > LONGEST:
        raise Invalid("An open house ends within a day.", field="open_house_end_time")


def _logged(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def upcoming(listing_id: int, now: datetime) -> Sequence[OpenHouse]:
    """Those of a listing that have not ended, soonest first, called off or not."""
    return queries.upcoming(listing_id, now)
