"""Letters as bytes: whatever people put into names and subjects, the standard parser reads it back equal."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.messages.mime import Letter, Mailbox, assemble, one_line

SPITEFUL = st.text(max_size=80) | st.text(alphabet='aé "\\,<>=?🏡\r\n\0()@;:.-_\t', max_size=80)
HEADERS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Id", "MIME-Version", "Content-Type"]


def letter(**values) -> Letter:
    return Letter(
        **{
            "sender": Mailbox("alerts@alerts.example.com", "Harbor & Vine Alerts"),
            "recipient": Mailbox("buyer@example.org", "Amelia Carter"),
            "reply_to": Mailbox("dana@example.com", "Dana Whitlock"),
            "subject": "5 homes",
            "text": "Hello\n",
            "html": "<p>Hello</p>\n",
            "message_id": "<a1.x@alerts.example.com>",
            "date": datetime(2026, 11, 20, 11, 58, tzinfo=UTC),
            "envelope_sender": "bounce+1@alerts.example.com",
            "headers": (("List-Id", "Alerts <alerts.example.com>"),),
        }
        | values
    )


def parsed(written: Letter):
    raw = assemble(written)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0
    message = message_from_bytes(raw, policy=policy.default)
    assert [part.defects for part in message.walk()] == [[], [], []]
    assert list(message.keys()) == HEADERS
    return message


def name_in(raw: bytes, header: str) -> str:
    [(name, _)] = getaddresses([message_from_bytes(raw)[header]])
    return str(make_header(decode_header(name)))


@settings(max_examples=300, deadline=None)
@given(subject=SPITEFUL, name=SPITEFUL, agent=SPITEFUL, text=SPITEFUL)
def test_it_parses_back_equal_and_nothing_is_injected(subject, name, agent, text):
    written = letter(
        subject=subject,
        recipient=Mailbox("buyer@example.org", name),
        reply_to=Mailbox("dana@example.com", agent),
        text=text,
        html=text,
    )
    message = parsed(written)
    assert message["Subject"] == one_line(subject)
    assert [a.addr_spec for a in message["To"].addresses] == ["buyer@example.org"]
    assert name_in(assemble(written), "To") == one_line(name)
    assert name_in(assemble(written), "Reply-To") == one_line(agent)
    kept = "".join(c for c in text if c in "\n\t\r" or (ord(c) >= 32 and c != "\x7f" and not "\ud800" <= c <= "\udfff"))
    body = message.get_body(("plain",)).get_content()
    assert body.replace("\r\n", "\n").rstrip("\n") == kept.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")


def test_a_line_break_in_a_name_is_a_space():
    raw = assemble(letter(recipient=Mailbox("b@example.org", "Amelia\r\nBcc: everybody@example.org")))
    assert b"\r\nBcc" not in raw
    assert name_in(raw, "To") == "Amelia Bcc: everybody@example.org"


def test_text_comes_before_html_both_utf_8():
    parts = list(parsed(letter(html="<p>né</p>")).iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert {part.get_content_charset() for part in parts} == {"utf-8"}
    assert parts[1].get_content().strip() == "<p>né</p>"


@pytest.mark.parametrize(
    "words", ["=?utf-8?b?WA==?=", "a =?x?= b", "Zoë" * 60, "🏡" * 70, "x" * 300, '"quoted" \\ name']
)
def test_hard_words_survive_in_subject_and_name(words):
    written = letter(subject=words, recipient=Mailbox("b@example.org", words))
    assert parsed(written)["Subject"] == words
    assert name_in(assemble(written), "To") == words


def test_long_headers_are_folded_at_spaces():
    urls = f"<https://crm.example.com/u/{'a' * 60}>, <mailto:unsub+{'b' * 40}@alerts.example.com>"
    raw = assemble(letter(headers=(("List-Id", urls),)))
    assert b",\r\n <mailto:" in raw
    assert message_from_bytes(raw, policy=policy.default)["List-Id"] == urls


def test_a_body_cannot_end_its_part():
    message = parsed(letter(text="--=_\n--=_x--\n.\nFrom me\n"))
    assert message.get_body(("plain",)).get_content().splitlines() == ["--=_", "--=_x--", ".", "From me"]
