"""Whether a person can be mailed, in words. Pure: the queries bring what it needs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.domain.models import SuppressionReason, SuppressionScope
from app.domain.models.lookups import ContactStatus


@dataclass(frozen=True)
class Standing:
    """A state as screens write it: a tone for the dot, a word beside it, and the sentence behind it."""

    tone: str
    hollow: bool
    word: str
    sentence: str


@dataclass(frozen=True)
class Block:
    """A suppression in force, as far as a standing depends on it."""

    scope: str
    reason: str
    created_at: datetime


REACHABLE = Standing("good", False, "Can be mailed", "Nothing stands in the way of a mail to this address.")
NO_ADDRESS = Standing("idle", True, "No address", "No email address is known, so nothing can be sent.")
UNSUBSCRIBED = Standing(
    "idle", False, "Unsubscribed", "They asked for no more alerts. Staff cannot lift that for them."
)
EVERYTHING = Standing("idle", False, "Wants no mail", "They asked for no mail at all. Staff cannot lift that for them.")
BOUNCES = Standing("bad", False, "Address bounces", "The mailbox was refused for good, so nothing more is sent to it.")
COMPLAINED = Standing(
    "bad", False, "Complained", "They reported a mail as spam. Nothing is sent, and staff cannot lift it."
)

BY_HAND = Standing("idle", False, "Stopped by us", "Somebody of the office stopped all mail to this address.")
RESTING = Standing(
    "wait", False, "Resting", "Mail kept coming back for reasons that may pass, so the address rests for two weeks."
)


def standing(contact_status: str, email: str, blocks: list[Block]) -> Standing:
    """What stands between a person and a mail, the gravest first (PA-24)."""
    whole = [block for block in blocks if block.scope != SuppressionScope.SUBSCRIPTION]
    reasons = {block.reason for block in whole}
    if SuppressionReason.COMPLAINED in reasons:
        return COMPLAINED
    if SuppressionReason.BOUNCED in reasons:
        return BOUNCES
    if SuppressionReason.UNSUBSCRIBED in reasons:
        return EVERYTHING if any(block.scope == SuppressionScope.ADDRESS for block in whole) else UNSUBSCRIBED
    if SuppressionReason.BY_HAND in reasons:
        return BY_HAND
    if SuppressionReason.UNREACHABLE in reasons:
        return RESTING
    if not email:
        return NO_ADDRESS
    if contact_status != ContactStatus.ACTIVE:
        return Standing("idle", True, contact_status, f"This contact is marked “{contact_status}”: no alerts are sent.")
    return REACHABLE
