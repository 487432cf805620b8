"""What people ask about messages, and the queue's own statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Select, func, or_, select, text, true
from sqlalchemy.orm import joinedload

from app.domain.errors import NotFound
from app.domain.models import (
    Contact,
    Digest,
    DigestItem,
    InboundEvent,
    InboundState,
    MessageEvent,
    MessageState,
    OutboundMessage,
    ProviderDay,
    Suppression,
)
from app.extensions import db


def message_for(office_id: int, message_id: int) -> OutboundMessage:
    """The message as it was sent, with its contact and digest. Raises NotFound, also for another office's."""
    message = db.session.scalar(
        select(OutboundMessage)
        .where(OutboundMessage.id == message_id, OutboundMessage.office_id == office_id)
        .options(joinedload(OutboundMessage.contact), joinedload(OutboundMessage.digest))
    )
    if message is None:
        raise NotFound("There is no such message.")
    return message


def events_of_message(message_id: int) -> Select[MessageEvent]:
    """What happened to it, in the order it became known."""
    return select(MessageEvent).where(MessageEvent.outbound_message_id == message_id).order_by(MessageEvent.id)


class Alerted(NamedTuple):
    """One line of "who was told about this home": a match, what became of it, and its message when it has one."""

    contact_id: int
    full_name: str
    recipient: str
    saved_search_id: int
    kind: str
    event_seq: int
    price_before: Decimal | None
    price_shown: Decimal | None
    outcome: str
    drop_reason: str | None
    message_id: int | None
    message_state: str | None
    at: datetime


def alerts_of_listing(office_id: int, listing_id: int) -> Select[*tuple[Any, ...]]:
    """Who was, and was not, told about a listing, newest first. Rows have the fields of `Alerted`; page it as you like:
    `[Alerted(*row) for row in db.session.execute(alerts_of_listing(…).limit(50))]`."""
    return (
        select(
            Digest.contact_id,
            Contact.full_name,
            Digest.recipient,
            DigestItem.saved_search_id,
            DigestItem.kind,
            DigestItem.event_seq,
            DigestItem.price_before,
            DigestItem.price_shown,
            DigestItem.outcome,
            DigestItem.drop_reason,
            OutboundMessage.id.label("message_id"),
            OutboundMessage.state.label("message_state"),
            Digest.created_at.label("at"),
        )
        .join(Digest, Digest.id == DigestItem.digest_id)
        .join(Contact, Contact.id == Digest.contact_id)
        .outerjoin(OutboundMessage, OutboundMessage.digest_id == Digest.id)
        .where(DigestItem.listing_id == listing_id, Digest.office_id == office_id)
        .order_by(DigestItem.digest_id.desc(), DigestItem.position.nulls_last(), DigestItem.event_seq.desc())
    )


# The queue. Each statement below is one step of a message's life, with everything that belongs to the step, so that a
# step is one round trip and cannot be half done.

_SUPPRESSED = """
    SELECT x.reason FROM suppression x
    WHERE x.office_id = due.office_id AND x.recipient = due.recipient AND x.lifted_at IS NULL
      AND (x.expires_at IS NULL OR x.expires_at > :now)
      AND (x.scope = 'address' OR (x.scope = 'stream' AND x.stream = due.stream))
    ORDER BY x.id LIMIT 1
"""

_DROP_ITEMS = """
    UPDATE digest_item i
    SET outcome = 'dropped', drop_reason = {reason}, position = NULL
    FROM {gone} gone
    WHERE i.digest_id = gone.digest_id AND i.outcome IN ('shown', 'merged')
    RETURNING i.digest_id
"""

CLAIM = text(f"""
WITH due AS (
    SELECT id, office_id, recipient, stream, not_before, expires_at
    FROM outbound_message
    WHERE state = 'queued' AND not_before <= :now
    ORDER BY not_before, id
    LIMIT :limit
    FOR UPDATE SKIP LOCKED
), site AS (
    -- Domains that get one a minute; those who claim at the same time wait for each other here.
    SELECT domain, next_at FROM receiving_site WHERE slow_until > :now FOR UPDATE
), placed AS (
    SELECT due.id, site.domain, site.next_at <= :now AS is_free, greatest(site.next_at, :now) + interval '1 minute'
        * (row_number() OVER (PARTITION BY site.domain ORDER BY due.not_before, due.id) - 1) AS goes_at
    FROM due JOIN site ON site.domain = lower(split_part(due.recipient, '@', -1))
    WHERE due.expires_at > :now
), moved AS (
    -- A little less than the minute between two sweeps, so that none of them comes a moment too soon.
    UPDATE receiving_site s SET next_at = CAST(:now AS timestamptz) + interval '55 seconds'
    WHERE s.domain IN (SELECT domain FROM placed WHERE is_free)
), judged AS (
    SELECT due.id, stop.reason, placed.goes_at,
           CASE WHEN due.expires_at <= :now THEN 'expired' WHEN stop.reason IS NOT NULL THEN 'suppressed'
                WHEN placed.goes_at > :now THEN 'queued' ELSE 'sending' END AS state
    FROM due LEFT JOIN placed ON placed.id = due.id LEFT JOIN LATERAL ({_SUPPRESSED}) stop ON true
), claimed AS (
    UPDATE outbound_message m
    SET state = judged.state,
        state_reason = CASE WHEN judged.state = 'suppressed' THEN judged.reason END,
        lease_token = CASE WHEN judged.state = 'sending' THEN CAST(:token AS uuid) END,
        lease_until = CASE WHEN judged.state = 'sending' THEN CAST(:until AS timestamptz) END,
        not_before = CASE WHEN judged.state = 'queued' THEN judged.goes_at ELSE m.not_before END,
        attempting_at = NULL, job_run_id = CAST(:run_id AS bigint), job_attempt = CAST(:run_attempt AS smallint)
    FROM judged
    WHERE m.id = judged.id
    RETURNING m.id, m.office_id, m.contact_id, m.digest_id, m.stream, m.dedupe_key, m.message_id, m.message_date,
              m.recipient, m.attempts, m.not_before, m.state, m.state_reason
), gone AS (
    SELECT * FROM claimed WHERE state NOT IN ('sending', 'queued')
), dropped AS (
    {_DROP_ITEMS.format(gone="gone", reason="CASE gone.state WHEN 'expired' THEN 'message_expired' ELSE 'suppressed' END")}
), counted AS (
    UPDATE digest d SET items_dropped = d.items_dropped + d.items_shown, items_shown = 0
    FROM gone WHERE d.id = gone.digest_id
), noted AS (
    INSERT INTO message_event (outbound_message_id, source, event_id, event_type, fields, occurred_at, recorded_at)
    SELECT id, 'queue', id || '/' || state, 'rejected',
           jsonb_build_object('reason', coalesce(state_reason, 'timed_out')), :now, :now
    FROM gone
    ON CONFLICT (source, event_id) DO NOTHING
)
SELECT * FROM claimed ORDER BY not_before, id
""")

REAP = text("""
WITH lost AS (
    -- A sender inside a run is gone when that attempt of it is over, however long it had its messages for.
    SELECT id FROM outbound_message o
    WHERE state = 'sending' AND (lease_until < :now OR job_run_id IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM job_run r WHERE r.id = o.job_run_id AND r.state = 'running' AND r.attempt = o.job_attempt))
    FOR UPDATE OF o SKIP LOCKED
), taken_back AS (
    -- Never begun: provably unsent. Begun: nobody knows. An unknown one keeps its token, so that the sender, if it
    -- lives after all, may still say how it ended.
    UPDATE outbound_message m
    SET state = CASE WHEN m.attempting_at IS NULL THEN 'queued' ELSE 'unknown' END,
        state_reason = CASE WHEN m.attempting_at IS NULL THEN m.state_reason ELSE 'its sender was lost' END,
        lease_token = CASE WHEN m.attempting_at IS NULL THEN NULL ELSE m.lease_token END,
        job_run_id = CASE WHEN m.attempting_at IS NULL THEN NULL ELSE m.job_run_id END,
        job_attempt = CASE WHEN m.attempting_at IS NULL THEN NULL ELSE m.job_attempt END, lease_until = NULL
    FROM lost
    WHERE m.id = lost.id
    RETURNING m.id, m.state, m.attempts, m.job_run_id, m.job_attempt
), noted AS (
    INSERT INTO message_event
        (outbound_message_id, source, event_id, event_type, reply, fields, occurred_at, recorded_at)
    SELECT id, 'smtp', id || '/' || attempts || '/unknown', 'unknown', 'its sender was lost',
        jsonb_strip_nulls(jsonb_build_object('run', job_run_id, 'run_attempt', job_attempt)), :now, :now
    FROM taken_back WHERE state = 'unknown'
    ON CONFLICT (source, event_id) DO NOTHING
)
SELECT count(*) FROM taken_back
""")

RENEW = text("""
UPDATE outbound_message SET lease_until = :until
WHERE lease_token = :token AND state = 'sending' AND attempting_at IS NULL
""")

RELEASE = text("""
UPDATE outbound_message
SET state = 'queued', lease_token = NULL, lease_until = NULL, job_run_id = NULL, job_attempt = NULL
WHERE lease_token = :token AND state = 'sending' AND attempting_at IS NULL
""")

_BEGUN = """
    UPDATE outbound_message
    SET attempting_at = :now, attempts = attempts + 1, message_date = :message_date, lease_until = :until,
        subject = :subject, body_text = :body_text, body_html = :body_html
    WHERE id = :begin_id AND lease_token = :token AND state = 'sending' AND lease_until > :now
    RETURNING id
"""

BEGIN = text(f"WITH begun AS ({_BEGUN}) SELECT count(*) FROM begun")

PUT_BACK = text("""
UPDATE outbound_message
SET state = 'queued', lease_token = NULL, lease_until = NULL, attempting_at = NULL,
    attempts = greatest(attempts - CAST(:uncount AS smallint), 0), not_before = coalesce(:not_before, not_before),
    last_reply = coalesce(:reply, last_reply)
WHERE id = :id AND lease_token = :token AND state IN ('sending', 'unknown')
""")

GIVE_UP = text("""
WITH gone AS (
    UPDATE outbound_message
    SET state = :state, state_reason = :reason, lease_token = NULL, lease_until = NULL
    WHERE id = :id AND lease_token = :token AND state = 'sending'
    RETURNING id
), noted AS (
    INSERT INTO message_event (outbound_message_id, source, event_id, event_type, fields, occurred_at, recorded_at)
    SELECT id, 'queue', id || '/' || CAST(:state AS text), 'rejected',
           jsonb_build_object('reason', CAST(:reason AS text)), :now, :now
    FROM gone
    ON CONFLICT (source, event_id) DO NOTHING
)
SELECT count(*) FROM gone
""")

_NOTED = """
    INSERT INTO message_event
        (outbound_message_id, source, event_id, event_type, cause, reply, fields, occurred_at, recorded_at)
    SELECT id, 'smtp', id || '/' || attempts || '/{event}', '{event}', CAST(:cause AS text), :reply,
           jsonb_strip_nulls(jsonb_build_object('phase', CAST(:phase AS text), 'run', job_run_id,
               'run_attempt', job_attempt)), :now, :now
    FROM done
    ON CONFLICT (source, event_id) DO NOTHING
"""

# An unknown message is still ours to settle when its token is: the sender came back late with a definite answer.
_OURS = "id = :id AND lease_token = :token AND state IN ('sending', 'unknown')"

_SENT = f"""
WITH done AS (
    UPDATE outbound_message
    SET state = 'sent', sent_at = :now, state_reason = NULL, last_reply = :reply, lease_token = NULL, lease_until = NULL
    WHERE {_OURS}
    RETURNING id, contact_id, digest_id, attempts, job_run_id, job_attempt
), noted AS ({_NOTED.format(event="sent")}
), shown AS (
    -- What the buyer has now been shown, and at what price.
    INSERT INTO buyer_listing (contact_id, listing_id, last_price_shown, market_spell_no, listing_sent_timestamp)
    SELECT done.contact_id, i.listing_id, i.price_shown, l.market_spell_no, :now
    FROM done JOIN digest_item i ON i.digest_id = done.digest_id AND i.outcome = 'shown'
    JOIN listing l ON l.id = i.listing_id
    ON CONFLICT (contact_id, listing_id) DO UPDATE
    SET last_price_shown = coalesce(excluded.last_price_shown, buyer_listing.last_price_shown),
        market_spell_no = excluded.market_spell_no, listing_sent_timestamp = excluded.listing_sent_timestamp
), touched AS (
    UPDATE alert_subscription s SET last_new_changed_timestamp = :now
    WHERE s.id IN (SELECT i.alert_subscription_id FROM done JOIN digest_item i ON i.digest_id = done.digest_id
                   WHERE i.outcome IN ('shown', 'merged'))
)
"""

SETTLE_SENT = text(f"{_SENT} SELECT count(*) FROM done")

SENT_AND_BEGIN = text(f"""
-- How one ended and the begin of the next: the two that are written for each mail, in one.
{_SENT}, begun AS ({_BEGUN})
SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM begun)
""")

SETTLE_FAILED = text(f"""
WITH done AS (
    UPDATE outbound_message
    SET state = 'failed', state_reason = :reason, last_reply = :reply, lease_token = NULL, lease_until = NULL
    WHERE {_OURS}
    RETURNING id, digest_id, attempts, job_run_id, job_attempt
), noted AS ({_NOTED.format(event="failed")}
), dropped AS (
    {_DROP_ITEMS.format(gone="done", reason="'message_failed'")}
), counted AS (
    UPDATE digest d SET items_dropped = d.items_dropped + d.items_shown, items_shown = 0
    FROM done WHERE d.id = done.digest_id
)
SELECT count(*) FROM done
""")

SETTLE_RETRY = text(f"""
WITH done AS (
    UPDATE outbound_message
    SET state = 'queued', state_reason = :reason, not_before = :not_before, last_reply = :reply,
        lease_token = NULL, lease_until = NULL, attempting_at = NULL
    WHERE {_OURS}
    RETURNING id, attempts, job_run_id, job_attempt
), noted AS ({_NOTED.format(event="deferred")}
)
SELECT count(*) FROM done
""")

SETTLE_UNKNOWN = text(f"""
WITH done AS (
    UPDATE outbound_message
    SET state = 'unknown', state_reason = :reason, last_reply = :reply, lease_until = NULL
    WHERE {_OURS}
    RETURNING id, attempts, job_run_id, job_attempt
), noted AS ({_NOTED.format(event="unknown")}
)
SELECT count(*) FROM done
""")

END_RESTS = text("""
UPDATE suppression SET lifted_at = expires_at, lifted_by = 'its time was over'
WHERE office_id = :office_id AND recipient = :recipient AND reason = :reason AND lifted_at IS NULL
  AND expires_at <= :now
""")

SLOW_DOWN = text("""
INSERT INTO receiving_site (domain, slow_until, next_at, reply, slowed_at)
VALUES (:domain, :slow_until, :next_at, :reply, :now)
ON CONFLICT (domain) DO UPDATE
SET slow_until = excluded.slow_until, next_at = greatest(receiving_site.next_at, excluded.next_at), reply = excluded.reply,
    slowed_at = excluded.slowed_at
""")

ADD_SUPPRESSION = text("""
INSERT INTO suppression (office_id, recipient, scope, stream, alert_subscription_id, reason, source, evidence,
                         outbound_message_id, created_at, expires_at)
VALUES (:office_id, :recipient, :scope, :stream, :alert_subscription_id, :reason, :source, :evidence,
        :outbound_message_id, :now, :expires_at)
ON CONFLICT (office_id, recipient, scope, coalesce(stream, ''), coalesce(alert_subscription_id, 0), reason)
    WHERE lifted_at IS NULL DO NOTHING
""")

ADD_EVENT = text("""
INSERT INTO message_event (outbound_message_id, source, event_id, event_type, cause, reply, fields, occurred_at)
VALUES (:outbound_message_id, :source, :event_id, :event_type, :cause, :reply, CAST(:fields AS jsonb), :occurred_at)
ON CONFLICT (source, event_id) DO NOTHING
""")


LOST_SIGHT_OF = text("""
-- Of unknown fate, and old enough to be looked up again: 2, 10 and 60 minutes after each began.
SELECT id, message_id, asked FROM (
    SELECT m.id, m.message_id, m.asks, (SELECT count(*) FROM unnest(CAST(:minutes AS integer[])) AS at
        WHERE m.attempting_at + at * interval '1 minute' <= :now) AS asked
    FROM outbound_message m WHERE m.state = 'unknown') AS lost
WHERE asked > asks ORDER BY id LIMIT :limit
""")

NOT_SEEN = text("""
WITH asked AS (
    UPDATE outbound_message m SET asks = found.asked
    FROM unnest(CAST(:ids AS bigint[]), CAST(:asks AS smallint[])) AS found (id, asked)
    WHERE m.id = found.id AND m.state = 'unknown' AND m.asks < found.asked
    RETURNING m.id, m.attempts, m.asks
)
INSERT INTO message_event (outbound_message_id, source, event_id, event_type, reply, fields, occurred_at, recorded_at)
SELECT id, 'log', id || '/' || attempts || '/asked/' || asks, 'unknown', :words, '{}', :now, :now
FROM asked ON CONFLICT (source, event_id) DO NOTHING
""")

SEND_ONCE_MORE = text("""
WITH again AS (
    UPDATE outbound_message
    SET state = 'queued', state_reason = NULL, not_before = :now, lease_token = NULL, lease_until = NULL,
        attempting_at = NULL, asks = 0, resends = resends + 1
    WHERE id = ANY(:ids) AND state = 'unknown' AND asks >= :asks AND stream = ANY(:streams) AND resends = 0
      AND expires_at > :now
    RETURNING id, attempts
), noted AS (
    INSERT INTO message_event (outbound_message_id, source, event_id, event_type, reply, fields, occurred_at, recorded_at)
    SELECT id, 'log', id || '/' || attempts || '/again', 'queued', :words, '{}', :now, :now
    FROM again ON CONFLICT (source, event_id) DO NOTHING
)
SELECT count(*) FROM again
""")

PASS_ON = text("""
-- Given up; what it was to tell waits for the next digest of its people again.
WITH given_up AS (
    UPDATE outbound_message m
    SET state = 'dropped', state_reason = 'lost_on_the_way', lease_token = NULL, lease_until = NULL
    WHERE m.id = ANY(:ids) AND m.state = 'unknown' AND m.asks >= :asks AND m.stream = ANY(:streams)
    RETURNING m.id, m.attempts, m.digest_id, m.created_at
), dropped AS (
    UPDATE digest_item i SET outcome = 'dropped', drop_reason = 'lost_on_the_way', position = NULL
    FROM given_up WHERE i.digest_id = given_up.digest_id AND i.outcome IN ('shown', 'merged')
), counted AS (
    UPDATE digest d SET items_dropped = d.items_dropped + d.items_shown, items_shown = 0
    FROM given_up WHERE d.id = given_up.digest_id
), waits AS (
    UPDATE alert_match am SET digest_id = NULL
    FROM given_up WHERE am.digest_id = given_up.digest_id AND am.found_on >= CAST(:oldest AS date)
    RETURNING am.alert_subscription_id
), noted AS (
    INSERT INTO message_event (outbound_message_id, source, event_id, event_type, reply, fields, occurred_at, recorded_at)
    SELECT id, 'log', id || '/' || attempts || '/passed-on', 'rejected', :words,
        jsonb_build_object('reason', 'lost_on_the_way'), :now, :now
    FROM given_up ON CONFLICT (source, event_id) DO NOTHING
)
SELECT count(*) FROM given_up
""")


def lost_sight_of(minutes: Sequence[int], now: datetime, limit: int = 100) -> list[tuple[int, str, int]]:
    """(id, Message-ID, how often it will have been asked for) of what is to be looked up now."""
    found = db.session.execute(LOST_SIGHT_OF, {"minutes": list(minutes), "now": now, "limit": limit})
    return [(row.id, row.message_id, row.asked) for row in found]


def due_count(now: datetime) -> int:
    """How many wait for a sender now."""
    return (
        db.session.scalar(
            select(func.count())
            .select_from(OutboundMessage)
            .where(OutboundMessage.state == MessageState.QUEUED, OutboundMessage.not_before <= now)
        )
        or 0
    )


class SoftBounces(NamedTuple):
    n: int
    first: datetime
    last: datetime


_SOFT_BOUNCES = text("""
WITH event AS (
    -- Every alert has a digest, whose address is indexed; the message at hand may be of another kind.
    SELECT m.id, e.event_type, e.cause, e.occurred_at FROM digest d JOIN outbound_message m ON m.digest_id = d.id
        JOIN message_event e ON e.outbound_message_id = m.id
    WHERE d.office_id = :office_id AND d.recipient = :recipient AND d.window_end > :since
      AND e.occurred_at > :since AND e.occurred_at <= :until
), alive AS (
    SELECT greatest(
        (SELECT max(occurred_at) FROM event WHERE event_type IN ('delivered', 'opened', 'clicked', 'autoresponded')),
        (SELECT max(coalesce(lifted_at, expires_at)) FROM suppression
         WHERE office_id = :office_id AND recipient = :recipient AND reason = 'unreachable'
           AND coalesce(lifted_at, expires_at) <= :until)) AS at
)
SELECT count(DISTINCT id) AS n, min(occurred_at) AS first, max(occurred_at) AS last
FROM event, alive WHERE event.cause = 'soft' AND (alive.at IS NULL OR event.occurred_at > alive.at)
""")


def soft_bounces(office_id: int, recipient: str, since: datetime, until: datetime) -> SoftBounces:
    """Soft bounces of an address after `since`, its last sign of life, and its last rest (PA-24)."""
    values = {"office_id": office_id, "recipient": recipient, "since": since, "until": until}
    return SoftBounces(*db.session.execute(_SOFT_BOUNCES, values).one())


_OF_ADDRESS = text("""
SELECT m.id FROM office o
CROSS JOIN LATERAL (
    SELECT d.id FROM digest d WHERE d.office_id = o.id AND d.recipient = :recipient AND d.window_end > :since
    ORDER BY d.window_end DESC LIMIT 20) AS lately
JOIN outbound_message m ON m.digest_id = lately.id
WHERE m.attempting_at IS NOT NULL AND m.attempting_at <= :until
ORDER BY m.attempting_at DESC LIMIT 1
""")


def message_named(message_ids: Sequence[str]) -> int | None:
    """The message with one of these Message-IDs."""
    return db.session.scalar(
        select(OutboundMessage.id).where(OutboundMessage.message_id.in_(list(message_ids))).limit(1)
    )


def message_to(recipient: str, since: datetime, until: datetime) -> int | None:
    """The last alert that was begun to this address, in any office."""
    found: int | None = db.session.scalar(_OF_ADDRESS, {"recipient": recipient, "since": since, "until": until})
    return found


ADD_INBOUND = text("""
INSERT INTO inbound_event (source, event_id, payload, hints, received_at)
SELECT :source, given.event_id, given.payload, CAST(given.hints AS jsonb), :now
FROM unnest(CAST(:event_ids AS text[]), CAST(:payloads AS text[]), CAST(:hints AS text[]))
    AS given (event_id, payload, hints)
ON CONFLICT (source, event_id) DO NOTHING
""")


def waiting_inbound(limit: int) -> list[InboundEvent]:
    """What has not been worked through, least tried and oldest first, held for this transaction."""
    return list(
        db.session.scalars(
            select(InboundEvent)
            .where(InboundEvent.state == InboundState.WAITING)
            .order_by(InboundEvent.tries, InboundEvent.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        )
    )


def inbound_waits() -> bool:
    """Is there anything that has not been worked through?"""
    return bool(
        db.session.scalar(select(select(InboundEvent.id).where(InboundEvent.state == InboundState.WAITING).exists()))
    )


def send_once_more(values: dict[str, Any]) -> int:
    return db.session.scalar(SEND_ONCE_MORE, values) or 0


def pass_on(values: dict[str, Any]) -> int:
    return db.session.scalar(PASS_ON, values) or 0


class Stop(NamedTuple):
    """One line of the stopped addresses."""

    suppression: Suppression
    contact_id: int | None
    full_name: str | None
    is_in_force: bool


def stops(
    office_id: int, *, q: str, reason: str, only_in_force: bool, before: int | None, now: datetime
) -> Select[Any]:
    """Who is not written to and why, newest first; rows have the fields of `Stop`. Each address with the first contact
    that has it."""
    person = (
        select(Contact.id, Contact.full_name)
        .where(Contact.office_id == Suppression.office_id, Contact.email == Suppression.recipient)
        .order_by(Contact.id)
        .limit(1)
        .lateral("person")
    )
    holds = Suppression.lifted_at.is_(None) & (Suppression.expires_at.is_(None) | (Suppression.expires_at > now))
    statement = (
        select(Suppression, person.c.id, person.c.full_name, holds.label("is_in_force"))
        .outerjoin(person, true())
        .where(Suppression.office_id == office_id)
        .order_by(Suppression.id.desc())
    )
    if q:
        statement = statement.where(Suppression.recipient.contains(q.lower(), autoescape=True))
    if reason:
        statement = statement.where(Suppression.reason == reason)
    if only_in_force:
        statement = statement.where(holds)
    return statement if before is None else statement.where(Suppression.id < before)


def stops_by_reason(office_id: int, now: datetime) -> dict[str, int]:
    """How many addresses are stopped for each reason."""
    holds = Suppression.lifted_at.is_(None) & (Suppression.expires_at.is_(None) | (Suppression.expires_at > now))
    rows = db.session.execute(
        select(Suppression.reason, func.count(Suppression.recipient.distinct()))
        .where(Suppression.office_id == office_id, holds)
        .group_by(Suppression.reason)
    )
    return {reason: n for reason, n in rows}  # noqa: C416  rows are no pairs to mypy


class Domain(NamedTuple):
    """What came back from one receiving domain."""

    domain: str
    dead: int
    blocked: int
    soft: int
    unread: int
    said: str | None
    """What its server said last when it blocked us."""


_CAME_BACK = text("""
SELECT split_part(m.recipient, '@', 2) AS domain, count(*) FILTER (WHERE e.cause = 'dead') AS dead,
    count(*) FILTER (WHERE e.cause = 'block') AS blocked, count(*) FILTER (WHERE e.cause = 'soft') AS soft,
    count(*) FILTER (WHERE e.cause IS NULL) AS unread,
    (array_agg(e.reply ORDER BY e.id DESC) FILTER (WHERE e.cause = 'block'))[1] AS said
FROM message_event e JOIN outbound_message m ON m.id = e.outbound_message_id
WHERE e.recorded_at >= :since AND e.event_type IN ('bounced', 'failed') AND m.office_id = :office_id
GROUP BY 1 ORDER BY count(*) FILTER (WHERE e.cause = 'block') DESC, count(*) DESC, 1 LIMIT :limit
""")


def came_back(office_id: int, since: datetime, limit: int = 12) -> list[Domain]:
    """By receiving domain, those that block us first: a block is about us, and never stops an address."""
    values = {"office_id": office_id, "since": since, "limit": limit}
    return [Domain(*row) for row in db.session.execute(_CAME_BACK, values)]


def unread_inbound(office_id: int, limit: int = 20) -> list[InboundEvent]:
    """What came and could not be read, or came back for a reason nobody could read: of this office, or of nobody's."""
    return list(
        db.session.scalars(
            select(InboundEvent)
            .where(
                or_(InboundEvent.office_id == office_id, InboundEvent.office_id.is_(None)),
                or_(
                    InboundEvent.state.in_([InboundState.FAILED, InboundState.UNMATCHED]),
                    (InboundEvent.event_type == "bounced") & InboundEvent.cause.is_(None),
                ),
            )
            .order_by(InboundEvent.id.desc())
            .limit(limit)
        )
    )


_DAY = text("""
WITH sent AS (
    SELECT DISTINCT e.outbound_message_id AS id FROM message_event e
    WHERE e.recorded_at >= :since AND e.recorded_at < :until + interval '1 day'
      AND e.event_type = 'sent' AND e.source = 'smtp' AND e.occurred_at >= :since AND e.occurred_at < :until
), told AS (
    SELECT sent.id, e.source, bool_or(e.event_type = 'delivered') AS delivered, bool_or(e.event_type = 'bounced') AS back
    FROM sent JOIN message_event e ON e.outbound_message_id = sent.id AND e.source = ANY (:providers) GROUP BY 1, 2
)
SELECT p.provider, (SELECT count(*) FROM sent) AS accepted, (SELECT count(DISTINCT id) FROM told) AS heard_of_any,
    count(told.id) AS heard_of, count(told.id) FILTER (WHERE told.delivered) AS delivered,
    count(told.id) FILTER (WHERE told.back) AS came_back
FROM unnest(CAST(:providers AS text[])) AS p (provider) LEFT JOIN told ON told.source = p.provider
GROUP BY p.provider
""")


class Told(NamedTuple):
    """One day of one provider, by our own rows."""

    provider: str
    accepted: int
    heard_of_any: int
    """By any provider: each mail goes through one of them."""
    heard_of: int
    delivered: int
    came_back: int


def told_of_day(providers: Sequence[str], since: datetime, until: datetime) -> list[Told]:
    """What the relay took from us within a day, and what each provider has told of that."""
    values = {"providers": list(providers), "since": since, "until": until}
    return [Told(*row) for row in db.session.execute(_DAY, values)]


ADD_DAY = text("""
INSERT INTO provider_day (day, provider, accepted, heard_of, delivered, came_back, their_accepted, their_delivered,
                          is_off, words, checked_at)
VALUES (:day, :provider, :accepted, :heard_of, :delivered, :came_back, :their_accepted, :their_delivered, :is_off,
        :words, :checked_at)
ON CONFLICT (day, provider) DO UPDATE
SET accepted = excluded.accepted, heard_of = excluded.heard_of, delivered = excluded.delivered,
    came_back = excluded.came_back, is_off = excluded.is_off, words = excluded.words, checked_at = excluded.checked_at,
    their_accepted = excluded.their_accepted, their_delivered = excluded.their_delivered
""")


def provider_days(days: int) -> list[ProviderDay]:
    """The newest days of all providers."""
    return list(
        db.session.scalars(select(ProviderDay).order_by(ProviderDay.day.desc(), ProviderDay.provider).limit(days))
    )
