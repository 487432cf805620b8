"""What “later” means, and how fast one domain gets its mail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.domain.messages.pace import Gate, next_attempt


@pytest.mark.parametrize(
    ("reply", "attempt", "minutes", "meaning", "slows"),
    [
        ("451 4.3.0 later", 1, 1, "not now", False),
        ("451 4.3.0 later", 3, 15, "not now", False),
        ("451 4.3.0 later", 99, 240, "not now", False),
        ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted", 1, 5, "greylisted", False),
        ("451 4.7.1 Greylisting in action, please come back later", 2, 10, "greylisted", False),
        ("450 4.7.1 Greylisted, try again in 300 seconds", 1, 5, "it asked us to wait", False),
        ("451 4.7.1 please retry in 20 minutes", 1, 20, "it asked us to wait", False),
        ("421 try again after 2 hours", 1, 120, "it asked us to wait", False),
        ("450 wait 900000 seconds", 1, 240, "it asked us to wait", False),
        ("452 4.2.2 mailbox full", 1, 60, "mailbox full", False),
        ("450 4.2.2 The recipient is over quota", 2, 120, "mailbox full", False),
        (
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints",
            1,
            1,
            "rate limited",
            True,
        ),
        ("421-4.7.28 Our system has detected an unusual rate of mail", 1, 1, "rate limited", True),
        (
            "451 4.7.650 The mail server has been temporarily rate limited due to IP reputation",
            1,
            1,
            "rate limited",
            True,
        ),
        ("429 Too many messages; try again in 120 seconds", 1, 2, "it asked us to wait", False),
        ("", 1, 1, "not now", False),
    ],
)
def test_the_next_attempt_is_when_the_answer_means(reply, attempt, minutes, meaning, slows):
    later = next_attempt(attempt, reply)
    assert (later.meaning, later.slows) == (meaning, slows)
    assert 0.79 * timedelta(minutes=minutes) <= later.delay <= 1.21 * timedelta(minutes=minutes)


def test_a_domain_gets_so_many_a_second_and_another_is_not_held_up():
    now = [100.0]
    gate = Gate(10, clock=lambda: now[0])
    assert [gate.wait("a.example") for _ in range(10)] == [0.0] * 10
    assert gate.wait("a.example") == pytest.approx(0.1)
    assert gate.wait("b.example") == 0.0
    now[0] += 0.1
    assert gate.wait("a.example") == 0.0
    assert gate.wait("a.example") > 0
    now[0] += 60
    assert [gate.wait("a.example") for _ in range(10)] == [0.0] * 10, (
        "what was not used is not saved up beyond a second"
    )
    assert gate.wait("a.example") > 0
