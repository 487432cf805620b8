"""Criteria as SQL: what matches now, what would have been sent, and the rows the verbs of saved.py read and write.

The conditions of conditions/queries.py, Criteria.matches in Python and the join of app/domain/alerts say the same three
times, each in the way that is quick for it; property tests hold them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    Select,
    all_,
    and_,
    case,
    cast,
    delete,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import joinedload

from app.domain.errors import NotFound
from app.domain.models import (
    KIND_BITS,
    AlertKind,
    AlertMatch,
    AlertSubscription,
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
from app.domain.searches.conditions.queries import asked, conditions, unknown
from app.domain.searches.criteria import MAY_BE_UNKNOWN, PLACE, PLACES, Criteria
from app.domain.searches.keys import Key
from app.extensions import db

_STRONGEST_FIRST = tuple(AlertKind)


# What matches now


def matching(office_id: int, criteria: Criteria) -> Select[Listing]:
    """The office's homes that match now, in no order: for lists, counts and the first look. Not what will be mailed."""
    return select(Listing).where(Listing.office_id == office_id, *asked(Listing, office_id, criteria))


def count_matching(office_id: int, criteria: Criteria, limit: int) -> int:
    """How many match now; counting stops at `limit`."""
    some = matching(office_id, criteria).with_only_columns(Listing.id).limit(limit).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def skipped_unknown(office_id: int, criteria: Criteria, *, limit: int = 1_000) -> dict[str, int]:
    """For each field that is asked: the homes that have all the rest and do not say this (PA-06), which are those that
    come in when its unknown is included. Counting stops at `limit`. Fields without any, and those included, are left
    out."""
    holds = dict(zip(conditions(Listing, office_id, criteria), asked(Listing, office_id, criteria), strict=True))
    fields = [field for field in MAY_BE_UNKNOWN if field in holds and field not in criteria.include_unknown]
    if not fields:
        return {}
    counts = []
    for field in fields:
        rest = [condition for name, condition in holds.items() if name != field]
        skipped = select(Listing.id).where(Listing.office_id == office_id, unknown(Listing, criteria, field), *rest)
        if field == PLACE:
            skipped = skipped.where(holds[PLACE].is_not(True))
        some = skipped.limit(limit).subquery()
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    found = db.session.execute(select(*counts)).one()
    return {field: count for field, count in zip(fields, found, strict=True) if count}


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
            or_(wanted != KIND_BITS[AlertKind.NOW_MATCHES], ~_took_before(office_id, criteria)),
            *asked(ListingEvent, office_id, criteria),
        )
        .ext(distinct_on(ListingEvent.listing_id, kind, spell_or_price))
        .order_by(ListingEvent.listing_id, kind, spell_or_price, ListingEvent.seq)
    )


def _took_before(office_id: int, criteria: Criteria) -> ColumnElement[bool]:
    """Whether a search took the home as it was before an event: nothing comes to match then (T1). The record of before
    goes by the table's own name, so that the conditions that ask the event ask it."""
    event: ColumnElement[Any] = literal_column(ListingEvent.__tablename__)
    was = func.jsonb_populate_record(event, ListingEvent.before).table_valued("seq", name=ListingEvent.__tablename__)
    return (
        select(literal(1))
        .select_from(was)
        .where(*asked(ListingEvent, office_id, criteria))
        .correlate(ListingEvent)
        .exists()
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
            *asked(ListingEvent, subscription.office_id, criteria),
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


def office_of(office_id: int) -> Office:
    return db.session.get_one(Office, office_id)


def zone_of_homes(office_id: int, criteria: Criteria) -> str:
    """By which clock most of the homes live that are where a search looks; empty when none says so (PA-20)."""
    place = Criteria.parse({field: value for field, value in criteria.as_dict().items() if field in PLACES})
    if not place.has_place:
        return ""
    near = (
        matching(office_id, place)
        .where(Listing.property_time_zone_name != "")
        .with_only_columns(Listing.property_time_zone_name.label("name"))
        .limit(500)
        .subquery()
    )
    found = db.session.scalar(
        select(near.c.name).group_by(near.c.name).order_by(func.count().desc(), near.c.name).limit(1)
    )
    return found if found in available_timezones() else ""


def held_since(contact_id: int, now: datetime) -> datetime | None:
    """Just before the first match was found that is held back from a buyer now."""
    found = db.session.scalar(
        select(func.min(MatchBatch.taken_at))
        .join(AlertMatch, and_(AlertMatch.batch_id == MatchBatch.id, AlertMatch.found_on == MatchBatch.found_on))
        .join(AlertSubscription, AlertSubscription.id == AlertMatch.alert_subscription_id)
        .where(AlertSubscription.contact_id == contact_id, AlertMatch.digest_id.is_(None), AlertMatch.waits_until > now)
    )
    return found - timedelta(microseconds=1) if found else None


def last_batch_at(now: datetime) -> datetime | None:
    """When the newest batch was taken that has been matched."""
    newest = select(MatchBatch.taken_at).where(MatchBatch.done_at.is_not(None), MatchBatch.taken_at <= now)
    return db.session.scalar(newest.order_by(MatchBatch.id.desc()).limit(1))


def replace_keys(subscription_ids: Sequence[int], keys: Sequence[Key]) -> None:
    """Make these the only key rows of these subscriptions."""
    db.session.execute(delete(SearchKey).where(SearchKey.alert_subscription_id.in_(subscription_ids)))
    if keys:
        columns: list[dict[str, Any]] = [key._asdict() for key in keys]
        db.session.execute(insert(SearchKey), columns)
