"""What becomes of each match: the rules as tables, no database."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.domain.digests.decide import IN_WORDS, DropReason, Match, Opening, decide, drop_refusal, refusal_of_home
from app.domain.models import AlertKind, ItemOutcome, MatchCause

NEW, DROP, BACK = 1, 2, 4
HOME = Match(
    alert_subscription_id=1,
    saved_search_id=1,
    search_version=1,
    event_seq=10,
    listing_id=100,
    listing_key="listing-100",
    event_kinds=NEW,
    wanted_kinds=7,
    market_spell_no=1,
    price_before_event=None,
    list_price=Decimal(489_000),
    last_price_shown=None,
    reason=None,
)


def match(**values) -> Match:
    return HOME._replace(**{name: Decimal(v) if "price" in name and v else v for name, v in values.items()})


def drop(before: int, now: int, **values) -> Match:
    return match(event_kinds=DROP, price_before_event=before, list_price=now, **values)


def outcomes(*matches: Match, told=()) -> list[str]:
    return [
        f"{item.outcome}:{item.drop_reason}" if item.drop_reason else item.outcome for item in decide(matches, told)
    ]


def test_a_new_home_is_shown_at_its_price():
    [item] = decide([HOME])
    assert (item.outcome, item.kind, item.fingerprint, item.position) == (ItemOutcome.SHOWN, AlertKind.NEW, "1", 1)
    assert (item.price_before, item.price_shown) == (None, Decimal(489_000))


def test_three_searches_make_one_line_and_the_others_go_along_with_it_pa_08():
    matches = [match(alert_subscription_id=n) for n in (3, 1, 2)]
    assert outcomes(*matches) == ["merged", "shown", "merged"]


def test_the_strongest_kind_wins_the_line_pa_08():
    news = [match(event_seq=n, event_kinds=kind, market_spell_no=2) for n, kind in enumerate((DROP, NEW, BACK), 1)]
    news[0] = news[0]._replace(price_before_event=Decimal(509_000))
    decided = decide(news)
    assert [item.outcome for item in decided] == ["merged", "merged", "shown"]
    assert decided[2].kind is AlertKind.BACK_ON_MARKET


def test_an_event_of_two_kinds_says_the_weaker_one_when_the_stronger_was_told():
    both = match(event_kinds=BACK | DROP, market_spell_no=2, price_before_event=509_000)
    [item] = decide([both], {(100, AlertKind.BACK_ON_MARKET, "2")})
    assert (item.outcome, item.kind) == (ItemOutcome.SHOWN, AlertKind.PRICE_DROP)


def test_a_kind_that_was_not_asked_for_is_not_told():
    assert outcomes(match(event_kinds=NEW, wanted_kinds=DROP)) == ["dropped:not_wanted"]
    assert outcomes(drop(509_000, 489_000, wanted_kinds=NEW)) == ["dropped:not_wanted"]


def test_t2_small_drops_accumulate_and_are_told_once():
    """Shown at $500k; 497, then 494, up to 500, and 494 again: one drop, saying 500 → 494."""
    assert outcomes(drop(500_000, 497_000, last_price_shown=500_000)) == ["dropped:below_threshold"]
    [item] = decide([drop(497_000, 494_000, last_price_shown=500_000)])
    assert (item.outcome, item.price_before, item.price_shown) == ("shown", Decimal(500_000), Decimal(494_000))
    told = {(100, AlertKind.PRICE_DROP, item.fingerprint)}
    assert outcomes(drop(500_000, 494_000, last_price_shown=494_000), told=told) == ["dropped:no_net_change"]


def test_down_and_up_again_between_two_mails_is_nothing_pa_04():
    assert outcomes(drop(500_000, 500_000), drop(510_000, 500_000, event_seq=11)) == ["dropped:no_net_change"] * 2


def test_two_drops_between_two_mails_are_one_statement_of_before_and_after_pa_04():
    decided = decide([drop(500_000, 480_000, event_seq=1), drop(490_000, 480_000, event_seq=2)])
    assert [item.outcome for item in decided] == ["merged", "shown"]
    assert (decided[1].price_before, decided[1].price_shown) == (Decimal(500_000), Decimal(480_000))


def test_a_small_drop_of_a_home_that_is_told_anyway_goes_along_with_it():
    assert outcomes(match(event_seq=1), drop(489_500, 489_000, event_seq=2)) == ["shown", "merged"]


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (500_000, 495_000, None),
        (500_000, 495_001, DropReason.BELOW_THRESHOLD),
        (2_000_000, 1_995_000, None),
        (2_000_000, 1_995_001, DropReason.BELOW_THRESHOLD),
        (100_000, 99_000, None),
        (100_000, 99_001, DropReason.BELOW_THRESHOLD),
        (500_000, 500_000, DropReason.NO_NET_CHANGE),
        (500_000, 510_000, DropReason.NO_NET_CHANGE),
        (None, 500_000, DropReason.NO_NET_CHANGE),
        (500_000, None, DropReason.NO_NET_CHANGE),
    ],
)
def test_a_drop_counts_from_one_percent_or_five_thousand_dollars(before, now, reason):
    assert drop_refusal(before and Decimal(before), now and Decimal(now)) == reason


def test_the_same_spell_is_new_only_once_and_the_next_spell_again_pa_07():
    told = {(100, AlertKind.NEW, "1")}
    assert outcomes(HOME, told=told) == ["dropped:already_told"]
    assert outcomes(match(market_spell_no=2), told=told) == ["shown"]


def test_what_stands_in_the_way_is_the_reason():
    assert outcomes(match(reason=DropReason.PAUSED), match(reason=None, alert_subscription_id=2)) == [
        "dropped:paused",
        "shown",
    ]


def test_lines_are_ordered_by_kind_then_newest_whatever_order_they_come_in_pa_11():
    homes = [
        drop(600_000, 400_000, listing_id=1, event_seq=9),
        match(listing_id=2, event_seq=5, list_price=200_000),
        match(listing_id=3, event_seq=8, list_price=900_000),
        match(listing_id=4, event_seq=1, event_kinds=BACK),
    ]
    for order in (homes, homes[::-1]):
        placed = sorted(decide(order), key=lambda item: item.position)
        assert [item.match.listing_id for item in placed] == [4, 3, 2, 1]
        assert [item.position for item in placed] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("status", "verdicts", "edited", "reason"),
    [
        ("Active", {"standard_status": True, "list_price": True}, True, None),
        ("Closed", {"standard_status": False, "list_price": True}, True, DropReason.SOLD_BEFORE_SEND),
        ("Pending", {"standard_status": False}, False, DropReason.SOLD_BEFORE_SEND),
        ("Withdrawn", {"standard_status": False}, False, DropReason.NO_LONGER_AVAILABLE),
        ("Coming Soon", {"standard_status": False}, True, DropReason.SEARCH_CHANGED),
        ("Active", {"standard_status": True, "list_price": False}, True, DropReason.SEARCH_CHANGED),
        ("Active", {"standard_status": True, "list_price": False}, False, DropReason.NO_LONGER_MATCHES),
        ("Active", {"standard_status": True, "living_area": None}, False, DropReason.NO_LONGER_MATCHES),
    ],
)
def test_why_a_search_no_longer_takes_a_home(status, verdicts, edited, reason):
    assert refusal_of_home(status, ("Active",), verdicts, edited_since=edited) == reason


def test_every_reason_has_its_words():
    assert set(IN_WORDS) == set(DropReason)


# Kinds that depend on the home before: decided by what app.domain.digests.net found

MATCHES, STATUS = 8, 32


def came_to_match(cause=MatchCause.PRICE, **values) -> Match:
    return match(
        **{
            "event_kinds": DROP | MATCHES,
            "wanted_kinds": 31,
            "took_before": False,
            "is_unchanged": False,
            "cause": cause,
            "price_before_event": 510_000,
            "list_price": 499_000,
        }
        | values
    )


def test_t1_a_price_that_falls_into_range_is_now_matches_with_its_cause():
    [item] = decide([came_to_match()])
    assert (item.outcome, item.kind, item.cause, item.fingerprint) == ("shown", "Now matches", "price", "1")
    assert (item.price_before, item.price_shown) == (Decimal(510_000), Decimal(499_000))


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({"wanted_kinds": 1 | 2}, "dropped:not_wanted"),
        ({"entered": NEW}, "shown"),  # as New
        ({"cause": None}, "dropped:no_cause"),
        ({"took_before": True, "is_unchanged": True, "event_kinds": MATCHES}, "dropped:matched_before"),
        ({"reason": DropReason.SOLD_BEFORE_SEND}, "dropped:sold_before_send"),
        ({"last_price_shown": 499_000, "shown_in_spell": True}, "dropped:no_net_change"),
        ({"last_price_shown": 520_000, "shown_in_spell": True}, "shown"),
        ({"last_price_shown": 499_000, "shown_in_spell": False}, "shown"),
    ],
)
def test_t1_who_is_told_that_a_home_matches_now(values, outcome):
    assert outcomes(came_to_match(**values)) == [outcome]


def test_t1_two_searches_of_one_buyer_are_one_line_under_the_stronger_kind_pa_08():
    had_it = drop(510_000, 499_000, alert_subscription_id=2, wanted_kinds=31)
    decided = decide([came_to_match(), had_it])
    assert [(item.kind, item.outcome) for item in decided] == [("Now matches", "merged"), ("Price drop", "shown")]


def test_what_came_to_match_in_this_spell_already_is_a_drop_to_who_was_shown_it_pa_07():
    told = {(100, AlertKind.NOW_MATCHES, "1")}
    [item] = decide([came_to_match(list_price=480_000, last_price_shown=499_000, shown_in_spell=True)], told)
    assert (item.kind, item.outcome, item.price_before) == ("Price drop", "shown", Decimal(499_000))
    assert outcomes(came_to_match(), told=told) == ["dropped:already_told"]


def test_coming_soon_that_becomes_active_is_not_new_to_who_had_it_in_view():
    assert outcomes(match(was_there=True)) == ["dropped:matched_before"]


@pytest.mark.parametrize(
    ("values", "outcome"),
    [
        ({}, "shown"),
        ({"knows_home": False}, "dropped:never_shown"),
        ({"wanted_kinds": 31}, "dropped:not_wanted"),
        ({"status": "Active"}, "dropped:no_net_change"),
        ({"status": "Withdrawn"}, "dropped:no_net_change"),
        ({"status_before": "Pending"}, "dropped:no_net_change"),
        ({"status_reason": DropReason.PAUSED}, "dropped:paused"),
        ({"reason": DropReason.SOLD_BEFORE_SEND}, "shown"),
    ],
)
def test_a_change_of_status_is_for_who_asked_and_knows_the_home(values, outcome):
    asked = {"event_kinds": STATUS, "wanted_kinds": 63, "knows_home": True, "status": "Pending"}
    pending = match(**(asked | {"status_before": "Active"} | values))
    assert outcomes(pending) == [outcome]
    assert decide([pending])[0].fingerprint == pending.status


SUNDAY, MONDAY = "2026-11-22T18:00:00+00:00", "2026-11-23T18:00:00+00:00"
KEY = "OH-1"


@pytest.mark.parametrize(
    ("changes", "told", "outcome", "fingerprint"),
    [
        ({}, False, "shown", KEY),
        ({}, True, "dropped:already_told", KEY),
        ({"starts": MONDAY, "was_at": SUNDAY}, False, "shown", KEY),
        ({"starts": MONDAY, "was_at": SUNDAY}, True, "shown", f"{KEY} {MONDAY}"),
        ({"was_at": SUNDAY}, True, "dropped:already_told", KEY),
        ({"status": "Canceled"}, False, "dropped:open_house_off", f"{KEY} canceled"),
        ({"status": "Canceled"}, True, "shown", f"{KEY} canceled"),
        ({"status": "Ended"}, False, "dropped:open_house_off", KEY),
        ({"is_public": False}, False, "dropped:open_house_off", KEY),
        ({"is_over": True}, False, "dropped:open_house_over", KEY),
    ],
)
def test_an_open_house_is_told_once_and_its_end_to_those_who_were_told(changes, told, outcome, fingerprint):
    opening = Opening(KEY, SUNDAY, "Active", is_public=True, is_over=False)._replace(**changes)
    known = {(100, AlertKind.OPEN_HOUSE, KEY)} if told else set()
    house = match(event_kinds=16, wanted_kinds=31, opening=opening)
    assert outcomes(house, told=known) == [outcome]
    assert decide([house], known)[0].fingerprint == fingerprint
