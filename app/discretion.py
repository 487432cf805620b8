"""Errors and log lines are read by many. What they quote of people is taken out here: the row that PostgreSQL refused,
the values of a statement, mail addresses, telephone numbers. Each pattern reads a text once, whatever it holds."""

from __future__ import annotations

import re

MOST_READ = 200_000
"""Characters of a text that are read; the middle of a longer one is left out."""
LONGEST_STATEMENT = 2_000
"""Characters of a statement: what it is quoted by says what went wrong, and must not be left out for it."""
HEAD = 0.25
"""The part of what is kept of a long text that is its beginning: an error says at its end what it is."""

_INDENT = r"[ \t|+-]{0,40}"
_QUOTED = re.compile(
    # What the server says beside its message, as lines of their own or within a quoted text (\n as two characters) …
    rf"((?:^|\\n){_INDENT}(?:DETAIL|CONTEXT|QUERY|STATEMENT|LINE \d+):|\[parameters:)"
    # … which goes on, over lines too, up to what only a traceback or another part says.
    r".*?(?=(?:^|\\n)"
    + _INDENT
    + r"(?:DETAIL:|CONTEXT:|HINT:|\[SQL|\[parameters|\(Background on |Traceback \(|File \"|"
    r"The above exception |During handling |[A-Za-z_][\w.]{0,200}(?:Error|Exception|Violation): )|\Z)",
    re.MULTILINE | re.DOTALL,
)
_MARKS = ("DETAIL:", "CONTEXT:", "QUERY:", "STATEMENT:", "LINE ", "[parameters:", "[SQL: ")
_INPUT = re.compile(r'(invalid (?:input|byte|value)[^"\n]{0,200}: )"[^"\n]*+"')
_STATEMENT = re.compile(
    r"^(\[SQL: )(.*?)(\]?)(?=^[ \t]{0,40}(?:\[parameters|\(Background on )|\Z)", re.MULTILINE | re.DOTALL
)
_LITERAL = re.compile(r"'[^']*+'")
MAIL_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)++(?:[.+-]*+[\w@]++)*+")
_TELEPHONE = re.compile(
    r"(?<![\w.-])(?:\+\d(?:[\s().-]{0,2}\d){6,14}|(?:\+?\d{1,3}[\s.-]?)?(?:\(\d{3}\)\s?|\d{3}[\s.-]?)\d{3}[\s.-]?\d{4})(?![\w-])"
)


def without_people(words: str) -> str:
    """The same words without what they quote of anybody. Of more than MOST_READ characters the beginning and the end
    are kept; where something is quoted, of that end only what cannot belong to it."""
    if len(words) > MOST_READ:
        may_be_cut = any(mark in words for mark in _MARKS)
        words = shortened(words, MOST_READ, "\nDETAIL: left out\n" if may_be_cut else " … ")
    words = _QUOTED.sub(r"\1 …\n", words).removesuffix("\n") if _QUOTED.search(words) else words
    words = _INPUT.sub(r'\1"…"', words)
    words = _STATEMENT.sub(
        lambda found: found[1] + shortened(_LITERAL.sub("'…'", found[2]), LONGEST_STATEMENT) + found[3], words
    )
    return _TELEPHONE.sub("…", MAIL_ADDRESS.sub("…@…", words))


def shortened(words: str, longest: int, gap: str = " … ") -> str:
    """At most `longest` characters: the beginning and the end of a longer text."""
    if len(words) <= longest:
        return words
    head = int((longest - len(gap)) * HEAD)
    return words[:head] + gap + words[len(words) - (longest - len(gap) - head) :]
