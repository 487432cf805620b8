"""What stands between a person and a mail (PA-24), the gravest first."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.domain.contacts.standing import Block, standing

AT = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "email", "blocks", "word"),
    [
        ("Active", "a@example.com", [], "Can be mailed"),
        ("Active", "", [], "No address"),
        ("Inactive", "a@example.com", [], "Inactive"),
        ("Active", "a@example.com", [("stream", "unsubscribed")], "Unsubscribed"),
        ("Active", "a@example.com", [("address", "unsubscribed")], "Wants no mail"),
        ("Active", "a@example.com", [("subscription", "unsubscribed")], "Can be mailed"),
        ("Active", "a@example.com", [("address", "bounced"), ("stream", "unsubscribed")], "Address bounces"),
        ("Active", "a@example.com", [("address", "bounced"), ("stream", "complained")], "Complained"),
        ("Inactive", "a@example.com", [("address", "bounced")], "Address bounces"),
    ],
)
def test_pa_24_the_gravest_reason_is_the_one_shown(status, email, blocks, word):
    found = standing(status, email, [Block(scope, reason, AT) for scope, reason in blocks])
    assert found.word == word
    assert found.sentence.endswith(".")
