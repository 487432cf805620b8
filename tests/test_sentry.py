"""Trouble reaches Sentry once, and nobody's name with it. Against a real endpoint on loopback; what workers report is in
faults/test_sentry.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app import sentry
from app.config import VERSION
from devstack.testing import test_servers
from tests.faults.sentry_endpoint import Sentry, sentry_endpoint

ROOT = Path(__file__).parent.parent
PERSON = {"name": "Wilhelmina Okonkwo", "email": "wilhelmina.o@example.com", "phone": "(207) 555-0142"}
NOWHERE = "http://key@127.0.0.1:9/1"
PATIENCE = 20.0
"""Seconds; Sentry's own library gives up on an answer after 30."""
TRACES = ("Wilhelmina", "Okonkwo", "wilhelmina.o", "555-0142")


@pytest.fixture
def endpoint() -> Iterator[Sentry]:
    with sentry_endpoint() as found:
        yield found


def environ_of(app: Flask, **more: str) -> dict[str, str]:
    config = app.extensions["porchlight"]
    return dict(os.environ) | {
        "DATABASE_URL": config.database_url,
        "REDIS_URL": test_servers().redis_url,
        "SECRET_KEY": config.secret_key,
        "PUBLIC_URL": config.public_url,
        "SMTP_URL": config.smtp_url,
        "MAIL_FROM": config.mail_from,
        "SESSION_COOKIE_SECURE": "0",
        "PERSON": json.dumps(PERSON),
        **more,
    }


def trouble(app: Flask, dsn: str) -> float:
    """Run the troubled app; the seconds its answers took, all together."""
    program = [sys.executable, "-m", "tests.troubled_app"]
    done = subprocess.run(
        program, cwd=ROOT, env=environ_of(app, SENTRY_DSN=dsn), check=True, timeout=120, stdout=subprocess.PIPE
    )
    return float(done.stdout)


def test_each_trouble_is_one_event_that_says_where_and_nothing_of_whom(app, endpoint):
    trouble(app, endpoint.dsn)
    leak, double, ours, other, quoting = endpoint.events
    assert leak["exception"]["values"][-1]["value"] == "the roof of … leaks"
    frame = leak["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert (frame["function"], frame["context_line"].strip()[:5]) == ("leaks", "raise")
    assert (leak["transaction"], leak["request"], leak["release"]) == (
        "leaks",
        {"method": "POST"},
        f"porchlight@{VERSION}",
    )
    assert len(leak["tags"]["request_id"]) == 8
    assert [crumb["message"] for crumb in leak["breadcrumbs"]["values"][-3:]] == [
        "SELECT %(who)s",
        "roof.looked_at",
        "looked at the roof of %s",
    ]
    assert double["tags"] | {"request_id": ""} == {
        "sqlstate": "23505",
        "constraint": "office_office_key_key",
        "table": "office",
        "request_id": "",
    }
    assert (ours["logentry"]["message"], ours["extra"]) == ("roof.mended", {"run_id": 7, "error": "ValueError"})
    assert other["logentry"]["message"] == "a line worth an event"
    assert quoting["logentry"]["message"] == "the roof of …"
    everything = b"".join(endpoint.raw).decode()
    assert not [trace for trace in TRACES if trace in everything]


def test_what_is_not_listed_does_not_leave(app, endpoint):
    trouble(app, endpoint.dsn)
    for event in endpoint.events:
        assert set(event) <= {*sentry.KEPT, "contexts", "logentry", "extra", "message", "request"}
        assert "user" not in event
        assert set(event["contexts"]) == {"trace"}


def test_an_endpoint_that_hangs_or_is_not_there_holds_no_answer_up(app, endpoint):
    """Five events; each would be waited for until the endpoint answers, which it never does."""
    assert trouble(app, NOWHERE) < PATIENCE
    endpoint.mood = "hang"
    assert trouble(app, endpoint.dsn) < PATIENCE


def test_a_message_keeps_the_programs_words_and_loses_every_other():
    here = (__file__,)
    unknown = "zz" + "yzx"  # in this file only in halves
    assert sentry.without_values(f"the constraint 12 of {unknown}", here) == "the constraint 12 of …"
    assert sentry.without_values(f"no {unknown}, {unknown} at all", here) == "no … at all"
    assert sentry.without_values("call +1 207 555 0142 or (207) 555-0142", here) == "call … or …"
    assert sentry.without_values("write to a.b@c.example", here) == "write to …"


def sentry_test(app: Flask, dsn: str) -> subprocess.CompletedProcess:
    program = [sys.executable, "-m", "flask", "sentry-test"]
    return subprocess.run(
        program, cwd=ROOT, env=environ_of(app, SENTRY_DSN=dsn), timeout=60, capture_output=True, text=True, check=False
    )


def test_a_command_says_whether_a_report_arrives(app, endpoint):
    said = sentry_test(app, endpoint.dsn)
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"Event {endpoint.events[0]['event_id']} was taken.\n"
    endpoint.mood = "too_many"
    said = sentry_test(app, endpoint.dsn)
    assert (said.returncode, "refused (status 429)" in said.stderr) == (1, True)
    said = sentry_test(app, "")
    assert (said.returncode, "SENTRY_DSN is empty" in said.stderr) == (1, True)
