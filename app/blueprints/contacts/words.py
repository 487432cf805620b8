"""What happened with a buyer, in words for the timeline and the mail panel."""

from __future__ import annotations

from typing import NamedTuple

from flask import url_for

from app.domain.contacts.queries import Moment, SuppressionRow
from app.domain.digests.optout import how_asked
from app.domain.messages.suppression import IN_WORDS
from app.domain.models import MessageState, SuppressionReason, SuppressionScope


class Look(NamedTuple):
    """A line of the timeline."""

    icon: str
    tone: str
    title: str
    small: str
    url: str = ""
    link: str = ""


MAILS = {
    MessageState.QUEUED: ("hourglass-split", "info", "Mail is waiting to be sent"),
    MessageState.SENDING: ("hourglass-split", "info", "Mail is on its way"),
    MessageState.SENT: ("envelope", "good", "Mail sent"),
    MessageState.FAILED: ("envelope-x", "bad", "Mail refused"),
    MessageState.SUPPRESSED: ("bell-slash", "", "Mail held back: the address is suppressed"),
    MessageState.DROPPED: ("dash-lg", "", "Mail dropped: nothing was left to say"),
    MessageState.EXPIRED: ("hourglass-bottom", "", "Mail went stale and was not sent"),
    MessageState.UNKNOWN: ("question-lg", "wait", "Mail may or may not have arrived"),
}
ANSWERS = {
    "bounced": ("envelope-x", "bad", "The address bounced"),
    "rejected": ("envelope-x", "bad", "Their mail server refused the mail"),
    "complained": ("exclamation-octagon", "bad", "They reported the mail as spam"),
    "clicked": ("cursor", "good", "They followed a link"),
    "deferred": ("hourglass-split", "", "Their mail server asked us to wait"),
    "autoresponded": ("reply", "", "An automatic answer came"),
}
SCOPES = {
    SuppressionScope.ADDRESS: "nothing is sent to this address",
    SuppressionScope.STREAM: "no alerts to this address",
    SuppressionScope.SUBSCRIPTION: "this one search",
}


def look_of(moment: Moment) -> Look:
    """How one moment reads. An event of a kind that has no words yet is named as it is, not dropped."""
    if moment.kind == "added":
        return Look("person-check", "good", "Written down", f"Came from: {moment.what}" if moment.what else "")
    if moment.kind in ("search", "edited") and moment.link:
        title = "Search made" if moment.kind == "search" else "Search changed"
        by = f"{moment.detail}, by {moment.who}" if moment.who else moment.detail or ""
        url = url_for("searches.show", search_id=moment.link)
        return Look("search-heart", "", title, by, url, moment.what or "")
    if moment.kind == "mail" and moment.link:
        state, _, why = (moment.detail or "").partition(": ")
        icon, tone, title = MAILS[MessageState(state)]
        url = url_for("ops.message", message_id=moment.link)
        return Look(icon, tone, title, why, url, moment.what or "not written yet")
    if moment.kind == "suppressed":
        words = IN_WORDS[SuppressionReason(moment.what or "")]
        scope, _, evidence = (moment.detail or "").partition(": ")
        url = url_for("searches.show", search_id=moment.link) if moment.link else ""
        title = f"{words}: {SCOPES[SuppressionScope(scope)]}"
        return Look("bell-slash", "wait", title, how_asked(evidence), url, moment.who or "")
    if moment.kind == "lifted":
        return Look("bell", "", "Mail allowed again", f"by {moment.who}" if moment.who else "")
    icon, tone, title = ANSWERS.get(moment.kind, ("envelope", "", moment.kind.capitalize()))
    source = f"{moment.detail or ''} (said by {moment.who})".strip() if moment.who else moment.detail or ""
    url = url_for("ops.message", message_id=moment.link) if moment.link else ""
    return Look(icon, tone, title, source, url, moment.what or "")


def suppression_words(found: SuppressionRow) -> str:
    """Unsubscribed: no alerts to this address."""
    scope = SCOPES[SuppressionScope(found.scope)]
    if found.search_name:
        scope = f"the search “{found.search_name}”"
    return f"{IN_WORDS[SuppressionReason(found.reason)]}: {scope}"
