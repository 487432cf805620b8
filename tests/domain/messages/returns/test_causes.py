"""Dead, blocked or passing: what a server's words mean (PA-24)."""

from __future__ import annotations

import pytest

from app.domain.messages.returns.causes import cause_of, judge
from app.domain.messages.returns.letters import read
from benchmarks import bounces
from tests.domain.messages.returns.letterbox import dsn

DEAD = [
    ("550 5.1.1 <a@example.com>: Recipient address rejected: User unknown in local recipient table", ""),
    ("550 5.1.1 The email account that you tried to reach does not exist.", ""),
    ("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", ""),
    ("550 5.4.1 [a@example.com]: Recipient address rejected: Access denied [X.prod.protection.outlook.com]", "5.4.1"),
    ("550 No such user here", ""),
    ("554 delivery error: dd This user doesn't have a yahoo.com account (a@yahoo.com)", "5.0.0"),
    ("550 5.2.1 <a@example.com>... User Unknown", ""),
    ("Host or domain name not found. Name service error for name=example.com type=A: Host not found", "5.4.4"),
    ("550 5.1.2 <a@example.com>... Host unknown", ""),
    ("550 5.1.6 recipient no longer on server: a@example.com", ""),
    ("Requested action not taken: mailbox unavailable", "5.1.1"),
    ("550 5.7.1 <a@example.com>: Recipient address rejected: User unknown", ""),
]
BLOCK = [
    ("554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", ""),
    ("550 5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy", ""),
    ("550 5.7.1 Message content rejected, UBE, id=1", ""),
    ("552 5.3.4 Message size exceeds fixed limit", ""),
    ("554 5.7.1 <a@example.com>: Relay access denied", ""),
    ("550 5.1.1 RCP-P2 Refused due to recipient preferences", "5.1.1"),
    ("553 5.1.8 <a@example.com>... Domain of sender address a@example.com does not exist", ""),
    ("550 5.7.1 Fix reverse DNS for 192.0.2.1", ""),
    ("554 Denied by policy", ""),
    ("", "5.7.1"),
]
SOFT = [
    ("552 5.2.2 <a@example.com>... Mailbox Full", ""),
    ("550 5.1.1 <a@example.com>: mailbox is over quota, try later", ""),
    ("452 4.2.2 The email account that you tried to reach is over quota", ""),
    ("450 4.2.0 <a@example.com>: Recipient address rejected: Greylisted", ""),
    ("450 4.1.1 <a@example.com>: Recipient address rejected: User unknown in virtual alias table", ""),
    ("connect to mx.example.com[192.0.2.1]:25: Connection timed out", "4.4.1"),
    ("550 5.2.1 The email account that you tried to reach is disabled.", "5.2.1"),
    ("550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents more", ""),
    ("554 5.4.6 Too many hops", ""),
    ("something nobody has said before", "5.0.0"),
]


@pytest.mark.parametrize(("words", "status"), DEAD)
def test_a_dead_address_is_told_by_its_words_or_its_code(words, status):
    assert judge(words, status).cause == "dead"


@pytest.mark.parametrize(("words", "status"), BLOCK)
def test_what_is_said_of_us_is_a_block_whatever_the_code(words, status):
    assert judge(words, status).cause == "block"


@pytest.mark.parametrize(("words", "status"), SOFT)
def test_what_may_pass_is_soft_also_where_the_code_says_five(words, status):
    assert judge(words, status).cause == "soft"


def test_no_words_and_no_code_are_not_judged():
    assert judge("", "").cause is None
    assert judge("Hello, is anybody there?").cause is None


def test_a_server_that_took_the_address_and_refuses_the_content_says_nothing_of_the_address():
    assert judge("550 Unknown user a@example.com", stage="recipient").cause == "dead"
    assert judge("550 Unknown user a@example.com", stage="content").cause == "soft"
    assert judge("550 5.1.1 User unknown", stage="content").cause == "dead"  # said outright
    assert judge("550 5.1.1 User unknown", stage="sender").cause == "block"


def test_a_text_beside_a_bare_code_is_read_too():
    returned = read(dsn(status="5.0.0", said="", words="The recipient's mailbox is full."))
    assert cause_of(returned).cause == "soft"


@pytest.mark.parametrize("words", ["a" * 100_000, "550 " + "user " * 20_000, "(" * 50_000, "not " * 30_000 + "found"])
def test_long_nonsense_is_judged_in_no_time(words):
    import time

    began = time.process_time()
    judge(words)
    assert time.process_time() - began < 2


@pytest.mark.skipif(not (bounces.CORPUS / bounces.LABELS).exists(), reason="the labelled corpus is not here")
def test_experts_labels_are_met_better_than_the_floor():
    figures = bounces.score(bounces.labelled())
    assert figures["hard_precision"] >= 0.80
    assert figures["hard_recall"] >= 0.75
    assert figures["spared_suppressed"] <= 2  # two that the experts call full and whose server says "User unknown"
