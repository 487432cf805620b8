"""Our count of a day beside the provider's (PA-25): what we handed over, what it told us of, and what it says itself.

By events alone a provider that forgets to tell is found; by its own count one that lost what it had taken.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import structlog

from app.domain.messages import queries
from app.domain.messages.queries import Told
from app.domain.messages.returns.inbound import configured
from app.extensions import db, settings
from app.gateways.mail import domain_of
from app.gateways.provider_counts import Counted, Unanswered, count_of_mailgun

log = structlog.get_logger(__name__)

DAYS = 3
"""Late events still change what was counted before."""
BOUND = 0.02
FEWEST = 5
"""Mails. Both sides count by clocks of their own, so a few may lie on the other side of midnight."""


def reconcile(now: datetime) -> dict[str, int]:
    """Write down the last days of each provider. Idempotent: counted anew. Asks a gateway, so it commits by itself."""
    counts = {"days": 0, "off": 0}
    providers = configured()
    for back in range(1, DAYS + 1):
        day = now.astimezone(UTC).date() - timedelta(days=back)
        since = datetime.combine(day, time(), UTC)
        told = queries.told_of_day(providers, since, since + timedelta(days=1)) if providers else []
        db.session.commit()
        for each in told:
            counts["days"] += 1
            counts["off"] += _write(each, day, _theirs(each.provider, day), now)
        db.session.commit()
    return counts


def _theirs(provider: str, day: date) -> Counted | None:
    """What the provider says itself; None where we have no key, or no answer."""
    config = settings()
    if provider != "mailgun" or not config.mailgun_api_key:
        return None
    try:
        return count_of_mailgun(config.mailgun_api_url, config.mailgun_api_key, domain_of(config.mail_from), day)
    except Unanswered as error:
        log.warning("reconcile.unanswered", provider=provider, error=str(error))
        return None


def _write(told: Told, day: date, theirs: Counted | None, now: datetime) -> bool:
    troubles = find(told, theirs)
    db.session.execute(
        queries.ADD_DAY,
        {
            "day": day,
            "provider": told.provider,
            "accepted": told.accepted,
            "heard_of": told.heard_of,
            "delivered": told.delivered,
            "came_back": told.came_back,
            "their_accepted": theirs.accepted if theirs else None,
            "their_delivered": theirs.delivered if theirs else None,
            "is_off": bool(troubles),
            "words": "; ".join(troubles) or "as we counted",
            "checked_at": now,
        },
    )
    return bool(troubles)


def find(told: Told, theirs: Counted | None) -> list[str]:
    """What does not fit, in words; nothing when all does. Pure."""
    troubles = []
    silent = told.accepted - told.heard_of_any
    if _is_far(silent, told.accepted):
        troubles.append(f"nothing was told of {silent:,} of {told.accepted:,} mails")
    if theirs is not None and _is_far(theirs.accepted - told.accepted, told.accepted):
        troubles.append(f"it took {theirs.accepted:,}, we sent {told.accepted:,}")
    if theirs is not None and _is_far(theirs.delivered - told.delivered, told.accepted):
        troubles.append(f"it delivered {theirs.delivered:,}, and told us of {told.delivered:,}")
    return troubles


def _is_far(difference: int, of: int) -> bool:
    return abs(difference) > max(FEWEST, BOUND * of)
