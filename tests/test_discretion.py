"""What is taken out of errors and log lines, and how long that takes."""

from __future__ import annotations

import time

import pytest

from app.discretion import MOST_READ, shortened, without_people

REFUSAL = """Traceback (most recent call last):
  File "app/domain/people/contacts.py", line 3, in keep
    db.session.flush()
sqlalchemy.exc.IntegrityError: (psycopg.errors.NotNullViolation) null value in column "email" violates not-null
DETAIL:  Failing row contains (7, Wilhelmina
Okonkwo, (207) 555-0142, null).
CONTEXT:  COPY contact, line 1: "Wilhelmina"
[SQL: INSERT INTO contact (full_name) VALUES (%(full_name)s) RETURNING 'Wilhelmina O''Kon']
[parameters: {'full_name': 'Wilhelmina Okonkwo'}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "app/jobs/queue.py", line 9, in work
ValueError: run 1234567 of 2026-11-20 15:42:00"""


def test_an_error_says_what_and_where_and_nothing_of_the_refused_row():
    said = without_people(REFUSAL)
    for trace in ("Wilhelmina", "Okonkwo", "O''Kon", "555"):
        assert trace not in said
    for kept in ('null value in column "email"', "INSERT INTO contact (full_name)", "line 9, in work", "The above"):
        assert kept in said
    assert said.endswith("ValueError: run 1234567 of 2026-11-20 15:42:00"), "ids and moments stay"


@pytest.mark.parametrize(
    "quoted",
    [
        "IntegrityError('null value\\nDETAIL:  Failing row contains (1, Wilhelmina)')",
        'invalid input syntax for type integer: "Wilhelmina"',
        "syntax error\nLINE 1: SELECT 'Wilhelmina'",
        "  | DETAIL:  Key (full_name)=(Wilhelmina) already exists.",
        "to wilhelmina.o@example.com+Wilhelmina@example.com",
        "[parameters: ('Wilhelmina',\n'Wilhelmina')]",
    ],
)
def test_nobody_is_quoted_in_whatever_shape(quoted):
    assert "ilhelmina" not in without_people(quoted)


@pytest.mark.parametrize(
    "number", ["(207) 555-0142", "207-555-0142", "+1 207 555 0142", "2075550142", "+44 20 7946 0958"]
)
def test_a_telephone_number_is_taken_out(number):
    assert without_people(f"call {number}.") == "call …."


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a@",
        "a.",
        "1 ",
        "(",
        "\n",
        "'",
        "[SQL: ",
        "\nDETAIL: ",
        "\n[SQL: '",
        "+1",
        "a@b.c+",
        "\nA.A",
        "invalid input ",
    ],
)
def test_a_megabyte_of_anything_is_read_in_no_time(piece):
    began = time.process_time()
    without_people(piece * (1_000_000 // len(piece)))
    assert time.process_time() - began < 2


def test_of_a_long_text_the_beginning_and_the_end_are_kept_but_no_piece_of_a_quoted_row():
    long = "begun " + "x" * MOST_READ + " ended"
    assert without_people(long).startswith("begun xxx")
    assert without_people(long).endswith("xxx ended")
    row = "begun\nDETAIL:  Failing row contains (" + "Wilhelmina " * MOST_READ + ")\n[SQL: SELECT 1]"
    assert without_people(row) == "begun\nDETAIL: …\nDETAIL: …\n[SQL: SELECT 1]"
    assert "Wilhelmina" not in without_people("x" * MOST_READ + row)
    assert shortened("abcdefghij", 7, "…") == "a…fghij"
    assert shortened("abc", 3) == "abc"
