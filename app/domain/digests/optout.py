"""A buyer stops mail, or lets it come again, by the link in a mail: no account, no password (PA-24, RFC 8058).

The link names a message, and speaks for the searches that message spoke for; see docs/decisions/0010. Should the
message be gone one day, its other half, the token of a subscription, still stops that subscription.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum

import structlog

from app.domain.digests import queries
from app.domain.digests.lifecycle import ENDS
from app.domain.errors import DomainError, NotFound
from app.domain.messages.events import record_event
from app.domain.messages.keys import Purpose, read
from app.domain.messages.suppression import lift, suppress
from app.domain.models import KIND_BITS, AlertKind, EventType, Suppression, SuppressionReason, SuppressionScope
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches import saved
from app.extensions import settings

log = structlog.get_logger(__name__)

_SHAPE = re.compile(r"[A-Za-z0-9_.~-]{1,200}")


class Reach(StrEnum):
    """How far a stop goes."""

    SEARCHES = "searches"
    """The searches of this mail."""
    ALERTS = "alerts"
    """All alerts to this address."""
    EVERYTHING = "everything"
    """All mail to this address."""


SCOPES = {Reach.ALERTS: SuppressionScope.STREAM, Reach.EVERYTHING: SuppressionScope.ADDRESS}


ONE_CLICK, BUTTON, BY_MAIL = "one-click", "button on the page", "by mail"
_DOORS = {
    ONE_CLICK: "One click in their mail program",
    BUTTON: "The button on the unsubscribe page",
    BY_MAIL: "A mail to the unsubscribe address",
}


@dataclass(frozen=True, slots=True)
class Watch:
    """A subscription of the person, as the page shows it."""

    alert_subscription_id: int
    name: str
    sentence: str
    is_active: bool
    is_of_this_mail: bool
    is_own: bool
    """False: of somebody who shares alerts with them (PA-09). They stop it for their own address alone."""
    ended_by_buyer: bool
    ended_by_itself: bool
    """Put to rest because nobody needed it (PA-17)."""
    is_warned: bool
    paused_until: datetime | None
    is_stopped: bool
    """By their own word and for good: neither paused nor switched off by anybody else."""
    saved_search_id: int
    version: int
    schedule_type: str
    send_time: time | None
    daily_schedule: Sequence[str]
    kinds: int

    def tells(self, kind: AlertKind) -> bool:
        return bool(self.kinds & KIND_BITS[kind])


@dataclass(frozen=True, slots=True)
class Standing:
    """What a link opens: whose it is, which searches it speaks for, and what is stopped now."""

    office_id: int
    office_name: str
    contact_id: int
    recipient: str
    time_zone: str
    quiet: tuple[time, time] | None
    """The buyer's own quiet hours (PA-21); None = the office's."""
    addresses: Sequence[str]
    """Where the mail went, and where the person is reached now."""
    outbound_message_id: int | None
    shares: bool
    """Others are told of their homes, too (PA-09)."""
    watches: Sequence[Watch]
    stopped: frozenset[Reach]
    others: Sequence[tuple[SuppressionReason, datetime]]
    """What keeps mail from the address that the person did not ask for, and since when: nothing of it is theirs to
    lift, and all of it is theirs to know (PA-24)."""

    @property
    def of_this_mail(self) -> list[Watch]:
        return [watch for watch in self.watches if watch.is_of_this_mail]

    @property
    def masked(self) -> str:
        """a•••@example.com: a forwarded mail does not give the address away."""
        local, _, domain = self.recipient.partition("@")
        return f"{local[:1]}•••@{domain}" if domain else "this address"


def how_asked(evidence: str) -> str:
    """The evidence of a stop in words: how it was asked. What a mail server or a person wrote stays as it is."""
    reach, _, how = evidence.partition(": ")
    return _DOORS.get(how, how) if reach in set(Reach) else evidence


def standing(token: str, now: datetime | None = None) -> Standing:
    """What a link stands for. Reads only. Raises NotFound for a link we never made."""
    now = now or datetime.now(UTC)
    if not _SHAPE.fullmatch(token):
        raise NotFound("This link is not one of ours.")
    own, _, signed = token.rpartition(".") if "." in token else (token, "", "")
    number = read(settings().secret_key, Purpose.ONE_CLICK, signed) if signed else None
    found = queries.addressee(number, own)
    if found is None:
        raise NotFound("This link is not one of ours.")
    blocks = queries.blocks(found.office_id, found.recipient, now)
    by_subscription = {row.alert_subscription_id for row in blocks}
    watches = [
        Watch(
            row.id,
            row.saved_search_name,
            row.search_query_human_readable,
            row.active_yn and row.id not in by_subscription,
            row.is_of_this_mail,
            row.is_own,
            row.reason_active_or_disabled == ReasonActiveOrDisabled.CLIENT_DISABLED,
            row.reason_active_or_disabled in ENDS,
            row.is_warned and row.active_yn,
            row.paused_until if row.paused_until and not row.active_yn else None,
            row.id in by_subscription
            or bool(
                not row.active_yn
                and not row.paused_until
                and row.reason_active_or_disabled == ReasonActiveOrDisabled.CLIENT_DISABLED
            ),
            row.saved_search_id,
            row.version,
            row.schedule_type,
            row.send_time,
            row.daily_schedule,
            row.kinds,
        )
        for row in queries.watches(found.contact_id, found.digest_id, own)
    ]
    scopes = {row.scope for row in blocks}
    stopped = set()
    if SuppressionScope.ADDRESS in scopes:
        stopped = {Reach.EVERYTHING, Reach.ALERTS}
    elif SuppressionScope.STREAM in scopes:
        stopped = {Reach.ALERTS}
    mine = [watch for watch in watches if watch.is_of_this_mail]
    if stopped or all(watch.is_stopped for watch in mine):
        stopped.add(Reach.SEARCHES)
    return Standing(
        office_id=found.office_id,
        office_name=found.office_name,
        contact_id=found.contact_id,
        recipient=found.recipient,
        time_zone=found.time_zone,
        quiet=(found.quiet_from, found.quiet_until) if found.quiet_from is not None else None,
        addresses=sorted({address for address in (found.recipient, found.email) if address}),
        outbound_message_id=found.outbound_message_id,
        shares=found.shares,
        watches=watches,
        stopped=frozenset(stopped),
        others=[
            (SuppressionReason(row.reason), row.created_at)
            for row in blocks
            if row.reason != SuppressionReason.UNSUBSCRIBED and row.scope != SuppressionScope.SUBSCRIPTION
        ],
    )


def stop_mail(
    token: str, reach: Reach = Reach.SEARCHES, *, evidence: str = "", now: datetime | None = None
) -> Standing:
    """Stop mail, at once and for what is queued already. Idempotent. Raises NotFound for a link we never made.

    `evidence` says how it was asked: it is kept with the address, the message and the time.
    """
    now = now or datetime.now(UTC)
    found = standing(token, now)
    ended = found.of_this_mail if reach is Reach.SEARCHES else found.watches
    for watch in ended:
        is_on = watch.is_active or watch.paused_until  # one that is paused would wake by itself
        if is_on and watch.is_own and not found.shares:  # else it goes on for the others (PA-09)
            saved.stop(watch.alert_subscription_id, ReasonActiveOrDisabled.CLIENT_DISABLED, now).paused_until = None
    # A search that staff paused is stopped too: when they resume it, the buyer's word still holds.
    scopes: list[tuple[SuppressionScope, int | None]] = [
        (SuppressionScope.SUBSCRIPTION, watch.alert_subscription_id) for watch in ended
    ]
    if reach is not Reach.SEARCHES:
        scopes.append((SCOPES[reach], None))
    new = [
        suppress(
            found.office_id,
            address,
            scope,
            SuppressionReason.UNSUBSCRIBED,
            alert_subscription_id=subscription_id,
            evidence=f"{reach}: {evidence}".rstrip(": "),
            outbound_message_id=found.outbound_message_id,
            now=now,
        )
        for scope, subscription_id in scopes
        for address in found.addresses
    ]
    if any(new) and found.outbound_message_id is not None:
        # Once for each message and reach, however often the door is used: each stop is a suppression with its time.
        record_event(
            found.outbound_message_id,
            "unsubscribe",
            f"{found.outbound_message_id}/{reach}",
            EventType.UNSUBSCRIBED,
            reply=evidence,
            fields={"reach": reach.value},
            occurred_at=now,
        )
    log.info("mail.stopped", message_id=found.outbound_message_id, reach=reach.value, is_new=any(new))
    return standing(token, now)


def stop_by_mail(signed: str, now: datetime | None = None) -> Standing:
    """A mail to unsub+…@ stops what one click would. Idempotent. Raises NotFound for an address we never made."""
    return stop_mail(f".{signed}", Reach.SEARCHES, evidence=BY_MAIL, now=now)


def let_mail_come(token: str, reach: Reach = Reach.SEARCHES, *, now: datetime | None = None) -> Standing:
    """Take a stop back: the person's own fresh wish, the only thing that lifts an unsubscribe. Idempotent.

    What they stopped by that reach comes again, from now on (PA-16); a bounce or a complaint stays. Raises NotFound.
    """
    now = now or datetime.now(UTC)
    found = standing(token, now)
    mine = {watch.alert_subscription_id for watch in found.of_this_mail}
    again: list[Suppression] = [
        one
        for address in found.addresses
        for one in queries.unsubscribes(found.office_id, address)
        if (
            one.alert_subscription_id in mine
            if reach is Reach.SEARCHES
            else one.scope == SCOPES[reach] or one.evidence.startswith(reach)
        )
    ]
    lift([one.id for one in again], by="the person, by the link", now=now)
    ended = {watch.alert_subscription_id for watch in found.watches if watch.ended_by_buyer and watch.is_own}
    for subscription_id in sorted({one.alert_subscription_id for one in again if one.alert_subscription_id} & ended):
        try:
            saved.resume(subscription_id, now)
        except DomainError as refusal:  # too broad by now, or nobody left to send to: staff sees it on the search
            log.warning("mail.not_resumed", subscription_id=subscription_id, reason=type(refusal).__name__)
    log.info("mail.resumed", message_id=found.outbound_message_id, reach=reach.value, lifted=len(again))
    return standing(token, now)
