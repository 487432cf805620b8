"""The mail about a search itself: that it is about to stop, or has stopped, and the one button that keeps it (PA-17)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app

from app.domain.digests import words
from app.domain.digests.letterhead import inliner, list_headers, sender_of
from app.domain.digests.lifecycle import ENDS, ENDS_AFTER, WARNINGS, queries, still_watching
from app.domain.messages.keys import Purpose, sign
from app.domain.messages.mime import Letter, Mailbox, one_line
from app.domain.messages.queue import Gone, Queued
from app.domain.models import MessageState
from app.domain.models.lookups import ReasonActiveOrDisabled as Reason
from app.extensions import settings
from app.gateways.mail import domain_of


@dataclass(frozen=True, slots=True)
class Notice:
    """All that the templates of a notice may use."""

    subject: str
    title: str
    text: str
    asks: str
    search: str
    sentence: str
    keep_words: str
    keep_url: str
    stop_url: str
    because: str
    office_name: str
    office_address: str
    agent_name: str
    agent_phone: str


def compose(message: Queued, now: datetime) -> Letter | Gone:
    """Look again whether it still holds, and write it. Gone when somebody has looked or kept the search meanwhile, when
    it ended another way, or when the person has another address by now."""
    found = queries.notice(message.id, now)
    reason = found.reason_active_or_disabled if found else None
    is_monthly = message.dedupe_key.startswith(still_watching.KEY)
    if found is None or (not found.active_yn if is_monthly else reason not in (WARNINGS if found.active_yn else ENDS)):
        return Gone(MessageState.DROPPED, "no_longer_so")
    if found.is_stopped:
        return Gone(MessageState.SUPPRESSED, "unsubscribed")
    if found.email != message.recipient:
        return Gone(MessageState.DROPPED, "address_changed")
    config = settings()
    signed = sign(config.secret_key, Purpose.ONE_CLICK, message.id)
    url = f"{config.public_url.rstrip('/')}/u/{found.token}.{signed}"
    domain = domain_of(config.mail_from)
    notice = _still_watching(found, url) if is_monthly else _said(found, Reason(str(reason)), url)
    return Letter(
        sender=sender_of(config.mail_from),
        recipient=Mailbox(message.recipient, found.full_name),
        reply_to=Mailbox(found.member_email, found.member_full_name) if found.member_email else None,
        subject=notice.subject,
        text=_render("body.txt", notice),
        html=_render("body.html", notice),
        message_id=message.message_id,
        date=message.message_date or now,
        envelope_sender=f"bounce+{sign(config.secret_key, Purpose.BOUNCE, message.id)}@{domain}",
        headers=list_headers(message, config, f"<{url}>, <mailto:unsub+{signed}@{domain}>", found.office_name),
    )


def _still_watching(found: Any, url: str) -> Notice:
    name, zone = words.quoted(found.saved_search_name), words.zone_named(found.time_zone)
    last = found.last_new_changed_timestamp
    day = f"{last.astimezone(zone):%B} {last.astimezone(zone).day}" if last else ""
    return _notice(
        found,
        url,
        title="Still watching",
        text=f"We are still watching {name} for you. "
        + (f"Its last match was on {day}." if day else "Nothing has matched it yet."),
        asks="Change what you get",
    )


def _said(found: Any, reason: Reason, url: str) -> Notice:
    name = words.quoted(found.saved_search_name)
    zone = words.zone_named(found.time_zone)
    ends = None
    if reason in WARNINGS:
        ends = (found.warned_at + ENDS_AFTER[reason]).astimezone(zone)
    when = f"on {ends:%A}, {ends:%B} {ends.day}" if ends else ""
    title, text = {
        Reason.NO_LISTINGS_FOUND_WARNING: (
            "Is this still the home you look for?",
            (
                f"{name} has found nothing for eighty days. If nothing changes we stop watching {when}. A wider price or "
                "one more town often helps."
            ),
        ),
        Reason.INITIAL_IGNORED_WARNING: (
            "Shall we keep watching for you?",
            (
                f"We have written to you about {name} for a month, and you have not opened a home yet. If you do not need it "
                f"any more there is nothing to do: we stop {when}."
            ),
        ),
        Reason.FINAL_IGNORED_WARNING: (
            "We are about to stop watching",
            f"Nobody has opened a home of {name} for fifty days. We stop writing {when}, unless you say so.",
        ),
        Reason.NO_LISTINGS_FOUND: (
            "We stopped watching",
            f"{name} found nothing for three months, so we have put it to rest. One click wakes it.",
        ),
        Reason.IGNORED: (
            "We stopped writing",
            f"Nobody has opened a home of {name} for two months, so we have put it to rest. One click wakes it.",
        ),
        Reason.OVER_LIMIT: (
            "We stopped writing",
            (
                f"{name} found more homes than anybody can look at: over a hundred a week. We have put it to rest. Answer "
                "this mail and say what matters most to you, and we make it narrower."
            ),
        ),
    }[reason]
    return _notice(found, url, title=title, text=text, asks="Keep sending" if ends else "Start again")


def _notice(found: Any, url: str, *, title: str, text: str, asks: str) -> Notice:
    return Notice(
        subject=f"{title} {one_line(found.saved_search_name)[:60]}",
        title=title,
        text=text,
        asks=asks,
        search=one_line(found.saved_search_name),
        sentence=found.search_query_human_readable,
        keep_words="Opening the page changes nothing; its button does.",
        keep_url=url,
        stop_url=url,
        because=f"You get this because we watch {words.quoted(found.saved_search_name)} for you.",
        office_name=found.office_name,
        office_address=words.address_of(found),
        agent_name=one_line(found.member_full_name or "") if found.member_email else "",
        agent_phone=one_line(found.member_mobile_phone or "") or found.office_phone,
    )


def _render(name: str, notice: Notice) -> str:
    template = current_app.jinja_env.get_template(f"email/notice/{name}")
    said = template.render(notice=notice, wrap=words.wrap, hold_phones=words.hold_phones).strip() + "\n"
    return inliner().inline(said) if name.endswith("html") else said
