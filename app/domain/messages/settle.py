"""What becomes of a message of which nobody knows whether it arrived: a sign from the other side, or a person, settles
it. Nothing in this file commits.

Each verb is one conditional statement with everything that belongs to the step: of two who are at it at once, one wins
and the other is told. What was decided, by whom and with which words, is an event of the message itself, so the balance
can prove the state it has now.
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

from sqlalchemy import TextClause, select, text

from app.domain.errors import Conflict, NotFound
from app.domain.models import EventType, MessageEvent, MessageState, OutboundMessage, User
from app.extensions import db

PERSON = "person"
"""The source of an event that somebody of the office wrote."""
ARRIVED = (
    EventType.CLICKED,
    EventType.OPENED,
    EventType.DELIVERED,
    EventType.UNSUBSCRIBED,
    EventType.COMPLAINED,
    EventType.AUTORESPONDED,
    EventType.BOUNCED,
)
"""Signs that can only come of a mail that the relay took: a bounce, too, is an answer to it."""
NOTE_LENGTH = 500

# A mail goes out when its content does, so that is when it was sent, and when its homes were shown: never over what a
# later mail has shown. What was known before is kept with the event, for an undo.
_SENT = """
sent AS (
    UPDATE outbound_message m
    SET state = 'sent', sent_at = coalesce(m.attempting_at, :now), state_reason = settled.reason, lease_token = NULL,
        lease_until = NULL
    FROM settled WHERE m.id = settled.id
    RETURNING m.id, m.contact_id, m.digest_id, m.sent_at
), home AS (
    SELECT sent.id, sent.contact_id, sent.sent_at, i.listing_id, i.price_shown,
        coalesce(e.market_spell_no, l.market_spell_no) AS spell
    FROM sent JOIN digest_item i ON i.digest_id = sent.digest_id AND i.outcome = 'shown'
        JOIN listing l ON l.id = i.listing_id LEFT JOIN listing_event e ON e.seq = i.event_seq
), known AS (
    SELECT home.id, jsonb_agg(jsonb_build_object('listing_id', home.listing_id, 'price', b.last_price_shown,
        'spell', b.market_spell_no, 'at', b.listing_sent_timestamp)) AS before
    FROM home LEFT JOIN buyer_listing b ON b.contact_id = home.contact_id AND b.listing_id = home.listing_id
    WHERE b.contact_id IS NULL OR b.listing_sent_timestamp < home.sent_at GROUP BY home.id
), shown AS (
    INSERT INTO buyer_listing (contact_id, listing_id, last_price_shown, market_spell_no, listing_sent_timestamp)
    SELECT DISTINCT ON (contact_id, listing_id) contact_id, listing_id, price_shown, spell, sent_at
    FROM home ORDER BY contact_id, listing_id, sent_at DESC
    ON CONFLICT (contact_id, listing_id) DO UPDATE
    SET last_price_shown = coalesce(excluded.last_price_shown, buyer_listing.last_price_shown),
        market_spell_no = excluded.market_spell_no, listing_sent_timestamp = excluded.listing_sent_timestamp
    WHERE buyer_listing.listing_sent_timestamp < excluded.listing_sent_timestamp
), touched AS (
    UPDATE alert_subscription s SET last_new_changed_timestamp = told.at
    FROM (SELECT i.alert_subscription_id, max(sent.sent_at) AS at
        FROM sent JOIN digest_item i ON i.digest_id = sent.digest_id AND i.outcome IN ('shown', 'merged')
        GROUP BY 1) AS told
    WHERE s.id = told.alert_subscription_id
      AND (s.last_new_changed_timestamp IS NULL OR s.last_new_changed_timestamp < told.at)
)
"""

_NOTE = """
    INSERT INTO message_event (outbound_message_id, source, event_id, event_type, reply, fields, occurred_at, recorded_at)
"""

MARK_SENT = text(f"""
WITH settled AS (
    SELECT id, state_reason AS was, 'a person says that it arrived' AS reason FROM outbound_message
    WHERE id = :id AND office_id = :office_id AND state = 'unknown' FOR UPDATE
), {_SENT}, noted AS ({_NOTE}
    SELECT settled.id, 'person', settled.id || '/sent/' || CAST(:key AS text), 'sent', :note,
        jsonb_build_object('by', CAST(:by AS text), 'user_id', CAST(:user_id AS bigint), 'was', settled.was,
            'before', coalesce(known.before, '[]')), :now, :now
    FROM settled LEFT JOIN known ON known.id = settled.id)
SELECT count(*) FROM settled
""")

ARRIVALS = text(f"""
WITH settled AS (
    SELECT m.id, m.attempts, sign.event_type, sign.source, CASE sign.event_type
            WHEN 'clicked' THEN 'a link in it was opened' WHEN 'opened' THEN 'it was opened'
            WHEN 'unsubscribed' THEN 'its unsubscribe link was used' WHEN 'bounced' THEN 'it came back'
            WHEN 'complained' THEN 'it was reported as spam' WHEN 'autoresponded' THEN 'it was answered by a robot'
            ELSE 'it was delivered' END AS reason
    FROM outbound_message m JOIN LATERAL (
        SELECT e.event_type, e.source FROM message_event e
        WHERE e.outbound_message_id = m.id AND e.event_type = ANY (:arrived) ORDER BY e.id LIMIT 1) AS sign ON true
    WHERE m.state = 'unknown' FOR UPDATE OF m SKIP LOCKED
), {_SENT}, noted AS ({_NOTE}
    SELECT id, CASE WHEN event_type IN ('clicked', 'opened') THEN 'link' ELSE source END, id || '/arrived/' || attempts,
        'sent', reason, jsonb_build_object('proof', event_type), :now, :now
    FROM settled ON CONFLICT (source, event_id) DO NOTHING)
SELECT count(*) FROM settled
""")

LOGGED = text(f"""
WITH settled AS (
    SELECT id, attempts, 'the relay’s log has it' AS reason FROM outbound_message
    WHERE id = ANY (:ids) AND state = 'unknown' FOR UPDATE SKIP LOCKED
), {_SENT}, noted AS ({_NOTE}
    SELECT id, 'log', id || '/' || attempts || '/found', 'sent', reason, jsonb_build_object('proof', 'log'), :now, :now
    FROM settled ON CONFLICT (source, event_id) DO NOTHING)
SELECT count(*) FROM settled
""")

RESEND = text(f"""
WITH queued AS (
    UPDATE outbound_message
    SET state = 'queued', state_reason = NULL, not_before = :now, lease_token = NULL, lease_until = NULL,
        attempting_at = NULL, asks = 0, expires_at = CASE WHEN expires_at > CAST(:now AS timestamptz) + interval '1 hour'
            THEN expires_at ELSE :now + greatest(expires_at - created_at, interval '1 hour') END
    WHERE id = :id AND office_id = :office_id AND state = 'unknown' AND coalesce(body_text, body_html) IS NOT NULL
    RETURNING id
), noted AS ({_NOTE}
    SELECT id, 'person', id || '/queued/' || CAST(:key AS text), 'queued', :note,
        jsonb_build_object('by', CAST(:by AS text), 'user_id', CAST(:user_id AS bigint)), :now, :now
    FROM queued)
SELECT count(*) FROM queued
""")

TAKE_BACK = text(f"""
WITH found AS (
    SELECT m.id, m.contact_id, m.sent_at, word.fields
    FROM outbound_message m JOIN LATERAL (
        SELECT e.source, e.event_type, e.fields FROM message_event e
        WHERE e.outbound_message_id = m.id AND e.event_type IN ('sent', 'unknown') ORDER BY e.id DESC LIMIT 1) AS word
        ON word.source = 'person' AND word.event_type = 'sent'
    WHERE m.id = :id AND m.office_id = :office_id AND m.state = 'sent' FOR UPDATE OF m
), undone AS (
    UPDATE outbound_message m SET state = 'unknown', sent_at = NULL, state_reason = found.fields ->> 'was'
    FROM found WHERE m.id = found.id
), known AS (
    SELECT found.contact_id, found.sent_at, CAST(one ->> 'listing_id' AS bigint) AS listing_id,
        CAST(one ->> 'price' AS numeric) AS price, CAST(one ->> 'spell' AS integer) AS spell,
        CAST(one ->> 'at' AS timestamptz) AS at
    FROM found, jsonb_array_elements(found.fields -> 'before') AS one
), forgotten AS (
    DELETE FROM buyer_listing b USING known
    WHERE b.contact_id = known.contact_id AND b.listing_id = known.listing_id
      AND b.listing_sent_timestamp = known.sent_at AND known.at IS NULL
), restored AS (
    UPDATE buyer_listing b
    SET last_price_shown = known.price, market_spell_no = known.spell, listing_sent_timestamp = known.at
    FROM known
    WHERE b.contact_id = known.contact_id AND b.listing_id = known.listing_id
      AND b.listing_sent_timestamp = known.sent_at AND known.at IS NOT NULL
), noted AS ({_NOTE}
    SELECT id, 'person', id || '/unknown/' || CAST(:key AS text), 'unknown', 'taken back',
        jsonb_build_object('by', CAST(:by AS text), 'user_id', CAST(:user_id AS bigint)), :now, :now
    FROM found)
SELECT count(*) FROM found
""")


def how_far(state_reason: str | None) -> str:
    """How far a message of unknown fate got, in words. Pure."""
    match state_reason:
        case "lost in await250":
            return "All of it was handed over, and the relay’s answer did not come back: it may well have arrived."
        case "lost in content":
            return "The connection broke before its end was handed over: it hardly arrived."
        case "its sender was lost":
            return "Its sender was killed after it had begun, and nobody saw how far it got."
    return "The connection broke after its content began."


def mark_sent(message_id: int, user: User, note: str = "", now: datetime | None = None) -> None:
    """It arrived, somebody found out: from unknown to sent, at the moment its content went out. Its homes count as
    shown. Raises NotFound, also for another office's; Conflict when it is unknown no more."""
    if not _decide(MARK_SENT, message_id, user, note, now):
        raise _too_late(message_id, user)


def resend(message_id: int, user: User, note: str = "", now: datetime | None = None) -> None:
    """Send it again: from unknown back into the queue, under the same Message-ID and Date. The last look (PA-19) and
    the suppressions (PA-24) hold as for any other; one that is past its time gets as much of it as it had at first.

    Raises NotFound, also for another office's; Conflict when it is unknown no more, or its words were emptied (PA-29).
    """
    if not _decide(RESEND, message_id, user, note, now):
        raise _too_late(message_id, user)


def take_back(message_id: int, user: User, now: datetime | None = None) -> None:
    """Undo `mark_sent`: unknown again, and what the buyer was shown as it was before, but for what a later mail has
    shown. Raises NotFound; Conflict when it was not a person who called it sent."""
    if not _decide(TAKE_BACK, message_id, user, "", now):
        found = _of_office(message_id, user)
        raise Conflict(
            "The relay itself says that this message was sent; that cannot be taken back."
            if found.state == MessageState.SENT
            else f"This message is {found.state} by now; there is nothing to take back."
        )


def settle_arrived(now: datetime | None = None) -> int:
    """Messages of unknown fate that gave a sign of having arrived become sent, with that sign as the reason; how many.
    A click in a mail is proof of the mail. Idempotent."""
    values = {"now": now or datetime.now(UTC), "arrived": [sign.value for sign in ARRIVED]}
    return db.session.scalar(ARRIVALS, values) or 0


def settle_logged(message_ids: list[int], now: datetime) -> int:
    """Messages of unknown fate that the relay says it took become sent; how many. Idempotent."""
    return db.session.scalar(LOGGED, {"ids": message_ids, "now": now}) or 0


def _decide(statement: TextClause, message_id: int, user: User, note: str, now: datetime | None) -> bool:
    values = {
        "id": message_id,
        "office_id": user.office_id,
        "user_id": user.id,
        "by": user.full_name,
        "note": note.strip()[:NOTE_LENGTH] or None,
        "now": now or datetime.now(UTC),
        "key": uuid4().hex,
    }
    return bool(db.session.scalar(statement, values))


def _too_late(message_id: int, user: User) -> Conflict:
    """Why nothing was done, in words: who was quicker, or what is missing."""
    found = _of_office(message_id, user)
    if found.state == MessageState.UNKNOWN:
        return Conflict(
            "Its words were taken out after 30 days, so it cannot be sent again. Mark it as sent, or leave it as it is."
        )
    word = db.session.scalar(
        select(MessageEvent)
        .where(MessageEvent.outbound_message_id == message_id, MessageEvent.source == PERSON)
        .order_by(MessageEvent.id.desc())
        .limit(1)
    )
    who = f"{word.fields.get('by')} settled it first" if word is not None else "It was settled meanwhile"
    return Conflict(f"{who}: this message is {found.state} now. Nothing was changed.")


def _of_office(message_id: int, user: User) -> OutboundMessage:
    found = db.session.scalar(
        select(OutboundMessage)
        .where(OutboundMessage.id == message_id, OutboundMessage.office_id == user.office_id)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such message.")
    return found
