"""Searches made, edited, stopped and resumed; what each leaves for the matching to find."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import text

from app.domain.alerts import match
from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.listings import record
from app.domain.models import AlertMatch, AlertSubscription, MatchBatch, SavedSearchVersion, SearchKey
from app.domain.searches import saved

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
PLACE = {"city": ["Port Ellery"]}


@pytest.fixture
def contact(make, office):
    return make.contact(office)


@pytest.fixture
def create(office, contact):
    def create(criteria=PLACE, **changes):
        given = {"schedule_type": "Daily", "send_time": time(7), "now": NOW} | changes
        return saved.create(office.id, contact.id, changes.pop("name", "Family home"), criteria, **{
            name: value for name, value in given.items() if name != "name"
        })  # fmt: skip

    return create


def subscription_of(db, search) -> AlertSubscription:
    return db.session.query(AlertSubscription).filter_by(saved_search_id=search.id).one()


def keys_of(db, search) -> list[SearchKey]:
    return db.session.query(SearchKey).filter_by(saved_search_id=search.id).order_by(SearchKey.key).all()


def versions_of(db, search) -> list[tuple[int, dict]]:
    rows = db.session.query(SavedSearchVersion).filter_by(saved_search_id=search.id)
    return [(row.version, row.criteria) for row in rows.order_by(SavedSearchVersion.version)]


def test_a_new_search_is_on_with_its_version_its_keys_and_its_next_mail(db, create, contact):
    search = create(PLACE | {"property_type": ["Residential", "Land"]}, kinds=5)
    subscription = subscription_of(db, search)
    assert versions_of(db, search) == [(1, search.criteria)]
    assert search.search_query_human_readable == "Homes and land in Port Ellery."
    assert [key.alert_subscription_id for key in keys_of(db, search)] == [subscription.id] * 2
    assert keys_of(db, search)[0].triggers == 1 | 5 << 11
    assert (subscription.contact_id, subscription.active_yn, subscription.kinds) == (contact.id, True, 5)
    assert subscription.next_send_timestamp == datetime(2026, 11, 21, 12, 0, tzinfo=UTC), "7:00 in New York"
    assert len(subscription.token) >= 20
    assert subscription.token != subscription_of(db, create()).token


def test_the_buyers_own_zone_comes_before_the_offices_pa_20(db, create, contact):
    contact.time_zone = "America/Los_Angeles"
    assert subscription_of(db, create()).next_send_timestamp == datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    contact.time_zone = "Mars/Olympus"
    assert subscription_of(db, create()).next_send_timestamp == datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_shape_is_kept_in_whole_numbers_for_the_matching(db, create):
    search = create({"radius": {"latitude": 43.66, "longitude": -70.25, "miles": 1}})
    db.session.expire_all()
    assert search.shape[4:] == [43_660_000, -70_250_000, 758_592, 14_473**2]
    assert create().shape is None


def test_what_is_asked_further_is_kept_for_the_matching_and_said_as_a_filter_with_its_exceptions(db, create):
    ring = [[43.65, -70.27], [43.65, -70.25], [43.67, -70.25], [43.67, -70.27]]
    search = create({"polygons": [ring], "waterfront_yn": True, "keywords_none": ["Fixer-upper"]})
    db.session.expire_all()
    assert search.shape[8:12] == [43_650_000, -70_270_000, 43_670_000, -70_250_000]
    assert search.further == {"features": 1, "keywords_none": [" fixer upper "]}
    assert {row.flags & 4 for row in keys_of(db, search)} == {4}
    assert search.search_query.endswith("Longitude le -70.25) and WaterfrontYN eq true")
    assert search.search_query_exceptions
    assert "none of the words and phrases “Fixer-upper”" in search.search_query_exception_details
    assert "on the water; the remarks do not say “Fixer-upper”" in search.search_query_human_readable
    plain = create()
    assert (plain.further, plain.search_query_exceptions, plain.search_query_exception_details) == (None, False, "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "x" * 121}, "saved_search_name"),
        ({"name": "a\x00b"}, "saved_search_name"),
        ({"kinds": 0}, "kinds"),
        ({"kinds": 64}, "kinds"),
        ({"member_id": 10**9}, "member_id"),
        ({"schedule_type": "Hourly"}, "schedule_type"),
        ({"criteria": {"list_price": {"ge": 2, "le": 1}}}, "list_price"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_its_field(create, changes, field):
    with pytest.raises(Invalid) as refused:
        create(**changes)
    assert refused.value.field == field


def test_another_offices_contact_is_not_found(make, office):
    theirs = make.contact(make.office())
    with pytest.raises(NotFound):
        saved.create(office.id, theirs.id, "Home", PLACE, schedule_type="ASAP")


def test_pa_14_a_search_without_a_place_is_not_switched_on(create):
    with pytest.raises(Invalid, match="place") as refused:
        create({"list_price": {"le": 500_000}})
    assert refused.value.field == "city"


def many_homes(office, count: int, **values) -> None:
    rows = [
        {"originating_system_key": f"{n}", "standard_status": "Active", "city": "Port Ellery", "list_price": 400_000}
        | values
        for n in range(count)
    ]
    record.record(office.id, "MLS", rows, origin=values.pop("origin", "backfill"), now=NOW - timedelta(days=1))


def test_pa_14_more_than_500_matches_are_refused_naming_what_to_narrow(db, create, office):
    many_homes(office, 501)
    with pytest.raises(Invalid, match=r"501 homes match now and the limit is 500: give a highest price\.") as refused:
        create()
    assert refused.value.field == "list_price"
    db.session.execute(text("DELETE FROM listing_event; DELETE FROM listing WHERE originating_system_key = '0'"))
    assert create().version == 1


def test_pa_14_more_than_100_a_week_are_refused(create, office, monkeypatch):
    rows = [
        {"originating_system_key": f"{n}", "standard_status": "Active", "city": "Port Ellery", "list_price": 400_000}
        for n in range(430)
    ]
    record.record(office.id, "MLS", rows, origin="live_sync", now=NOW - timedelta(days=1))
    with pytest.raises(Invalid, match="about 100 homes a week"):
        create()
    with pytest.raises(Invalid) as refused:
        create(PLACE | {"list_price": {"le": 500_000}})
    assert refused.value.field == "property_sub_type"
    assert create(kinds=2).version == 1, "no price dropped"


def test_pa_15_an_edit_makes_a_version_and_new_keys(db, create, office):
    search = create()
    edited = saved.edit(
        search.id, office_id=office.id, version=1, criteria={"city": ["Alder Glen", "Quarry Hill"]}, now=NOW
    )
    assert edited.version == 2
    assert [version for version, _ in versions_of(db, search)] == [1, 2]
    assert (
        versions_of(db, search)[1][1]
        == edited.criteria
        == {
            "standard_status": ["Active"],
            "city": ["Alder Glen", "Quarry Hill"],
        }
    )
    assert len(keys_of(db, search)) == 2
    assert subscription_of(db, search).reason_active_or_disabled == "Revised"


def test_an_edit_that_says_the_same_makes_no_version(db, create, office):
    search = create()
    edited = saved.edit(search.id, office_id=office.id, version=1, criteria={"city": ["port  ellery", "Port Ellery"]})
    assert edited.version == 1
    assert len(versions_of(db, search)) == 1


def test_an_edit_of_name_schedule_and_kinds_leaves_the_criteria(db, create, office):
    search = create()
    saved.edit(
        search.id, office_id=office.id, version=1, name="Ours", schedule_type="Daily", send_time=time(18),
        daily_schedule=["Monday"], kinds=2, now=NOW,
    )  # fmt: skip
    subscription = subscription_of(db, search)
    assert (search.saved_search_name, search.version) == ("Ours", 1)
    assert subscription.daily_schedule == ["Monday PM"]
    assert subscription.next_send_timestamp == datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    assert keys_of(db, search)[0].triggers == 1 | 2 << 11


def test_an_edit_of_a_version_that_is_no_longer_in_force_is_refused(create, office, make):
    search = create()
    saved.edit(search.id, office_id=office.id, version=1, criteria={"city": ["Alder Glen"]})
    with pytest.raises(Conflict, match="version 2"):
        saved.edit(search.id, office_id=office.id, version=1, criteria={"city": ["Quarry Hill"]})
    with pytest.raises(NotFound):
        saved.edit(search.id, office_id=make.office().id, version=2, name="Theirs")


def test_an_edit_may_not_take_the_place_away_while_it_sends(create, office, db):
    search = create()
    with pytest.raises(Invalid):
        saved.edit(search.id, office_id=office.id, version=1, name="Refused", criteria={"list_price": {"le": 1}})
    assert not db.session.dirty, "a refusal changes nothing, whatever its caller does next"
    saved.stop(subscription_of(db, search).id, "Agent Disabled")
    assert saved.edit(search.id, office_id=office.id, version=1, criteria={"list_price": {"le": 1}}).version == 2
    assert keys_of(db, search) == []


def test_stopping_takes_the_keys_and_keeps_the_first_reason(db, create, office, make):
    search = create()
    subscription = saved.stop(subscription_of(db, search).id, "Client Disabled", NOW)
    assert (subscription.active_yn, subscription.next_send_timestamp) == (False, None)
    assert keys_of(db, search) == []
    saved.stop(subscription.id, "Agent Disabled")
    assert subscription.reason_active_or_disabled == "Client Disabled"
    with pytest.raises(NotFound):
        saved.stop(subscription.id, "Agent Disabled", office_id=make.office().id)
    with pytest.raises(NotFound):
        saved.stop(10**9, "Agent Disabled")


def test_resuming_brings_keys_and_clock_back(db, create, contact):
    search = create()
    subscription = saved.stop(subscription_of(db, search).id, "Client Disabled", NOW)
    saved.resume(subscription.id, NOW + timedelta(days=3))
    assert (subscription.active_yn, subscription.reason_active_or_disabled) == (True, "Re-Activated")
    assert subscription.next_send_timestamp == datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    assert len(keys_of(db, search)) == 1
    saved.stop(subscription.id, "Client Disabled")
    contact.contact_status = "Deleted"
    with pytest.raises(Conflict):
        saved.resume(subscription.id)


def test_pa_14_resuming_looks_at_the_breadth_again(db, create, office):
    search = create()
    saved.stop(subscription_of(db, search).id, "Over Limit")
    many_homes(office, 501)
    with pytest.raises(Invalid, match="501 homes"):
        saved.resume(subscription_of(db, search).id, NOW)


def test_an_older_version_is_asked_again_as_a_new_one_and_history_stays(db, create, office, make):
    search = create()
    saved.edit(search.id, office_id=office.id, version=1, criteria=PLACE | {"list_price": {"le": 300_000}}, now=NOW)
    again = saved.restore(search.id, 1, office_id=office.id, version=2, now=NOW)
    assert (again.version, again.criteria) == (3, versions_of(db, search)[0][1])
    rows = db.session.query(SavedSearchVersion).filter_by(saved_search_id=search.id).order_by("version")
    assert [(row.version, row.restored_from) for row in rows] == [(1, None), (2, None), (3, 1)]
    assert subscription_of(db, search).revised_at == NOW, "the next mail says that the criteria changed"
    assert saved.restore(search.id, 1, office_id=office.id, version=3, now=NOW).version == 3, "it asks that already"
    with pytest.raises(Conflict):
        saved.restore(search.id, 2, office_id=office.id, version=1, now=NOW)
    with pytest.raises(NotFound):
        saved.restore(search.id, 9, office_id=office.id, version=3, now=NOW)
    with pytest.raises(NotFound):
        saved.restore(search.id, 1, office_id=make.office().id, version=3, now=NOW)


def test_pa_16_a_deleted_search_is_off_without_keys_and_can_be_brought_back_still_off(db, create, office, make):
    search = create()
    with pytest.raises(NotFound):
        saved.delete(search.id, office_id=make.office().id)
    saved.delete(search.id, office_id=office.id, now=NOW)
    saved.delete(search.id, office_id=office.id, now=NOW + timedelta(days=1))
    one = subscription_of(db, search)
    assert (search.deleted_at, one.active_yn, one.stopped_at) == (NOW, False, NOW)
    assert keys_of(db, search) == []
    with pytest.raises(Conflict):
        saved.resume(one.id, NOW)
    with pytest.raises(Conflict):
        saved.edit(search.id, office_id=office.id, version=1, name="Other", now=NOW)
    saved.bring_back(search.id, office_id=office.id, now=NOW)
    assert search.deleted_at is None
    assert not subscription_of(db, search).active_yn
    saved.resume(one.id, NOW)
    assert keys_of(db, search)


def test_an_agents_approval_is_kept_with_the_subscription(db, create, office):
    search = create(concierge=True)
    assert subscription_of(db, search).concierge_yn
    saved.edit(search.id, office_id=office.id, version=1, concierge=False, now=NOW)
    assert not subscription_of(db, search).concierge_yn


def test_pa_16_what_a_pause_kept_back_begins_with_the_last_mail_before_it(db, create):
    one = subscription_of(db, create(now=NOW - timedelta(days=9)))
    assert saved.last_pause(one, NOW) is None
    saved.stop(one.id, "Agent Disabled", NOW - timedelta(days=2))
    assert saved.last_pause(one, NOW) == (datetime(2026, 11, 18, 12, 0, tzinfo=UTC), NOW)
    saved.resume(one.id, NOW - timedelta(days=1))
    assert saved.last_pause(one, NOW)[1] == NOW - timedelta(days=1)
    saved.stop(one.id, "Agent Disabled", NOW)
    assert saved.last_pause(one, NOW)[1] == NOW, "a new pause forgets the one before"


# What is news and what is not: real commits, since a snapshot sees nothing of a transaction that never ends.


def a_home(db, office, **values):
    home = {"standard_status": "Active", "list_price": 400_000, "city": "Port Ellery"}
    when = values.pop("now", NOW)
    listing = record.create(office.id, home | values, now=when)
    db.session.commit()
    return listing


def match_all(db, now=NOW) -> None:
    match.take_batches(now)
    db.session.commit()
    while match.match_one_batch(now):
        db.session.commit()
    db.session.commit()


def told(db, search) -> list[int]:
    """The listings of every match of this search, in the order of their events."""
    rows = db.session.execute(
        text(
            """
            SELECT e.listing_id FROM alert_match m
            JOIN alert_subscription s ON s.id = m.alert_subscription_id
            CROSS JOIN LATERAL unnest(m.event_seqs) AS pair (seq) JOIN listing_event e ON e.seq = pair.seq
            WHERE s.saved_search_id = :id ORDER BY e.seq
            """
        ),
        {"id": search.id},
    )
    return [row[0] for row in rows]


def balances(db) -> bool:
    """Batches say what the match rows hold."""
    db.session.expire_all()
    for batch in db.session.query(MatchBatch):
        rows = db.session.query(AlertMatch).filter_by(batch_id=batch.id).all()
        seqs = [seq for row in rows for seq in row.event_seqs]
        if (batch.pairs, batch.matched_events) != (len(seqs), len(set(seqs))):
            return False
        if batch.matched_events + batch.unmatched_events != len(batch.event_seqs):
            return False
    return True


@pytest.mark.committed
def test_pa_13_what_is_there_when_a_search_begins_is_not_news(db, create, office):
    """Also when it is still waiting to be matched."""
    a_home(db, office)
    search = create()
    db.session.commit()
    later = a_home(db, office)
    match_all(db)
    assert told(db, search) == [later.id]
    assert balances(db)


@pytest.mark.committed
def test_t6_a_new_search_with_many_matches_and_a_photo_on_each_sends_nothing(db, create, office):
    homes = [a_home(db, office) for _ in range(18)]
    search = create()
    db.session.commit()
    for home in homes:
        record.change(home.id, {"photos_count": 9}, office_id=office.id, now=NOW)
        db.session.commit()
    match_all(db)
    assert told(db, search) == []


@pytest.mark.committed
def test_t1_a_price_that_falls_into_the_range_is_told_as_a_drop_not_as_new(db, create, office):
    home = a_home(db, office, list_price=510_000)
    search = create(PLACE | {"list_price": {"le": 500_000}})
    db.session.commit()
    event = record.change(home.id, {"list_price": 499_000}, office_id=office.id, now=NOW)
    db.session.commit()
    match_all(db)
    assert told(db, search) == [home.id]
    assert event.kinds == 2 | 8, "a drop for who was shown it, and for others a home that matches now"


@pytest.mark.committed
def test_pa_16_what_happens_during_a_pause_is_not_mailed_after_it(db, create, office):
    search = create()
    db.session.commit()
    subscription = subscription_of(db, search)
    saved.stop(subscription.id, "Client Disabled", NOW)
    db.session.commit()
    a_home(db, office)
    match_all(db)
    a_home(db, office)
    saved.resume(subscription.id, NOW)
    db.session.commit()
    after = a_home(db, office)
    match_all(db)
    assert told(db, search) == [after.id]
    assert balances(db)


@pytest.mark.committed
def test_t7_a_widened_search_brings_in_what_is_new_since_the_last_mail_and_nothing_older(db, create, office):
    """Daily at 18:00; widened at 12:00. New at 10:00: in. There before the last mail: not. A later drop: told."""
    morning = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 10:00 in New York
    other = create({"city": ["Elsewhere", "Alder Glen"]}, now=morning - timedelta(days=9))
    search = create(send_time=time(18), now=morning - timedelta(days=9))
    db.session.commit()
    older = [a_home(db, office, city="Alder Glen", now=morning - timedelta(days=5)) for _ in range(6)]
    match_all(db, morning - timedelta(days=5))
    entered = a_home(db, office, city="Alder Glen", now=morning)
    wanted = a_home(db, office, now=morning)
    a_home(db, office, city="Quarry Hill", now=morning)
    match_all(db, morning + timedelta(minutes=5))
    assert told(db, search) == [wanted.id]

    noon = morning + timedelta(hours=2)
    saved.edit(search.id, office_id=office.id, version=1, criteria={"city": ["Port Ellery", "Alder Glen"]}, now=noon)
    db.session.commit()
    assert told(db, search) == [entered.id, wanted.id]
    assert balances(db)
    assert told(db, other) == [*(home.id for home in older), entered.id]

    record.change(older[0].id, {"list_price": 380_000}, office_id=office.id, now=noon)
    db.session.commit()
    match_all(db, noon)
    assert told(db, search) == [entered.id, wanted.id, older[0].id]
    assert balances(db)


@pytest.mark.committed
def test_pa_15_an_edit_adds_nothing_to_what_a_digest_has_accounted_for(db, create, office):
    search = create(send_time=time(18), now=NOW - timedelta(days=2))
    db.session.commit()
    a_home(db, office)
    a_home(db, office, city="Alder Glen")
    match_all(db)
    db.session.execute(text("UPDATE alert_match SET digest_id = 1"))
    db.session.commit()
    saved.edit(
        search.id, office_id=office.id, version=1, criteria={"city": ["Port Ellery", "Alder Glen"]},
        now=NOW + timedelta(minutes=1),
    )  # fmt: skip
    db.session.commit()
    assert len(told(db, search)) == 1
    assert balances(db)


@pytest.mark.committed
def test_t7_pa_15_as_soon_as_possible_an_edit_in_the_quiet_hours_judges_all_since_they_began(db, create, office):
    """Quiet from 21:00; widened at 23:00. New at 22:00: in, with the mail of the morning. New at 20:00: not."""
    office.quiet_from, office.quiet_until = time(21), time(8)
    evening = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)  # 20:00 in New York
    search = create(schedule_type="ASAP", now=evening - timedelta(days=9))
    db.session.commit()
    a_home(db, office, city="Alder Glen", now=evening)
    match_all(db, evening)
    night = a_home(db, office, city="Alder Glen", now=evening + timedelta(hours=2))
    match_all(db, evening + timedelta(hours=2))
    assert told(db, search) == []
    saved.edit(
        search.id, office_id=office.id, version=1, criteria={"city": ["Port Ellery", "Alder Glen"]},
        now=evening + timedelta(hours=3),
    )  # fmt: skip
    db.session.commit()
    assert told(db, search) == [night.id]
    assert balances(db)


@pytest.mark.committed
def test_t7_pa_15_as_soon_as_possible_an_edit_by_day_begins_with_the_last_run(db, create, office):
    search = create(schedule_type="ASAP", now=NOW - timedelta(days=9))
    db.session.commit()
    a_home(db, office, city="Alder Glen", now=NOW)
    match_all(db, NOW)
    saved.edit(
        search.id, office_id=office.id, version=1, criteria={"city": ["Port Ellery", "Alder Glen"]},
        now=NOW + timedelta(minutes=5),
    )  # fmt: skip
    db.session.commit()
    assert told(db, search) == []
    later = a_home(db, office, city="Alder Glen", now=NOW + timedelta(minutes=10))
    match_all(db, NOW + timedelta(minutes=15))
    assert told(db, search) == [later.id]


def test_pa_20_without_a_zone_of_the_buyer_s_own_a_search_keeps_the_clock_of_its_homes(db, create, office):
    for zone in ("America/Chicago", "America/Chicago", "America/Denver", "Far/Away", ""):
        a_home(db, office, property_time_zone_name=zone)
    search = create()
    assert search.time_zone == "America/Chicago"
    assert subscription_of(db, search).next_send_timestamp == datetime(2026, 11, 21, 13, 0, tzinfo=UTC)
    assert create({"city": ["Elsewhere"]}).time_zone == ""
