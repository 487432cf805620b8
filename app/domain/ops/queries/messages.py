"""What the message pages read: the list, the inbox of the unknown, who settled what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, or_, select, text
from sqlalchemy.orm import joinedload, load_only

from app.domain.contacts.queries import words_in
from app.domain.messages.settle import ARRIVED, PERSON
from app.domain.models import Contact, MessageEvent, MessageState, OutboundMessage
from app.extensions import db

AnyRow = Row[*tuple[Any, ...]]
MESSAGE_ID = re.compile(r"<?([^<>\s@]+@[^<>\s@]+)>?")
LOOKED_THROUGH = timedelta(days=90)
"""How far back words are looked for unless a time is named: there is no index over them."""
MOST_PEOPLE = 500


@dataclass(frozen=True)
class Asked:
    """Which messages a reader wants. `q`: a buyer's name or address, words of a subject, or a Message-ID."""

    q: str = ""
    state: str = ""
    stream: str = ""
    since: datetime | None = None
    until: datetime | None = None
    run: int | None = None
    """The run that took them up last."""

    @property
    def is_narrowed(self) -> bool:
        return bool(self.q or self.state or self.stream or self.since or self.until or self.run)

    def begins(self, now: datetime) -> datetime | None:
        """From when on: what was named, else as far back as words are looked for."""
        return self.since or (now - LOOKED_THROUGH if self.q else None)


def messages(office_id: int, asked: Asked, now: datetime, *, before: int | None = None) -> Select[OutboundMessage]:
    """An office's messages, newest first, without their words; `before` a message's id continues a list."""
    found = (
        select(OutboundMessage)
        .where(OutboundMessage.office_id == office_id)
        .options(
            load_only(
                OutboundMessage.id,
                OutboundMessage.contact_id,
                OutboundMessage.recipient,
                OutboundMessage.subject,
                OutboundMessage.state,
                OutboundMessage.state_reason,
                OutboundMessage.attempts,
                OutboundMessage.created_at,
                OutboundMessage.not_before,
                OutboundMessage.sent_at,
            ),
            joinedload(OutboundMessage.contact).load_only(Contact.full_name),
        )
        .order_by(OutboundMessage.id.desc())
    )
    if asked.state:
        found = found.where(OutboundMessage.state == asked.state)
    if asked.stream:
        found = found.where(OutboundMessage.stream == asked.stream)
    if asked.run is not None:
        found = found.where(OutboundMessage.job_run_id == asked.run)
    if (begins := asked.begins(now)) is not None:
        found = found.where(OutboundMessage.created_at >= begins)
    if asked.until is not None:
        found = found.where(OutboundMessage.created_at < asked.until)
    if asked.q:
        people = select(Contact.id).where(Contact.office_id == office_id, *words_in(asked.q)).limit(MOST_PEOPLE)
        places = [
            OutboundMessage.contact_id.in_(people),
            OutboundMessage.subject.icontains(asked.q, autoescape=True),
            OutboundMessage.recipient.icontains(asked.q, autoescape=True),
        ]
        if is_message_id := MESSAGE_ID.fullmatch(asked.q):
            places.append(OutboundMessage.message_id == f"<{is_message_id[1]}>")
        found = found.where(or_(*places))
    if before is not None:
        found = found.where(OutboundMessage.id < before)
    return found


_UNKNOWN = text(
    """
    SELECT m.id, m.subject, m.recipient, m.contact_id, c.full_name, m.message_id, m.attempts, m.attempting_at,
        m.created_at, m.expires_at, m.state_reason, m.last_reply, coalesce(m.body_text, m.body_html) IS NOT NULL AS has_words,
        d.items_shown, later.n AS later, later.sent AS later_sent, newest.id AS newest_id, newest.state AS newest_state,
        coalesce(newest.sent_at, newest.created_at) AS newest_at, sign.event_type AS sign, sign.occurred_at AS sign_at,
        stop.reason AS stopped
    FROM outbound_message m JOIN contact c ON c.id = m.contact_id LEFT JOIN digest d ON d.id = m.digest_id
        -- what else went to the same buyer after it, and whether that reached them
        LEFT JOIN LATERAL (SELECT count(*) AS n, count(*) FILTER (WHERE o.state = 'sent') AS sent
            FROM outbound_message o WHERE o.contact_id = m.contact_id AND o.id > m.id) AS later ON true
        LEFT JOIN LATERAL (SELECT o.id, o.state, o.sent_at, o.created_at FROM outbound_message o
            WHERE o.contact_id = m.contact_id AND o.id > m.id ORDER BY o.id DESC LIMIT 1) AS newest ON true
        LEFT JOIN LATERAL (SELECT e.event_type, e.occurred_at FROM outbound_message o
            JOIN message_event e ON e.outbound_message_id = o.id AND e.event_type = ANY (:arrived)
            WHERE o.contact_id = m.contact_id AND o.id >= m.id ORDER BY e.id DESC LIMIT 1) AS sign ON true
        LEFT JOIN LATERAL (SELECT x.reason FROM suppression x
            WHERE x.office_id = m.office_id AND x.recipient = m.recipient AND x.lifted_at IS NULL
              AND (x.expires_at IS NULL OR x.expires_at > :now)
              AND (x.scope = 'address' OR (x.scope = 'stream' AND x.stream = m.stream))
            ORDER BY x.id LIMIT 1) AS stop ON true
    WHERE m.office_id = :office_id AND m.state = 'unknown' AND m.id < :before
    ORDER BY m.id DESC LIMIT :limit
    """
)


def unknown(office_id: int, now: datetime, *, before: int | None = None, limit: int = 50) -> list[AnyRow]:
    """An office's messages of unknown fate, newest first, each with all that helps a person to decide."""
    values = {
        "office_id": office_id,
        "now": now,
        "before": before or 2**62,
        "limit": limit,
        "arrived": [sign.value for sign in ARRIVED],
    }
    return list(db.session.execute(_UNKNOWN, values))


SILENT = timedelta(seconds=10)
"""Most mails are with the relay within one. Whose sender says nothing for this long has a slow relay, or none any more."""


def being_sent_since(office_id: int, now: datetime) -> AnyRow:
    """Of an office's messages that were begun a while ago and whose sender has not said how it ended: `n`, and the
    `oldest` begin."""
    return db.session.execute(
        select(func.count().label("n"), func.min(OutboundMessage.attempting_at).label("oldest")).where(
            OutboundMessage.office_id == office_id,
            OutboundMessage.state == MessageState.SENDING.value,
            OutboundMessage.attempting_at < now - SILENT,
        )
    ).one()


def settled_by_people(office_id: int, since: datetime, limit: int = 20) -> list[AnyRow]:
    """What people decided about messages of unknown fate, newest first: who, what, and how the message stands now."""
    return list(
        db.session.execute(
            select(
                MessageEvent.event_type,
                MessageEvent.occurred_at,
                MessageEvent.reply,
                MessageEvent.fields["by"].astext.label("by"),
                OutboundMessage.id,
                OutboundMessage.state,
                OutboundMessage.subject,
                Contact.full_name,
                # the mark of a person, and nothing said since
                (
                    (MessageEvent.event_type == MessageState.SENT.value)
                    & (OutboundMessage.state == MessageState.SENT.value)
                    & (MessageEvent.id == _last_word())
                ).label("can_take_back"),
            )
            .join(OutboundMessage, OutboundMessage.id == MessageEvent.outbound_message_id)
            .join(Contact, Contact.id == OutboundMessage.contact_id)
            .where(
                MessageEvent.source == PERSON,
                MessageEvent.recorded_at >= since,
                OutboundMessage.office_id == office_id,
            )
            .order_by(MessageEvent.id.desc())
            .limit(limit)
        )
    )


def _last_word() -> Any:
    newest = MessageEvent.__table__.alias("newest")
    return (
        select(func.max(newest.c.id))
        .where(
            newest.c.outbound_message_id == OutboundMessage.id,
            newest.c.event_type.in_((MessageState.SENT.value, MessageState.UNKNOWN.value)),
        )
        .scalar_subquery()
    )


def message_states(office_id: int, since: datetime) -> dict[str, int]:
    """How many of an office's messages since then are in each state."""
    rows = db.session.execute(
        select(OutboundMessage.state, func.count())
        .where(OutboundMessage.office_id == office_id, OutboundMessage.created_at >= since)
        .group_by(OutboundMessage.state)
    )
    return {row[0]: row[1] for row in rows}


def of_run(office_id: int, run_id: int) -> dict[str, int]:
    """Of an office's messages that this run took up last, in whichever attempt: how many are in each state now."""
    rows = db.session.execute(
        select(OutboundMessage.state, func.count())
        .where(OutboundMessage.office_id == office_id, OutboundMessage.job_run_id == run_id)
        .group_by(OutboundMessage.state)
        .order_by(func.count().desc(), OutboundMessage.state)
    )
    return {row[0]: row[1] for row in rows}


def items_of_digest(digest_id: int) -> list[AnyRow]:
    """What became of each match of a digest: shown first in the mail's order, then merged, then dropped."""
    return list(
        db.session.execute(
            text(
                """
                SELECT i.outcome, i.position, i.kind, i.drop_reason, i.price_before, i.price_shown, i.listing_id,
                    l.unparsed_address, l.city, i.saved_search_id,
                    coalesce(nullif(s.saved_search_name, ''), rtrim(s.search_query_human_readable, '.')) AS saved_search_name,
                    i.event_seq
                FROM digest_item i JOIN listing l ON l.id = i.listing_id
                    LEFT JOIN saved_search s ON s.id = i.saved_search_id
                WHERE i.digest_id = :digest_id
                ORDER BY i.position NULLS LAST, i.outcome DESC, i.event_seq LIMIT 500
                """
            ),
            {"digest_id": digest_id},
        )
    )
