"""Mailgun by HTTP: what is certain after each answer, and what it says about a mail afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.gateways.mail import Phase, RelayRefusedUs, RelayUnreachable, Verdict
from app.gateways.mailgun import Mailgun
from app.gateways.witness import Silent
from devstack.mailgun import DOMAIN, KEY
from devstack.mailgun import Mailgun as StandIn

CONTENT = b"Message-ID: <a1.x@alerts.harborvine.example>\r\nSubject: five homes\r\n\r\n--dashes\r\nlast line\r\n"


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    with StandIn() as stand_in:
        yield stand_in


def mailgun(stand_in: StandIn, *, key: str = KEY, domain: str = DOMAIN, seconds: float = 5.0) -> Mailgun:
    return Mailgun(stand_in.url, key, domain, seconds=seconds)


def deliver(own: Mailgun):
    return own.deliver("bounce+1@alerts.example.com", "amelia@example.com", CONTENT)


def test_a_message_arrives_as_it_was_written_with_nothing_else_of_the_person(stand_in):
    outcome = deliver(mailgun(stand_in))
    assert (outcome.state, outcome.reply) == (Verdict.ACCEPTED, "200 Queued. Thank you.")
    assert stand_in.kept == [("amelia@example.com", CONTENT)]
    assert stand_in.fields == [{"o:tracking": "no"}]


@pytest.mark.parametrize(
    ("status", "retry_after", "state", "reply"),
    [
        (400, "", Verdict.REFUSED, "400 Something is wrong with it"),
        (413, "", Verdict.REFUSED, "413 Something is wrong with it"),
        (429, "120", Verdict.RETRY, "429 Something is wrong with it; try again in 120 seconds"),
        (429, "soon", Verdict.RETRY, "429 Something is wrong with it"),
        (500, "", Verdict.UNKNOWN, "500 Something is wrong with it"),
        (503, "", Verdict.UNKNOWN, "503 Something is wrong with it"),
    ],
)
def test_each_answer_ends_in_the_state_that_is_true(stand_in, status, retry_after, state, reply):
    stand_in.status, stand_in.retry_after = status, retry_after
    outcome = deliver(mailgun(stand_in))
    assert (outcome.state, outcome.reply) == (state, reply)


@pytest.mark.parametrize("keeps", [True, False])
def test_no_answer_after_the_mail_was_handed_over_is_unknown(stand_in, keeps):
    stand_in.drops, stand_in.keeps = True, keeps
    outcome = deliver(mailgun(stand_in))
    assert (outcome.state, outcome.phase) == (Verdict.UNKNOWN, Phase.AWAIT250)
    assert len(stand_in.kept) == keeps


@pytest.mark.parametrize("wrong", [{"key": "another"}, {"domain": "elsewhere.example"}])
def test_who_is_refused_himself_stops_and_costs_no_message_a_try(stand_in, wrong):
    with pytest.raises(RelayRefusedUs):
        deliver(mailgun(stand_in, **wrong))
    assert stand_in.kept == []


def test_nobody_listening_is_unreachable_and_nothing_was_sent():
    with StandIn() as stand_in:
        own = mailgun(stand_in)
    with pytest.raises(RelayUnreachable):
        deliver(own)
    with pytest.raises(Silent):
        own.seen(["<a1.x@alerts.harborvine.example>"])


def test_it_says_which_it_has_taken_and_a_refusal_is_none(stand_in):
    own = mailgun(stand_in)
    deliver(own)
    stand_in.events.append({"event": "rejected", "message-id": "a1.y@alerts.harborvine.example"})
    ids = [f"<a1.{name}@alerts.harborvine.example>" for name in "xyz"]
    assert own.seen(ids) == {ids[0]}
    with pytest.raises(Silent):
        mailgun(stand_in, key="another").seen(ids)
