"""The alert mail of a digest, made at the moment it is sent: the last look, then the words (PA-19)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

from flask import current_app
from sqlalchemy.exc import IntegrityError

from app.domain.digests import queries, words
from app.domain.digests.build import outcome_columns
from app.domain.digests.decide import Decision, DropReason, decide
from app.domain.digests.letterhead import list_headers, sender_of
from app.domain.digests.lifecycle import notices
from app.domain.digests.look import criteria_of, matches_of, told_of
from app.domain.digests.once import Once
from app.domain.digests.reasons import reasons
from app.domain.digests.styles import renderer
from app.domain.digests.words import MOST_IN_MAIL, Alert, Line, News, OpenTime, Search
from app.domain.messages.keys import Purpose, sign
from app.domain.messages.mime import Letter, Mailbox, one_line
from app.domain.messages.queue import Gone, Queued
from app.domain.messages.send import Composer
from app.domain.models import AlertKind, ItemOutcome, MessageState, Stream
from app.extensions import db, settings
from app.gateways.mail import domain_of

LARGEST_HTML = 100_000
"""Bytes. Gmail cuts a mail at about 102 KB and hides what is below, the unsubscribe link with it."""
STOPPED = frozenset({DropReason.UNSUBSCRIBED, DropReason.SUPPRESSED})


def compose(message: Queued, now: datetime) -> Letter | Gone:
    """Look again at everything the digest means to say, write down what changed, and write the letter.

    Homes sold, hidden or told meanwhile, stopped searches and prices back where they were fall out with a reason; a new
    price is the one that is said. Gone when nothing is left.
    """
    assert message.digest_id is not None
    head, items, homes = _last_look(message, now)
    if not any(item.outcome is ItemOutcome.SHOWN for item in items):
        return _gone(items)
    return _write(message, head, items, homes, now)


COMPOSERS: Mapping[str, Composer] = {Stream.ALERTS.value: compose, Stream.NOTICES.value: notices.compose}
"""For send_due: how each stream's message is made at the moment it is sent."""

Homes = Mapping[tuple[int, int], queries.Fact]
"""What is known of each (subscription, event)."""


def _last_look(message: Queued, now: datetime) -> tuple[SimpleNamespace, list[Decision], Homes]:
    assert message.digest_id is not None
    for is_last in (False, True):
        head, facts = queries.look(message.contact_id, message.digest_id, now)
        items = decide(matches_of(facts), told_of(facts))
        if facts and facts[0].recipient != message.recipient:
            items = [_dropped(item, DropReason.ADDRESS_CHANGED) for item in items]
        changed = [item for item, row in zip(items, facts, strict=True) if _differs(item, row)]
        if changed:
            try:
                with db.session.begin_nested():
                    _write_down(message.digest_id, changed)
            except IntegrityError:
                if is_last:
                    raise
                continue  # told a moment ago by another mail: the second look sees it
        break
    return head, items, {(row.alert_subscription_id, row.seq): row for row in facts}


def _differs(item: Decision, row: queries.Fact) -> bool:
    return (row.outcome, row.kind, row.fingerprint, row.price_before, row.price_shown, row.position) != (
        item.outcome.value,
        item.kind.value,
        item.fingerprint,
        item.price_before,
        item.price_shown,
        item.position,
    )


def _dropped(item: Decision, reason: DropReason) -> Decision:
    return item._replace(outcome=ItemOutcome.DROPPED, drop_reason=reason, position=None)


def _write_down(digest_id: int, changed: Sequence[Decision]) -> None:
    queries.change_items(
        [
            {
                "digest_id": digest_id,
                "alert_subscription_id": item.match.alert_subscription_id,
                "event_seq": item.match.event_seq,
            }
            | outcome_columns(item)
            for item in changed
        ]
    )
    queries.count_shown([digest_id])


def _gone(items: Sequence[Decision]) -> Gone:
    reasons = {item.drop_reason for item in items if item.drop_reason is not None}
    if reasons and reasons <= STOPPED:
        return Gone(MessageState.SUPPRESSED, min(reasons))
    return Gone(MessageState.DROPPED, min(reasons) if len(reasons) == 1 else "nothing_left")


def _write(message: Queued, head: SimpleNamespace, items: Sequence[Decision], homes: Homes, now: datetime) -> Letter:
    config = settings()
    zone = words.zone_named(head.time_zone)
    page_url = f"{config.public_url.rstrip('/')}/d/{head.token}"
    searches, openings = _searches_by_home(items, homes), _openings_by_home(items, homes)
    shown = sorted((item for item in items if item.position is not None), key=lambda item: item.position or 0)
    lines = []
    for item in shown[:MOST_IN_MAIL]:
        home, listing_id = homes[item.match.alert_subscription_id, item.match.event_seq], item.match.listing_id
        news = News.of(item, home.listing_sent_timestamp, openings.get(listing_id, ()))
        lines.append(
            words.line_of(
                news, home, listing_id, searches=searches[listing_id], url=f"{page_url}/{listing_id}", zone=zone
            )
        )
    speaks_for = {search.alert_subscription_id: search for found in searches.values() for search in found}
    names = [speaks_for[number] for number in sorted(speaks_for)]
    signed = sign(config.secret_key, Purpose.ONE_CLICK, message.id)
    # The key to a search is in no mail but its own buyer's, though others are told of it (PA-09).
    own = next((search.token for search in names if search.token), "-")
    stop_url = f"{config.public_url.rstrip('/')}/u/{own}.{signed}"
    stop_address = f"unsub+{signed}@{domain_of(config.mail_from)}"

    def alert_of(part: Sequence[Line]) -> Alert:
        more = len(shown) - len(part)
        return Alert(
            subject=words.subject_of(part, more),
            preview=words.preview_of(part),
            title=words.title_of(part, len(shown), head.first_name),
            intro=words.intro_of(part, names, len(shown)),
            revised=words.revised_of(names, zone),
            day=words.day_of(now, zone),
            lines=part,
            total=len(shown),
            page_url=page_url,
            more=f"and {more} more" if more else "",
            all_words=f"See all {len(shown)} on one page" if len(shown) > 1 else "See it on a page of its own",
            office_name=head.office_name,
            office_address=words.address_of(head),
            agent_name=one_line(head.member_full_name or "")
            if head.member_email
            else "",  # a reply reaches nobody else
            agent_phone=one_line(head.member_mobile_phone or "") or head.office_phone,
            ask_words=words.ask_words(len(shown)),
            because=words.because_of(names),
            stop_words="Stop this search" if len(names) == 1 else f"Stop these {len(names)} searches",
            stop_url=stop_url,
            as_of=words.as_of(now, zone),
        )

    alert, html = _fitting(lines, alert_of)
    return Letter(
        sender=sender_of(config.mail_from),
        recipient=Mailbox(message.recipient, head.full_name),
        reply_to=Mailbox(head.member_email, head.member_full_name) if head.member_email else None,
        subject=alert.subject.strip(),
        text=_text(alert),
        html=html,
        message_id=message.message_id,
        date=message.message_date or now,
        envelope_sender=f"bounce+{sign(config.secret_key, Purpose.BOUNCE, message.id)}@{domain_of(config.mail_from)}",
        headers=list_headers(message, config, f"<{stop_url}>, <mailto:{stop_address}>", head.office_name),
        also=tuple(Mailbox(address, name) for address, name in head.named_with or ()),
    )


def _fitting(lines: Sequence[Line], alert_of: Any) -> tuple[Alert, str]:
    """The mail with as many homes as fit below the size at which it would be cut; the page has the rest."""
    count = len(lines)
    while True:
        alert = alert_of(lines[:count])
        html = _page(alert)
        if len(html.encode()) <= LARGEST_HTML or count == 1:
            return alert, html
        count = max(count - 5, 1)


def _searches_by_home(items: Sequence[Decision], homes: Homes) -> dict[int, list[Search]]:
    """Which of the person's searches each line speaks for: the shown match and those that go along with it."""
    found: dict[int, dict[int, Search]] = defaultdict(dict)
    for item in items:
        if item.outcome is not ItemOutcome.DROPPED:
            row = homes[item.match.alert_subscription_id, item.match.event_seq]
            found[item.match.listing_id][row.alert_subscription_id] = Search(
                row.alert_subscription_id,
                words.quoted(row.saved_search_name),
                row.schedule_type,
                time.fromisoformat(row.send_time) if row.send_time else None,
                row.token,
                reasons(criteria_of(row.saved_search_id, row.version, row.criteria), row),
                datetime.fromisoformat(row.revised_at) if row.revised_at else None,
                row.search_query_human_readable,
            )
    return {listing: [by_id[number] for number in sorted(by_id)] for listing, by_id in found.items()}


def _openings_by_home(items: Sequence[Decision], homes: Homes) -> dict[int, list[OpenTime]]:
    """The open houses that are told: on a line of their own, or along with stronger news of the home."""
    found: dict[int, dict[str, OpenTime]] = defaultdict(dict)
    for item in items:
        if item.kind is AlertKind.OPEN_HOUSE and item.outcome is not ItemOutcome.DROPPED:
            opening = homes[item.match.alert_subscription_id, item.match.event_seq].opening
            found[item.match.listing_id][opening["open_house_key"]] = OpenTime.of(opening)
    return {listing: list(by_key.values()) for listing, by_key in found.items()}


def _text(alert: Alert) -> str:
    return _rendered(current_app.jinja_env.get_template("email/alert/body.txt").render, alert)


def _page(alert: Alert) -> str:
    return _rendered(renderer(current_app.jinja_env, "email/alert/body.html"), alert)


def _rendered(render: Callable[..., str], alert: Alert) -> str:
    return render(alert=alert, wrap=words.wrap, hold_phones=words.hold_phones, once=_once(render)).strip() + "\n"


@lru_cache(maxsize=8)
def _once(render: Callable[..., str]) -> Once:
    del render
    return Once()
