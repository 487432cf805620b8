"""The one way to write a listing. What changed goes to listing_event in the same transaction (PA-01), so that the log
and the table cannot disagree. Callers commit.

record  many rows of one source: a feed, a file, the legacy system
create  one listing, made by hand
change  some fields of one listing, by hand
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import uuid4

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.listings import areas
from app.domain.listings.carried import PLACE_COLUMNS, carried
from app.domain.listings.changes import (
    NEW,
    RELIST_WITHIN,
    WITH_BEFORE,
    Described,
    Silence,
    describe_change,
    is_relist,
    moments,
)
from app.domain.listings.fields import FIELDS, KEY_LENGTH, Kind, normalise
from app.domain.listings.record import queries
from app.domain.listings.words import words_of
from app.domain.models import AreaKind, Listing, ListingEvent
from app.domain.models.lookups import PAYMENTS_A_YEAR, Origin
from app.extensions import db

OWN_SOURCE = "Porchlight"
"""originating_system_name of listings made by hand."""
CHUNK = 1_000
LONGEST_CHANGE = 500
"""Characters of a text that the log keeps, on each side."""

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedRow:
    """What became of one row given to record(), in the order given."""

    key: str
    listing_id: int
    outcome: str
    """created, updated or unchanged."""


@dataclass(slots=True)
class Recorded:
    """What became of all of them."""

    rows: list[RecordedRow] = field(default_factory=list)
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    alertable: int = 0
    """Events that a buyer may hear of. Every created and updated row has one event."""
    event_seqs: list[int] = field(default_factory=list)


def record(
    office_id: int,
    source: str,
    rows: Iterable[Values],
    *,
    origin: Origin | str,
    occurred_at: datetime | None = None,
    user_id: int | None = None,
    import_batch_id: int | None = None,
    now: datetime | None = None,
) -> Recorded:
    """Write what a source says about its listings. Idempotent: saying it again changes nothing and logs nothing.

    A row is RESO columns with `originating_system_key`; a column that is absent keeps its value, one that is None is
    emptied. A row equal to what this source said last is passed over, so an edit made here stands until the source
    says something new. Of two rows with one key the later wins. `occurred_at` is the source's time for all rows;
    without it a row's own timestamps say, else `now`.

    Raises Invalid for a value the table cannot keep, a row without a key, or a new listing without a status.
    """
    now = now or datetime.now(UTC)
    written = Recorded()
    for chunk in _chunks(rows):
        _record_chunk(
            written, _Write(office_id, source, Origin(origin), occurred_at, user_id, import_batch_id, now), chunk
        )
    return written


def create(
    office_id: int,
    values: Values,
    *,
    key: str | None = None,
    user_id: int | None = None,
    origin: Origin | str = Origin.MANUAL,
    now: datetime | None = None,
) -> Listing:
    """Add one listing by hand. `values` may name its source and key (originating_system_name, _key). Asked again with
    the same `key` instead, it answers with the listing it added then.

    Raises Invalid with the field to mend, Conflict when the source already has a listing with this key.
    """
    values = dict(values)
    source = str(values.pop("originating_system_name", "") or OWN_SOURCE)
    source_key = str(values.setdefault("originating_system_key", key or uuid4().hex))
    _check_agent(office_id, values)
    queries.lock_source(office_id, source)
    if known := queries.known_rows(office_id, source, [source_key]):
        if source_key == key:
            return db.session.get_one(Listing, known[key].id)
        raise Conflict(f"{source} already has a listing with the key {source_key}.", field="originating_system_key")
    written = record(office_id, source, [values], origin=origin, user_id=user_id, now=now)
    listing = db.session.get(Listing, written.rows[0].listing_id, populate_existing=True)
    assert listing is not None
    return listing


def change(
    listing_id: int,
    changes: Values,
    *,
    office_id: int,
    user_id: int | None = None,
    origin: Origin | str = Origin.MANUAL,
    lock_version: int | None = None,
    now: datetime | None = None,
) -> ListingEvent | None:
    """Change some fields of one listing. None when nothing differs: then nothing is written.

    `origin` CORRECTION changes it without alerting anybody. Raises NotFound for another office's listing, Invalid with
    the field to mend, Conflict when `lock_version` is not the newest: somebody was quicker, the sentence says what.
    """
    now = now or datetime.now(UTC)
    old = queries.lock_one(office_id, listing_id)
    if old is None:
        raise NotFound("There is no such listing here. It may belong to another office.")
    if lock_version is not None and lock_version != old["lock_version"]:
        raise Conflict(_stale_sentence(listing_id, old["lock_version"] - lock_version))
    _check_agent(office_id, changes)
    write = _Write(office_id, old["originating_system_name"], Origin(origin), None, user_id, None, now)
    planned = _plan(write, old, normalise(changes))
    if planned is None:
        return None
    planned.fill_places(_place_numbers(office_id, [planned]))
    queries.update_listings([planned.columns(_UPDATED)])
    _hush_relists(write, [planned])
    seq = queries.append_events([planned.event(write, listing_id)])[0]
    db.session.get(Listing, listing_id, populate_existing=True)
    return db.session.get(ListingEvent, seq)


def _check_agent(office_id: int, values: Values) -> None:
    agent = values.get("list_agent_id")
    if agent is not None and not queries.member_is_ours(office_id, int(agent)):
        raise Invalid("That agent is not of this office.", field="list_agent_id")


def _stale_sentence(listing_id: int, versions: int) -> str:
    """Who changed what meanwhile: every version has one event."""
    who, names = "", list[str]()
    for event in queries.newest_events(listing_id, max(versions, 1)):
        who = who or event.who or "The source"
        names += [FIELDS[name].label.lower() for name in event.changes if name in FIELDS]
    what = ", ".join(dict.fromkeys(names)) or "something"
    return f"{who or 'Somebody'} changed this listing while you were typing: {what}. Nothing of yours was saved yet."


def _chunks(rows: Iterable[Values]) -> Iterator[list[Values]]:
    chunk: list[Values] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@dataclass(frozen=True, slots=True)
class _Write:
    """What all rows of one write share."""

    office_id: int
    source: str
    origin: Origin
    occurred_at: datetime | None
    user_id: int | None
    import_batch_id: int | None
    now: datetime


def _record_chunk(written: Recorded, write: _Write, rows: Sequence[Values]) -> None:
    given = {_key(row): row for row in rows}
    queries.lock_source(write.office_id, write.source)
    known = queries.known_rows(write.office_id, write.source, list(given))
    said = {key: _cleaned(row) for key, row in given.items()}
    hashes = {key: _hash(values) for key, values in said.items()}
    differing = [row.id for key, row in known.items() if row.content_hash != hashes[key]]
    old_rows = queries.lock_whole_rows(differing) if differing else {}

    plans: dict[str, _Plan] = {}
    only_hash: list[dict[str, Any]] = []
    for key, values in said.items():
        before = known.get(key)
        if before is not None and before.content_hash == hashes[key]:
            continue
        old = old_rows[before.id] if before is not None else None
        plan = _plan(write, old, values)
        if plan is not None:
            plan.new["content_hash"] = hashes[key]
            plan.new["originating_system_key"] = key
            plans[key] = plan
        elif before is not None:
            only_hash.append({"id": before.id, "content_hash": hashes[key]})
    ids = {key: row.id for key, row in known.items()} | _save(written, write, plans)
    if only_hash:
        queries.set_hashes(only_hash)

    for row in rows:
        key = _key(row)
        if key not in plans or given[key] is not row:
            outcome = "unchanged"
        else:
            outcome = "created" if plans[key].old is None else "updated"
        written.rows.append(RecordedRow(key, ids[key], outcome))
        setattr(written, outcome, getattr(written, outcome) + 1)


def _save(written: Recorded, write: _Write, plans: dict[str, _Plan]) -> dict[str, int]:
    """Write the planned rows and their events; the ids of the new ones by key."""
    if not plans:
        return {}
    numbers = _place_numbers(write.office_id, plans.values())
    for plan in plans.values():
        plan.fill_places(numbers)
    fresh = [key for key, plan in plans.items() if plan.old is None]
    changed = [key for key, plan in plans.items() if plan.old is not None]
    if changed:
        queries.update_listings([plans[key].columns(_UPDATED) for key in changed])
    _hush_relists(write, plans.values())
    ids = queries.insert_listings([plans[key].columns(_INSERTED) for key in fresh]) if fresh else {}
    events = [plan.event(write, plan.new["id"] if plan.old is not None else ids[key]) for key, plan in plans.items()]
    written.event_seqs += queries.append_events(events)
    written.alertable += sum(plan.said.alertable for plan in plans.values())
    return ids


def _hush_relists(write: _Write, plans: Iterable[_Plan]) -> None:
    """An offer given up lately that comes again under a new key is no news, unless cheaper (PA-05): at first sight, and
    when what was Coming Soon, or a draft, becomes Active."""
    news = [plan for plan in plans if plan.said.alertable and plan.said.kinds & NEW]
    parcels = {plan.new["parcel_number"] for plan in news} - {""}
    addresses = {plan.new["unparsed_address"] for plan in news} - {""}
    if not parcels and not addresses:
        return
    since = write.now - RELIST_WITHIN
    given_up = queries.given_up_since(write.office_id, since, parcels=list(parcels), addresses=list(addresses))
    for plan in news if given_up else ():
        if is_relist(plan.new, given_up):
            plan.said = replace(plan.said, alertable=False, reason=Silence.RELIST)


def _key(row: Values) -> str:
    key = str(row.get("originating_system_key") or "").strip()
    if not key or len(key) > KEY_LENGTH or "\x00" in key:
        raise Invalid("A listing needs its key at the source, up to 255 characters.", field="originating_system_key")
    return key


def _cleaned(row: Values) -> dict[str, Any]:
    return normalise({name: value for name, value in row.items() if name != "originating_system_key"})


def _hash(values: Values) -> str:
    """Of what was said, whatever the order; the source's modification time alone is no difference."""
    said = sorted((name, value) for name, value in values.items() if name != "modification_timestamp")
    return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


@dataclass(slots=True)
class _Plan:
    """One listing as it was and as it will be."""

    old: dict[str, Any] | None
    new: dict[str, Any]
    changes: dict[str, list[Any]]
    said: Described
    occurred_at: datetime

    def fill_places(self, numbers: Mapping[tuple[AreaKind, str], int]) -> None:
        for column, kind in PLACE_COLUMNS.items():
            self.new[column] = numbers.get((kind, self.new[kind.value]))

    def columns(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: self.new[name] for name in names}

    def event(self, write: _Write, listing_id: int) -> dict[str, Any]:
        return {
            "office_id": write.office_id,
            "listing_id": listing_id,
            "change_type": self.said.change_type,
            "kinds": self.said.kinds,
            "changes": self.changes,
            "origin": write.origin,
            "alertable": self.said.alertable,
            "not_alertable_reason": self.said.reason,
            "occurred_at": self.occurred_at,
            "recorded_at": write.now,
            "user_id": write.user_id,
            "import_batch_id": write.import_batch_id,
            "previous_list_price": self.old["list_price"] if self.old is not None else None,
            "before": self._before() if self.said.kinds & WITH_BEFORE else None,
        } | carried(self.new | ({} if self.said.alertable else {"remarks_words": None}))

    def _before(self) -> dict[str, Any]:
        """The former values of the matching columns that changed. Remarks are left out: they are never a cause (PA-05),
        so what they say now holds for both."""
        assert self.old is not None
        was, now = carried(self.old), carried(self.new)
        return {name: was[name] for name in was if was[name] != now[name] and name != "remarks_words"}


_WRITTEN = (*FIELDS, *PLACE_COLUMNS, "market_spell_no", "search_text", "remarks_words", "content_hash")
_UPDATED = ("id", *_WRITTEN)
_INSERTED = ("office_id", "listing_key", "originating_system_name", "originating_system_key", *_WRITTEN)

_BLANK: dict[str, Any] = {
    name: "" if item.kind in (Kind.TEXT, Kind.LINK) else True if item.kind is Kind.SHOWN else None
    for name, item in FIELDS.items()
} | {"photos_count": 0, "market_spell_no": 0, "content_hash": "", "search_text": "", "remarks_words": ""}

_OURS = frozenset({"modification_timestamp"})
"""Given by a source only to date a change; the column is our own."""
_COMPARED = tuple(name for name in FIELDS if name not in _OURS)
_LOGGED_AT_FIRST_SIGHT = ("standard_status", "list_price")

_DERIVED_UNLESS_GIVEN = frozenset(
    {
        "status_change_timestamp",
        "on_market_timestamp",
        "off_market_timestamp",
        "back_on_market_timestamp",
        "price_change_timestamp",
        "original_list_price",
        "previous_list_price",
        "original_entry_timestamp",
    }
)
"""We work these out; a source that leaves them empty does not empty ours."""


def _plan(write: _Write, old: dict[str, Any] | None, given: dict[str, Any]) -> _Plan | None:
    """The listing after the write, or None when it would be the same."""
    if old is None and "standard_status" not in given:
        raise Invalid("A listing needs a status.", field="standard_status")
    before = old if old is not None else _BLANK
    new = dict(before) | {
        name: value
        for name, value in given.items()
        if name not in _OURS and not (value is None and name in _DERIVED_UNLESS_GIVEN)
    }
    _derive(new, given)
    compared = _COMPARED if old is not None else _LOGGED_AT_FIRST_SIGHT
    changes = {name: [_logged(before[name]), _logged(new[name])] for name in compared if before[name] != new[name]}
    if old is not None and not changes:
        return None
    occurred_at = min(write.occurred_at or _dated(old, new, given) or write.now, write.now)
    for name, value in moments(old, new, occurred_at).items():
        if given.get(name) is None:
            new[name] = value
    if old is None:
        new["office_id"], new["originating_system_name"] = write.office_id, write.source
        new["listing_key"] = uuid4().hex
        new["original_entry_timestamp"] = new["original_entry_timestamp"] or write.now
    new["modification_timestamp"] = write.now
    said = describe_change(old, new, write.origin, occurred_at, write.now)
    return _Plan(old, new, changes, said, occurred_at)


def _derive(new: dict[str, Any], given: Values) -> None:
    """The columns that follow from others."""
    if (new["latitude"] is None) != (new["longitude"] is None):
        new["latitude"] = new["longitude"] = None
    if given.keys() & _BATHS.keys() or "bathrooms_total_integer" in given:
        _derive_baths(new, given)
    if given.keys() & {"association_fee", "association_fee_frequency"}:
        _derive_fee(new, given)
    words = (new[name] for name in ("unparsed_address", "unit_number", "city", "postal_code", "listing_id"))
    new["search_text"] = " ".join(" ".join(words).casefold().split())
    new["remarks_words"] = words_of(new["public_remarks"])


_BATHS = {
    "bathrooms_full": Decimal(1),
    "bathrooms_three_quarter": Decimal("0.75"),
    "bathrooms_half": Decimal("0.5"),
    "bathrooms_one_quarter": Decimal("0.25"),
}


def _derive_baths(new: dict[str, Any], given: Values) -> None:
    """baths_equivalent from the counts. A simple sum alone does not say how many of the baths are half ones: then it
    stays unknown (PA-06), unless the source gave the decimal figure itself."""
    counts = {name: new[name] for name in _BATHS}
    partial = [value for name, value in counts.items() if name != "bathrooms_full" and value is not None]
    if counts["bathrooms_full"] is None and partial and new["bathrooms_total_integer"] is not None:
        counts["bathrooms_full"] = max(new["bathrooms_total_integer"] - sum(partial), 0)
    if counts["bathrooms_full"] is not None:
        new["baths_equivalent"] = sum((_BATHS[name] * (value or 0) for name, value in counts.items()), Decimal(0))
        new["baths_equivalent"] = new["baths_equivalent"].quantize(Decimal("0.01"))
        if given.get("bathrooms_total_integer") is None:
            new["bathrooms_total_integer"] = sum(value or 0 for value in counts.values())
    elif "baths_equivalent" not in given:
        new["baths_equivalent"] = None


def _derive_fee(new: dict[str, Any], given: Values) -> None:
    """association_fee_monthly from the fee and how often it is due. Where that is not known, or says no rhythm, it
    stays unknown (PA-06), unless the source gave the monthly figure itself; no fee is none in any month."""
    fee, payments = new["association_fee"], PAYMENTS_A_YEAR.get(new["association_fee_frequency"] or "")
    if fee is not None and (payments or not fee):
        new["association_fee_monthly"] = (fee * (payments or 0) / 12).quantize(Decimal("0.01"), ROUND_HALF_UP)
    elif given.get("association_fee_monthly") is None:
        new["association_fee_monthly"] = None


def _dated(old: Values | None, new: Values, given: Values) -> datetime | None:
    """When the source says it happened: by the timestamp that belongs to what changed."""
    moment: datetime | None = None
    if old is None or old["standard_status"] != new["standard_status"]:
        moment = given.get("status_change_timestamp")
    elif old["list_price"] != new["list_price"]:
        moment = given.get("price_change_timestamp")
    return moment or given.get("modification_timestamp")


def _logged(value: Any) -> Any:
    """A value as the log keeps it: money and times as text, long texts cut."""
    if isinstance(value, Decimal | date):
        return value.isoformat() if isinstance(value, date) else str(value)
    if isinstance(value, str) and len(value) > LONGEST_CHANGE:
        return value[:LONGEST_CHANGE] + "…"
    return value


def _place_numbers(office_id: int, plans: Iterable[_Plan]) -> dict[tuple[AreaKind, str], int]:
    wanted = {(kind, plan.new[kind.value]) for plan in plans for kind in PLACE_COLUMNS.values()}
    return areas.area_ids(office_id, wanted)
