"""Criteria as SQL: what matches now, what would have been sent, and the rows the verbs of saved.py read and write.

The conditions here, Criteria.matches in Python and the join of app/domain/alerts say the same three times, each in the
way that is quick for it; property tests hold them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    Select,
    all_,
    and_,
    any_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from app.domain.errors import NotFound
from app.domain.listings.areas import normalise
from app.domain.listings.carried import PLACE_COLUMNS
from app.domain.models import (
    KIND_BITS,
    AlertKind,
    AlertMatch,
    AlertSubscription,
    AreaName,
    Contact,
    Listing,
    ListingEvent,
    MatchBatch,
    Member,
    Office,
    SavedSearch,
    SavedSearchVersion,
    SearchKey,
)
from app.domain.models.lookups import ContactStatus
from app.domain.searches.criteria import CHOICES, PLACE_LISTS, RANGES, Criteria
from app.domain.searches.keys import Key
from app.domain.searches.shapes import SCALE, Shape
from app.extensions import db

_AREA_COLUMNS = {kind.value: column for column, kind in PLACE_COLUMNS.items()}
_STRONGEST_FIRST = tuple(AlertKind)


# What matches now


def matching(office_id: int, criteria: Criteria) -> Select[Listing]:
    """The office's homes that match now, in no order: for lists, counts and the first look. Not what will be mailed."""
    return select(Listing).where(Listing.office_id == office_id, *_asked(Listing, office_id, criteria))


def count_matching(office_id: int, criteria: Criteria, limit: int) -> int:
    """How many match now; counting stops at `limit`."""
    some = matching(office_id, criteria).with_only_columns(Listing.id).limit(limit).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


# What would have been sent


@dataclass(frozen=True)
class SentDay:
    """Homes of one kind that a search would have been told about on one day of the office's calendar."""

    day: date
    kind: AlertKind
    homes: int


def would_have_sent(
    office_id: int, criteria: Criteria, kinds: int, *, days: int = 30, since: datetime | None = None, now: datetime
) -> Select[int, int, str, date]:
    """(seq, listing_id, kind, day) of each event a search would have told about: a home once for each kind and
    fingerprint (PA-07), judged on its values at that moment, under the strongest kind asked for (PA-08). From `since`,
    or `days` before `now`, until `now`.

    An estimate on one point: a drop counts as recorded, though a buyer who was shown a lower price would not be told.
    """
    wanted = ListingEvent.kinds.op("&")(literal(kinds, Integer))
    kind = case(
        *((wanted.op("&")(KIND_BITS[strong]) != 0, strong.value) for strong in _STRONGEST_FIRST[:-1]),
        else_=_STRONGEST_FIRST[-1].value,
    ).label("kind")
    spell_or_price = case(
        (kind == AlertKind.PRICE_DROP.value, ListingEvent.list_price), else_=ListingEvent.market_spell_no
    )
    zone = select(Office.time_zone).where(Office.id == office_id).scalar_subquery()
    return (
        select(
            ListingEvent.seq,
            ListingEvent.listing_id,
            kind,
            cast(func.timezone(zone, ListingEvent.recorded_at), Date).label("day"),
        )
        .where(
            ListingEvent.office_id == office_id,
            ListingEvent.recorded_at > (since or now - timedelta(days=days)),
            ListingEvent.recorded_at <= now,
            ListingEvent.alertable,
            wanted != 0,
            *_asked(ListingEvent, office_id, criteria),
        )
        .ext(distinct_on(ListingEvent.listing_id, kind, spell_or_price))
        .order_by(ListingEvent.listing_id, kind, spell_or_price, ListingEvent.seq)
    )


def backtest(office_id: int, criteria: Criteria, kinds: int, *, days: int = 30, now: datetime) -> list[SentDay]:
    """What the search would have sent in the last days, by day and kind; days without any are left out."""
    sent = would_have_sent(office_id, criteria, kinds, days=days, now=now).subquery()
    rows = db.session.execute(
        select(sent.c.day, sent.c.kind, func.count())
        .group_by(sent.c.day, sent.c.kind)
        .order_by(sent.c.day, sent.c.kind)
    )
    return [SentDay(day, AlertKind(kind), homes) for day, kind, homes in rows]


# What an edit brings in


def add_matches(subscription: AlertSubscription, criteria: Criteria, after: datetime) -> int:
    """Give a subscription the events of batches taken after `after` that its search matches now and did not then.

    The batches' counts move along. Rows that a digest has accounted for are left alone. Returns the pairs added.
    """
    taken = select(MatchBatch.id, MatchBatch.found_on, func.unnest(MatchBatch.event_seqs).label("seq")).where(
        MatchBatch.taken_at > after, MatchBatch.done_at.is_not(None)
    )
    batch = taken.subquery()
    mine = and_(
        AlertMatch.found_on == batch.c.found_on,
        AlertMatch.batch_id == batch.c.id,
        AlertMatch.alert_subscription_id == subscription.id,
    )
    new = db.session.execute(
        select(batch.c.id, batch.c.found_on, func.array_agg(batch.c.seq))
        .join(ListingEvent, ListingEvent.seq == batch.c.seq)
        .outerjoin(AlertMatch, mine)
        .where(
            ListingEvent.office_id == subscription.office_id,
            ListingEvent.kinds.op("&")(subscription.kinds) != 0,
            ~func.pg_visible_in_snapshot(ListingEvent.xid, _since(subscription.id)),
            or_(
                AlertMatch.batch_id.is_(None),
                and_(AlertMatch.digest_id.is_(None), batch.c.seq != all_(AlertMatch.event_seqs)),
            ),
            *_asked(ListingEvent, subscription.office_id, criteria),
        )
        .group_by(batch.c.id, batch.c.found_on)
        .order_by(batch.c.id)
    ).all()
    return sum(_add_to_batch(subscription.id, batch_id, found_on, seqs) for batch_id, found_on, seqs in new)


def _since(subscription_id: int) -> ColumnElement[str]:
    return select(AlertSubscription.since_snapshot).where(AlertSubscription.id == subscription_id).scalar_subquery()


_UNMATCHED = text(
    """
    SELECT count(*) FROM unnest(CAST(:seqs AS bigint[])) AS added (seq) WHERE NOT EXISTS (
        SELECT 1 FROM alert_match
        WHERE found_on = :found_on AND batch_id = :batch_id AND added.seq = ANY (event_seqs)
    )
    """
)


def _add_to_batch(subscription_id: int, batch_id: int, found_on: date, seqs: list[int]) -> int:
    unmatched = db.session.scalar(_UNMATCHED, {"seqs": seqs, "found_on": found_on, "batch_id": batch_id})
    fresh = upsert(AlertMatch).values(
        found_on=found_on, batch_id=batch_id, alert_subscription_id=subscription_id, event_seqs=seqs
    )
    written = db.session.execute(
        fresh.on_conflict_do_update(
            index_elements=[AlertMatch.found_on, AlertMatch.batch_id, AlertMatch.alert_subscription_id],
            set_={"event_seqs": AlertMatch.event_seqs.op("||")(fresh.excluded.event_seqs)},
            where=AlertMatch.digest_id.is_(None),
        ).returning(AlertMatch.batch_id)
    ).first()
    if written is None:  # a digest took the row meanwhile
        return 0
    db.session.execute(
        update(MatchBatch)
        .where(MatchBatch.id == batch_id)
        .values(
            pairs=MatchBatch.pairs + len(seqs),
            matched_events=MatchBatch.matched_events + unmatched,
            unmatched_events=MatchBatch.unmatched_events - unmatched,
        )
        .execution_options(synchronize_session=False)
    )
    return len(seqs)


# Criteria as conditions


def _asked(home: type[Listing | ListingEvent], office_id: int, criteria: Criteria) -> list[ColumnElement[bool]]:
    """What must be true of a listing, or of a listing as an event left it. NULL is never true (PA-06)."""
    conditions: list[ColumnElement[bool]] = [
        getattr(home, field).in_(values) for field in CHOICES if (values := getattr(criteria, field))
    ]
    for field in RANGES:
        if bounds := getattr(criteria, field):
            column = getattr(home, field)
            if bounds.ge is not None:
                conditions.append(column >= bounds.ge)
            if bounds.le is not None:
                conditions.append(column <= bounds.le)
    if criteria.has_place:
        conditions.append(or_(*_places(home, office_id, criteria)))
    return conditions


def _places(home: type[Listing | ListingEvent], office_id: int, criteria: Criteria) -> list[ColumnElement[bool]]:
    places: list[ColumnElement[bool]] = []
    for field in PLACE_LISTS:
        if names := getattr(criteria, field):
            column: InstrumentedAttribute[int | None] = getattr(home, _AREA_COLUMNS[field])
            numbers = select(AreaName.id).where(
                AreaName.office_id == office_id,
                AreaName.kind == field,
                AreaName.name_normal.in_([normalise(field, name) for name in names]),
            )
            # An array made once, so that each place can use its index.
            places.append(column == any_(func.array(numbers.scalar_subquery(), type_=ARRAY(Integer))))
    if criteria.shape:
        places.append(_inside(home, criteria.shape))
    return places


def _inside(home: type[Listing | ListingEvent], shape: Shape) -> ColumnElement[bool]:
    """shapes.py in SQL: the same whole numbers."""
    if home is Listing:
        latitude, longitude = (
            cast(func.round(column * 1_000_000), BigInteger) for column in (Listing.latitude, Listing.longitude)
        )
    else:
        latitude, longitude = (
            cast(column, BigInteger) for column in (ListingEvent.latitude_e6, ListingEvent.longitude_e6)
        )
    either: list[ColumnElement[bool]] = []
    if box := shape.box:
        either.append(and_(latitude.between(box.south, box.north), longitude.between(box.west, box.east)))
    if circle := shape.circle:
        dy = latitude - _big(circle.latitude)
        away = func.abs(longitude - _big(circle.longitude))
        dx = func.least(away, _big(360_000_000) - away).op("*")(_big(circle.cosine)).self_group().op(">>")(SCALE)
        either.append(
            and_(
                latitude.between(circle.latitude - circle.reach, circle.latitude + circle.reach),
                dy * dy + dx.self_group() * dx.self_group() <= _big(circle.reach**2),
            )
        )
    return or_(*either)


def _big(number: int) -> ColumnElement[int]:
    return literal(number, BigInteger)


# What the verbs read and write


def search_for_update(search_id: int, office_id: int) -> SavedSearch:
    """The search, locked: two edits, or an edit and a stop, wait for each other. Raises NotFound."""
    found = db.session.scalar(
        select(SavedSearch)
        .where(SavedSearch.id == search_id, SavedSearch.office_id == office_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such search.")
    return found


def criteria_of_version(office_id: int, search_id: int, version: int) -> dict[str, Any]:
    """What a search asked in one of its versions. Raises NotFound."""
    found = db.session.scalar(
        select(SavedSearchVersion.criteria)
        .join(SavedSearch, SavedSearch.id == SavedSearchVersion.saved_search_id)
        .where(SavedSearch.id == search_id, SavedSearch.office_id == office_id, SavedSearchVersion.version == version)
    )
    if found is None:
        raise NotFound("This search never had such a version.")
    return dict(found)


def subscription_for_update(subscription_id: int, office_id: int | None) -> AlertSubscription:
    """The subscription, its search (both locked, the search first) and its contact. Raises NotFound."""
    search = select(AlertSubscription.saved_search_id).where(AlertSubscription.id == subscription_id).scalar_subquery()
    db.session.execute(select(SavedSearch.id).where(SavedSearch.id == search).with_for_update())
    found = db.session.scalar(
        select(AlertSubscription)
        .where(AlertSubscription.id == subscription_id)
        .options(
            joinedload(AlertSubscription.saved_search, innerjoin=True),
            joinedload(AlertSubscription.contact, innerjoin=True),
        )
        .with_for_update(of=AlertSubscription)
        .execution_options(populate_existing=True)
    )
    if found is None or office_id not in {None, found.office_id}:
        raise NotFound("There is no such subscription.")
    return found


def subscriptions_of(search_id: int) -> Sequence[AlertSubscription]:
    """All subscriptions to a search, with their contacts."""
    return db.session.scalars(
        select(AlertSubscription)
        .where(AlertSubscription.saved_search_id == search_id)
        .options(joinedload(AlertSubscription.contact, innerjoin=True))
        .order_by(AlertSubscription.id)
        .execution_options(populate_existing=True)
    ).all()


def contact_of(office_id: int, contact_id: int) -> Contact:
    """Raises NotFound, also for a contact who was deleted."""
    found = db.session.scalar(
        select(Contact).where(
            Contact.id == contact_id,
            Contact.office_id == office_id,
            Contact.contact_status != ContactStatus.DELETED.value,
        )
    )
    if found is None:
        raise NotFound("There is no such contact.")
    return found


def search_by_key(office_id: int, key: str) -> SavedSearch | None:
    return db.session.scalar(
        select(SavedSearch).where(SavedSearch.saved_search_key == key, SavedSearch.office_id == office_id)
    )


def has_member(office_id: int, member_id: int) -> bool:
    return db.session.scalar(select(Member.id).where(Member.id == member_id, Member.office_id == office_id)) is not None


def zone_of(office_id: int) -> str:
    return db.session.scalar(select(Office.time_zone).where(Office.id == office_id)) or "UTC"


def replace_keys(subscription_ids: Sequence[int], keys: Sequence[Key]) -> None:
    """Make these the only key rows of these subscriptions."""
    db.session.execute(delete(SearchKey).where(SearchKey.alert_subscription_id.in_(subscription_ids)))
    if keys:
        columns: list[dict[str, Any]] = [key._asdict() for key in keys]
        db.session.execute(insert(SearchKey), columns)
