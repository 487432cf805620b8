"""A failure in one line, and a run's counts in four shares."""

from __future__ import annotations

import pytest

from app.discretion import shortened, without_people
from app.domain.ops.failures import error_line, error_words
from app.domain.ops.ledger import ERROR_LENGTH
from app.domain.ops.results import others, shares

TRACEBACK = """Traceback (most recent call last):
  File "app/jobs/queue.py", line 183, in _perform
    counts = kind.function(run)
             ^^^^^^^^^^^^^^^^^^
  File "app/jobs/imports.py", line 11, in imports
    read()
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) the connection was closed
[SQL: SELECT 1]
(Background on this error at: https://sqlalche.me/e/21/e3q8)
"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (TRACEBACK, "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) the connection was closed"),
        ("Worker w-1 fell silent.\nIts lease ran out.", "Worker w-1 fell silent."),
        ("", "WorkerLost"),
        (None, "WorkerLost"),
        ('  File "app/x.py", line 1, in x\n    cut()', "WorkerLost"),
    ],
)
def test_an_error_is_told_in_one_line(error, line):
    assert error_line(error, "WorkerLost") == line


def test_the_last_of_chained_errors_is_told():
    chained = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in a\nKeyError: 1\n\n'
        "During handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "b.py", line 2, in b\nValueError: two\n'
    )
    assert error_line(chained) == "ValueError: two"


LONG_STATEMENT = "[SQL: SELECT\n" + "".join(f"column_{n},\n" for n in range(9_000)) + "1]\n"


def test_an_error_is_told_however_long_the_statement_is_that_it_was_about():
    """What is kept of it is its beginning and its end; the line that says what it is comes before the statement."""
    whole = TRACEBACK.replace("[SQL: SELECT 1]\n", LONG_STATEMENT)
    frames = '  File "app/x.py", line 1, in x\n    do()\n' * 500
    kept = shortened(without_people(whole.replace("sqlalchemy.exc", frames + "sqlalchemy.exc")), ERROR_LENGTH)
    assert len(kept) == ERROR_LENGTH
    assert error_line(kept, "OperationalError").endswith("(psycopg.OperationalError) the connection was closed")


def test_a_piece_of_a_statement_is_no_error():
    """As texts were cut before."""
    piece = "umn_1,\ncolumn_2,\n1]\n(Background on this error at: https://sqlalche.me/e/21/e3q8)\n"
    assert error_line(piece, "DataError") == "DataError"
    with_its_line = "umn_1,\n1]\nsqlalchemy.exc.DataError: (psycopg.errors.DivisionByZero) division by zero\n[SQL: x]\n"
    assert error_line(with_its_line, "DivisionByZero").endswith(": (psycopg.errors.DivisionByZero) division by zero")


def test_the_class_of_an_error_is_not_said_twice():
    assert error_words(TRACEBACK, "OperationalError") == "(psycopg.OperationalError) the connection was closed"
    assert error_words("Worker w-1 fell silent: its lease ran out.", "WorkerLost").startswith("Worker w-1")
    assert error_words("KeyError", "KeyError") == "KeyError"


def test_what_was_taken_in_ends_in_one_of_three_shares():
    counts = {"rows_read": 214, "created": 18, "updated": 31, "unchanged": 161, "rejected": 4, "with_warnings": 2}
    assert [(share.title, share.total) for share in shares("imports", counts)] == [
        ("In", 214),
        ("Changed", 49),
        ("Skipped", 161),
        ("Failed", 4),
    ]
    assert others("imports", counts) == [("With warnings", 2)]


def test_mail_that_was_taken_up_is_the_sum_of_what_became_of_it():
    counts = {"sent": 20, "suppressed": 1, "dropped": 0, "failed": 2, "retried": 3, "unknown": 1, "expired": 0}
    assert [(share.title, share.total) for share in shares("messages", counts)] == [
        ("In", 27),
        ("Changed", 20),
        ("Skipped", 4),
        ("Failed", 3),
    ]


def test_a_kind_that_only_counts_has_no_shares():
    assert shares("retention", {"job_run": 12}) == []
    assert others("retention", {"job_run": 12}) == [("Job run", 12)]
    assert shares("alerts", {}) == []
