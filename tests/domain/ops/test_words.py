"""Numbers of runs, as a person would say them."""

from __future__ import annotations

import pytest

from app.domain.ops.words import bytes_in_words, clock_in_words, counts_in_words, did_nothing


@pytest.mark.parametrize(
    ("kind", "counts", "words"),
    [
        ("alerts", {"events": 71, "pairs": 23, "batches": 1}, "71 events, 23 matches"),
        ("alerts", {"events": 1, "pairs": 1}, "1 event, 1 match"),
        ("alerts", {"events": 0, "pairs": 0}, "nothing new"),
        ("messages", {"sent": 24, "failed": 0}, "24 sent"),
        ("messages", {"sent": 1284, "unknown": 1}, "1,284 sent, 1 unknown"),
        (
            "retention",
            {"job_run": 1000, "bodies": 2, "files_deleted": 3, "days_dropped": 1, "days_prepared": 8},
            "1,002 rows left, 3 files deleted, 1 day of matches dropped",
        ),
        ("retention", {"days_prepared": 8}, "nothing old enough"),
        ("something-new", {"rows_read": 3}, "3 rows read"),
        ("something-new", {}, "done"),
    ],
)
def test_counts_are_said_in_words(kind, counts, words):
    assert counts_in_words(kind, counts) == words


def test_a_run_with_nothing_to_do_is_known_as_such():
    assert did_nothing("alerts", {"events": 0})
    assert not did_nothing("alerts", {"events": 3})


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/15 * * * *", "every 15 min"),
        ("15 3 * * *", "daily 3:15"),
        ("5 * * * *", "hourly at :05"),
        ("0 9 * * 1", "0 9 * * 1"),
    ],
)
def test_a_clock_is_said_in_words(cron, words):
    assert clock_in_words(cron) == words


@pytest.mark.parametrize(
    ("size", "words"), [(512, "512 B"), (640_000, "640 kB"), (9_100_000_000, "9.1 GB"), (21_000_000, "21 MB")]
)
def test_a_size_is_said_in_words(size, words):
    assert bytes_in_words(size) == words
