"""The names by which a message is known outside."""

from __future__ import annotations

import pytest

from app.domain.messages.keys import Purpose, message_id_for, read, sign

SECRET = "a secret for tests, long enough to be one"


def test_the_same_message_has_the_same_id_every_time():
    key = "alert:1:amelia@example.com:2026-11-20T11:45:00.000000Z"
    assert message_id_for(SECRET, key, "alerts.example.com") == message_id_for(SECRET, key, "alerts.example.com")
    assert message_id_for(SECRET, key, "alerts.example.com") != message_id_for(SECRET, key + "x", "alerts.example.com")
    assert message_id_for(SECRET, key, "alerts.example.com") != message_id_for("another", key, "alerts.example.com")
    assert message_id_for(SECRET, key, "alerts.example.com").startswith("<a1.")
    assert message_id_for(SECRET, key, "alerts.example.com").endswith("@alerts.example.com>")


def test_a_token_reads_back_also_in_capitals():
    token = sign(SECRET, Purpose.BOUNCE, 7_300_512)
    assert read(SECRET, Purpose.BOUNCE, token) == 7_300_512
    assert read(SECRET, Purpose.BOUNCE, token.upper()) == 7_300_512
    assert len(f"bounce+{sign(SECRET, Purpose.BOUNCE, 10**12)}") <= 64  # the longest local part


@pytest.mark.parametrize(
    "change", ["", "0-", "1-aaaaaaaaaaaaaaaaaaaaaaaaaa", "-1-x", "٣-aaaaaaaaaaaaaaaaaaaaaaaaaa", "7"]
)
def test_anything_else_reads_as_nothing(change):
    assert read(SECRET, Purpose.ONE_CLICK, change) is None


def test_a_token_is_for_one_purpose_one_number_and_one_secret():
    token = sign(SECRET, Purpose.ONE_CLICK, 7)
    assert read(SECRET, Purpose.BOUNCE, token) is None
    assert read(SECRET + "!", Purpose.ONE_CLICK, token) is None
    assert read(SECRET, Purpose.ONE_CLICK, "8" + token[1:]) is None
