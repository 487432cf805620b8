"""Reads of listings: the list and its tabs, one listing with its neighbours, what happened to it, who was told.

Nothing here writes. Every read names its office. Counts stop at COUNT_LIMIT, so that no number costs a table scan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, exists, func, or_, select, true
from sqlalchemy.orm import joinedload

from app.domain.errors import NotFound
from app.domain.listings.areas import normalise
from app.domain.listings.fields import FIELDS
from app.domain.models import (
    AreaKind,
    AreaName,
    Contact,
    Digest,
    DigestItem,
    ImportBatch,
    ItemOutcome,
    JobSchedule,
    Listing,
    ListingEvent,
    ListingOwner,
    MatchBatch,
    MatchCursor,
    Member,
    MessageEvent,
    MessageState,
    OutboundMessage,
    User,
)
from app.domain.models.lookups import ON_MARKET, MemberStatus
from app.domain.models.outbound_message import EventType
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]

COUNT_LIMIT = 10_001
"""Counting stops here: 10,001 reads as "10,000+"."""
REACH = 10_000
"""Rows that paging reaches; beyond them a filter is quicker than a page number."""
MATCH_LIMIT = 1_000
"""Newest matches of one listing that its row counts."""

ALERTS_CURSOR = "alerts"
"""The watermark of matching, by its name in match_cursor."""

NEW_FOR = timedelta(days=7)
DROP_FOR = timedelta(days=7)
STALE_AFTER = timedelta(days=60)
MATCHED_FOR = timedelta(days=30)

FOR_SALE = tuple(sorted(status.value for status in ON_MARKET))


class View(StrEnum):
    """The tabs above the list. Values are what the address line says."""

    FOR_SALE = "for-sale"
    OURS = "ours"
    NEW = "new"
    DROPS = "drops"
    STALE = "stale"
    ALL = "all"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a list is narrowed to. AND across fields, OR within one; bounds inclusive; unknown fails a bound."""

    view: View = View.FOR_SALE
    q: str = ""
    status: tuple[str, ...] = ()
    price_min: Decimal | None = None
    price_max: Decimal | None = None
    beds: int | None = None
    baths: Decimal | None = None
    type: tuple[str, ...] = ()
    sub_type: tuple[str, ...] = ()
    city: tuple[str, ...] = ()
    postal_code: tuple[str, ...] = ()
    since: datetime | None = None
    """Changed at or after this moment."""

    @property
    def effective_view(self) -> View:
        """Naming statuses without naming a tab asks for those statuses, on the market or not."""
        return View.ALL if self.status and self.view is View.FOR_SALE else self.view


NARROWINGS = (
    "q",
    "status",
    "price_min",
    "price_max",
    "beds",
    "baths",
    "type",
    "sub_type",
    "city",
    "postal_code",
    "since",
)
"""Fields of Filter that a person sets; a tab is not one of them."""

SORTS: dict[str, ColumnElement[Any]] = {
    "address": Listing.unparsed_address.expression,
    "status": Listing.standard_status.expression,
    "price": Listing.list_price.expression,
    "beds": Listing.bedrooms_total.expression,
    "baths": Listing.baths_equivalent.expression,
    "sqft": Listing.living_area.expression,
    "changed": Listing.modification_timestamp.expression,
}
"""Columns that sort; "dom" joins them in `_order`, since days run against the clock."""
SORT_NAMES = (*SORTS, "dom")

LIST_COLUMNS = (
    Listing.id,
    Listing.listing_id,
    Listing.unparsed_address,
    Listing.city,
    Listing.standard_status,
    Listing.list_price,
    Listing.previous_list_price,
    Listing.price_change_timestamp,
    Listing.bedrooms_total,
    Listing.baths_equivalent,
    Listing.living_area,
    Listing.on_market_timestamp,
    Listing.off_market_timestamp,
    Listing.market_spell_no,
    Listing.list_agent_full_name,
    Listing.modification_timestamp,
)


def _contains(word: str) -> ColumnElement[bool]:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return Listing.search_text.like(f"%{escaped}%", escape="\\")


def _in_view(view: View, now: datetime) -> ColumnElement[bool]:
    for_sale = Listing.standard_status.in_(FOR_SALE)
    match view:
        case View.FOR_SALE:
            return for_sale
        case View.OURS:
            return and_(for_sale, Listing.list_agent_id.is_not(None))
        case View.NEW:
            return and_(for_sale, Listing.on_market_timestamp >= now - NEW_FOR)
        case View.DROPS:
            return and_(
                for_sale,
                Listing.price_change_timestamp >= now - DROP_FOR,
                Listing.list_price < Listing.previous_list_price,
            )
        case View.STALE:
            return and_(for_sale, Listing.on_market_timestamp < now - STALE_AFTER)
        case View.ALL:
            return true()


def _in_places(office_id: int, kind: AreaKind, names: tuple[str, ...]) -> ColumnElement[bool]:
    column = Listing.city_area_id if kind is AreaKind.CITY else Listing.postal_code_area_id
    return column.in_(
        select(AreaName.id).where(
            AreaName.office_id == office_id,
            AreaName.kind == kind.value,
            AreaName.name_normal.in_([normalise(kind, name) for name in names]),
        )
    )


def _conditions(office_id: int, wanted: Filter, now: datetime) -> list[ColumnElement[bool]]:
    found = [Listing.office_id == office_id, _in_view(wanted.effective_view, now)]
    found += [_contains(word) for word in wanted.q.casefold().split()[:8]]
    if wanted.status:
        found.append(Listing.standard_status.in_(wanted.status))
    if wanted.price_min is not None:
        found.append(Listing.list_price >= wanted.price_min)
    if wanted.price_max is not None:
        found.append(Listing.list_price <= wanted.price_max)
    if wanted.beds is not None:
        found.append(Listing.bedrooms_total >= wanted.beds)
    if wanted.baths is not None:
        found.append(Listing.baths_equivalent >= wanted.baths)
    if wanted.type:
        found.append(Listing.property_type.in_(wanted.type))
    if wanted.sub_type:
        found.append(Listing.property_sub_type.in_(wanted.sub_type))
    if wanted.city:
        found.append(_in_places(office_id, AreaKind.CITY, wanted.city))
    if wanted.postal_code:
        found.append(_in_places(office_id, AreaKind.POSTAL_CODE, wanted.postal_code))
    if wanted.since is not None:
        found.append(Listing.modification_timestamp >= wanted.since)
    return found


def _count(office_id: int, wanted: Filter, now: datetime) -> ColumnElement[int]:
    rows = select(Listing.id).where(*_conditions(office_id, wanted, now)).limit(COUNT_LIMIT).subquery()
    return select(func.count()).select_from(rows).scalar_subquery()


def _order(wanted: Filter, sort: str, *, descending: bool, now: datetime) -> list[ColumnElement[Any]]:
    """Unknown values come last both ways; id breaks ties, so that a page never repeats or skips a row."""
    ties = Listing.id.desc() if descending else Listing.id.asc()
    if sort == "dom":
        # Fewer days = later on the market. Off the market the days stand still, which no index knows.
        if wanted.effective_view is View.ALL:
            days: ColumnElement[Any] = case(
                (Listing.standard_status.in_(FOR_SALE), now - Listing.on_market_timestamp),
                else_=Listing.off_market_timestamp - Listing.on_market_timestamp,
            )
            return [days.desc().nulls_last() if descending else days.asc().nulls_last(), ties]
        moment = Listing.on_market_timestamp
        return [moment.asc().nulls_last() if descending else moment.desc().nulls_last(), ties]
    column = SORTS[sort]
    if sort in ("status", "address", "changed"):  # never NULL: NULLS LAST would only hide the index
        return [column.desc() if descending else column.asc(), ties]
    return [column.desc().nulls_last() if descending else column.asc(), ties]


def _quoted(wanted: Filter) -> list[ColumnElement[Any]]:
    """The home whose MLS number is the very word asked for comes before those that only contain it."""
    word = wanted.q.strip().casefold()
    could_be = len(word) >= 5 and " " not in word and any(letter.isdigit() for letter in word)
    return [(func.lower(Listing.listing_id) == word).desc()] if could_be else []


def _list(office_id: int, wanted: Filter, sort: str, *, descending: bool, now: datetime) -> Select[*tuple[Any, ...]]:
    return (
        select(*LIST_COLUMNS)
        .where(*_conditions(office_id, wanted, now))
        .order_by(*_quoted(wanted), *_order(wanted, sort, descending=descending, now=now))
    )


def rows_of_list(
    office_id: int, wanted: Filter, sort: str, *, descending: bool, offset: int, limit: int, now: datetime
) -> Sequence[AnyRow]:
    """One page of the list, the columns it shows and no more."""
    return db.session.execute(
        _list(office_id, wanted, sort, descending=descending, now=now).offset(offset).limit(limit)
    ).all()


EXPORT_NAMES = (
    "originating_system_name",
    "originating_system_key",
    *(
        name
        for name in FIELDS
        if name not in {"private_remarks", "list_agent_id", "mls_status", "modification_timestamp"}
    ),
    "modification_timestamp",
)
"""Columns of a file of listings. What is internal stays inside."""


def each_of_list(office_id: int, wanted: Filter, sort: str, *, descending: bool, now: datetime) -> Iterable[AnyRow]:
    """Every row of the list with the columns of EXPORT_NAMES, read as it is asked for: the whole may be large."""
    statement = _list(office_id, wanted, sort, descending=descending, now=now).with_only_columns(
        *(getattr(Listing, name) for name in EXPORT_NAMES)
    )
    return db.session.execute(statement, execution_options={"yield_per": 500})


def count_of_list(office_id: int, wanted: Filter, now: datetime) -> int:
    """How many fit, up to COUNT_LIMIT."""
    return db.session.scalar(select(_count(office_id, wanted, now))) or 0


def counts_of_list(office_id: int, wanted: Filter, now: datetime) -> tuple[int, dict[View, int]]:
    """How many fit, and how many each tab holds without any filter, up to COUNT_LIMIT; one statement."""
    tabs = [_count(office_id, Filter(view=view), now) for view in View]
    total, *held = db.session.execute(select(_count(office_id, wanted, now), *tabs)).one()
    return total, dict(zip(View, held, strict=True))


def counts_without(office_id: int, wanted: Filter, groups: Sequence[tuple[str, ...]], now: datetime) -> list[int]:
    """For an empty list: how many would fit without each group of fields; ("view",) is on any tab. One statement."""
    usual = Filter(view=View.ALL)
    loosened = [replace(wanted, **{name: getattr(usual, name) for name in names}) for names in groups]
    return list(db.session.execute(select(*(_count(office_id, other, now) for other in loosened))).one())


def matched_searches(listing_ids: Sequence[int], now: datetime) -> dict[int, int]:
    """How many subscriptions each listing matched in MATCHED_FOR, counted over its newest MATCH_LIMIT decided matches.

    What still waits for a digest is not among them: it is kept by subscription, and no index knows its listing.
    A listing nobody's search matched is absent. One statement for the whole page.
    """
    if not listing_ids:
        return {}
    first = (
        select(Digest.id)
        .where(Digest.created_at >= now - MATCHED_FOR)
        .order_by(Digest.created_at, Digest.id)
        .limit(1)
        .scalar_subquery()
    )
    newest = (
        select(DigestItem.alert_subscription_id)
        .where(DigestItem.listing_id == Listing.id, DigestItem.digest_id >= first)
        .order_by(DigestItem.digest_id.desc())
        .limit(MATCH_LIMIT)
        .correlate(Listing)
        .lateral("newest")
    )
    counted = (
        select(Listing.id, func.count(func.distinct(newest.c.alert_subscription_id)).label("searches"))
        .join(newest, true())
        .where(Listing.id.in_(listing_ids))
        .group_by(Listing.id)
    )
    return {found.id: found.searches for found in db.session.execute(counted)}


def names_of_places(office_id: int, kind: AreaKind, limit: int = 100) -> list[str]:
    """Places of the office's dictionary, for suggestions."""
    return list(
        db.session.scalars(
            select(AreaName.name)
            .where(AreaName.office_id == office_id, AreaName.kind == kind.value)
            .order_by(AreaName.name)
            .limit(limit)
        )
    )


def members_of(office_id: int) -> Sequence[AnyRow]:
    """Who can be a listing's agent: (id, full name) of the office's active members."""
    return db.session.execute(
        select(Member.id, Member.member_full_name)
        .where(Member.office_id == office_id, Member.member_status == MemberStatus.ACTIVE.value)
        .order_by(Member.member_full_name, Member.id)
    ).all()


@dataclass(frozen=True)
class Neighbours:
    """Where a listing stands in the list it was opened from."""

    at: int
    """Its place, from 1."""
    total: int
    previous_id: int | None
    next_id: int | None


def neighbours(
    office_id: int, listing_id: int, wanted: Filter, sort: str, *, descending: bool, at: int, now: datetime
) -> Neighbours:
    """Who stands before and after. `at` is where the listing stood when it was opened; lists move, so look around it.

    A listing that has left the list keeps the neighbours it had.
    """
    around = 3
    first = max(at - 1 - around, 0)
    statement = _list(office_id, wanted, sort, descending=descending, now=now).with_only_columns(Listing.id)
    window = list(db.session.scalars(statement.offset(first).limit(at - first + around)))
    total = count_of_list(office_id, wanted, now)
    if listing_id in window:
        here = window.index(listing_id)
        before, after = window[:here], window[here + 1 :]
        at = first + here + 1
    else:
        before, after = window[: at - 1 - first], window[at - 1 - first :]
    return Neighbours(at, total, before[-1] if before else None, after[0] if after else None)


def listing_of(office_id: int, listing_id: int) -> Listing:
    """One listing with its agent. Raises NotFound, also for another office's."""
    listing = db.session.scalar(
        select(Listing)
        .where(Listing.id == listing_id, Listing.office_id == office_id)
        .options(joinedload(Listing.list_agent))
        .execution_options(populate_existing=True)
    )
    if listing is None:
        raise NotFound("There is no such listing here. It may belong to another office.")
    return listing


def events_of(listing_id: int, limit: int = 30) -> Sequence[AnyRow]:
    """What happened to it, newest first: (event, who, number and file of its import)."""
    return db.session.execute(
        select(
            ListingEvent,
            User.full_name.label("who"),
            ImportBatch.id.label("import_id"),
            ImportBatch.file_name.label("import_file"),
        )
        .outerjoin(User, User.id == ListingEvent.user_id)
        .outerjoin(ImportBatch, ImportBatch.id == ListingEvent.import_batch_id)
        .where(ListingEvent.listing_id == listing_id)
        .order_by(ListingEvent.seq.desc())
        .limit(limit)
    ).all()


def columns_of(office_id: int, listing_id: int) -> dict[str, Any] | None:
    """Every column of one listing of this office as it is now; None when there is none."""
    table = Listing.__table__
    found = db.session.execute(select(table).where(table.c.id == listing_id, table.c.office_id == office_id)).mappings()
    row = found.first()
    return dict(row) if row else None


def changes_after(listing_id: int, moment: datetime) -> Sequence[dict[str, Any]]:
    """What was changed of a listing after a moment, oldest first."""
    return db.session.scalars(
        select(ListingEvent.changes)
        .where(ListingEvent.listing_id == listing_id, ListingEvent.recorded_at > moment)
        .order_by(ListingEvent.seq)
    ).all()


def contact_with(office_id: int, email: str) -> int | None:
    """The contact of this office with this address."""
    asked = email.strip().lower()
    if not asked:
        return None
    return db.session.scalar(select(Contact.id).where(Contact.office_id == office_id, Contact.email == asked))


def owners_of(listing_id: int) -> Sequence[AnyRow]:
    """(id, full_name) of the contacts whose home it is."""
    return db.session.execute(
        select(Contact.id, Contact.full_name)
        .join(ListingOwner, ListingOwner.contact_id == Contact.id)
        .where(ListingOwner.listing_id == listing_id)
        .order_by(Contact.full_name, Contact.id)
    ).all()


def prices_of(listing_id: int, limit: int = 60) -> Sequence[AnyRow]:
    """Each price it was offered at, oldest first: (seq, occurred_at, list_price). The newest `limit` of them."""
    newest = db.session.execute(
        select(ListingEvent.seq, ListingEvent.occurred_at, ListingEvent.list_price)
        .where(
            ListingEvent.listing_id == listing_id,
            ListingEvent.list_price.is_not(None),
            ListingEvent.changes.has_key("list_price"),
        )
        .order_by(ListingEvent.seq.desc())
        .limit(limit)
    ).all()
    return newest[::-1]


def changes_since(listing_id: int, seq: int) -> Sequence[AnyRow]:
    """Events after `seq`, oldest first: (seq, changes, occurred_at, who). What a stale form has not seen."""
    return db.session.execute(
        select(ListingEvent.seq, ListingEvent.changes, ListingEvent.recorded_at, User.full_name.label("who"))
        .outerjoin(User, User.id == ListingEvent.user_id)
        .where(ListingEvent.listing_id == listing_id, ListingEvent.seq > seq)
        .order_by(ListingEvent.seq)
        .limit(200)
    ).all()


def newest_event_of(listing_id: int) -> ListingEvent | None:
    """What happened to it last."""
    return db.session.scalar(
        select(ListingEvent).where(ListingEvent.listing_id == listing_id).order_by(ListingEvent.seq.desc()).limit(1)
    )


@dataclass(frozen=True)
class Told:
    """How many addresses an event, or a listing, reached. Sums over the newest COUNT_LIMIT items."""

    sent: int = 0
    waiting: int = 0
    clicked: int = 0
    not_delivered: int = 0


def told_of(listing_id: int) -> tuple[Told, dict[int, Told]]:
    """Who was told of the listing: in all, and by the number of the event. Counted in mails."""
    newest = (
        select(DigestItem.event_seq, DigestItem.digest_id)
        .where(DigestItem.listing_id == listing_id, DigestItem.outcome == ItemOutcome.SHOWN.value)
        .order_by(DigestItem.digest_id.desc())
        .limit(COUNT_LIMIT)
        .subquery("newest")
    )
    sent = OutboundMessage.state == MessageState.SENT.value
    waiting = OutboundMessage.state.in_([MessageState.QUEUED.value, MessageState.SENDING.value])
    clicked = exists().where(
        MessageEvent.outbound_message_id == OutboundMessage.id, MessageEvent.event_type == EventType.CLICKED.value
    )
    message = func.count(func.distinct(OutboundMessage.id))
    rows = db.session.execute(
        select(
            newest.c.event_seq,
            message.filter(sent),
            message.filter(waiting),
            message.filter(sent, clicked),
            message.filter(~sent, ~waiting),
        )
        .join(OutboundMessage, OutboundMessage.digest_id == newest.c.digest_id)
        .group_by(func.grouping_sets(newest.c.event_seq, ()))
    ).all()
    by_event: dict[int | None, Told] = {seq: Told(*counts) for seq, *counts in rows}
    total = by_event.pop(None, Told())
    return total, {seq: told for seq, told in by_event.items() if seq is not None}


def alerts_of(office_id: int, listing_id: int, limit: int = 8) -> Sequence[AnyRow]:
    """The newest mails that showed the listing: buyer, kind, price shown, what became of the mail."""
    last_event = (
        select(MessageEvent.event_type)
        .where(MessageEvent.outbound_message_id == OutboundMessage.id)
        .order_by(MessageEvent.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return db.session.execute(
        select(
            OutboundMessage.id.label("message_id"),
            OutboundMessage.state,
            OutboundMessage.state_reason,
            func.coalesce(OutboundMessage.sent_at, OutboundMessage.created_at).label("moment"),
            Contact.id.label("contact_id"),
            Contact.full_name,
            DigestItem.kind,
            DigestItem.price_shown,
            last_event.label("last_event"),
        )
        .join(OutboundMessage, OutboundMessage.digest_id == DigestItem.digest_id)
        .join(Contact, Contact.id == OutboundMessage.contact_id)
        .where(
            DigestItem.listing_id == listing_id,
            DigestItem.office_id == office_id,
            DigestItem.outcome == ItemOutcome.SHOWN.value,
        )
        .order_by(DigestItem.digest_id.desc())
        .limit(limit)
    ).all()


def next_reading_of(listing_id: int) -> tuple[bool, datetime | None]:
    """Whether an event that may be told of was not matched yet (it came after the watermark, or its batch is open), and
    when the next alerts run is due."""
    in_open_batch = exists().where(MatchBatch.done_at.is_(None), ListingEvent.seq == func.any(MatchBatch.event_seqs))
    seen = select(MatchCursor.snapshot).where(MatchCursor.name == ALERTS_CURSOR).scalar_subquery()
    is_unread = exists().where(
        ListingEvent.listing_id == listing_id,
        ListingEvent.alertable,
        or_(~func.pg_visible_in_snapshot(ListingEvent.xid, seen), in_open_batch),
    )
    due = select(func.min(JobSchedule.next_due_at)).where(JobSchedule.kind == "alerts", JobSchedule.enabled)
    row = db.session.execute(select(is_unread, due.scalar_subquery())).one()
    return bool(row[0]), row[1]


def next_alerts_at() -> datetime | None:
    """When the next alerts run is due; None while the clock has not said."""
    return db.session.scalar(
        select(func.min(JobSchedule.next_due_at)).where(JobSchedule.kind == "alerts", JobSchedule.enabled)
    )
