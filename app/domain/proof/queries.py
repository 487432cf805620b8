"""What the proof reads. Nothing here writes, and nothing asks for what is kept no longer: an absent row is told so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, select, text

from app.domain.contacts.queries import words_in
from app.domain.errors import NotFound
from app.domain.models import AreaName, Contact, Digest, Listing, ListingEvent, MessageEvent, Office, Suppression
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]

MOST_EVENTS = 500
"""Events of one home that are gone back through: 18 months of a home that changes daily."""
READ_WITHIN = 8
"""Days after an event in which its batch is looked for: older news is none (PA-26)."""


class Subject(NamedTuple):
    """Whom and what is asked about."""

    contact: Contact
    listing: Listing
    time_zone: str


def subject(office_id: int | None, contact_id: int, listing_id: int) -> Subject:
    """The buyer, the home and the office's zone. None as the office is for the terminal, which sees all of them. Raises
    NotFound, also where the two are of different offices."""
    found = db.session.execute(
        select(Contact, Listing, Office.time_zone)
        .join(Listing, Listing.office_id == Contact.office_id)
        .join(Office, Office.id == Contact.office_id)
        .where(
            Contact.id == contact_id,
            Listing.id == listing_id,
            Contact.office_id == (Contact.office_id if office_id is None else office_id),
        )
    ).first()
    if found is None:
        raise NotFound("There is no such buyer and home in one office.")
    return Subject(*found)


def events_of(listing_id: int) -> list[ListingEvent]:
    """What happened to a home, newest first."""
    return list(
        db.session.scalars(
            select(ListingEvent)
            .where(ListingEvent.listing_id == listing_id)
            .order_by(ListingEvent.seq.desc())
            .limit(MOST_EVENTS)
        )
    )


def names_of(areas: Iterable[int]) -> dict[int, str]:
    """What these places are called: numbers are never given to another."""
    wanted = list(areas)
    if not wanted:
        return {}
    rows = db.session.execute(select(AreaName.id, AreaName.name).where(AreaName.id.in_(wanted)))
    return {row.id: row.name for row in rows}


_BATCHES = text(f"""
    SELECT e.seq, batch.id, batch.taken_at, batch.done_at,
        pg_visible_in_snapshot(e.xid, (SELECT snapshot FROM match_cursor WHERE name = 'alerts')) AS is_read
    FROM listing_event e
    LEFT JOIN LATERAL (
        SELECT b.id, b.taken_at, b.done_at FROM match_batch b
        WHERE b.found_on BETWEEN CAST(e.recorded_at AT TIME ZONE 'UTC' AS date)
              AND CAST(e.recorded_at AT TIME ZONE 'UTC' AS date) + {READ_WITHIN}
          AND b.event_seqs @> ARRAY[e.seq]
        ORDER BY b.id LIMIT 1
    ) batch ON true
    WHERE e.seq = ANY (:seqs)
""")


def batches_of(seqs: Sequence[int]) -> dict[int, AnyRow]:
    """event → the batch that took it (id, taken_at, done_at; empty when none is kept), and whether the watermark has
    passed it."""
    return {row.seq: row for row in db.session.execute(_BATCHES, {"seqs": list(seqs)})}


_SUBSCRIPTION = """
    SELECT s.id, s.office_id, s.contact_id, s.saved_search_id, s.active_yn, s.reason_active_or_disabled, s.kinds,
        s.schedule_type, s.send_time, s.daily_schedule, s.next_send_timestamp, s.original_entry_timestamp,
        CAST(s.since_snapshot AS text) AS since_snapshot,
        coalesce(nullif(ss.saved_search_name, ''), rtrim(ss.search_query_human_readable, '.')) AS called,
        (SELECT json_agg(json_build_object('version', v.version, 'criteria', v.criteria, 'created_at', v.created_at)
                         ORDER BY v.version)
         FROM saved_search_version v WHERE v.saved_search_id = ss.id) AS versions,
        (SELECT json_agg(json_build_object('until', p.until, 'active_yn', p.active_yn, 'kinds', p.kinds,
                    'reason_active_or_disabled', p.reason_active_or_disabled, 'schedule_type', p.schedule_type,
                    'send_time', p.send_time, 'daily_schedule', p.daily_schedule,
                    'since_snapshot', CAST(p.since_snapshot AS text)) ORDER BY p.until, p.id)
         FROM subscription_past p WHERE p.alert_subscription_id = s.id) AS pasts
    FROM {subscriptions} s JOIN {searches} ss ON ss.id = s.saved_search_id
"""
_SUBSCRIPTIONS = text(
    _SUBSCRIPTION.format(subscriptions="alert_subscription", searches="saved_search")
    + "WHERE s.contact_id = :contact_id ORDER BY s.id"
)
_THESE = text(
    # By their schema: a replay has tables of its own under these names.
    _SUBSCRIPTION.format(subscriptions="public.alert_subscription", searches="public.saved_search")
    + "WHERE s.id = ANY (:ids) ORDER BY s.id"
)


def subscriptions_of(contact_id: int) -> Sequence[AnyRow]:
    """A buyer's subscriptions, with every version of their criteria and all that they were before."""
    return db.session.execute(_SUBSCRIPTIONS, {"contact_id": contact_id}).all()


def these_subscriptions(ids: Sequence[int]) -> Sequence[AnyRow]:
    """The same rows, of these."""
    return db.session.execute(_THESE, {"ids": list(ids)}).all() if ids else []


_ITEMS = text("""
    SELECT i.digest_id, i.alert_subscription_id, i.event_seq, i.recipient, i.search_version, i.kind, i.fingerprint,
        i.price_before, i.price_shown, i.outcome, i.drop_reason, i.position,
        d.window_end, d.created_at AS built_at, d.job_run_id, d.state AS digest_state, d.needs_approval,
        m.id AS message_id, m.state, m.state_reason, m.created_at AS queued_at, m.not_before, m.attempting_at, m.sent_at,
        m.last_reply, m.expires_at
    FROM digest_item i
    JOIN digest d ON d.id = i.digest_id
    LEFT JOIN outbound_message m ON m.digest_id = d.id
    WHERE i.listing_id = :listing_id AND i.alert_subscription_id = ANY (:subscriptions)
    ORDER BY i.digest_id, i.event_seq
""")


def items_of(listing_id: int, subscriptions: Sequence[int]) -> Sequence[AnyRow]:
    """What became of each match of this home, with its mail: kept for 90 days."""
    return db.session.execute(_ITEMS, {"listing_id": listing_id, "subscriptions": list(subscriptions)}).all()


_WAITING = text("""
    SELECT am.alert_subscription_id, seq, am.batch_id, am.waits_until, am.waits_for
    FROM alert_match am CROSS JOIN unnest(am.event_seqs) AS seq
    WHERE am.digest_id IS NULL AND am.alert_subscription_id = ANY (:subscriptions) AND am.event_seqs && CAST(:seqs AS bigint[])
      AND seq = ANY (:seqs)
""")


def waiting_of(subscriptions: Sequence[int], seqs: Sequence[int]) -> dict[tuple[int, int], AnyRow]:
    """(subscription, event) → batch, and until when and for what it waits, of what was matched and has no digest."""
    values = {"subscriptions": list(subscriptions), "seqs": list(seqs)}
    return {(row.alert_subscription_id, row.seq): row for row in db.session.execute(_WAITING, values)}


def happenings_of(messages: Sequence[int]) -> Sequence[MessageEvent]:
    """All that is known of these messages after they were queued, in order."""
    return db.session.scalars(
        select(MessageEvent).where(MessageEvent.outbound_message_id.in_(messages)).order_by(MessageEvent.id)
    ).all()


def suppressions_of(office_id: int, recipients: Sequence[str]) -> Sequence[Suppression]:
    """Every stop there ever was for these addresses."""
    return db.session.scalars(
        select(Suppression)
        .where(Suppression.office_id == office_id, Suppression.recipient.in_(recipients))
        .order_by(Suppression.id)
    ).all()


def shown_of(contact_id: int, listing_id: int) -> AnyRow | None:
    """What this buyer was last shown of this home: last_price_shown, listing_sent_timestamp."""
    return db.session.execute(
        text(
            "SELECT last_price_shown, listing_sent_timestamp FROM buyer_listing"
            " WHERE contact_id = :contact_id AND listing_id = :listing_id"
        ),
        {"contact_id": contact_id, "listing_id": listing_id},
    ).first()


MOST_CHOICES = 8


def people_called(office_id: int, words: str) -> list[Contact]:
    """The few buyers of an office that these words may mean, by name."""
    return list(
        db.session.scalars(
            select(Contact)
            .where(Contact.office_id == office_id, *words_in(words))
            .order_by(Contact.full_name, Contact.id)
            .limit(MOST_CHOICES)
        )
    )


def homes_called(office_id: int, words: str) -> list[Listing]:
    """The few homes of an office that these words may mean, the newest changed first."""
    found = select(Listing).where(Listing.office_id == office_id)
    for word in words.casefold().split()[:6]:
        found = found.where(Listing.search_text.contains(word, autoescape=True))
    return list(
        db.session.scalars(found.order_by(Listing.modification_timestamp.desc(), Listing.id.desc()).limit(MOST_CHOICES))
    )


def named(office_id: int, contact_id: int | None, listing_id: int | None) -> tuple[Contact | None, Listing | None]:
    """The buyer and the home with these numbers, as far as they are this office's."""
    contact = db.session.get(Contact, contact_id) if contact_id else None
    listing = db.session.get(Listing, listing_id) if listing_id else None
    return (
        contact if contact is not None and contact.office_id == office_id else None,
        listing if listing is not None and listing.office_id == office_id else None,
    )


# What waits

_WAITS = """
    SELECT c.id, c.full_name, c.email, min(waits.due_at) AS due_at, sum(waits.matches) AS matches,
        count(*) AS searches, bool_or(waits.is_approved_first) AS is_approved_first,
        min(waits.waits_for) AS waits_for
    FROM contact c JOIN (
        SELECT s.contact_id, sum(cardinality(am.event_seqs)) AS matches, bool_or(s.concierge_yn) AS is_approved_first,
            min(am.waits_for) AS waits_for,
            min(CASE WHEN s.schedule_type = 'ASAP' THEN coalesce(am.waits_until, am.found_on)
                ELSE s.next_send_timestamp END) AS due_at
        FROM alert_match am JOIN alert_subscription s ON s.id = am.alert_subscription_id
        WHERE am.digest_id IS NULL AND s.office_id = :office_id AND s.active_yn
        GROUP BY s.id, s.contact_id
    ) waits ON waits.contact_id = c.id
    WHERE c.office_id = :office_id
"""
_WAITING_BUYERS = text(f"{_WAITS} GROUP BY c.id ORDER BY due_at, c.id LIMIT :limit")
_DUE_OF = text(f"SELECT due_at FROM ({_WAITS} AND c.id = :contact_id GROUP BY c.id) AS one")


def waiting_buyers(office_id: int, limit: int = 100) -> Sequence[AnyRow]:
    """For whom something waits, the soonest first: when it is due, matches, searches, and what holds it back."""
    return db.session.execute(_WAITING_BUYERS, {"office_id": office_id, "limit": limit}).all()


def due_of(contact_id: int) -> datetime | None:
    """When the next mail of a buyer is due, of what waits."""
    found: datetime | None = db.session.scalar(
        _DUE_OF,
        {
            "office_id": db.session.scalar(select(Contact.office_id).where(Contact.id == contact_id)),
            "contact_id": contact_id,
        },
    )
    return found


def buyer(office_id: int, contact_id: int) -> Contact:
    """Raises NotFound, also for another office's."""
    found = db.session.get(Contact, contact_id)
    if found is None or found.office_id != office_id:
        raise NotFound("There is no such buyer here.")
    return found


def digests_of_window(contact_id: int, window_end: datetime) -> Sequence[Digest]:
    """The digests that a build has just made; the one that goes by itself first."""
    return db.session.scalars(
        select(Digest)
        .where(Digest.contact_id == contact_id, Digest.window_end == window_end)
        .order_by(Digest.needs_approval, Digest.id)
    ).all()
