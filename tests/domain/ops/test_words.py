"""Numbers of runs, as a person would say them."""

from __future__ import annotations

import pytest

from app.domain.ops.words import COVERS, WITHOUT, bytes_in_words, clock_in_words, counts_in_words, did_nothing
from app.jobs.schedule import SCHEDULE


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
            "1,002 rows moved out, 3 files deleted, 1 day of matches dropped",
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
        ("*/15 * * * *", "every 15 minutes"),
        ("5 * * * *", "every hour at :05"),
        ("10,40 * * * *", "every hour at :10 and :40"),
        ("15 3 * * *", "every day at 3:15"),
        ("0 9,17 * * *", "every day at 9:00 and 17:00"),
        ("0 */6 * * *", "every 6 hours"),
        ("15 */2 * * *", "every 2 hours at :15"),
        ("0 9-17 * * *", "every hour from 9:00 to 17:00"),
        ("*/10 4 * * *", "every 10 minutes from 4:00 to 4:50"),
        ("0 9 * * 1", "on Monday at 9:00"),
        ("0 9 * * 1-5", "on weekdays at 9:00"),
        ("0 12 * * 6,0", "at weekends at 12:00"),
        ("30 8 * * mon,thu", "on Monday and Thursday at 8:30"),
        ("0 12 * * 7", "on Sunday at 12:00"),
        ("*/15 9-17 * * 1-5", "every 15 minutes from 9:00 to 17:45 on weekdays"),
        ("0 6 1 * *", "on the 1st of the month at 6:00"),
        ("0 6 2,22 * *", "on the 2nd and 22nd of the month at 6:00"),
        ("0 6 L * *", "on the last day of the month at 6:00"),
        ("0 0 1 1 *", "on the 1st of January at 0:00"),
        ("0 9 * jan,jul mon", "on Monday in January and July at 9:00"),
        ("0 9 13 * 5", "on the 13th of the month and on Friday at 9:00"),
    ],
)
def test_a_clock_is_said_in_words(cron, words):
    assert clock_in_words(cron) == words


@pytest.mark.parametrize("cron", ["*/7 * * * *", "0 9 * * 1#1", "@daily", "0 1-8 * * 5-2", "1,2,3 4,5,6 * * *", "x"])
def test_a_clock_without_plain_words_is_shown_as_it_is_written(cron):
    assert clock_in_words(cron) == cron


@pytest.mark.parametrize(
    ("cron", "zone", "words"),
    [
        ("15 3 * * *", "America/New_York", "every day at 3:15, New York time"),
        ("15 3 * * *", "UTC", "every day at 3:15, UTC"),
        ("*/15 * * * *", "America/New_York", "every 15 minutes"),
        ("0 */6 * * *", "America/New_York", "every 6 hours, New York time"),
        ("0 9 * * 1#1", "America/New_York", "0 9 * * 1#1, New York time"),
    ],
)
def test_the_zone_is_named_where_it_makes_a_difference(cron, zone, words):
    assert clock_in_words(cron, zone) == words


def test_every_line_of_the_clock_says_what_it_covers_and_what_its_pause_stops():
    for line in SCHEDULE:
        assert line.kind in COVERS, "add a sentence to app/domain/ops/words.py"
        assert line.kind in WITHOUT, "add a sentence to app/domain/ops/words.py"


@pytest.mark.parametrize(
    ("size", "words"), [(512, "512 B"), (640_000, "640 kB"), (9_100_000_000, "9.1 GB"), (21_000_000, "21 MB")]
)
def test_a_size_is_said_in_words(size, words):
    assert bytes_in_words(size) == words
