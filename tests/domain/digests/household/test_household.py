"""Two people share their alerts: each address is told once, of what either of them looks for (PA-09)."""

from __future__ import annotations

import re
from datetime import time, timedelta

import pytest
from sqlalchemy import select, update

from app.domain.contacts import household
from app.domain.digests.letters import COMPOSERS
from app.domain.digests.optout import Reach, let_mail_come, stop_mail
from app.domain.errors import Conflict, Invalid
from app.domain.messages.keys import Purpose, sign
from app.domain.messages.send import send_due
from app.domain.models import AlertSubscription, BuyerListing, Contact, Suppression
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.ops.balance import balance
from app.domain.searches import saved
from tests.domain.digests.world import NOON, build, digests, items, messages, news, subscribe

HOUR = timedelta(hours=1)


@pytest.fixture
def couple(make, office):
    made = [
        make.contact(office, first_name=name, full_name=f"{name} Carter", email=f"{name.lower()}@example.com")
        for name in ("Amelia", "Ben")
    ]
    household.share(made[0].id, made[1].email, "together", office_id=office.id)
    return made


def told() -> list[tuple[str, int]]:
    return sorted((digest.recipient, digest.items_shown) for digest in digests())


def test_pa_09_what_one_looks_for_both_are_told_each_address_once(make, office, couple):
    amelia, ben = couple
    shared, own = news(office)[1], news(office)[1]
    make.match(subscribe(amelia), shared, own)
    make.match(subscribe(ben), shared)
    assert build()["messages"] == 2
    assert told() == [("amelia@example.com", 2), ("ben@example.com", 2)]
    assert {message.recipient for message in messages()} == {"amelia@example.com", "ben@example.com"}


@pytest.mark.parametrize(("mail", "named"), [("together", 2), ("each", 1)])
def test_pa_09_one_mail_names_both_or_each_has_their_own(make, office, couple, relay, catcher, *, mail, named):
    amelia, ben = couple
    household.share(amelia.id, ben.email, mail, office_id=office.id)
    make.match(subscribe(amelia), news(office)[1])
    build()
    assert send_due(COMPOSERS, relay=relay, now=NOON)["sent"] == 2
    letters = catcher.messages()
    assert sorted(letter.summary.recipients[0] for letter in letters) == ["amelia@example.com", "ben@example.com"]
    for letter in letters:
        assert letter.header("To").count("@") == named


def test_pa_09_suppression_is_of_one_address(make, office, couple):
    amelia, _ = couple
    make.suppression(office, "ben@example.com")
    make.match(subscribe(amelia), news(office)[1])
    assert build()["messages"] == 1
    assert [message.recipient for message in messages()] == ["amelia@example.com"]
    assert [item.drop_reason for item in items() if item.recipient == "ben@example.com"] == ["suppressed"]


def test_pa_09_the_mail_of_one_holds_no_key_to_the_other_s_searches(make, office, couple, relay, catcher, client):  # noqa: PLR0917
    amelia, ben = couple
    event = news(office)[1]
    subscriptions = [subscribe(amelia), subscribe(ben)]
    make.match(subscriptions[0], event)
    make.match(subscriptions[1], news(office)[1])
    make.match(subscribe(amelia), event)
    build()
    send_due(COMPOSERS, relay=relay, now=NOON)
    keys = {
        letter.summary.recipients[0]: re.search(r"/u/([^.>]+)\.([^>]+)>", letter.header("List-Unsubscribe")).groups()
        for letter in catcher.messages()
    }
    assert keys["amelia@example.com"][0] == subscriptions[0].token
    assert keys["ben@example.com"][0] == subscriptions[1].token
    for key, signed in keys.values():
        assert client.get(f"/u/{key}.{signed}").status_code == 200


def test_pa_09_who_only_hears_of_the_other_s_searches_has_a_link_that_speaks_for_their_own_address(  # noqa: PLR0917
    make, office, couple, relay, catcher, client, db
):
    amelia, _ = couple
    subscription = subscribe(amelia)
    make.match(subscription, news(office)[1])
    build()
    send_due(COMPOSERS, relay=relay, now=NOON)
    [letter] = [one for one in catcher.messages() if one.summary.recipients[0] == "ben@example.com"]
    assert subscription.token not in letter.header("List-Unsubscribe")
    link = re.search(r"/u/[^>]+", letter.header("List-Unsubscribe"))[0]
    assert client.get(link.rpartition(".")[0]).status_code == 404
    assert client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert [one.recipient for one in db.session.scalars(select(Suppression))] == ["ben@example.com"]


def test_pa_07_what_one_of_them_was_told_before_they_shared_is_not_told_again(make, office, db):
    amelia, ben = make.contact(office, email="amelia@example.com"), make.contact(office, email="ben@example.com")
    _, event = news(office)
    make.match(subscribe(amelia), event)
    build()
    household.share(amelia.id, ben.email, "each", office_id=office.id)
    make.match(subscribe(ben), event)
    build(NOON + HOUR)
    assert len(messages()) == 1
    assert [item.drop_reason for item in items() if item.drop_reason] == ["already_told"] * 2


def test_pa_09_the_reader_s_own_price_is_the_one_compared_and_remembered(make, office, couple, relay, db):
    amelia, ben = couple
    home, event = news(office)
    make.match(subscribe(amelia), event)
    build()
    send_due(COMPOSERS, relay=relay, now=NOON)
    for contact in (amelia, ben):
        assert db.session.get(BuyerListing, (contact.id, home.id)).last_price_shown == home.list_price


def test_pa_09_one_click_of_one_of_them_leaves_the_other_their_mail(make, office, couple, app, db):
    amelia, ben = couple
    subscription = subscribe(amelia)
    make.match(subscription, news(office)[1])
    build()
    for reader, other in ((ben, amelia), (amelia, ben)):
        mine = next(message for message in messages() if message.recipient == reader.email)
        signed = sign(app.extensions["porchlight"].secret_key, Purpose.ONE_CLICK, mine.id)
        stop_mail(f"{subscription.token}.{signed}", Reach.SEARCHES, now=NOON)
        db.session.commit()
        make.match(subscription, news(office)[1])
        build(NOON + HOUR if reader is ben else NOON + 2 * HOUR)
        newest = messages()[-1]
        if reader is ben:
            assert newest.recipient == other.email
    assert len(messages()) == 3
    assert db.session.get(AlertSubscription, subscription.id).active_yn


def test_pa_09_a_daily_mail_of_one_goes_to_both_and_the_matches_are_accounted_for_once(make, office, couple, db):
    amelia, _ = couple
    daily = subscribe(amelia, schedule_type="Daily", send_time=time(12), next_send_timestamp=NOON)
    make.match(daily, news(office)[1])
    assert build()["messages"] == 2
    assert build(NOON) is None
    sums = {line.key: line.remainder for line in balance(NOON - HOUR, NOON + HOUR)}
    assert sums["matches"] == 0


def test_pa_09_who_takes_back_their_own_stop_does_not_take_back_the_other_s(make, office, couple, app, db):
    amelia, _ = couple
    subscription = subscribe(amelia)
    make.match(subscription, news(office)[1])
    build()
    bens = next(message for message in messages() if message.recipient == "ben@example.com")
    link = f"-.{sign(app.extensions['porchlight'].secret_key, Purpose.ONE_CLICK, bens.id)}"
    stop_mail(link, Reach.SEARCHES, now=NOON)
    saved.stop(subscription.id, ReasonActiveOrDisabled.CLIENT_DISABLED, NOON)  # Amelia asked the office to end it
    let_mail_come(link, Reach.SEARCHES, now=NOON)
    db.session.commit()
    assert not db.session.get(AlertSubscription, subscription.id).active_yn


def test_pa_09_an_old_link_says_nothing_of_who_shares_no_more(make, office, couple, app, client):
    amelia, ben = couple
    make.match(subscribe(amelia, "A place of my own"), news(office)[1])
    build()
    bens = next(message for message in messages() if message.recipient == ben.email)
    link = f"/u/-.{sign(app.extensions['porchlight'].secret_key, Purpose.ONE_CLICK, bens.id)}"
    assert "A place of my own" in client.get(link).text
    household.leave(ben.id, office_id=office.id)
    page = client.get(link).text
    assert "A place of my own" not in page
    assert "Port Ellery" not in page
    assert "A search that was shared with you" in page
    assert client.post(link, data={"List-Unsubscribe": "One-Click"}).status_code == 200


def test_who_shares_no_more_is_told_of_their_own_alone(make, office, couple, db):
    amelia, ben = couple
    household.leave(ben.id, office_id=office.id)
    db.session.commit()
    assert db.session.query(Contact).filter(Contact.household_id.is_not(None)).count() == 0
    make.match(subscribe(amelia), news(office)[1])
    build()
    assert told() == [("amelia@example.com", 1)]


def test_a_household_is_of_two_people_with_addresses_of_one_office(make, office, couple):
    amelia, ben = couple
    other = make.contact(office)
    with pytest.raises(Invalid):
        household.share(other.id, other.email, "each", office_id=office.id)
    with pytest.raises(Invalid):
        household.share(other.id, make.contact(make.office()).email, "each", office_id=office.id)
    with pytest.raises(Invalid):
        household.share(other.id, ben.email, "whenever", office_id=office.id)
    fourth = make.contact(office)
    household.share(other.id, fourth.email, "each", office_id=office.id)
    with pytest.raises(Conflict):
        household.share(amelia.id, fourth.email, "each", office_id=office.id)


def test_pa_09_somebody_without_an_address_or_who_left_has_no_mail_of_the_household(make, office, couple, db):
    amelia, ben = couple
    db.session.execute(update(Contact).where(Contact.id == ben.id).values(contact_status="Inactive"))
    db.session.commit()
    make.match(subscribe(amelia), news(office)[1])
    build()
    assert told() == [("amelia@example.com", 1)]
