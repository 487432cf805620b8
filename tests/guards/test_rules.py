"""The rule book's numbers that are settings, or stand in tables: what an installation does that changes none of them."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from app.config import Config
from app.domain.digests.cadence.plan import USUAL
from app.domain.digests.words import MOST_IN_MAIL
from app.domain.ops.retention import KEPT, RULES
from app.domain.searches.saved import MOST_A_WEEK, MOST_MATCHES
from app.jobs.schedule import SCHEDULE

LEAST = {
    "DATABASE_URL": "postgresql://localhost/porchlight",
    "REDIS_URL": "redis://localhost/0",
    "SECRET_KEY": "a secret for tests, long enough to be one",
    "PUBLIC_URL": "https://porchlight.test",
    "SMTP_URL": "smtp://127.0.0.1:25",
    "MAIL_FROM": "Alerts <alerts@alerts.example>",
}


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.from_env(LEAST)


def test_pa_10_as_soon_as_possible_is_every_15_minutes_an_hour_apart_and_four_a_day(config):
    assert next(line for line in SCHEDULE if line.kind == "alerts").cron == "*/15 * * * *"
    assert (config.instant_gap_minutes, config.instant_mails_a_day) == (60, 4)
    assert (USUAL.gap, USUAL.a_day) == (timedelta(hours=1), 4)


def test_pa_11_pa_14_25_homes_a_mail_500_matches_and_100_a_week():
    assert (MOST_IN_MAIL, MOST_MATCHES, MOST_A_WEEK) == (25, 500, 100)


def test_pa_21_quiet_hours_are_from_nine_to_eight(config):
    assert config.quiet_hours == (time(21), time(8))


def test_pa_27_a_run_is_halted_above_200_mails_and_three_times_the_usual_or_50_homes(config):
    assert (config.halt_above_mails, config.halt_above_times, config.halt_above_homes) == (200, 3, 50)


@pytest.mark.parametrize(
    ("what", "days"),
    [
        ("listing_event", {548}),
        ("open_house", {548}),
        ("subscription_past", {548}),
        ("alert_match", {90}),
        ("match_batch", {90}),
        ("digest_item", {90}),
        ("buyer_listing", {365, 30}),
        ("bodies", {30}),
        ("outbound_message", {730}),
        ("message_event", {730}),
        ("inbound_event", {30}),
        ("job_run", {30, 180}),
    ],
)
def test_pa_29_what_is_kept_is_kept_for_as_long_as_the_rule_book_says(what, days):
    assert {rule.age.days for rule in RULES if rule.counted_as == what} == days


def test_pa_29_suppressions_are_kept_for_ever():
    assert "suppression" in KEPT
