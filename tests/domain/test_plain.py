"""What of a text is kept on receipt."""

from __future__ import annotations

import pytest

from app.domain.plain import plain_line, plain_lines


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("homes\u202evsc.exe", "homesvsc.exe"),
        ("a\u2066b\u2069c\u200fd", "abcd"),
        ("\x00a\x07b\x1b[31m\x9bc\x7f", "ab[31mc"),
        ("  two\t words \n on\x1fone\u2028line ", "two words on one line"),
        ("\ud800broken", "broken"),
        ("דנה O’Neil 👩‍👩‍👧", "דנה O’Neil 👩‍👩‍👧"),
    ],
)
def test_a_line_keeps_what_can_be_seen(given, kept):
    assert plain_line(given) == kept


def test_lines_stay_lines():
    assert plain_lines("first\r\n\tsec\u202eond\x07\x0b") == "first\n\tsecond"
