"""What a living process says of itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from app.config import VERSION
from app.domain.models import ProcessHeartbeat
from app.domain.ops import heartbeat
from app.domain.ops.heartbeat import Heart

COMMIT = "7c48fc2d1b0a99e2f7a3c5d4e6f8091a2b3c4d5e"


def test_a_release_that_is_named_is_the_version(another_app):
    with another_app(release="2026-11-20.3").app_context():
        assert heartbeat.version() == "2026-11-20.3"


def test_without_one_it_is_the_projects_version_and_the_revision_of_the_checkout(app):
    with app.app_context():
        assert re.fullmatch(re.escape(VERSION) + r"(\+[0-9a-f]{7})?", heartbeat.version())


@pytest.mark.parametrize(
    "files",
    [
        {"HEAD": f"{COMMIT}\n"},
        {"HEAD": "ref: refs/heads/main\n", "refs/heads/main": f"{COMMIT}\n"},
        {"HEAD": "ref: refs/heads/main\n", "packed-refs": f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n"},
    ],
    ids=["detached", "on a branch", "on a packed branch"],
)
def test_the_revision_is_read_from_the_checkout(tmp_path, files):
    for name, words in files.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(words)
    assert heartbeat._version("", tmp_path) == f"{VERSION}+{COMMIT[:7]}"


def test_where_there_is_no_checkout_there_is_no_revision(tmp_path):
    assert heartbeat._version("", tmp_path) == VERSION


def test_a_process_remembers_what_it_held_at_its_first_sign(db):
    now = datetime.now(UTC)
    heart = Heart("worker", queue="alerts", version="1")
    heart.beat(now=now - timedelta(hours=1))
    db.session.query(ProcessHeartbeat).update({"rss_first_kb": 1})
    heart.beat(now=now)
    db.session.expire_all()
    row = db.session.get(ProcessHeartbeat, heart.instance)
    assert (row.rss_first_kb, row.version) == (1, "1")
    assert row.rss_kb > 1
    assert heartbeat.name_of(row.role, row.queue, row.instance) == heart.name
