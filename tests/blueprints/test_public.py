"""The buyers' doors: no account, no cookie; reading changes nothing; a stop holds at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.domain.digests import optout
from app.domain.digests.letters import COMPOSERS
from app.domain.listings import openings
from app.domain.messages.keys import Purpose, sign
from app.domain.messages.send import send_due
from app.domain.models import (
    AlertSubscription,
    Listing,
    ListingEvent,
    Member,
    MessageEvent,
    Office,
    OutboundMessage,
    SavedSearch,
    Suppression,
)
from app.domain.searches import saved
from app.extensions import db as database
from app.gateways.mail import Relay
from devstack.mailbox import Catcher
from tests.domain.digests.world import build, digests, items, messages, news, outcomes, subscribe

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def catcher(tmp_path):
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def send(catcher):
    def send():
        send_due(COMPOSERS, relay=Relay(catcher.url, hostname="s.example", answer_seconds=1.0))
        database.session.expire_all()
        return catcher.messages()

    return send


@pytest.fixture
def buyer(make, office):
    agent = make.member(office)
    return make.contact(office, email="amelia@example.com", full_name="Amelia Carter", owner_member_id=agent.id)


@pytest.fixture
def mail(make, office, buyer, send):
    """A mail that spoke for two searches of the buyer, who has a third."""
    _, event = news(office, unparsed_address="418 Alder Court", public_remarks="A porch.\n\nAnd a <b>garden</b>.")
    for name in ("First", "Second"):
        make.match(subscribe(buyer, name), event)
    subscribe(buyer, "Third")
    build(datetime.now(UTC))
    [letter] = send()
    return letter


def path_of(letter) -> str:
    return letter.unsubscribe_url.removeprefix("http://porchlight.test")


def active() -> list[bool]:
    database.session.expire_all()
    return list(database.session.scalars(select(AlertSubscription.active_yn).order_by(AlertSubscription.id)))


def the_listing() -> Listing:
    """The home the mail was about."""
    return database.session.get(Listing, items()[0].listing_id)


def stops() -> list[tuple[str, str]]:
    in_force = select(Suppression).where(Suppression.lifted_at.is_(None)).order_by(Suppression.id)
    return [(one.scope, one.reason) for one in database.session.scalars(in_force)]


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"data": ONE_CLICK, "content_type": "multipart/form-data"},
        {"data": b"List-Unsubscribe=One-Click", "content_type": "text/plain"},
        {"data": b"--broken", "content_type": "multipart/form-data; boundary=never"},
        {"data": b""},
    ],
)
def test_t12_one_click_without_cookies_in_any_wrapping(client, mail, body):
    answer = client.post(path_of(mail), **body)
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert "Set-Cookie" not in answer.headers
    assert "Location" not in answer.headers
    assert active() == [False, False, True]
    assert stops() == [("subscription", "unsubscribed")] * 2


def test_t12_a_scanner_that_opens_the_link_changes_nothing(client, mail):
    for method in ("get", "head", "options", "get"):
        answer = getattr(client, method)(path_of(mail))
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
    assert active() == [True, True, True]
    assert stops() == []


def test_one_click_again_and_again_is_the_same(client, mail):
    answers = [client.post(path_of(mail), data=ONE_CLICK) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert active() == [False, False, True]
    assert len(stops()) == 2
    events = database.session.scalars(select(MessageEvent).where(MessageEvent.event_type == "unsubscribed")).all()
    assert len(events) == 1
    assert events[0].outbound_message_id == messages()[0].id
    assert events[0].reply == "one-click"


def test_stopping_and_undoing_adds_no_events(client, mail):
    for _ in range(3):
        client.post(path_of(mail), data=ONE_CLICK)
        client.post(path_of(mail), data={"again": "searches"})
    client.post(path_of(mail), data={"reach": "alerts"})
    happened = database.session.scalars(select(MessageEvent.event_id).where(MessageEvent.event_type == "unsubscribed"))
    assert [one.partition("/")[2] for one in happened] == ["searches", "alerts"]


def test_staff_read_what_was_stopped_and_how(client, mail, buyer, as_staff):
    client.post(path_of(mail), data=ONE_CLICK)
    searches = database.session.scalars(select(SavedSearch)).all()
    names = [one.called for one in searches]
    shown = as_staff.get(f"/contacts/{buyer.id}").text
    assert "searches: one-click" not in shown
    assert "One click in their mail program" in shown
    assert "Unsubscribed: this one search" in shown
    assert any(f"Unsubscribed: the search “{name}”" in shown for name in names)


def test_a_wide_stop_is_one_line_of_the_timeline(client, mail, buyer, as_staff):
    client.post(path_of(mail), data={"reach": "alerts"})
    timeline = as_staff.get(f"/contacts/{buyer.id}").text.partition('<ol class="timeline">')[2].partition("</ol>")[0]
    assert timeline.count("Unsubscribed: ") == 1
    assert "Unsubscribed: no alerts to this address" in timeline
    assert "The button on the unsubscribe page" in timeline


def test_the_evidence_names_the_message_and_the_time(client, mail, buyer):
    client.post(path_of(mail), data=ONE_CLICK)
    for one in database.session.scalars(select(Suppression)):
        assert one.evidence == "searches: one-click"
        assert one.outbound_message_id == messages()[0].id
        assert one.recipient == buyer.email
        assert datetime.now(UTC) - one.created_at < timedelta(minutes=1)
    reasons = set(database.session.scalars(select(AlertSubscription.reason_active_or_disabled)))
    assert reasons == {"Client Disabled", None}


def test_a_stop_holds_for_what_is_queued_already(client, make, office, mail, send):
    _, event = news(office)
    subscription = database.session.scalars(select(AlertSubscription).order_by(AlertSubscription.id)).first()
    make.match(subscription, event)
    build(datetime.now(UTC) + timedelta(minutes=15), now=datetime.now(UTC))
    assert messages()[1].state == "queued"
    client.post(path_of(mail), data=ONE_CLICK)
    assert len(send()) == 1
    assert (messages()[1].state, messages()[1].state_reason) == ("suppressed", "unsubscribed")


@pytest.mark.parametrize(
    "token", ["x", "token-1.9-" + "a" * 26, "%00", "a" * 5000, "…", "..", "' OR 1=1 --", "{{7*7}}", "a.b.c"]
)
def test_a_link_that_is_not_ours_is_met_kindly(client, mail, token):
    del mail
    page = client.get(f"/u/{token}")
    assert page.status_code == 404
    answer = client.post(f"/u/{token}", data=ONE_CLICK)
    assert answer.status_code == 404
    assert client.get(f"/d/{token}").status_code == 404
    assert client.get(f"/d/{token}/1").status_code == 404
    assert stops() == []


def test_a_link_cut_off_on_its_way_says_what_to_do(client):
    page = client.get("/u/cut-off")
    assert page.status_code == 404
    assert "try opening it from the mail itself" in page.text
    answer = client.post("/u/cut-off", data=ONE_CLICK)
    assert (answer.mimetype, answer.text) == ("text/plain", "This link is not one of ours. Nothing was changed.\n")


def test_each_token_opens_its_own_door_only(app, client, mail):
    secret = app.extensions["porchlight"].secret_key
    page = digests()[0].token
    message = messages()[0]
    bounce = sign(secret, Purpose.BOUNCE, message.id)
    for token in (page, bounce, f"{page}.{bounce}", f"x.{bounce}", sign(secret, Purpose.ONE_CLICK, message.id)):
        assert client.post(f"/u/{token}", data=ONE_CLICK).status_code == 404
    own = path_of(mail).removeprefix("/u/")
    assert client.get(f"/d/{own}").status_code == 404
    assert client.get(f"/d/{own.split('.')[0]}").status_code == 404
    assert active() == [True, True, True]


def test_a_subscriptions_own_token_stops_it_when_the_message_is_gone(client, mail):
    path = path_of(mail)
    database.session.delete(database.session.scalars(select(OutboundMessage)).one())
    database.session.commit()
    assert client.get(path).status_code == 200
    assert client.post(path, data=ONE_CLICK).status_code == 200
    assert active() == [False, True, True]


def test_the_page_offers_three_reaches_and_says_what_is_meant(client, mail):
    page = client.get(path_of(mail))
    assert "First" in page.text
    assert "Second" in page.text
    assert "Third" not in page.text
    for words in ("Stop these 2 searches", "Stop all home alerts", "Stop all mail from us"):
        assert words in page.text
    assert "a•••@example.com" in page.text
    assert "amelia" not in page.text.lower()


@pytest.mark.parametrize(
    ("reach", "left", "scopes"),
    [
        ("searches", [False, False, True], ["subscription", "subscription"]),
        ("alerts", [False, False, False], ["stream", "subscription", "subscription", "subscription"]),
        ("everything", [False, False, False], ["address", "subscription", "subscription", "subscription"]),
    ],
)
def test_each_reach_stops_that_far_and_can_be_taken_back(client, mail, reach, left, scopes):
    answer = client.post(path_of(mail), data={"reach": reach})
    assert answer.status_code == 200
    assert "Undo" in answer.text
    assert active() == left
    assert sorted(scope for scope, _ in stops()) == scopes
    assert "Undo" in client.get(path_of(mail)).text

    answer = client.post(path_of(mail), data={"again": reach})
    assert answer.status_code == 200
    assert "Welcome back" in answer.text
    assert active() == [True, True, True]
    assert stops() == []
    lifted = database.session.scalars(select(Suppression.lifted_by)).all()
    assert set(lifted) == {"the person, by the link"}


def test_stopping_everything_stops_mail_of_every_kind(client, make, mail, buyer, send):
    client.post(path_of(mail), data={"reach": "everything"})
    make.message(buyer)
    assert len(send()) == 1
    assert messages()[-1].state == "suppressed"


def test_taking_it_back_lifts_neither_a_bounce_nor_a_complaint_pa_24(client, make, office, buyer, mail):
    make.suppression(office, buyer.email, scope="address", reason="complained")
    client.post(path_of(mail), data=ONE_CLICK)
    client.post(path_of(mail), data={"again": "searches"})
    client.post(path_of(mail), data={"again": "everything"})
    assert stops() == [("address", "complained")]


def test_taking_it_back_does_not_start_what_staff_had_paused(client, mail):
    first = database.session.scalars(select(AlertSubscription).order_by(AlertSubscription.id)).first()
    saved.stop(first.id, "Agent Disabled")
    database.session.commit()
    client.post(path_of(mail), data=ONE_CLICK)
    client.post(path_of(mail), data={"again": "searches"})
    assert active() == [False, True, True]


def test_what_the_buyer_stopped_staff_cannot_start_again_for_them_pa_24(client, make, office, mail, send):
    client.post(path_of(mail), data=ONE_CLICK)
    first = database.session.scalars(select(AlertSubscription).order_by(AlertSubscription.id)).first()
    saved.resume(first.id)
    make.match(first, news(office)[1])
    build(datetime.now(UTC) + timedelta(minutes=15), now=datetime.now(UTC))
    assert len(send()) == 1
    assert outcomes().count("unsubscribed") == 1


@pytest.mark.parametrize("fields", [{"reach": "world"}, {"again": "x"}, {"reach": ""}, {"reach": ["a", "b"]}])
def test_a_field_nobody_offered_is_read_as_one_click(client, mail, fields):
    assert client.post(path_of(mail), data=fields).status_code == 200
    assert active() == [False, False, True]


def test_no_csrf_token_is_asked_of_a_mail_program(app, client, mail):
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        assert client.post(path_of(mail), data=ONE_CLICK).status_code == 200
    finally:
        app.config["WTF_CSRF_ENABLED"] = False


class TestPages:
    """What the links of a mail open: exactly its homes, as they are now."""

    def test_the_page_shows_exactly_the_homes_of_the_mail_also_those_without_room_pa_11(
        self, client, make, office, buyer, send
    ):
        homes = [news(office, unparsed_address=f"{n} Alder Court") for n in range(101, 138)]
        other, _ = news(office, unparsed_address="999 Elsewhere Lane")
        make.match(subscribe(buyer), *(event for _, event in homes))
        build(datetime.now(UTC))
        send()
        page = client.get(f"/d/{digests()[0].token}")
        assert page.status_code == 200
        for home, _ in homes:
            assert home.unparsed_address in page.text
        assert other.unparsed_address not in page.text
        assert "37 homes" in page.text

    def test_a_page_says_nothing_of_the_buyer(self, client, mail):
        del mail
        for url in (f"/d/{digests()[0].token}", f"/d/{digests()[0].token}/{the_listing().id}"):
            text = client.get(url).text
            for private in ("Amelia", "amelia", "First", "Second", "Lockbox", "/u/"):
                assert private not in text

    def test_a_home_has_a_page_of_its_own_with_its_words_as_words(self, client, mail, office):
        del mail
        page = client.get(f"/d/{digests()[0].token}/{the_listing().id}")
        assert page.status_code == 200
        assert "418 Alder Court" in page.text
        assert "A porch." in page.text
        assert "And a &lt;b&gt;garden&lt;/b&gt;." in page.text
        assert "Listed by Millrace Homes, (555) 555-0162" in page.text
        assert "Dana Whitlock" in page.text
        assert "Lockbox" not in page.text

    def test_only_homes_of_that_mail_open(self, client, mail, office):
        del mail
        other, _ = news(office)
        assert client.get(f"/d/{digests()[0].token}/{other.id}").status_code == 404
        for number in (99999999999, 2**63, 10**30, 0):
            assert client.get(f"/d/{digests()[0].token}/{number}").status_code == 404

    def test_what_has_changed_since_is_said(self, client, mail, db):
        del mail
        home = the_listing()
        home.list_price = 470_000
        db.session.commit()
        url = f"/d/{digests()[0].token}"
        assert "Now $470,000" in client.get(url).text
        home.standard_status = "Pending"
        db.session.commit()
        assert "Now Pending" in client.get(url).text
        alone = client.get(f"{url}/{home.id}").text
        assert "Pending" in alone
        assert "$470,000" in alone
        assert "was $489,000" in alone

    def test_a_home_its_seller_took_off_the_internet_is_gone_from_both(self, client, mail, db):
        del mail
        home = the_listing()
        home.internet_entire_listing_display_yn = False
        db.session.commit()
        url = f"/d/{digests()[0].token}"
        assert "Alder Court" not in client.get(url).text
        assert client.get(f"{url}/{home.id}").status_code == 404

    def test_an_address_its_seller_hides_is_on_neither(self, client, mail, db):
        del mail
        home = the_listing()
        home.internet_address_display_yn = False
        db.session.commit()
        for url in (f"/d/{digests()[0].token}", f"/d/{digests()[0].token}/{home.id}"):
            page = client.get(url)
            assert page.status_code == 200
            assert "Alder" not in page.text
            assert "04100" not in page.text

    def test_pages_are_in_no_index_and_tell_nobody_their_address(self, client, mail):
        token = digests()[0].token
        for url in (path_of(mail), f"/d/{token}", f"/d/{token}/{the_listing().id}", "/d/unknown"):
            headers = client.get(url).headers
            assert "noindex" in headers["X-Robots-Tag"]
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["Cache-Control"] == "no-store"
            assert "Set-Cookie" not in headers

    def test_an_agent_who_left_is_not_named(self, client, mail, buyer, db):
        del mail
        db.session.get(Member, buyer.owner_member_id).member_status = "Inactive"
        db.session.commit()
        assert "Dana" not in client.get(f"/d/{digests()[0].token}").text

    def test_only_who_can_be_answered_by_an_agent_is_asked_to_reply(self, client, mail, buyer, db):
        del mail
        urls = (f"/d/{digests()[0].token}", f"/d/{digests()[0].token}/{the_listing().id}")
        for url in urls:
            assert "or reply to the mail." in client.get(url).text
        db.session.get(Member, buyer.owner_member_id).member_email = ""
        db.session.commit()
        for url in urls:
            text = client.get(url).text
            assert "Dana" in text
            assert "reply to the mail" not in text

    def test_the_page_of_a_home_says_when_its_open_house_is(self, client, make, office, buyer, send):
        home, _ = news(office)
        day = (datetime.now(UTC) + timedelta(days=2)).replace(hour=18, minute=0, second=0, microsecond=0)
        opening = openings.create(office.id, home.id, starts=day, ends=day + timedelta(hours=2))
        database.session.flush()
        event = database.session.scalars(select(ListingEvent).where(ListingEvent.open_house_id == opening.id)).one()
        make.match(subscribe(buyer, kinds=31), event)
        build(datetime.now(UTC))
        send()
        for url in (f"/d/{digests()[0].token}", f"/d/{digests()[0].token}/{home.id}"):
            assert "Open house" in client.get(url).text
            assert "PM to" in client.get(url).text

    def test_a_mail_that_was_never_sent_has_an_empty_page(self, client, make, office, buyer, db, send):  # noqa: PLR0917
        home, event = news(office)
        make.match(subscribe(buyer), event)
        build(datetime.now(UTC))
        home.standard_status = "Closed"
        db.session.commit()
        send()
        page = client.get(f"/d/{digests()[0].token}")
        assert page.status_code == 200
        assert "Nothing here any more" in page.text


class TestPreferences:
    """What a buyer chooses about the searches of a mail, without an account."""

    def choose(self, client, door, number, **fields):
        return client.post(f"{door}/{number}", data=fields)

    @pytest.fixture
    def door(self, mail):
        return mail.unsubscribe_url.removeprefix("http://porchlight.test")

    @pytest.fixture
    def first(self, mail):
        return database.session.scalars(select(AlertSubscription).order_by(AlertSubscription.id)).first()

    def test_opening_the_page_changes_nothing(self, client, door, first):
        before = (first.modification_timestamp, first.active_yn)
        assert client.get(door).status_code == 200
        assert client.head(door).status_code == 200
        assert client.get(f"{door}/{first.id}").status_code == 405
        database.session.refresh(first)
        assert (first.modification_timestamp, first.active_yn) == before

    def test_how_often_and_what_of(self, client, door, first):
        answer = self.choose(
            client, door, first.id, schedule_type="Daily", send_time="07:30", kinds=["new", "price_drop"]
        )
        assert answer.status_code == 200
        assert "Saved." in answer.text
        assert "every day at 07:30" in answer.text
        database.session.refresh(first)
        assert (first.schedule_type, first.send_time.isoformat(), first.kinds) == ("Daily", "07:30:00", 3)
        assert first.next_send_timestamp is not None

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"schedule_type": "Daily", "send_time": "noon", "kinds": ["new"]}, "Say at what time of day"),
            ({"schedule_type": "Hourly", "send_time": "07:00", "kinds": ["new"]}, "is not a schedule"),
            ({"schedule_type": "ASAP", "send_time": "", "kinds": []}, "Choose at least one kind of news"),
            ({"schedule_type": "ASAP", "send_time": "", "kinds": ["rumours"]}, "is nothing we write about"),
            ({"days": "400"}, "A pause is a week"),
        ],
    )
    def test_what_cannot_be_is_refused_with_a_sentence_and_changes_nothing(self, client, door, first, fields, sentence):
        answer = self.choose(client, door, first.id, **fields)
        assert answer.status_code == 422
        assert sentence in answer.text
        assert "Nothing was changed." in answer.text
        database.session.refresh(first)
        assert (first.schedule_type, first.active_yn) == ("ASAP", True)

    def test_a_pause_says_until_when_and_can_be_ended_sooner_pa_16(self, client, door, first):
        answer = self.choose(client, door, first.id, days="7")
        assert "Paused until " in answer.text
        database.session.refresh(first)
        assert not first.active_yn
        assert timedelta(days=6.9) < first.paused_until - datetime.now(UTC) < timedelta(days=7.1)
        answer = self.choose(client, door, first.id, keep="1")
        assert "We keep watching." in answer.text
        database.session.refresh(first)
        assert (first.active_yn, first.paused_until) == (True, None)

    def test_what_is_only_paused_can_still_be_stopped_for_good(self, client, door, first):
        for number in [watch.alert_subscription_id for watch in optout.standing(door.rpartition("/")[2]).of_this_mail]:
            answer = self.choose(client, door, number, days="7")
        assert "Stop these 2 searches" in answer.text
        assert "Undo:" not in answer.text
        stopped = client.post(door, data={"reach": "searches"}).text
        assert "Undo: let them come again" in stopped
        assert "Paused until" not in stopped
        assert "Start again now" not in stopped
        database.session.refresh(first)
        assert (first.active_yn, first.paused_until) == (False, None)
        again = client.post(door, data={"again": "searches"}).text
        assert "Writes to you as it happens." in again
        assert active() == [True, True, True]

    def test_what_the_office_switched_off_is_not_called_stopped_by_the_buyer(self, client, door):
        for number in [watch.alert_subscription_id for watch in optout.standing(door.rpartition("/")[2]).of_this_mail]:
            saved.stop(number, "Agent Disabled")
        database.session.commit()
        page = client.get(door).text
        assert "Switched off" in page
        assert "Stop these 2 searches" in page
        assert "Undo:" not in page

    def test_quiet_hours_are_the_buyers_own_pa_21(self, client, door):
        answer = client.post(f"{door}/quiet", data={"quiet_from": "22:30", "quiet_until": "07:00"})
        assert "Saved." in answer.text
        assert 'value="22:30"' in client.get(door).text
        found = optout.standing(door.rpartition("/")[2])
        assert [hour.isoformat() for hour in found.quiet] == ["22:30:00", "07:00:00"]
        refused = client.post(f"{door}/quiet", data={"quiet_from": "late", "quiet_until": ""})
        assert refused.status_code == 422
        assert "Say from when until when" in refused.text
        assert optout.standing(door.rpartition("/")[2]).quiet == found.quiet
        assert client.post("/u/nobody-made-this/quiet", data={}).status_code == 404

    def test_a_warned_search_is_kept_by_its_button_pa_17(self, client, door, first):
        first.reason_active_or_disabled, first.warned_at = "Final Ignored Warning", datetime.now(UTC)
        database.session.commit()
        assert "Keep sending" in client.get(door).text
        assert "We keep watching." in self.choose(client, door, first.id, keep="1").text
        database.session.refresh(first)
        assert (first.warned_at, first.reason_active_or_disabled) == (None, "Re-Activated")

    def test_what_the_office_paused_stays_paused(self, client, door, first):
        saved.stop(first.id, "Agent Disabled")
        database.session.commit()
        assert self.choose(client, door, first.id, keep="1").status_code == 200
        database.session.refresh(first)
        assert not first.active_yn

    def test_a_link_speaks_for_the_searches_of_its_mail_only(self, client, door, make, office):
        third = database.session.scalars(select(AlertSubscription).order_by(AlertSubscription.id.desc())).first()
        other = subscribe(make.contact(office, email="noah@example.com"))
        database.session.commit()
        for number in (third.id, other.id, 10**30, 0):
            answer = self.choose(client, door, number, days="7")
            assert answer.status_code == 404
        database.session.expire_all()
        assert third.active_yn
        assert other.active_yn

    @pytest.mark.parametrize(
        ("reason", "said"),
        [
            ("bounced", "Mail to it came back as undeliverable on November 3."),
            ("complained", "A mail was reported as unwanted on November 3."),
            ("by_hand", "The office stopped it on November 3."),
        ],
    )
    def test_who_gets_nothing_reads_why_pa_24(self, client, door, make, reason, said):
        office = database.session.scalars(select(Office)).one()
        since = datetime(2026, 11, 3, 15, tzinfo=UTC)
        make.suppression(office, "amelia@example.com", scope="address", reason=reason, created_at=since)
        database.session.commit()
        page = client.get(door).text
        assert said in page
        assert "That is not undone here" in page

    def test_who_is_signed_in_looks_and_says_nothing_for_the_buyer(self, as_staff, mail, first):
        page = re.search(r"http://porchlight\.test(/d/[\w-]+)", mail.text)[1]
        assert as_staff.post(f"{page}/looked").status_code == 204
        answer = as_staff.post(f"{page}/{the_listing().id}", data={"opinion": "discard"})
        assert answer.status_code == 403
        assert "not the buyer’s word" in answer.text
        database.session.refresh(first)
        assert first.last_viewed_timestamp is None

    def test_only_a_persons_look_is_a_sign_of_life_pa_17(self, client, mail, first):
        page = re.search(r"http://porchlight\.test(/d/[\w-]+)", mail.text)[1]
        client.get(page)
        database.session.refresh(first)
        assert first.last_viewed_timestamp is None, "scanners open every link"
        assert client.post(f"{page}/looked").status_code == 204
        database.session.refresh(first)
        assert first.last_viewed_timestamp is not None
        assert client.post("/d/nobody-made-this/looked").status_code == 404


@pytest.mark.parametrize("base", ["http://porchlight.test", "https://porchlight.test"])
@pytest.mark.parametrize("ending", ["", "/"])
def test_one_click_is_never_sent_elsewhere(client, mail, base, ending):
    """RFC 8058 §3.1: no redirect, neither to https nor to a slash more or less."""
    answer = client.post(path_of(mail) + ending, data=ONE_CLICK, base_url=base)
    assert answer.status_code == (404 if ending else 200)
    assert "Location" not in answer.headers
    assert "Set-Cookie" not in answer.headers


def test_what_the_header_names_is_what_one_click_answers_at(client, mail):
    named = mail.header("List-Unsubscribe").partition(",")[0].strip("<>")
    assert named == mail.unsubscribe_url
    assert mail.header("List-Help").strip("<>") == named
    assert client.head(named.removeprefix("http://porchlight.test")).status_code == 200
    assert stops() == []
