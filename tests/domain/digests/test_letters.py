"""The last look before a mail is sent, and the mail itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest

from app.domain.digests.letters import COMPOSERS, LARGEST_HTML
from app.domain.messages.send import send_due
from app.domain.models import BuyerListing, Digest, Office, SavedSearch, SavedSearchVersion
from tests.domain.digests.world import build, digests, items, messages, news, outcomes, subscribe


@pytest.fixture
def buyer(make, office):
    agent = make.member(office, member_email="dana@harborvine.example")
    return make.contact(office, email="amelia@example.com", owner_member_id=agent.id)


@pytest.fixture
def send(relay, catcher):
    def send():
        """Everything that is due; the mails as the catcher has them, oldest first."""
        send_due(COMPOSERS, relay=relay)
        return catcher.messages()[::-1]

    return send


def queue_one(make, buyer, *events, **subscription) -> object:
    subscription = subscribe(buyer, **subscription)
    make.match(subscription, *events)
    build(datetime.now(UTC))
    return subscription


def test_a_search_without_a_name_is_called_by_what_it_asks_now(make, office, buyer, db, send):
    subscription = queue_one(make, buyer, news(office)[1], name="")
    search = db.session.get(SavedSearch, subscription.saved_search_id)
    search.search_query_human_readable = "Homes of any type in Port Ellery, up to $650,000."
    db.session.commit()
    [letter] = send()
    for body in (letter.text, letter.html):
        assert "“Homes of any type in Port Ellery, up to $650,000”" in " ".join(body.split())


class TestLastLook:
    """PA-19: each failure is a stored reason; when nothing is left, no mail."""

    @pytest.mark.parametrize(
        ("change", "state", "reason"),
        [
            ({"standard_status": "Closed"}, "dropped", "sold_before_send"),
            ({"standard_status": "Withdrawn"}, "dropped", "no_longer_available"),
            ({"internet_entire_listing_display_yn": False}, "dropped", "hidden"),
            ({"list_price": 900_000}, "dropped", "no_longer_matches"),
        ],
    )
    def test_a_home_that_changed_while_it_was_queued(self, make, buyer, db, send, change, state, reason):  # noqa: PLR0917
        home, event = news(db.session.get(Office, buyer.office_id))
        queue_one(make, buyer, event)
        for name, value in change.items():
            setattr(home, name, value)
        db.session.commit()
        assert send() == []
        assert [(m.state, m.state_reason) for m in messages()] == [(state, reason)]
        assert outcomes() == [reason]
        assert digests()[0].items_shown == 0

    @pytest.mark.parametrize(
        ("column", "value", "state", "reason"),
        [
            ("reason_active_or_disabled", "Client Disabled", "suppressed", "unsubscribed"),
            ("reason_active_or_disabled", "Agent Disabled", "dropped", "paused"),
        ],
    )
    def test_a_search_that_was_stopped_while_it_was_queued(  # noqa: PLR0917
        self, make, office, buyer, db, send, column, value, state, reason
    ):
        subscription = queue_one(make, buyer, news(office)[1])
        subscription.active_yn = False
        setattr(subscription, column, value)
        db.session.commit()
        assert send() == []
        assert [(m.state, m.state_reason) for m in messages()] == [(state, reason)]

    def test_a_suppressed_subscription_stops_its_own_lines_only(self, make, office, buyer, db, send):
        first, second = subscribe(buyer, "First"), subscribe(buyer, "Second")
        (home, event), (_, other) = news(office), news(office)
        make.match(first, event)
        make.match(second, other)
        build(datetime.now(UTC))
        make.suppression(office, buyer.email, scope="subscription", alert_subscription_id=second.id)
        [letter] = send()
        assert home.unparsed_address in letter.text
        assert "“Second”" not in letter.text
        assert outcomes() == ["shown", "unsubscribed"]

    def test_when_the_shown_search_stops_the_one_that_went_along_takes_the_line(self, make, office, buyer, db, send):
        first, second = subscribe(buyer, "First"), subscribe(buyer, "Second")
        home, event = news(office)
        make.match(first, event)
        make.match(second, event)
        build(datetime.now(UTC))
        first.active_yn = False
        db.session.commit()
        [letter] = send()
        assert home.unparsed_address in letter.text
        assert "Matches “Second”: " in letter.text
        assert {item.alert_subscription_id: item.outcome for item in items()} == {
            first.id: "dropped",
            second.id: "shown",
        }

    def test_the_price_said_is_the_price_now(self, make, office, buyer, db, send):
        home, event = news(office, list_price=489_000)
        queue_one(make, buyer, event)
        home.list_price = 479_000
        db.session.commit()
        [letter] = send()
        assert "$479,000" in letter.text
        assert "$489,000" not in letter.text
        assert items()[0].price_shown == 479_000
        assert db.session.get(BuyerListing, (buyer.id, home.id)).last_price_shown == 479_000

    def test_a_drop_that_was_taken_back_is_not_told(self, make, office, buyer, db, send):
        home, event = news(office, kinds=2, was=509_000, list_price=489_000)
        queue_one(make, buyer, event)
        home.list_price = 509_000
        db.session.commit()
        assert send() == []
        assert outcomes() == ["no_net_change"]

    def test_a_search_edited_while_it_was_queued_pa_15(self, make, office, buyer, db, send):
        subscription = queue_one(make, buyer, news(office)[1])
        search = db.session.get(SavedSearch, subscription.saved_search_id)
        search.criteria, search.version = {"city": ["Elsewhere"]}, 2
        later = datetime.now(UTC) + timedelta(seconds=5)
        db.session.add(
            SavedSearchVersion(saved_search_id=search.id, version=2, criteria=search.criteria, created_at=later)
        )
        db.session.commit()
        assert send() == []
        assert outcomes() == ["search_changed"]

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"contact_status": "Inactive"}, "contact_inactive"),
            ({"email": "amelia.new@example.com"}, "address_changed"),
            ({"email": ""}, "address_changed"),
        ],
    )
    def test_a_person_who_changed_while_it_was_queued(self, make, office, buyer, db, send, change, reason):  # noqa: PLR0917
        queue_one(make, buyer, news(office)[1])
        for name, value in change.items():
            setattr(buyer, name, value)
        db.session.commit()
        assert send() == []
        assert outcomes() == [reason]

    def test_what_another_mail_told_meanwhile_is_not_told_again(self, make, office, buyer, db, send):
        """The price of one queued drop becomes that of another: the second look finds it told."""
        home, event = news(office, kinds=2, was=509_000, list_price=489_000)
        subscription = queue_one(make, buyer, event)
        home.list_price = 479_000
        make.match(subscription, make.event(home, 2, previous_list_price=489_000))
        build(datetime.now(UTC) + timedelta(minutes=15), now=datetime.now(UTC))
        letters = send()
        assert len(letters) == 1
        assert "$479,000 (was $489,000)" in letters[0].text
        assert outcomes() == ["already_told", "shown"]


class TestTheMail:
    def test_no_reply_is_promised_that_would_reach_nobody(self, make, office, send):
        agent = make.member(office, member_email="", member_full_name="Dana Whitlock")
        buyer = make.contact(office, email="noah@example.com", owner_member_id=agent.id)
        queue_one(make, buyer, news(office)[1])
        [letter] = send()
        for body in (letter.text, letter.html):
            assert "Reply to this mail" not in body
            assert "Call " in body
        assert "Reply-To" not in message_from_bytes(letter.raw, policy=policy.default)

    def test_a_search_that_was_changed_says_so_once_pa_15(self, make, office, buyer, db, send):
        subscription = queue_one(make, buyer, news(office)[1], name="Family home")
        subscription.revised_at = datetime(2026, 11, 18, 15, tzinfo=UTC)
        subscription.original_entry_timestamp = datetime(2026, 11, 1, tzinfo=UTC)
        search = db.session.get(SavedSearch, subscription.saved_search_id)
        search.search_query_human_readable = "Homes in Port Ellery, up to $525,000."
        db.session.commit()
        [letter] = send()
        said = "“Family home” was changed on November 18. It now asks for: Homes in Port Ellery, up to $525,000."
        for body in (letter.text, letter.html):
            assert said in " ".join(body.split())
        make.match(subscription, news(office)[1])
        build(datetime.now(UTC) + timedelta(hours=2))
        for message in messages():
            message.not_before = datetime.now(UTC) - timedelta(minutes=1)
        db.session.commit()
        letter = send()[-1]
        assert "was changed on" not in letter.text

    def test_photographs_stand_where_there_are_any_and_a_house_number_where_not(self, make, office, buyer, send):
        photos = ["https://photos.example/1.jpg", "https://photos.example/2.jpg?a=1&b=2", ""]
        for number, photo in enumerate(photos):
            _, event = news(office, unparsed_address=f"{418 + number} Alder Court", preferred_photo_url=photo)
            make.match(subscribe(buyer, f"Search {number}"), event)
        build(datetime.now(UTC))
        [letter] = send()
        assert letter.html.count("<img ") == 2
        for photo in photos[:2]:
            assert f'src="{photo.replace("&", "&amp;")}"' in letter.html
        assert re.findall(r'<a class="door"[^>]*>(\d+)</a>', letter.html) == ["420"]
        assert "photos.example" not in letter.text
        assert all("alt=" in tag for tag in re.findall("<img [^>]*>", letter.html))

    def test_its_headers_are_those_receivers_ask_for(self, make, office, buyer, send):
        subscription = queue_one(make, buyer, news(office)[1])
        [letter] = send()
        message = message_from_bytes(letter.raw, policy=policy.default)
        token = f"{subscription.token}."
        assert str(message["From"]) == "Harbor & Vine Alerts <alerts@alerts.harborvine.example>"
        assert str(message["To"]) == "Amelia Carter <amelia@example.com>"
        assert str(message["Reply-To"]) == "Dana Whitlock <dana@harborvine.example>"
        assert message["Message-ID"] == messages()[0].message_id
        assert f"<http://porchlight.test/u/{token}" in message["List-Unsubscribe"]
        assert "<mailto:unsub+" in message["List-Unsubscribe"]
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert f"<alerts.office-{office.id}.alerts.harborvine.example>" in message["List-Id"]
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Feedback-ID"].count(":") == 3
        assert message["X-Porchlight-Key"] in messages()[0].message_id
        assert message["Return-Path"].startswith("<bounce+")
        assert letter.is_one_click
        assert [part.defects for part in message.walk()] == [[], [], []]

    def test_text_and_html_each_say_all_of_it(self, make, office, buyer, send):
        home, event = news(office, kinds=2, was=509_000, list_price=489_000)
        queue_one(make, buyer, event, name="Family home, Alder Glen")
        [letter] = send()
        token = digests()[0].token
        for body in (letter.text, letter.html):
            assert home.unparsed_address in body
            assert "$489,000" in body
            assert "was $509,000" in body
            assert "4 beds · 2.5 baths · 2,140 sq ft · built 1998" in body
            assert "“Family home, Alder Glen”" in body
            assert "Listed by Millrace Homes, " in body
            assert "(555) 555-0162" in body
            assert "Want to see it?" in body
            assert "Dana Whitlock" in body
            assert "14 Customs House Lane, Port Ellery, ME 04100" in body
            assert f"http://porchlight.test/d/{token}/{home.id}" in body
            assert "http://porchlight.test/u/" in body
            assert "Equal Housing Opportunity" in body
            assert "Lockbox" not in body
        assert "Price drop, $20,000" in letter.html
        assert max(map(len, letter.text.splitlines())) <= 110

    def test_its_styles_are_on_the_elements_and_nothing_is_fetched(self, make, office, buyer, send):
        queue_one(make, buyer, news(office)[1])
        [letter] = send()
        html = letter.html
        assert 'style="' in html
        assert "prefers-color-scheme: dark" in html
        assert "max-width: 619px" in html
        assert "<img" not in html
        assert "url(" not in html
        assert "<script" not in html
        assert "<link" not in html
        assert html.count("http://porchlight.test/") == html.count("http")  # every address is our own

    def test_twenty_five_homes_stay_below_gmails_cut_and_the_rest_is_on_the_page_pa_11(self, make, office, buyer, send):
        events = [
            news(
                office,
                unparsed_address=f"{number} Saint Bartholomew-at-the-Crossroads Boulevard Northwest",
                list_office_name="The Extraordinarily Long Name of a Brokerage of Port Ellery",
            )[1]
            for number in range(100, 137)
        ]
        subscription = queue_one(make, buyer, *events, name="A name that says in very many words what is wanted " * 2)
        make.match(subscribe(buyer, "Another with as many words as fit into the name of a search"), *events)
        [letter] = send()
        assert len(letter.html.encode()) < LARGEST_HTML < 102 * 1024
        assert letter.html.count("is new at") == 1
        assert letter.html.count("Saint Bartholomew") >= 25
        assert "and 12 more" in letter.html
        assert "and 12 more" in letter.text
        assert letter.summary.subject.startswith("25 homes and 12 more: 136 Saint")
        assert "See all 37 on one page" in letter.text
        assert digests()[0].items_shown == 37
        assert subscription.token in letter.unsubscribe_url

    def test_a_mail_that_would_be_cut_says_fewer_homes_instead(self, make, office, buyer, send):
        long = "&" * 80  # five bytes each in HTML
        home = {"list_office_name": long, "unparsed_address": long, "city": long, "list_office_phone": long * 3}
        events = [news(office, **home)[1] for _ in range(25)]
        for name in ("A", "B", "C"):
            make.match(subscribe(buyer, f"{name} {long}", criteria={}), *events)
        build(datetime.now(UTC))
        [letter] = send()
        assert len(letter.html.encode()) <= LARGEST_HTML
        assert letter.summary.subject.startswith("15 homes and 10 more: ")
        assert digests()[0].items_shown == 25

    @pytest.mark.parametrize(
        "name",
        ["Zoë Müller", "Amelia\r\nBcc: everybody@example.org", 'A "B" \\ C', "🏡 Home", "<script>alert(1)</script>"],
    )
    def test_names_are_words_and_never_headers_or_markup(self, make, office, buyer, db, send, name):  # noqa: PLR0917
        buyer.first_name, buyer.full_name = name, name
        db.session.get(Office, office.id).office_name = name
        db.session.commit()
        queue_one(make, buyer, news(office, unparsed_address=f"7 {name}", list_office_name=name)[1], name=name)
        [letter] = send()
        message = message_from_bytes(letter.raw, policy=policy.default)
        assert "Bcc" not in message
        assert [address.addr_spec for address in message["To"].addresses] == ["amelia@example.com"]
        assert message["To"].addresses[0].display_name == " ".join(name.split())
        assert "<script>" not in letter.html
        assert [part.defects for part in message.walk()] == [[], [], []]

    def test_an_address_the_seller_hides_is_nowhere_in_it(self, make, office, buyer, send):
        _, event = news(office, unparsed_address="418 Alder Court", internet_address_display_yn=False)
        queue_one(make, buyer, event)
        [letter] = send()
        assert b"Alder Court" not in letter.raw
        assert "4-bed single family home" in letter.text

    def test_a_telephone_number_stays_on_one_line(self, make, office, buyer, send):
        firm = "The Very Long Established House of Millrace Homes and"
        event = news(office, list_office_name=firm)[1]
        queue_one(make, buyer, event)
        [letter] = send()
        assert f"{firm},\n   (555) 555-0162" in letter.text.replace("\r", "")
        held = re.search(r"<span[^>]*nowrap[^>]*>\(555\) 555-0162</span>", letter.html)
        assert held

    def test_without_an_agent_the_office_is_called(self, make, office, send):
        queue_one(make, make.contact(office), news(office)[1])
        [letter] = send()
        assert letter.header("Reply-To") == ""
        assert "Call (555) 555-0117." in letter.text

    def test_an_agent_who_left_is_not_named(self, make, office, buyer, db, send):
        from app.domain.models import Member

        db.session.get(Member, buyer.owner_member_id).member_status = "Inactive"
        db.session.commit()
        queue_one(make, buyer, news(office)[1])
        [letter] = send()
        assert "Dana" not in letter.text
        assert letter.header("Reply-To") == ""

    def test_times_in_it_are_the_buyers(self, make, office, buyer, db, send):
        buyer.time_zone = "Pacific/Honolulu"
        db.session.commit()
        queue_one(make, buyer, news(office)[1])
        [letter] = send()
        assert " HST, " in letter.text

    def test_one_link_speaks_for_every_search_of_the_mail(self, make, office, buyer, send):
        _, event = news(office)
        subscriptions = [subscribe(buyer, name) for name in ("First", "Second")]
        for subscription in subscriptions:
            make.match(subscription, event)
        build(datetime.now(UTC))
        [letter] = send()
        assert subscriptions[0].token in letter.unsubscribe_url
        assert "Stop these 2 searches" in letter.text
        assert {url for _, url in letter.links if "/u/" in url} == {letter.unsubscribe_url}


def test_a_digest_that_was_empty_has_no_message(make, office, buyer, db):
    home, event = news(office)
    home.standard_status = "Closed"
    db.session.commit()
    queue_one(make, buyer, event)
    assert messages() == []
    assert db.session.query(Digest).one().state == "empty"
