"""The life of a search: warned of, kept, put to rest, paused and woken (PA-17)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from sqlalchemy import select, text

from app.domain.digests import lifecycle, optout
from app.domain.digests.letters import COMPOSERS
from app.domain.digests.lifecycle import queries
from app.domain.messages.keys import Purpose, sign
from app.domain.messages.send import send_due
from app.domain.messages.suppression import suppress
from app.domain.models import (
    AlertSubscription,
    MessageEvent,
    Office,
    OutboundMessage,
    SearchKey,
    SuppressionReason,
    SuppressionScope,
)
from app.domain.models.lookups import ReasonActiveOrDisabled as Reason
from app.domain.searches import saved
from app.extensions import db as database
from app.extensions import settings
from tests.domain.digests.world import build, digests, messages, news, subscribe

NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
"""Noon in the office."""


def days(count: float) -> timedelta:
    return timedelta(days=count)


@pytest.fixture
def buyer(make, office):
    agent = make.member(office, member_email="dana@harborvine.example")
    return make.contact(office, email="amelia@example.com", owner_member_id=agent.id, first_name="Amelia")


@pytest.fixture
def send(relay, catcher):
    def send():
        send_due(COMPOSERS, relay=relay)
        return catcher.messages()[::-1]

    return send


@pytest.fixture
def mailed(db, make, office, buyer):
    """A search that began `ago` days ago and got one mail `mail_ago` days ago, with its digest's token."""

    def mailed(ago: float, mail_ago: float, **values) -> tuple[AlertSubscription, str]:
        subscription = subscribe(buyer, original_entry_timestamp=NOON - days(ago), **values)
        make.match(subscription, news(office)[1])
        build(datetime.now(UTC))
        message = db.session.scalars(select(OutboundMessage).order_by(OutboundMessage.id.desc())).first()
        message.state, message.sent_at = "sent", NOON - days(mail_ago)
        subscription.last_new_changed_timestamp = NOON - days(mail_ago)
        db.session.commit()
        return subscription, digests()[-1].token

    return mailed


def review(now: datetime) -> dict[str, int]:
    found = lifecycle.review_some(now) or {}
    assert lifecycle.review_some(now) is None, "asked again, there is nothing left to change"
    database.session.expire_all()
    return found


def notices() -> list[OutboundMessage]:
    return [message for message in messages() if message.stream == "notices"]


def test_a_search_that_finds_nothing_is_warned_of_after_80_days_and_rests_after_90_pa_17(db, buyer):
    subscription = subscribe(buyer, original_entry_timestamp=NOON - days(79))
    assert review(NOON) == {}
    assert review(NOON + days(1.1)) == {"warned": 1, "ended": 0, "acquitted": 0, "notices": 1}
    assert (subscription.active_yn, subscription.reason_active_or_disabled) == (True, Reason.NO_LISTINGS_FOUND_WARNING)
    assert review(NOON + days(10)) == {}
    assert review(NOON + days(11.2)) == {"warned": 0, "ended": 1, "acquitted": 0, "notices": 1}
    db.session.refresh(subscription)
    assert (subscription.active_yn, subscription.reason_active_or_disabled) == (False, Reason.NO_LISTINGS_FOUND)
    assert db.session.scalars(select(SearchKey).where(SearchKey.alert_subscription_id == subscription.id)).all() == []
    assert len(notices()) == 2


def test_a_search_whose_mails_nobody_looks_at_is_warned_of_twice_and_then_rests_pa_17(db, mailed):
    subscription, _ = mailed(ago=200, mail_ago=29)
    stages = [(0, None), (2, Reason.INITIAL_IGNORED_WARNING), (22, Reason.FINAL_IGNORED_WARNING), (32, Reason.IGNORED)]
    for later, reason in stages:
        review(NOON + days(later))
        db.session.refresh(subscription)
        assert subscription.reason_active_or_disabled == reason
    assert not subscription.active_yn
    assert len(notices()) == 3


def test_what_was_never_warned_of_is_not_put_to_rest_pa_17(db, mailed):
    """The watch stood still for a year: first the warnings, each with its days."""
    subscription, _ = mailed(ago=700, mail_ago=300)
    reasons = []
    for day in range(40):
        review(NOON + days(day))
        db.session.refresh(subscription)
        if not reasons or reasons[-1] != subscription.reason_active_or_disabled:
            reasons.append(subscription.reason_active_or_disabled)
    assert reasons == [Reason.INITIAL_IGNORED_WARNING, Reason.FINAL_IGNORED_WARNING, Reason.IGNORED]


def test_the_days_of_being_ignored_begin_with_the_first_mail_nobody_opened_pa_17(mailed):
    mailed(ago=70, mail_ago=3)
    assert review(NOON) == {}


def test_a_look_takes_the_warning_back_pa_17(db, mailed):
    subscription, token = mailed(ago=200, mail_ago=31)
    review(NOON)
    assert subscription.reason_active_or_disabled == Reason.INITIAL_IGNORED_WARNING
    assert lifecycle.looked(token, NOON + days(1))
    assert review(NOON + days(1.1)) == {"warned": 0, "ended": 0, "acquitted": 1, "notices": 0}
    db.session.refresh(subscription)
    assert (subscription.reason_active_or_disabled, subscription.warned_at) == (Reason.RE_ACTIVATED, None)
    assert [event.event_type for event in db.session.scalars(select(MessageEvent))] == ["clicked"]


def test_looking_twice_counts_once_and_a_foreign_link_not_at_all(db, mailed):
    subscription, token = mailed(ago=10, mail_ago=1)
    assert lifecycle.looked(token, NOON)
    assert lifecycle.looked(token, NOON + timedelta(minutes=5))
    db.session.refresh(subscription)
    assert subscription.last_viewed_timestamp == NOON
    assert len(db.session.scalars(select(MessageEvent)).all()) == 1
    assert not lifecycle.looked("nobody-made-this", NOON)


@pytest.mark.parametrize("after", [3, 32])
def test_one_click_keeps_it_or_wakes_it_pa_17(db, mailed, after):
    subscription, _ = mailed(ago=200, mail_ago=31)
    for day in (0, 20, 30):
        if day <= after:
            review(NOON + days(day))
    db.session.refresh(subscription)
    assert subscription.active_yn is (after < 30)
    kept = lifecycle.keep_sending(subscription.id, NOON + days(after))
    assert (kept.active_yn, kept.reason_active_or_disabled) == (True, Reason.RE_ACTIVATED)
    assert review(NOON + days(after + 1)) == {}
    keys = db.session.scalars(select(SearchKey).where(SearchKey.alert_subscription_id == subscription.id)).all()
    assert after < 30 or keys, "what was put to rest is matched again"


def test_what_a_person_paused_is_not_woken_by_keeping_it(buyer):
    subscription = subscribe(buyer)
    saved.stop(subscription.id, Reason.AGENT_DISABLED)
    assert not lifecycle.keep_sending(subscription.id, NOON).active_yn


def test_a_notice_is_written_for_the_day_and_says_what_happens_when_pa_17(db, buyer, send, catcher):
    subscribe(buyer, name="Family home, Alder Glen", original_entry_timestamp=datetime.now(UTC) - days(81))
    lifecycle.review_some()
    db.session.commit()
    [message] = notices()
    message.not_before = datetime.now(UTC) - timedelta(minutes=1)
    db.session.commit()
    [letter] = send()
    assert str(message_from_bytes(letter.raw, policy=policy.default)["Subject"]).startswith(
        "Is this still the home you look for?"
    )
    for body in (letter.text, " ".join(letter.html.split())):
        assert "has found nothing for eighty days" in " ".join(body.split())
        assert "Keep sending" in body
        assert "Dana Whitlock" in body
        assert "14 Customs House Lane" in body
        assert "http://porchlight.test/u/" in body
    assert letter.is_one_click
    db.session.refresh(message)
    assert message.state == "sent"


def test_a_notice_that_is_no_longer_true_is_not_sent_pa_17(db, buyer, send):
    subscription = subscribe(buyer, original_entry_timestamp=datetime.now(UTC) - days(81))
    lifecycle.review_some()
    lifecycle.keep_sending(subscription.id)
    [message] = notices()
    message.not_before = datetime.now(UTC) - timedelta(minutes=1)
    db.session.commit()
    assert send() == []
    db.session.refresh(message)
    assert (message.state, message.state_reason) == ("dropped", "no_longer_so")


def test_one_click_on_a_notice_stops_the_search_it_is_about(db, buyer):
    subscription = subscribe(buyer, original_entry_timestamp=NOON - days(81))
    subscribe(buyer, name="Another")
    review(NOON)
    db.session.commit()
    [message] = notices()
    token = f"{subscription.token}.{sign(settings().secret_key, Purpose.ONE_CLICK, message.id)}"
    found = optout.stop_mail(token)
    assert [(watch.alert_subscription_id, watch.is_active) for watch in found.of_this_mail] == [
        (subscription.id, False)
    ]
    assert sum(watch.is_active for watch in found.watches) == 1


def test_nobody_is_written_to_who_stopped_all_alerts_pa_17_pa_24(buyer):
    subscribe(buyer, original_entry_timestamp=NOON - days(81))
    suppress(buyer.office_id, buyer.email, SuppressionScope.STREAM, SuppressionReason.UNSUBSCRIBED, now=NOON)
    assert review(NOON) == {"warned": 1, "ended": 0, "acquitted": 0, "notices": 0}
    assert notices() == []


@pytest.mark.parametrize(
    ("hour_utc", "expected"),
    [
        (17, datetime(2026, 11, 20, 17, tzinfo=UTC)),
        (7, datetime(2026, 11, 20, 14, tzinfo=UTC)),
        (2, datetime(2026, 11, 20, 14, tzinfo=UTC)),
    ],
)
def test_notices_are_for_the_day(hour_utc, expected):
    assert lifecycle.by_day(datetime(2026, 11, 20, hour_utc, tzinfo=UTC), "America/New_York") == expected


def test_a_pause_ends_by_itself_and_what_happened_meanwhile_is_no_news_pa_16(db, buyer):
    subscription = subscribe(buyer)
    lifecycle.pause(subscription.id, NOON + days(7), NOON)
    assert not subscription.active_yn
    assert lifecycle.wake_some(NOON + days(6.9)) is None
    before = subscription.since_snapshot
    assert lifecycle.wake_some(NOON + days(7)) == 1
    db.session.refresh(subscription)
    assert subscription.active_yn
    assert subscription.since_snapshot != before
    assert lifecycle.wake_some(NOON + days(8)) is None


def test_those_about_to_end_are_listed_for_their_agent_pa_17(make, office, buyer):
    mine = subscribe(buyer, original_entry_timestamp=NOON - days(81))
    other = make.contact(office, email="noah@example.com")
    subscribe(other, original_entry_timestamp=NOON - days(81))
    review(NOON)
    assert len(queries.about_to_end(office.id)) == 2
    assert [row.id for row in queries.about_to_end(office.id, member_id=buyer.owner_member_id)] == [mine.id]


@pytest.mark.parametrize("homes", [428, 429])
def test_pa_14_a_search_that_grew_too_broad_is_switched_off_and_its_buyer_told_why(db, make, buyer, send, homes):
    """100 a week, reckoned over thirty days as when a search is switched on: 428 homes."""
    office, is_over = db.session.get(Office, buyer.office_id), homes > 428
    broad = subscribe(buyer, original_entry_timestamp=NOON - days(40))
    modest = subscribe(buyer, "Modest", original_entry_timestamp=NOON - days(40))
    event = news(office)[1]
    make.match(modest, event)
    make.match(broad, event)
    build(NOON)
    first = digests()[0]
    db.session.execute(
        text(
            "WITH home AS (INSERT INTO listing (office_id, listing_key, originating_system_name,"
            " originating_system_key, standard_status, property_type)"
            " SELECT :office, 'k' || n, 'Coast MLS', 'k' || n, 'Active', 'Residential'"
            " FROM generate_series(2, :homes) AS n RETURNING id)"
            " INSERT INTO digest_item (digest_id, alert_subscription_id, event_seq, office_id, recipient, listing_id,"
            " saved_search_id, search_version, kind, fingerprint, outcome)"
            " SELECT :digest, :broad, :seq + row_number() OVER (), :office, 'amelia@example.com', home.id, :search, 1,"
            " 'New', '1', 'shown' FROM home"
        ),
        {
            "office": office.id,
            "homes": homes,
            "digest": first.id,
            "broad": broad.id,
            "seq": event.seq,
            "search": broad.saved_search_id,
        },
    )
    db.session.commit()
    found = lifecycle.rein_in_some(NOON + timedelta(hours=1))
    db.session.expire_all()
    assert found == ({"ended": 1, "notices": 1} if is_over else None)
    assert modest.active_yn
    assert broad.active_yn is not is_over
    assert lifecycle.rein_in_some(NOON + timedelta(hours=1)) is None
    if is_over:
        assert broad.reason_active_or_disabled == Reason.OVER_LIMIT
        [notice] = notices()
        notice.not_before, notice.expires_at = datetime.now(UTC) - days(1), datetime.now(UTC) + days(1)
        db.session.commit()
        assert any("over a hundred a week" in " ".join(mail.text.split()) for mail in send())


def test_pa_14_what_was_told_before_a_search_was_narrowed_counts_no_more(db, make, office, buyer):
    now = NOON + timedelta(hours=1)
    narrowed = subscribe(buyer, original_entry_timestamp=NOON - days(40), revised_at=NOON + timedelta(minutes=1))
    make.match(narrowed, news(office)[1])
    build(NOON)
    db.session.commit()
    told = {"lately": NOON - days(1), "since": NOON - days(30), "most": 0, "limit": 1}
    assert queries.overrun(now, **told) == []
    narrowed.revised_at = None
    db.session.commit()
    assert len(queries.overrun(now, **told)) == 1
    assert queries.overrun(now, **told | {"since": NOON}) == []
