"""Mail that came to the bounce address: what it is, whom it speaks of, and that nothing in it can hurt."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.messages.keys import Purpose, sign
from app.domain.messages.returns.letters import LARGEST, Kind, Stage, read
from tests.domain.messages.returns.letterbox import DOMAIN, complaint, dsn, letter, vacation

TOKEN = sign("a secret", Purpose.BOUNCE, 42)


def test_a_delivery_status_names_the_recipient_the_code_and_the_words():
    found = read(dsn(sent_to=f"bounce+{TOKEN}@{DOMAIN}", message_id="<a1.x@alerts.harborvine.example>"))
    assert found.kind is Kind.BOUNCE
    assert (found.person.address, found.person.status) == ("amelia@example.com", "5.1.1")
    assert found.person.words.startswith("550 5.1.1")
    assert found.tokens == (("bounce", TOKEN),)
    assert found.message_ids == ("<a1.x@alerts.harborvine.example>",)


def test_the_token_is_found_in_the_envelope_too_and_survives_capitals():
    assert read(dsn(), f"BOUNCE+{TOKEN.upper()}@{DOMAIN}").tokens == (("bounce", TOKEN),)


@pytest.mark.parametrize(
    ("action", "kind"), [("failed", Kind.BOUNCE), ("delayed", Kind.DELAY), ("relayed", Kind.DELIVERED)]
)
def test_a_delay_is_no_bounce(action, kind):
    assert read(dsn(action=action, status="4.4.1", said="timed out")).kind is kind


def test_an_abuse_report_is_a_complaint_and_a_report_on_authentication_is_not():
    found = read(complaint(message_id="<a1.x@h.example>"))
    assert (found.kind, found.message_ids) == (Kind.COMPLAINT, ("<a1.x@h.example>",))
    assert read(complaint(feedback="not-spam")).kind is Kind.REPORT
    assert read(complaint(feedback="auth-failure")).kind is Kind.REPORT
    assert read(complaint(feedback="opt-out")).kind is Kind.OPT_OUT


def test_a_robot_on_vacation_is_no_bounce_pa_24():
    assert read(vacation()).kind is Kind.AUTOREPLY


def test_a_letter_is_a_letter():
    assert read(letter(sent_to=f"bounce+{TOKEN}@{DOMAIN}")).kind is Kind.LETTER


def test_a_bounce_without_fields_is_read_from_its_words():
    raw = b"""From: Mail Delivery System <MAILER-DAEMON@mx.example.com>
Subject: Mail delivery failed: returning message to sender

This message was created automatically by mail delivery software.
A message that you sent could not be delivered. The following address failed:

  amelia@example.com
    SMTP error from remote mail server after RCPT TO:<amelia@example.com>:
    host mx.example.com [192.0.2.1]: 550 5.1.1 User unknown

------ This is a copy of your message, including all the headers. ------

Message-ID: <a1.x@h.example>
Subject: your mailbox is full of homes
"""
    found = read(raw)
    assert (found.kind, found.person.address, found.stage) == (Kind.BOUNCE, "amelia@example.com", Stage.RECIPIENT)
    assert found.message_ids == ("<a1.x@h.example>",)
    assert "full of homes" not in found.words  # what we wrote ourselves is no evidence


def test_of_two_recipients_each_has_their_own_words():
    raw = dsn().replace(
        b"Diagnostic-Code:",
        b"Diagnostic-Code: smtp; 552 full\nFinal-Recipient: rfc822; bob@example.com\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code:",
    )
    first, second = read(raw).people
    assert (first.address, first.words) == ("amelia@example.com", "552 full")
    assert (second.address, second.status) == ("bob@example.com", "5.1.1")


HOSTILE = {
    "nothing": b"",
    "NULs": b"\x00" * 10_000,
    "a NUL in a header": b"Subject: \x00undeliverable\x00\n\n550 5.1.1 no such user",
    "no line end": b"A" * 3_000_000,
    "a header of a megabyte": b"Subject: " + b"x" * 1_000_000 + b"\n\nx",
    "many headers": b"".join(b"X-%d: y\n" % n for n in range(20_000)) + b"\nx",
    "a thousand parts within parts": b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(1_000)
    ),
    "nested messages": b"Content-Type: message/rfc822\n\n" * 5_000,
    "no end of a boundary": b'Content-Type: multipart/report; boundary="b"\n\n--b\n--b\n--b',
    "a charset that is none": b'Content-Type: text/plain; charset="x-\xff\xfe"\n\n550 5.1.1 no such user',
    "base64 that is none": b"Content-Transfer-Encoding: base64\nContent-Type: text/plain\n\n!!!!====",
    "bad encoded words": b"Subject: =?utf-8?b?////?= =?nonsense?q?=ZZ?=\nFrom: =?utf-8?x?y?=\n\nx",
    "a status without a block": b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n\x00\xff\n--b--",
    "CR alone": dsn().replace(b"\n", b"\r"),
    "all bytes": bytes(range(256)) * 200,
    "tags": b"Content-Type: text/html\nSubject: failure notice\n\n" + b"<" * 200_000,
    "scripts without an end": b"Content-Type: text/html\nSubject: failure notice\n\n" + b"<script " * 30_000,
    "styles without an end": b"Content-Type: text/html\nSubject: failure notice\n\n" + b"<style x>a" * 25_000,
    "parameters": b'Content-Type: text/plain; x="' + b'\\";' * 80_000 + b"\n\n550 5.1.1 no such user",
    "parameters on many lines": b"Content-Type: text/plain" + b";\n a*1=b" * 25_000 + b"\n\nx",
    "addresses": b"From: mailer-daemon@x\nSubject: failure notice\n\n550 " + b"a@" * 100_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_that_arrives_can_hurt(raw):
    began = time.process_time()
    found = read(raw)
    assert isinstance(found.kind, Kind)
    assert time.process_time() - began < 4


def test_what_html_does_not_show_is_not_among_its_words():
    html = b"<head><title>550 5.1.1 x</title></head><STYLE>p {}</STYLE><p>User&nbsp;unknown<script>1 < 2</script> here"
    words = read(b"Content-Type: text/html\nSubject: failure notice\n\n" + html).words
    assert words == "User unknown here"


def test_carriage_returns_alone_are_line_ends():
    assert read(HOSTILE["CR alone"]).person.status == "5.1.1"


def test_what_is_too_large_is_read_from_its_beginning():
    assert read(dsn() + os.urandom(LARGEST * 4)).person.address == "amelia@example.com"


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3_000), st.integers(0, 1_200))
def test_a_report_with_bytes_thrown_into_it_is_still_something(noise, at):
    raw = dsn()
    assert isinstance(read(raw[:at] + noise + raw[at:]).kind, Kind)
