"""What is read about people. Everything filters by office: the boundary of sight."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, text
from sqlalchemy.orm import joinedload

from app.domain.contacts.standing import Block, Standing, standing
from app.domain.errors import NotFound
from app.domain.models import (
    AlertSubscription,
    BuyerListing,
    Contact,
    Digest,
    Household,
    Member,
    MessageState,
    OutboundMessage,
    SavedSearch,
    Suppression,
    SuppressionScope,
)
from app.domain.models.lookups import MemberStatus
from app.extensions import db

COUNTED_UP_TO = 10_000
"""A count beyond this is written "10,000+": nobody reads the rest, and counting it costs."""


@dataclass(frozen=True)
class Filters:
    """What the list is narrowed to; an empty value narrows nothing."""

    q: str = ""
    member_id: int | None = None
    searches: str = ""
    """active: has one that sends; none: has none at all."""
    mail: str = ""
    """stopped: the address is suppressed; missing: no address; open: can be mailed."""


SORTS: dict[str, tuple[Any, ...]] = {
    "name": (Contact.full_name,),
    "email": (Contact.email,),
    "added": (Contact.original_entry_timestamp,),
}


@dataclass(frozen=True)
class ContactRow:
    """One line of the list."""

    id: int
    full_name: str
    email: str
    mobile_phone: str
    agent: str | None
    searches_active: int
    searches_all: int
    last_sent_at: datetime | None
    added_at: datetime
    standing: Standing


def _in_force(now: datetime) -> ColumnElement[bool]:
    return and_(Suppression.lifted_at.is_(None), or_(Suppression.expires_at.is_(None), Suppression.expires_at > now))


def _is_blocked(now: datetime) -> ColumnElement[bool]:
    """Does a suppression of the whole address or of all alerts hold for this contact?"""
    return (
        select(Suppression.id)
        .where(
            Suppression.office_id == Contact.office_id,
            Suppression.recipient == Contact.email,
            Suppression.scope != SuppressionScope.SUBSCRIPTION.value,
            _in_force(now),
        )
        .exists()
    )


def _has_subscription(*, active: bool) -> ColumnElement[bool]:
    every = (
        select(AlertSubscription.id)
        .join(AlertSubscription.saved_search)
        .where(AlertSubscription.contact_id == Contact.id, SavedSearch.deleted_at.is_(None))
    )
    return (every.where(AlertSubscription.active_yn) if active else every).exists()


def words_in(q: str) -> list[ColumnElement[bool]]:
    """Every word must be somewhere in the name, the address or the digits of the phone."""
    found: list[ColumnElement[bool]] = []
    for word in q.lower().split()[:6]:
        places = [Contact.search_text.contains(word, autoescape=True)]
        digits = re.sub(r"[^0-9]", "", word)
        if len(digits) >= 3 and digits != word:
            places.append(Contact.search_text.contains(digits))
        found.append(or_(*places))
    return found


def _narrowed(office_id: int, filters: Filters, now: datetime) -> Select[int]:
    statement = select(Contact.id).where(Contact.office_id == office_id, *words_in(filters.q))
    if filters.member_id:
        statement = statement.where(Contact.owner_member_id == filters.member_id)
    if filters.searches == "active":
        statement = statement.where(_has_subscription(active=True))
    elif filters.searches == "none":
        statement = statement.where(~_has_subscription(active=False))
    if filters.mail == "stopped":
        statement = statement.where(Contact.email != "", _is_blocked(now))
    elif filters.mail == "missing":
        statement = statement.where(Contact.email == "")
    elif filters.mail == "open":
        statement = statement.where(Contact.email != "", Contact.contact_status == "Active", ~_is_blocked(now))
    return statement


def count_contacts(office_id: int, filters: Filters, *, now: datetime) -> int:
    """How many the list holds; COUNTED_UP_TO + 1 stands for more."""
    some = _narrowed(office_id, filters, now).limit(COUNTED_UP_TO + 1).subquery()
    return db.session.execute(select(func.count()).select_from(some)).scalar_one()


def contact_rows(
    office_id: int,
    filters: Filters,
    *,
    sort: str = "name",
    descending: bool = False,
    offset: int = 0,
    limit: int = 50,
    now: datetime,
) -> list[ContactRow]:
    """One page of the list, in one statement: the counts and the last mail are looked up for its rows only."""
    order = [column.desc() if descending else column.asc() for column in SORTS[sort]]
    ids = (
        _narrowed(office_id, filters, now)
        .order_by(*order, Contact.id.desc() if descending else Contact.id)
        .offset(offset)
        .limit(limit)
        .cte("page")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    searches = (
        select(func.count().label("everything"), func.count().filter(AlertSubscription.active_yn).label("active"))
        .join(AlertSubscription.saved_search)
        .where(AlertSubscription.contact_id == Contact.id, SavedSearch.deleted_at.is_(None))
        .lateral("searches")
    )
    last = (
        select(OutboundMessage.sent_at)
        .where(OutboundMessage.contact_id == Contact.id, OutboundMessage.state == MessageState.SENT.value)
        .order_by(OutboundMessage.id.desc())
        .limit(1)
        .lateral("last")
    )
    blocks = (
        select(
            func.coalesce(
                func.jsonb_agg(func.jsonb_build_array(Suppression.scope, Suppression.reason, Suppression.created_at)),
                text("'[]'::jsonb"),
            ).label("blocks")
        )
        .where(
            Suppression.office_id == Contact.office_id,
            Suppression.recipient == Contact.email,
            Suppression.scope != SuppressionScope.SUBSCRIPTION.value,
            Contact.email != "",
            _in_force(now),
        )
        .lateral("blocks")
    )
    statement = (
        select(Contact, Member.member_full_name, searches.c.active, searches.c.everything, last.c.sent_at, blocks)
        .join(ids, ids.c.id == Contact.id)
        .outerjoin(Member, Member.id == Contact.owner_member_id)
        .join(searches, text("true"))
        .outerjoin(last, text("true"))
        .join(blocks, text("true"))
        .order_by(*order, Contact.id.desc() if descending else Contact.id)
    )
    return [
        ContactRow(
            id=contact.id,
            full_name=contact.full_name,
            email=contact.email,
            mobile_phone=contact.mobile_phone,
            agent=agent,
            searches_active=active,
            searches_all=everything,
            last_sent_at=sent_at,
            added_at=contact.original_entry_timestamp,
            standing=standing(
                contact.contact_status,
                contact.email,
                [Block(scope, reason, datetime.fromisoformat(at)) for scope, reason, at in found],
            ),
        )
        for contact, agent, active, everything, sent_at, found in db.session.execute(statement)
    ]


def contact(office_id: int, contact_id: int) -> Contact:
    """One person with their agent. Raises NotFound, also for another office's."""
    found = db.session.execute(
        select(Contact)
        .where(Contact.id == contact_id, Contact.office_id == office_id)
        .options(joinedload(Contact.owner))
        .execution_options(populate_existing=True)
    ).scalar_one_or_none()
    if found is None:
        raise NotFound("There is no such buyer here. They may have been merged or removed.")
    return found


def contact_by_key(office_id: int, contact_key: str) -> Contact | None:
    return db.session.scalar(select(Contact).where(Contact.contact_key == contact_key, Contact.office_id == office_id))


def holder_of(office_id: int, email: str) -> Contact | None:
    """Who in the office has this (normalised) address."""
    return db.session.execute(
        select(Contact).where(Contact.office_id == office_id, Contact.email == email, Contact.email != "")
    ).scalar_one_or_none()


def household_of(household_id: int | None) -> Sequence[Contact]:
    """Those who share a household's alerts, in a fixed order; nobody without one."""
    if household_id is None:
        return []
    return db.session.scalars(select(Contact).where(Contact.household_id == household_id).order_by(Contact.id)).all()


def household_mail(household_id: int | None) -> str:
    """Together, or each; empty without a household."""
    return db.session.scalar(select(Household.mail).where(Household.id == household_id)) or "" if household_id else ""


def is_member(office_id: int, member_id: int) -> bool:
    """Does this agent belong to the office?"""
    statement = select(Member.id).where(Member.id == member_id, Member.office_id == office_id)
    return db.session.execute(statement).scalar_one_or_none() is not None


def members(office_id: int) -> Sequence[Member]:
    """The office's agents by name, the active ones first: what a choice of agent offers."""
    return db.session.scalars(
        select(Member)
        .where(Member.office_id == office_id)
        .order_by(
            case((Member.member_status == MemberStatus.ACTIVE.value, 0), else_=1), Member.member_full_name, Member.id
        )
    ).all()


def subscriptions_of(contact_id: int) -> Sequence[AlertSubscription]:
    """A person's searches with their schedule, the sending ones first."""
    return db.session.scalars(
        select(AlertSubscription)
        .join(AlertSubscription.saved_search)
        .where(AlertSubscription.contact_id == contact_id, SavedSearch.deleted_at.is_(None))
        .options(joinedload(AlertSubscription.saved_search))
        .order_by(AlertSubscription.active_yn.desc(), SavedSearch.called, AlertSubscription.id)
    ).all()


@dataclass(frozen=True)
class SentRow:
    """One mail of a person, as their page lists it."""

    id: int
    subject: str | None
    state: str
    state_reason: str | None
    recipient: str
    homes: int | None
    at: datetime


def messages_of(contact_id: int, *, before: int | None = None, limit: int = 20) -> list[SentRow]:
    """Everything promised to a person, newest first; `before` is the message id to go on from."""
    statement = (
        select(OutboundMessage, Digest.items_shown)
        .outerjoin(Digest, Digest.id == OutboundMessage.digest_id)
        .where(OutboundMessage.contact_id == contact_id)
        .order_by(OutboundMessage.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(OutboundMessage.id < before)
    return [
        SentRow(
            id=message.id,
            subject=message.subject,
            state=message.state,
            state_reason=message.state_reason,
            recipient=message.recipient,
            homes=homes,
            at=message.sent_at or message.created_at,
        )
        for message, homes in db.session.execute(statement)
    ]


@dataclass(frozen=True)
class SuppressionRow:
    """Why an address is not mailed, with the evidence (PA-24)."""

    scope: str
    reason: str
    evidence: str
    created_at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None
    lifted_by: str | None
    message_id: int | None
    search_id: int | None
    search_name: str | None
    in_force: bool


def suppressions_of(office_id: int, email: str, *, now: datetime) -> list[SuppressionRow]:
    """Every suppression an address ever had here, the ones in force first."""
    if not email:
        return []
    statement = (
        select(Suppression, SavedSearch.id, SavedSearch.called, _in_force(now).label("in_force"))
        .outerjoin(AlertSubscription, AlertSubscription.id == Suppression.alert_subscription_id)
        .outerjoin(SavedSearch, SavedSearch.id == AlertSubscription.saved_search_id)
        .where(Suppression.office_id == office_id, Suppression.recipient == email)
        .order_by(_in_force(now).desc(), Suppression.created_at.desc(), Suppression.id.desc())
        .limit(100)
    )
    return [
        SuppressionRow(
            scope=found.scope,
            reason=found.reason,
            evidence=found.evidence,
            created_at=found.created_at,
            expires_at=found.expires_at,
            lifted_at=found.lifted_at,
            lifted_by=found.lifted_by,
            message_id=found.outbound_message_id,
            search_id=search_id,
            search_name=search_name,
            in_force=in_force,
        )
        for found, search_id, search_name, in_force in db.session.execute(statement)
    ]


def standing_of(contact: Contact, suppressions: Sequence[SuppressionRow]) -> Standing:
    """The standing of a person whose suppressions are already read."""
    blocks = [Block(found.scope, found.reason, found.created_at) for found in suppressions if found.in_force]
    return standing(contact.contact_status, contact.email, blocks)


def homes_shown(contact_id: int) -> int:
    """How many different homes this person has been mailed."""
    return db.session.execute(
        select(func.count()).select_from(BuyerListing).where(BuyerListing.contact_id == contact_id)
    ).scalar_one()


@dataclass(frozen=True)
class Moment:
    """One thing that happened with a person: what, when, by whom, and where to read more."""

    kind: str
    """added, search, edited, mail, suppressed, lifted, or a MessageEvent type."""
    at: datetime
    what: str | None
    detail: str | None
    who: str | None
    link: int | None


# added: the row itself; versions: each criteria each search had; mails: the newest 60 promised;
# reactions: what came back on those mails; blocks: suppressions made and lifted, a wide stop once and not for each
# search it ended too.
_TIMELINE = """
WITH mails AS (
  SELECT id, subject, state, state_reason, coalesce(sent_at, created_at) AS at
    FROM outbound_message WHERE contact_id = :contact ORDER BY id DESC LIMIT 60
), blocks AS (
  SELECT scope, reason, evidence, alert_subscription_id, created_at, lifted_at, lifted_by
    FROM suppression WHERE office_id = :office AND recipient = :email AND :email <> ''
      AND NOT (scope = 'subscription' AND evidence ~ '^(alerts|everything)(: |$)')
    ORDER BY id DESC LIMIT 60
)
SELECT 'added' AS kind, original_entry_timestamp AS at, lead_source AS what, NULL AS detail, NULL AS who,
       NULL::bigint AS link
  FROM contact WHERE id = :contact
UNION ALL
(SELECT CASE WHEN v.version = 1 THEN 'search' ELSE 'edited' END, v.created_at,
        coalesce(nullif(s.saved_search_name, ''), rtrim(s.search_query_human_readable, '.')),
        'Version ' || v.version, u.full_name, s.id
   FROM saved_search s JOIN saved_search_version v ON v.saved_search_id = s.id LEFT JOIN "user" u ON u.id = v.user_id
  WHERE s.contact_id = :contact ORDER BY v.created_at DESC LIMIT 60)
UNION ALL
SELECT 'mail', at, subject, concat_ws(': ', state, state_reason), NULL, id FROM mails
UNION ALL
(SELECT e.event_type, e.occurred_at, mails.subject, e.reply, e.source, mails.id
   FROM mails JOIN message_event e ON e.outbound_message_id = mails.id
  WHERE e.event_type IN ('bounced', 'complained', 'clicked', 'rejected', 'deferred', 'autoresponded')
  ORDER BY e.occurred_at DESC LIMIT 60)
UNION ALL
SELECT 'suppressed', b.created_at, b.reason, concat_ws(': ', b.scope, b.evidence),
       coalesce(nullif(s.saved_search_name, ''), rtrim(s.search_query_human_readable, '.')), s.id
  FROM blocks b LEFT JOIN alert_subscription a ON a.id = b.alert_subscription_id
  LEFT JOIN saved_search s ON s.id = a.saved_search_id
UNION ALL
SELECT 'lifted', lifted_at, reason, NULL, lifted_by, NULL FROM blocks WHERE lifted_at IS NOT NULL
ORDER BY at DESC LIMIT :most
"""


def timeline_of(contact: Contact, *, most: int = 40) -> list[Moment]:
    """What happened with a person, newest first, from the rows that record it: nothing is kept twice."""
    rows = db.session.execute(
        text(_TIMELINE),
        {"contact": contact.id, "office": contact.office_id, "email": contact.email, "most": most},
    )
    return [Moment(*row) for row in rows]
