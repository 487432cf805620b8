"""What a log line may hold."""

from __future__ import annotations

from app.logs import quote_nobody


def test_a_logged_traceback_quotes_neither_an_address_nor_the_refused_row():
    said = (
        'psycopg.errors.UniqueViolation: duplicate key value violates unique constraint "contact_email_key"\n'
        "DETAIL:  Key (full_name)=(Wilhelmina Okonkwo) already exists.\n"
        "ValueError: nobody at wilhelmina.o@example.com"
    )
    assert quote_nobody(None, "", {"event": "x", "exception": said})["exception"] == (
        'psycopg.errors.UniqueViolation: duplicate key value violates unique constraint "contact_email_key"\n'
        "DETAIL: …\n"
        "ValueError: nobody at …@…"
    )
