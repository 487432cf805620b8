"""The statements of digests: who is due, what waits for them, what is known of it now, and the pages people see.

Many rows travel as one JSON document, so that a chunk of people costs the same few statements whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import Row, Select, select, text

from app.domain import driver
from app.domain.listings.changes import OPEN_HOUSE
from app.domain.models import AlertKind, DigestItem, ItemOutcome, Listing, Stream, Suppression, SuppressionReason
from app.domain.models.lookups import ALERTABLE_ORIGINS
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]
Values = Mapping[str, Any]

NO_ADDRESS = "no-address:"
"""A person without an address has a digest all the same, to say why nothing was sent; its recipient is this and
their number."""
RECIPIENT = f"CASE WHEN c.email = '' THEN '{NO_ADDRESS}' || c.id ELSE c.email END"

LISTING_COLUMNS = (
    "listing_key",
    "listing_id",
    "standard_status",
    "list_price",
    "property_type",
    "property_sub_type",
    "bedrooms_total",
    "baths_equivalent",
    "living_area",
    "lot_size_square_feet",
    "year_built",
    "unparsed_address",
    "unit_number",
    "city",
    "state_or_province",
    "postal_code",
    "county_or_parish",
    "subdivision_name",
    "mls_area_major",
    "latitude",
    "longitude",
    "waterfront_yn",
    "list_agent_full_name",
    "list_office_name",
    "list_office_phone",
    "internet_entire_listing_display_yn",
    "internet_address_display_yn",
    "preferred_photo_url",
    "on_market_timestamp",
    "garage_spaces",
    "association_fee_monthly",
    "pool_private_yn",
    "new_construction_yn",
    "senior_community_yn",
    "special_listing_conditions",
)
"""What a search may ask of a home and a buyer may be shown. Nothing private is among them."""

_PEOPLE = f"""
person AS MATERIALIZED (
    SELECT c.id AS contact_id, c.office_id, c.contact_status, {RECIPIENT} AS recipient,
           coalesce(stop.everything, false) AS is_suppressed, stop.subscriptions AS stopped,
           -- Who shares their alerts is told together, and so the same once (PA-07, PA-09).
           CASE WHEN c.household_id IS NULL THEN ARRAY[{RECIPIENT}] ELSE
               ARRAY(SELECT mate.email FROM contact mate WHERE mate.household_id = c.household_id) END AS addresses,
           CASE WHEN c.household_id IS NULL THEN ARRAY[CAST(:digest_id AS bigint)] ELSE
               ARRAY(SELECT twin.id FROM digest d JOIN contact mate ON mate.household_id = c.household_id
                     JOIN digest twin ON twin.contact_id = mate.id AND twin.window_end = d.window_end
                     WHERE d.id = :digest_id) END AS twins
    FROM contact c
    LEFT JOIN LATERAL (
        SELECT bool_or(x.scope <> 'subscription') AS everything,
               array_agg(x.alert_subscription_id) FILTER (WHERE x.scope = 'subscription') AS subscriptions
        FROM suppression x
        WHERE x.office_id = c.office_id AND x.recipient = c.email AND x.lifted_at IS NULL
          AND (x.expires_at IS NULL OR x.expires_at > :now) AND (x.stream IS NULL OR x.stream = '{Stream.ALERTS}')
    ) stop ON true
    WHERE c.id = ANY(:contacts))
"""

_LIVE = ", ".join(f"'{origin}'" for origin in sorted(ALERTABLE_ORIGINS))
_FACTS = f"""
SELECT {{stored}} p.contact_id, p.office_id, p.contact_status, p.recipient,
       p.is_suppressed, s.id = ANY(p.stopped) AS is_stopped,
       s.id AS alert_subscription_id, s.active_yn, s.reason_active_or_disabled, s.schedule_type, s.kinds AS wanted_kinds,
       ss.id AS saved_search_id, ss.version,
       coalesce(nullif(ss.saved_search_name, ''), rtrim(ss.search_query_human_readable, '.')) AS saved_search_name,
       ss.criteria::text AS criteria,
       e.recorded_at, cardinality(s.daily_schedule) AS weekdays,
       e.seq, e.kinds AS event_kinds, e.market_spell_no, e.previous_list_price AS price_before_event,
       pg_visible_in_snapshot(e.xid, s.since_snapshot) AS is_before_subscription,
       ss.version > 1 AND v.created_at > e.recorded_at AS edited_since,
       bl.last_price_shown, bl.listing_sent_timestamp, told.told,
       s.send_time, CASE WHEN s.contact_id = p.contact_id THEN s.token END AS token, ss.search_query_human_readable,
       CASE WHEN s.revised_at > coalesce(s.last_new_changed_timestamp, s.original_entry_timestamp)
            THEN s.revised_at END AS revised_at,
       bl.market_spell_no AS spell_shown, l.market_spell_no AS spell, bl.contact_listing_preference AS preference,
       EXISTS (SELECT FROM listing_owner o WHERE o.listing_id = l.id AND o.contact_id = p.contact_id) AS is_own_home,
       pair.since, past.past, opening.opening, e.changes AS opening_changes,
       CASE WHEN ss.criteria ?| ARRAY['keywords_any', 'keywords_none'] THEN l.public_remarks ELSE '' END AS public_remarks,
       l.id, {", ".join(f"l.{column}" for column in LISTING_COLUMNS)}
FROM pair
JOIN alert_subscription s ON s.id = pair.alert_subscription_id
JOIN person p ON p.contact_id = pair.contact_id
JOIN saved_search ss ON ss.id = s.saved_search_id
LEFT JOIN saved_search_version v ON v.saved_search_id = ss.id AND v.version = ss.version
JOIN listing_event e ON e.seq = pair.seq
JOIN listing l ON l.id = e.listing_id
LEFT JOIN buyer_listing bl ON bl.contact_id = p.contact_id AND bl.listing_id = l.id
LEFT JOIN LATERAL (
    -- In two parts, each by an index of its own: all that anybody was ever told of a home is not looked through.
    SELECT array_agg(i.kind || chr(31) || i.fingerprint) AS told
    FROM (
        SELECT i.kind, i.fingerprint, i.digest_id
        FROM digest_item i
        WHERE i.office_id = p.office_id AND i.recipient = ANY(p.addresses) AND i.listing_id = l.id
          AND i.outcome = 'shown'
        UNION ALL
        SELECT i.kind, i.fingerprint, i.digest_id
        FROM digest_item i
        WHERE e.open_house_id IS NOT NULL AND i.office_id = p.office_id AND i.recipient = ANY(p.addresses)
          AND i.listing_id = l.id AND i.outcome = 'merged' AND i.kind = '{AlertKind.OPEN_HOUSE}'
    ) i
    WHERE i.digest_id <> ALL(p.twins)
) told ON true
LEFT JOIN LATERAL (
    -- What happened to the home since the watermark, oldest first (PA-04), but what was only put right (PA-02). The
    -- event itself is part of it, though it was written down before the watermark and seen after it.
    SELECT json_agg(json_build_object('kinds', h.kinds, 'alertable', h.alertable, 'at', h.recorded_at,
                                      'changes', h.changes - ARRAY['public_remarks', 'private_remarks']) ORDER BY h.seq)
               AS past
    FROM listing_event h
    WHERE h.listing_id = l.id AND h.origin IN ({_LIVE}) AND h.kinds <> {OPEN_HOUSE}
      AND (h.seq >= e.seq OR h.recorded_at > pair.since) AND NOT pg_visible_in_snapshot(h.xid, s.since_snapshot)
) past ON true
LEFT JOIN LATERAL (
    SELECT json_build_object(
        'open_house_key', x.open_house_key, 'open_house_start_time', x.open_house_start_time,
        'open_house_end_time', x.open_house_end_time, 'open_house_status', x.open_house_status,
        'open_house_type', x.open_house_type, 'is_over', x.open_house_start_time <= CAST(:now AS timestamptz),
        'time_zone', coalesce(nullif(l.property_time_zone_name, ''), o.time_zone)) AS opening
    FROM open_house x JOIN office o ON o.id = x.office_id WHERE x.id = e.open_house_id
) opening ON true
ORDER BY p.contact_id, e.seq, s.id
"""

_STORED = "pair.kind, pair.fingerprint, pair.price_before, pair.price_shown, pair.outcome, pair.position,"

FACTS_OF_PAIRS = text(f"""
WITH {_PEOPLE}, pair AS (
    SELECT * FROM unnest(CAST(:subscriptions AS bigint[]), CAST(:seqs AS bigint[]), CAST(:readers AS bigint[]),
                         CAST(:since AS timestamptz[]))
        AS pair (alert_subscription_id, seq, contact_id, since))
SELECT CAST(json_agg(facts) AS text) FROM ({_FACTS.format(stored="")}) facts
""")

LOOK = text(f"""
-- All that the last look at a digest and its mail need, in one document: a row of fifty columns for each home costs
-- more to take apart in Python than the mail costs to write.
WITH {_PEOPLE}, pair AS (
    SELECT alert_subscription_id, event_seq AS seq, (SELECT contact_id FROM person) AS contact_id, since, kind, fingerprint, price_before,
        price_shown, outcome, position
    FROM digest_item
    WHERE digest_id = :digest_id AND outcome IN ('shown', 'merged')
), letterhead AS (
    SELECT d.token, c.first_name, c.full_name,
           CASE WHEN c.time_zone = '' THEN o.time_zone ELSE c.time_zone END AS time_zone,
           o.office_name, o.office_phone, o.office_address1, o.office_city, o.office_state_or_province,
           o.office_postal_code, agent.member_full_name, agent.member_email, agent.member_mobile_phone,
           -- Whom a mail for a whole household names beside its own reader (PA-09).
           CASE WHEN c.household_id IS NOT NULL THEN (
               SELECT json_agg(json_build_array(twin.recipient, mate.full_name) ORDER BY mate.id)
               FROM contact mate
               JOIN household h ON h.id = mate.household_id AND h.mail = 'together'
               JOIN digest twin ON twin.contact_id = mate.id AND twin.window_end = d.window_end
                   AND twin.needs_approval = d.needs_approval AND twin.items_shown > 0
               WHERE mate.household_id = c.household_id AND mate.id <> c.id) END AS named_with
    FROM digest d
    JOIN contact c ON c.id = d.contact_id
    JOIN office o ON o.id = d.office_id
    LEFT JOIN LATERAL (
        -- The buyer's own agent, else one who looks after a search of this mail.
        SELECT m.member_full_name, m.member_email, m.member_mobile_phone
        FROM member m
        WHERE m.member_status = 'Active'
          AND (m.id = c.owner_member_id
               OR m.id IN (SELECT s.owner_member_id FROM pair JOIN alert_subscription s ON s.id = alert_subscription_id))
        ORDER BY m.id IS NOT DISTINCT FROM c.owner_member_id DESC, m.id
        LIMIT 1
    ) agent ON true
    WHERE d.id = :digest_id)
SELECT CAST(json_build_object(
    'letterhead', (SELECT to_json(letterhead) FROM letterhead),
    'facts', (SELECT json_agg(facts) FROM ({_FACTS.format(stored=_STORED)}) facts)) AS text)
""")

MONEY = ("list_price", "price_before_event", "last_price_shown", "price_before", "price_shown")


class Fact:
    """A (subscription, event) of a person, and the home as it is now: the columns of _FACTS. Prices are Decimals, other
    numbers as JSON has them, times as PostgreSQL writes them."""

    def __init__(self, columns: dict[str, Any]) -> None:
        for name in MONEY:
            value = columns.get(name)
            if value is not None:
                columns[name] = Decimal(str(value))
        self.__dict__ = columns  # fifty attributes for each home of each mail: not copied

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


def facts_of_pairs(
    pairs: Sequence[tuple[int, int, int]], now: datetime, since: Mapping[int, datetime] | None = None
) -> list[Fact]:
    """All that is known now about (subscription, event, reader), in a fixed order. The reader is the subscription's
    contact, or who shares alerts with them. `since`: the watermark of each subscription, where there is one."""
    watermarks = since or {}
    found = db.session.scalar(
        FACTS_OF_PAIRS,
        {
            "contacts": sorted({pair[2] for pair in pairs}),
            "subscriptions": [pair[0] for pair in pairs],
            "seqs": [pair[1] for pair in pairs],
            "readers": [pair[2] for pair in pairs],
            "since": [watermarks.get(pair[0]) for pair in pairs],
            "digest_id": 0,
            "now": now,
        },
    )
    return [Fact(row) for row in orjson.loads(found)] if found else []


TAKEN_BEFORE = text("""
SELECT b.id, coalesce(
    (SELECT a.taken_at FROM match_batch a WHERE a.id < b.id AND a.taken_at < b.taken_at ORDER BY a.id DESC LIMIT 1),
    b.taken_at - interval '7 days') AS taken_at
FROM match_batch b
WHERE b.id = ANY(:batches)
""")


def taken_before(batches: Sequence[int]) -> dict[int, datetime]:
    """When events were last taken before each of these batches; where none were, a week before: what is older is no news
    (PA-26)."""
    return {row.id: row.taken_at for row in db.session.execute(TAKEN_BEFORE, {"batches": batches})}


def look(contact_id: int, digest_id: int, now: datetime) -> tuple[SimpleNamespace, list[Fact]]:
    """The letterhead of a digest (who it is for, from which office, the agent who answers), and all that is known now
    about what it still means to say, in a fixed order."""
    [written] = driver.row(LOOK, {"contacts": [contact_id], "digest_id": digest_id, "now": now})
    found = orjson.loads(written or b"")
    return SimpleNamespace(**found["letterhead"]), [Fact(row) for row in found["facts"] or ()]


_ADDRESSEE = """
SELECT m.id AS outbound_message_id, c.office_id, o.office_name, c.id AS contact_id, c.email,
       coalesce(m.recipient, c.email) AS recipient, m.digest_id, c.household_id IS NOT NULL AS shares,
       CASE WHEN c.time_zone = '' THEN o.time_zone ELSE c.time_zone END AS time_zone,
       c.quiet_from, c.quiet_until
"""

ADDRESSEE_OF_MESSAGE = text(f"""
{_ADDRESSEE}
FROM outbound_message m
JOIN contact c ON c.id = m.contact_id
JOIN office o ON o.id = c.office_id
WHERE m.id = :number
""")

ADDRESSEE_OF_SUBSCRIPTION = text(f"""
{_ADDRESSEE}
FROM alert_subscription s
JOIN contact c ON c.id = s.contact_id
JOIN office o ON o.id = c.office_id
LEFT JOIN outbound_message m ON false
WHERE s.token = :token
""")

WATCHES = text("""
-- Their own, and those of who shares alerts with them that this mail spoke for. Of one who shared them once and does no
-- more, nothing is told: what they look for now is theirs alone.
SELECT s.contact_id = :contact_id AS is_own, s.id, s.active_yn AND may_read AS active_yn,
       CASE WHEN may_read THEN s.reason_active_or_disabled END AS reason_active_or_disabled, s.saved_search_id,
       ss.version, s.schedule_type, s.send_time, s.daily_schedule, s.kinds,
       CASE WHEN may_read THEN s.paused_until END AS paused_until, s.warned_at IS NOT NULL AND may_read AS is_warned,
       CASE WHEN may_read THEN ss.search_query_human_readable ELSE '' END AS search_query_human_readable,
       CASE WHEN may_read THEN coalesce(nullif(ss.saved_search_name, ''), rtrim(ss.search_query_human_readable, '.'))
            ELSE 'A search that was shared with you' END AS saved_search_name,
       CASE WHEN CAST(:digest_id AS bigint) IS NULL THEN s.token = :token
            ELSE EXISTS (SELECT FROM digest_item i
                         WHERE i.digest_id = :digest_id AND i.alert_subscription_id = s.id
                           AND (i.outcome <> 'dropped' OR i.drop_reason IN
                                ('suppressed', 'unsubscribed', 'message_failed', 'message_expired')))
       END AS is_of_this_mail
FROM alert_subscription s
JOIN saved_search ss ON ss.id = s.saved_search_id
JOIN contact reader ON reader.id = :contact_id
JOIN contact owner ON owner.id = s.contact_id
CROSS JOIN LATERAL (
    SELECT owner.id = reader.id OR coalesce(owner.household_id = reader.household_id, false) AS may_read) AS standing
WHERE s.contact_id = :contact_id
   OR s.id IN (SELECT i.alert_subscription_id FROM digest_item i WHERE i.digest_id = :digest_id)
ORDER BY s.id
""")


def addressee(message_number: int | None, subscription_token: str) -> AnyRow | None:
    """Whose a link is: by its message, else by its subscription; None when neither exists."""
    found = None
    if message_number is not None:
        found = db.session.execute(ADDRESSEE_OF_MESSAGE, {"number": message_number}).first()
    return found or db.session.execute(ADDRESSEE_OF_SUBSCRIPTION, {"token": subscription_token}).first()


def watches(contact_id: int, digest_id: int | None, subscription_token: str) -> Sequence[AnyRow]:
    """A person's subscriptions, and which of them a link speaks for."""
    values = {"contact_id": contact_id, "digest_id": digest_id, "token": subscription_token}
    return db.session.execute(WATCHES, values).all()


def blocks(office_id: int, recipient: str, now: datetime) -> Sequence[Suppression]:
    """What keeps alerts from an address now."""
    return [
        one
        for one in db.session.scalars(_in_force(office_id, recipient))
        if (one.expires_at is None or one.expires_at > now) and one.stream in (None, Stream.ALERTS)
    ]


def unsubscribes(office_id: int, recipient: str) -> Sequence[Suppression]:
    """What the person stopped themselves and nobody has lifted."""
    statement = _in_force(office_id, recipient).where(Suppression.reason == SuppressionReason.UNSUBSCRIBED)
    return db.session.scalars(statement).all()


def _in_force(office_id: int, recipient: str) -> Select[Suppression]:
    return (
        select(Suppression)
        .where(Suppression.office_id == office_id, Suppression.recipient == recipient, Suppression.lifted_at.is_(None))
        .order_by(Suppression.id)
    )


PAGE = text("""
SELECT d.id, d.office_id, d.created_at, o.office_name, o.office_phone, o.time_zone,
       agent.member_full_name, agent.member_email, agent.member_mobile_phone, m.sent_at
FROM digest d
JOIN office o ON o.id = d.office_id
JOIN contact c ON c.id = d.contact_id
LEFT JOIN member agent ON agent.id = c.owner_member_id AND agent.member_status = 'Active'
LEFT JOIN outbound_message m ON m.digest_id = d.id
WHERE d.token = :token
""")


def digest_page(token: str) -> AnyRow | None:
    """The digest a page belongs to, with the office and the agent to ask; None for a token we never made."""
    return db.session.execute(PAGE, {"token": token}).first()


def homes_of_page(digest_id: int, listing_id: int | None = None) -> Sequence[tuple[DigestItem, Listing]]:
    """The lines of a digest in their order, each with its home as it is now; or just the one home."""
    statement = (
        select(DigestItem, Listing)
        .join(Listing, Listing.id == DigestItem.listing_id)
        .where(DigestItem.digest_id == digest_id, DigestItem.outcome == ItemOutcome.SHOWN)
        .order_by(DigestItem.position)
    )
    if listing_id is not None:
        statement = statement.where(DigestItem.listing_id == listing_id)
    return [(item, home) for item, home in db.session.execute(statement)]


OPENINGS = text("""
SELECT DISTINCT i.listing_id, x.open_house_start_time, x.open_house_end_time, x.open_house_status,
       coalesce(nullif(l.property_time_zone_name, ''), o.time_zone) AS time_zone
FROM digest_item i
JOIN listing_event e ON e.seq = i.event_seq
JOIN open_house x ON x.id = e.open_house_id
JOIN listing l ON l.id = i.listing_id
JOIN office o ON o.id = i.office_id
WHERE i.digest_id = :digest_id AND i.kind = 'Open house' AND i.outcome IN ('shown', 'merged')
ORDER BY i.listing_id, x.open_house_start_time
""")


def openings_of_page(digest_id: int) -> Sequence[Values]:
    """The open houses that a digest told of, as they are now."""
    return [dict(row) for row in db.session.execute(OPENINGS, {"digest_id": digest_id}).mappings()]


MARK = text("""
INSERT INTO buyer_listing (contact_id, listing_id, last_price_shown, market_spell_no, listing_sent_timestamp,
                           contact_listing_preference, listing_viewed_yn)
SELECT d.contact_id, i.listing_id, i.price_shown, l.market_spell_no, least(coalesce(m.sent_at, d.created_at), :now),
       :preference, true
FROM digest d
JOIN digest_item i ON i.digest_id = d.id AND i.outcome = 'shown'
JOIN listing l ON l.id = i.listing_id
LEFT JOIN outbound_message m ON m.digest_id = d.id
WHERE d.token = :token AND i.listing_id = :listing_id
ON CONFLICT (contact_id, listing_id) DO UPDATE
SET contact_listing_preference = excluded.contact_listing_preference, listing_viewed_yn = true
RETURNING listing_id
""")


def mark(token: str, listing_id: int, preference: str | None, now: datetime) -> bool:
    """What the buyer of a digest thinks of one of its homes; whether there is such a home."""
    values = {"token": token, "listing_id": listing_id, "preference": preference, "now": now}
    return db.session.execute(MARK, values).first() is not None


INSERT_DIGESTS = text("""
INSERT INTO digest (office_id, contact_id, recipient, window_end, state, token, items_shown, items_dropped, job_run_id,
                    is_instant, needs_approval, created_at)
SELECT office_id, contact_id, recipient, window_end, state, token, items_shown, items_dropped, job_run_id,
       is_instant, needs_approval, created_at
FROM json_populate_recordset(NULL::digest, CAST(:rows AS json))
ON CONFLICT (office_id, recipient, window_end, needs_approval) DO NOTHING
RETURNING id, contact_id, needs_approval
""")

_ITEM_COLUMNS = """digest_id, alert_subscription_id, event_seq, office_id, recipient, listing_id, saved_search_id,
search_version, kind, fingerprint, price_before, price_shown, outcome, drop_reason, position, cause, since"""

INSERT_ITEMS = text(f"""
INSERT INTO digest_item ({_ITEM_COLUMNS})
SELECT {_ITEM_COLUMNS} FROM json_populate_recordset(NULL::digest_item, CAST(:rows AS json))
ON CONFLICT (office_id, recipient, listing_id, kind, fingerprint) WHERE outcome = 'shown' DO NOTHING
RETURNING digest_id, alert_subscription_id, event_seq
""")

INSERT_MESSAGES = text("""
INSERT INTO outbound_message (office_id, contact_id, digest_id, stream, dedupe_key, message_id, recipient, not_before,
                              expires_at, created_at)
SELECT office_id, contact_id, digest_id, stream, dedupe_key, message_id, recipient, not_before, expires_at, created_at
FROM json_populate_recordset(NULL::outbound_message, CAST(:rows AS json))
""")

TAKE_MATCHES = text("""
UPDATE alert_match am
SET digest_id = taken.digest_id
FROM json_to_recordset(CAST(:rows AS json))
     AS taken (found_on date, batch_id bigint, alert_subscription_id bigint, digest_id bigint)
WHERE am.found_on = taken.found_on AND am.batch_id = taken.batch_id
  AND am.alert_subscription_id = taken.alert_subscription_id
""")

COUNT_ITEMS = text("""
UPDATE digest d
SET items_shown = counted.shown, items_dropped = counted.dropped,
    state = CASE WHEN counted.shown = 0 AND NOT :keeps_message THEN 'empty' ELSE d.state END
FROM (SELECT digest_id, count(*) FILTER (WHERE outcome = 'shown') AS shown,
             count(*) FILTER (WHERE outcome = 'dropped') AS dropped
      FROM digest_item WHERE digest_id = ANY(:digests) GROUP BY digest_id) counted
WHERE d.id = counted.digest_id
""")


def insert_digests(rows: Sequence[Values]) -> dict[tuple[int, bool], int]:
    """(contact, needs approval) → digest, of those that are new."""
    return {
        (row.contact_id, row.needs_approval): row.id
        for row in db.session.execute(INSERT_DIGESTS, {"rows": document(rows)})
    }


def insert_items(rows: Sequence[Values]) -> set[tuple[int, int, int]]:
    """The (digest, subscription, event) that were written; a shown one that was told meanwhile is not (PA-07)."""
    return {tuple(row) for row in db.session.execute(INSERT_ITEMS, {"rows": document(rows)})}


def insert_messages(rows: Sequence[Values]) -> None:
    db.session.execute(INSERT_MESSAGES, {"rows": document(rows)})


def take_matches(rows: Sequence[Values]) -> None:
    db.session.execute(TAKE_MATCHES, {"rows": document(rows)})


def count_items(digests: Sequence[int]) -> None:
    """Write the counts of digests that have no message yet down again."""
    db.session.execute(COUNT_ITEMS, {"digests": digests, "keeps_message": False})


def count_shown(digests: Sequence[int]) -> None:
    """The same for digests whose message exists: it says itself what became of it."""
    db.session.execute(COUNT_ITEMS, {"digests": digests, "keeps_message": True})


CHANGE_ITEMS = text("""
UPDATE digest_item i
SET kind = c.kind, fingerprint = c.fingerprint, price_before = c.price_before, price_shown = c.price_shown,
    outcome = c.outcome, drop_reason = c.drop_reason, position = c.position, cause = c.cause
FROM json_populate_recordset(NULL::digest_item, CAST(:rows AS json)) c
WHERE i.digest_id = c.digest_id AND i.alert_subscription_id = c.alert_subscription_id AND i.event_seq = c.event_seq
""")


def change_items(rows: Sequence[Values]) -> None:
    """Write other decisions over those made before; first what ends, so that its place is free for what follows it."""
    for part in (
        [row for row in rows if row["position"] is None],
        [row for row in rows if row["position"] is not None],
    ):
        if part:
            db.session.execute(CHANGE_ITEMS, {"rows": document(part)})


DROP_MERGED = text("""
UPDATE digest_item i
SET outcome = 'dropped', drop_reason = :reason, position = NULL
FROM json_to_recordset(CAST(:rows AS json)) AS line (digest_id bigint, listing_id bigint)
WHERE i.digest_id = line.digest_id AND i.listing_id = line.listing_id AND i.outcome = 'merged'
""")


def drop_merged(lines: Iterable[tuple[int, int]], reason: str) -> None:
    """What went along with (digest, listing) lines that are no more."""
    rows = [{"digest_id": digest_id, "listing_id": listing_id} for digest_id, listing_id in lines]
    db.session.execute(DROP_MERGED, {"rows": document(rows), "reason": reason})


def document(rows: Iterable[Values]) -> str:
    return orjson.dumps(list(rows), default=_plain).decode()


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
