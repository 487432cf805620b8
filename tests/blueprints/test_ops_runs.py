"""Runs: found by any of their parts, one of them closely, and what an admin may do about them."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta

import pytest
from markupsafe import escape
from sqlalchemy import func, select, update

from app.domain.models import (
    AuditEntry,
    Digest,
    DigestState,
    ImportBatch,
    JobAttempt,
    JobLogLine,
    JobRun,
    JobSchedule,
    MatchBatch,
    Role,
    RunState,
    Trigger,
)
from app.domain.ops import due, failures, health, ledger
from app.domain.ops.ledger import Work
from app.extensions import db as database
from app.jobs.schedule import SCHEDULE
from tests.blueprints.test_ops import count_queries, reader_of

WORK = Work("alerts", 2, skips_overlap=False)
ROW = re.compile(r'<a class="row-link" href="/ops/runs/(\d+)">')


def waiting_run(kind: str = "alerts", args: dict | None = None, **named) -> JobRun:
    run = ledger.add(kind, WORK, args, trigger=named.pop("trigger", Trigger.MANUAL), **named)
    database.session.commit()
    return run


def ended_run(kind: str = "alerts", args: dict | None = None, error: str = "", counts: dict | None = None, **named):
    run = waiting_run(kind, args, **named)
    claimed = ledger.claim(run.id, "alerts-1", 60)
    if error:
        ledger.fail(run.id, claimed.lease_token, "ValueError", error, again=False)
    else:
        ledger.finish(run.id, claimed.lease_token, counts or {})
    database.session.commit()
    database.session.expire_all()
    return run


def changed(run: JobRun, **values) -> JobRun:
    database.session.execute(update(JobRun).where(JobRun.id == run.id).values(**values))
    database.session.commit()
    database.session.expire_all()
    return run


def listed(client, query: str) -> list[int]:
    answer = client.get(f"/ops/runs?{query}")
    assert answer.status_code == 200
    return [int(number) for number in ROW.findall(answer.text)]


def audited() -> list[AuditEntry]:
    return list(database.session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


# --- Found ---


def test_runs_are_found_by_kind_state_trigger_and_schedule(as_viewer, db):
    due.write_schedule(SCHEDULE)
    plain = ended_run()
    other = ended_run("digests", trigger=Trigger.EVENT)
    broken = ended_run(error="no")
    clocked = changed(ended_run(), schedule_name="alerts", due_at=datetime.now(UTC))
    assert listed(as_viewer, "kind=digests") == [other.id]
    assert listed(as_viewer, "state=failed") == [broken.id]
    assert listed(as_viewer, "trigger=event") == [other.id]
    assert listed(as_viewer, "schedule=alerts") == [clocked.id]
    assert listed(as_viewer, "kind=alerts&state=succeeded&trigger=manual") == [clocked.id, plain.id]


def test_an_argument_is_found_whether_it_was_written_as_a_number_or_as_a_word(as_viewer, db):
    number = ended_run(args={"import_batch_id": 42})
    word = ended_run(args={"import_batch_id": "42"})
    ended_run(args={"import_batch_id": 421})
    for query in ("import_batch_id:42", "import_batch_id=42", " import_batch_id : 42 "):
        assert listed(as_viewer, f"argument={query.replace(' ', '+').replace('=', '%3D')}") == [word.id, number.id]
    assert listed(as_viewer, "argument=import_batch_id:42&state=failed") == []


def test_several_arguments_must_all_fit(as_viewer, db):
    both = ended_run(args={"listing_id": 7, "is_last": True})
    ended_run(args={"listing_id": 7})
    assert listed(as_viewer, "argument=listing_id:7+is_last:true") == [both.id]


def test_a_number_alone_finds_that_run_first_then_what_belongs_to_it(as_viewer, db):
    first = ended_run()
    follower = ended_run("digests", after_run_id=first.id)
    again = ended_run(args={"retry_of": first.id})
    ended_run()
    assert listed(as_viewer, f"argument={first.id}") == [first.id, again.id, follower.id]


@pytest.mark.parametrize("typed", ["everything", "42:import_batch_id", "import_batch_id:", "a:1 and more", "'; DROP"])
def test_an_expression_that_cannot_be_read_gets_a_sentence_and_is_kept(as_viewer, typed):
    answer = as_viewer.get("/ops/runs", query_string={"argument": typed})
    assert answer.status_code == 422
    assert "is not understood" in answer.text
    assert 'role="alert"' in answer.text
    assert f'value="{typed}"' in answer.text.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("since=yesterday", "“yesterday” is no date"),
        ("since=0001-01-01", "is no date"),
        ("until=9999-12-31", "is no date"),
        ("since=2026-11-20&until=2026-11-19", "“Until” lies before “since”"),
    ],
)
def test_dates_that_cannot_be_are_refused_in_words(as_viewer, query, sentence):
    answer = as_viewer.get(f"/ops/runs?{query}")
    assert answer.status_code == 422
    assert sentence in answer.text


def test_days_are_the_offices_days(as_viewer, db):
    late = changed(ended_run(), created_at=datetime(2026, 11, 11, 4, 30, tzinfo=UTC))  # the 10th, 23:30 in New York
    early = changed(ended_run(), created_at=datetime(2026, 11, 11, 5, 30, tzinfo=UTC))
    assert listed(as_viewer, "since=2026-11-10&until=2026-11-10") == [late.id]
    assert listed(as_viewer, "since=2026-11-11&until=2026-11-11") == [early.id]
    assert listed(as_viewer, "since=2026-11-11T05:00Z&until=2026-11-11T06:00Z") == [early.id]


def test_periods_look_back_from_now(as_viewer, db):
    now = datetime.now(UTC)
    young = changed(ended_run(), created_at=now - timedelta(minutes=50))
    old = changed(ended_run(), created_at=now - timedelta(hours=20))
    changed(ended_run(), created_at=now - timedelta(days=9))
    assert listed(as_viewer, "period=1h") == [young.id]
    assert listed(as_viewer, "period=24h") == [young.id, old.id]
    assert listed(as_viewer, "period=7d") == [young.id, old.id]


def test_a_workers_runs_are_found_for_a_day(as_viewer, db):
    mine = ended_run()
    changed(ended_run(), worker="bulk-2")
    changed(ended_run(), created_at=datetime.now(UTC) - timedelta(hours=30))
    assert listed(as_viewer, "worker=alerts-1") == [mine.id]


@pytest.mark.parametrize("query", ["all=1", "period=7d"], ids=["by number", "by time"])
def test_pages_go_on_by_key_both_ways(as_viewer, db, query):
    runs = [ended_run().id for _ in range(110)]
    newest_first = runs[::-1]
    page = as_viewer.get(f"/ops/runs?{query}").text
    seen = [int(number) for number in ROW.findall(page)]
    assert seen == newest_first[:50]
    assert "110 runs" in page
    addresses = [f"/ops/runs?{query}"]
    while older := re.search(r'rel="next" href="([^"]+)"', page):
        addresses.append(older[1].replace("&amp;", "&"))
        page = as_viewer.get(addresses[-1]).text
        seen += [int(number) for number in ROW.findall(page)]
    assert seen == newest_first
    newer = re.search(r'rel="prev" href="([^"]+)"', page)[1].replace("&amp;", "&")
    assert listed(as_viewer, newer.partition("?")[2]) == newest_first[50:100]


def test_filters_that_are_on_are_chips_that_can_be_taken_off(as_viewer, db):
    ended_run(error="no")
    page = as_viewer.get("/ops/runs?state=failed&kind=alerts&period=24h").text
    for label in ("Job alerts", "State failed", "Time last 24 hours"):
        assert f'aria-label="Remove {label}"' in page
    assert "Clear all" in page
    assert 'href="/ops/runs?kind=alerts&amp;period=24h" aria-label="Remove State failed"' in page


def test_an_empty_list_says_which_filter_emptied_it(as_viewer, db):
    ended_run()
    page = as_viewer.get("/ops/runs?kind=alerts&state=failed").text
    assert "“failed” left nothing" in page
    assert "1 run fits without state “failed”" in page
    assert "Remove “failed”" in page
    assert "“999999” left nothing" not in page


def test_sweeps_that_went_well_are_left_out_until_asked_for(as_viewer, db):
    sweep = ended_run("sweep")
    assert listed(as_viewer, "") == []
    assert listed(as_viewer, "all=1") == [sweep.id]


def test_htmx_pushes_an_address_only_when_it_is_another(as_viewer, db):
    here = "http://porchlight.test/ops/runs?kind=alerts"
    headers = {"HX-Request": "true", "HX-Current-URL": here}
    assert "HX-Push-Url" not in as_viewer.get("/ops/runs?kind=alerts", headers=headers).headers
    moved = as_viewer.get("/ops/runs?kind=digests&state=", headers=headers)
    assert moved.headers["HX-Push-Url"] == "/ops/runs?kind=digests"


@pytest.mark.parametrize("nowhere", ["http://[", "http://]:x/", "//", "\\", "x" * 5000])
def test_an_address_line_that_is_none_is_as_good_as_absent(as_viewer, nowhere):
    answer = as_viewer.get("/ops/runs?kind=digests", headers={"HX-Request": "true", "HX-Current-URL": nowhere})
    assert (answer.status_code, answer.headers["HX-Push-Url"]) == (200, "/ops/runs?kind=digests")


@pytest.mark.parametrize("name", ["kind", "state", "schedule", "queue", "trigger", "period"])
def test_a_value_that_no_filter_knows_is_refused_and_nothing_is_done(as_admin, db, name):
    run = ended_run(error="no")
    page = as_admin.get(f"/ops/runs?{name}=typo")
    assert page.status_code == 422
    assert "“typo” is no" in page.text
    assert f'href="/ops/runs/{run.id}"' not in page.text
    for deed in ("retry-all", "dismiss-all"):
        answer = as_admin.post(f"/ops/runs/chosen?{name}=typo", data={"do": deed})
        assert answer.status_code == 422
        assert "Nothing was changed." in answer.text
    assert audited() == []
    assert db.session.scalar(select(func.count()).select_from(JobRun)) == 1


@pytest.mark.parametrize(
    "query", ["/incidents?show=typo", "/messages?state=typo", "/messages?stream=typo", "/balance?since=typo"]
)
def test_nor_is_it_on_the_other_pages(as_viewer, query):
    answer = as_viewer.get(f"/ops{query}")
    assert answer.status_code == 422
    assert "“typo” is no" in answer.text


NUL = (
    "/errors/%00",
    "/errors/a%00b",
    "/schedules/%00",
    "/data/statements/%00",
    *(
        f"/runs?{name}=%00"
        for name in ("argument", "kind", "state", "worker", "error", "since", "period", "queue", "before")
    ),
    "/runs?argument=a:%00",
    *(f"/audit?{name}=a%00" for name in ("action", "subject", "id", "person", "since")),
    "/messages?q=%00",
    "/incidents?show=%00",
    "/balance?since=%00",
)


@pytest.mark.parametrize("path", NUL)
def test_a_nul_in_an_address_finds_nothing_and_breaks_nothing(as_admin, path):
    answer = as_admin.get(f"/ops{path}")
    assert answer.status_code in ({404} if "?" not in path else {200, 422})


@pytest.mark.parametrize(
    "path", ["/errors/%00/retry", "/errors/%00/dismiss", "/schedules/%00/pause", "/schedules/%00/resume"]
)
def test_a_nul_in_the_address_of_a_deed_is_nobody(as_admin, path):
    assert as_admin.post(f"/ops{path}", data={"reason": "because"}).status_code == 404


def test_a_nul_in_a_form_is_left_out_or_refused(as_admin, db):
    run = ended_run(error="no")
    assert as_admin.post("/ops/runs", data={"kind": "alerts\0"}).status_code == 422
    assert as_admin.post("/ops/runs/chosen", data={"do": "retry\0", "run": f"{run.id}\0"}).status_code == 422
    assert as_admin.post(f"/ops/runs/{run.id}/dismiss", data={"reason": "a\0b"}).status_code == 303
    assert audited()[-1].sentence.endswith(": ab")


# --- One run ---


def test_a_run_shows_its_attempts_its_log_and_what_it_made(as_viewer, db, office):
    run = ended_run("alerts", counts={"events": 71, "pairs": 23, "batches": 1})
    now = datetime.now(UTC)
    db.session.add_all(
        [
            JobLogLine(run_id=run.id, attempt=1, line=1, at=now, level="info", event="batch.taken", fields={"n": 71}),
            JobLogLine(run_id=run.id, attempt=1, line=2, at=now, level="warning", event="slow.query", fields={}),
            MatchBatch(found_on=now.date(), event_seqs=[1, 2, 3], job_run_id=run.id),
        ]
    )
    db.session.execute(update(JobAttempt).where(JobAttempt.run_id == run.id).values(rss_peak_kb=84_000))
    db.session.commit()
    page = as_viewer.get(f"/ops/runs/{run.id}").text
    assert "attempt 1 on alerts-1, took" in page
    assert "at most 86 MB of memory" in page
    assert "71 events, 23 matches" in page
    assert "batch.taken" in page
    assert "n=71" in page
    assert "<dt>Events in them</dt><dd>3</dd>" in page


def test_counts_are_told_as_in_changed_skipped_and_failed(as_viewer, db):
    run = ended_run("imports", counts={"rows_read": 214, "created": 18, "updated": 31, "unchanged": 161, "rejected": 4})
    page = " ".join(as_viewer.get(f"/ops/runs/{run.id}").text.split())
    for title, total in (("In", 214), ("Changed", 49), ("Skipped", 161), ("Failed", 4)):
        assert f'<span class="stat-label">{title}</span><span class="stat-value">{total}</span>' in page
    assert "4 rows rejected, each with its reason" in page


def test_a_long_log_is_cut_and_shown_whole_when_asked_for(as_viewer, db):
    run = ended_run()
    at = datetime.now(UTC)
    db.session.add_all(
        JobLogLine(run_id=run.id, attempt=1, line=number, at=at, level="info", event=f"line.{number}")
        for number in range(1, 521)
    )
    db.session.commit()
    page = as_viewer.get(f"/ops/runs/{run.id}").text
    assert "the newest 100 lines" in page
    assert "line.420<" not in page
    assert "line.421<" in page
    assert "Show all" in page
    assert "line.1<" in as_viewer.get(f"/ops/runs/{run.id}?log=all").text
    assert "Show all" not in as_viewer.get(f"/ops/runs/{ended_run().id}").text


def test_a_log_of_any_size_weighs_no_more_than_a_page_may(as_viewer, db):
    run = waiting_run()
    ledger.claim(run.id, "alerts-1", 60)
    at, long = datetime.now(UTC), '<"é' * 1_333
    db.session.add_all(
        JobLogLine(
            run_id=run.id, attempt=1, line=n, at=at, level="info", event="said", fields={"a": f"{n}{long}", "b": long}
        )
        for n in range(1, 500)
    )
    db.session.commit()
    poll = as_viewer.get(f"/ops/runs/{run.id}", headers={"HX-Request": "true"})
    assert len(poll.data) < 100_000
    assert "a=499" in poll.text
    assert poll.text.count("a=499") == 1, "each field once"
    assert str(escape(long)) not in poll.text
    whole = as_viewer.get(f"/ops/runs/{run.id}?log=all")
    assert len(whole.data) < 350_000, "the log, and the rest of the page"
    assert str(escape(long)) in whole.text
    assert "data-poll" in poll.text
    assert 'id="run" data-poll' not in whole.text, "so much is not asked for every few seconds"


def test_the_tracebacks_of_a_run_that_is_tried_again_leave_a_poll_small(as_viewer, db):
    run = waiting_run()
    for _ in range(WORK.max_attempts - 1):
        changed(run, state="pending", run_after=datetime.now(UTC) - timedelta(minutes=1), hinted_at=None)
        claimed = ledger.claim(run.id, "alerts-1", 60)
        ledger.fail(run.id, claimed.lease_token, "ValueError", "<boom>" * 5_000)
        db.session.commit()
    assert len(as_viewer.get(f"/ops/runs/{run.id}", headers={"HX-Request": "true"}).data) < 100_000


def test_words_in_arguments_are_masked_and_ids_and_moments_are_not(as_viewer, db):
    args = {
        "listing_id": 7,
        "to": "amelia@example.com",
        "note": "call Ruth",
        "people": ["Amelia Carter"],
        "window_end": "2026-11-20T15:45:00+00:00",
        "is_last": True,
        "key": "2f1c8e02a7b41",
    }
    page = as_viewer.get(f"/ops/runs/{ended_run(args=args).id}").text
    assert "<dd>7</dd>" in page
    assert "Fri 20 Nov 2026, 10:45:00 EST" in page
    assert "2f1c8e02a7b41" in page
    assert "1 value, masked" in page
    for private in ("amelia@", "call Ruth", "Amelia"):
        assert private not in page


def test_a_run_leads_to_its_import_only_in_its_own_office(as_staff, sign_in, make, db, office):
    batch = ImportBatch(
        office_id=office.id, source="Harbor MLS", file_name="november.csv", file_path="x", file_sha256="0", file_bytes=1
    )
    db.session.add(batch)
    db.session.commit()
    run = ended_run("imports", args={"import_batch_id": batch.id})
    assert f'href="/listings/imports/{batch.id}">november.csv</a>' in as_staff.get(f"/ops/runs/{run.id}").text
    stranger = sign_in(make.user(office=make.office()))
    assert "november.csv" not in stranger.get(f"/ops/runs/{run.id}").text


def test_a_run_knows_its_relatives(as_viewer, db):
    first = ended_run(error="no")
    again = ended_run("alerts", args={"retry_of": first.id}, trigger=Trigger.RETRY)
    follower = ended_run("digests", after_run_id=again.id)
    page = as_viewer.get(f"/ops/runs/{again.id}").text
    assert "this one does it again" in page
    assert f'href="/ops/runs/{follower.id}">Digests, run {follower.id}' in page
    assert "does this one again" in as_viewer.get(f"/ops/runs/{first.id}").text


def test_a_run_of_the_clock_says_what_it_covers(as_viewer, db):
    due.write_schedule(SCHEDULE)
    at = datetime(2026, 11, 20, 15, 45, tzinfo=UTC)
    changed(ended_run(), schedule_name="alerts", due_at=at - timedelta(minutes=15))
    run = changed(ended_run(), schedule_name="alerts", due_at=at)
    page = as_viewer.get(f"/ops/runs/{run.id}").text
    assert "<dt>Covers</dt>" in page
    assert "to Fri 20 Nov 2026, 10:45:00 EST" in page
    assert db.session.get(JobSchedule, "alerts").name in page


def test_a_digests_run_counts_the_mails_that_came_of_it(as_viewer, make, office, db):
    run = ended_run("digests")
    contact = make.contact(office=office)
    digest = Digest(
        office_id=office.id,
        contact_id=contact.id,
        recipient=contact.email,
        window_end=datetime.now(UTC),
        state=DigestState.BUILT.value,
        token="token-of-a-digest",
        job_run_id=run.id,
    )
    db.session.add(digest)
    db.session.commit()
    make.message(contact, digest_id=digest.id, state="sent")
    page = as_viewer.get(f"/ops/runs/{run.id}").text
    assert "<dt>Digests</dt><dd>1</dd>" in page
    assert "<dt>Sent by now</dt><dd>1</dd>" in page


def test_it_polls_while_it_runs_and_rests_when_it_has_ended(as_viewer, db):
    run = waiting_run()
    assert 'data-poll="2"' in as_viewer.get(f"/ops/runs/{run.id}").text, "somebody may be looking on"
    changed(run, run_after=datetime.now(UTC) - timedelta(seconds=65))
    assert 'data-poll="15"' in as_viewer.get(f"/ops/runs/{run.id}").text
    claimed = ledger.claim(run.id, "alerts-1", 60)
    db.session.commit()
    assert 'data-poll="3"' in as_viewer.get(f"/ops/runs/{run.id}").text
    ledger.finish(run.id, claimed.lease_token, {})
    db.session.commit()
    db.session.expire_all()
    assert "data-poll" not in as_viewer.get(f"/ops/runs/{run.id}").text


def test_a_report_in_sentry_is_linked_when_both_ends_are_known(another_app, make, office, db):
    run_id = changed(ended_run(error="no"), sentry_event_id="0123abcd").id
    other_id = ended_run(error="no").id
    pattern = "https://sentry.example/issues/?query={event_id}"
    viewer = reader_of(another_app(sentry_url=pattern), make.user(office=office))
    assert 'href="https://sentry.example/issues/?query=0123abcd"' in viewer.get(f"/ops/runs/{run_id}").text
    assert "sentry.example" not in viewer.get(f"/ops/runs/{other_id}").text


@pytest.mark.parametrize("path", ["/ops/runs?state=failed", "/ops/runs?argument=listing_id:1", "/ops/runs/{}"])
def test_no_page_needs_more_statements_for_more_runs(as_admin, db, path):
    first = ended_run(error="no", args={"listing_id": 1})
    path = path.format(first.id)
    as_admin.get(path)
    few = count_queries(as_admin, path)
    for _ in range(20):
        ended_run(error="no", args={"listing_id": 1, "retry_of": first.id}, after_run_id=first.id)
    assert count_queries(as_admin, path) <= few + 1, "the lamp may have been due again"
    assert few < 12


# --- What an admin may do ---

DEEDS = [
    "/ops/runs/{}/retry",
    "/ops/runs/{}/cancel",
    "/ops/runs/{}/dismiss",
    "/ops/runs/{}/restore",
    "/ops/runs/chosen",
]


@pytest.mark.parametrize("role", ["as_staff", "as_viewer", "as_agent"])
@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_else_changes_anything(request, db, role, deed):
    run = ended_run(error="no")
    client = request.getfixturevalue(role)
    assert client.post(deed.format(run.id), data={"do": "retry-all", "run": run.id}).status_code == 403
    assert db.session.scalar(select(func.count()).select_from(JobRun)) == 1
    assert db.session.get(JobRun, run.id, populate_existing=True).dismissed_at is None
    assert audited() == []
    if role != "as_agent":
        page = client.get(f"/ops/runs/{run.id}").text + client.get("/ops/runs?state=failed").text
        for word in ("Run again", "Dismiss", "Retry", "Run now"):
            assert word not in page


def test_a_retry_is_written_down_and_pressed_twice_is_one_run(as_admin, db):
    run = ended_run(error="no")
    first = as_admin.post(f"/ops/runs/{run.id}/retry")
    second = as_admin.post(f"/ops/runs/{run.id}/retry")
    assert first.location == second.location
    [entry] = audited()
    assert entry.action == "run.retried"
    assert entry.subject_id == str(run.id)
    assert f"Retried run {run.id} of “alerts” as run" in as_admin.get(f"/ops/runs/{run.id}").text


@pytest.mark.committed
@pytest.mark.parametrize("deed", ["retry", "cancel", "chosen", "now"])
def test_pressed_by_eight_in_one_moment_it_is_one_deed_with_one_line(app, sign_in, make, db, deed):
    run = waiting_run() if deed == "cancel" else ended_run("imports", args={"import_batch_id": 1}, error="no")
    if deed == "cancel":
        ledger.claim(run.id, "alerts-1", 60)
        db.session.commit()
    run_id, admin = run.id, make.user(make.office(), role=Role.ADMIN)
    clients = [sign_in(admin) for _ in range(8)]
    start, answers = threading.Barrier(8), []

    def press(client) -> None:
        start.wait(30)
        if deed == "chosen":
            answers.append(client.post("/ops/runs/chosen", data={"do": "retry", "run": [run_id]}))
        elif deed == "now":
            answers.append(client.post("/ops/runs", data={"kind": "alerts"}))
        else:
            answers.append(client.post(f"/ops/runs/{run_id}/{deed}"))

    pressing = [threading.Thread(target=press, args=(client,)) for client in clients]
    for thread in pressing:
        thread.start()
    for thread in pressing:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [303] * 8
    assert len({answer.location for answer in answers}) == 1, "all are led to the same run"
    assert len(audited()) == 1
    trigger = Trigger.RETRY if deed in {"retry", "chosen"} else Trigger.MANUAL
    made = db.session.scalar(select(func.count()).where(JobRun.trigger == trigger.value, JobRun.id > run_id))
    assert made == (deed != "cancel")


def test_a_run_that_has_not_ended_is_not_retried(as_admin, db):
    assert as_admin.post(f"/ops/runs/{waiting_run().id}/retry").status_code == 409
    assert audited() == []


def test_starting_and_cancelling_by_hand_are_written_down(as_admin, db):
    run_id = int(as_admin.post("/ops/runs", data={"kind": "alerts"}).location.rsplit("/", 1)[-1])
    as_admin.post("/ops/runs", data={"kind": "alerts"})
    as_admin.post(f"/ops/runs/{run_id}/cancel")
    assert as_admin.post(f"/ops/runs/{run_id}/cancel").status_code == 409
    assert [entry.action for entry in audited()] == ["run.started", "run.cancelled"]


def test_a_run_under_way_is_asked_to_stop(as_admin, db):
    run = waiting_run()
    ledger.claim(run.id, "alerts-1", 60)
    db.session.commit()
    assert "Ask it to stop" in as_admin.get(f"/ops/runs/{run.id}").text
    answer = as_admin.post(f"/ops/runs/{run.id}/cancel")
    page = as_admin.get(answer.location).text
    assert "is asked to stop" in page
    assert "Stopping…" in page
    assert "Ask it to stop" not in page
    as_admin.post(f"/ops/runs/{run.id}/cancel")
    assert [entry.action for entry in audited()] == ["run.stop_asked"]


def test_a_failure_is_dismissed_with_a_reason_once_and_that_is_taken_back(as_admin, db):
    run = ended_run(error="no")
    as_admin.post(f"/ops/runs/{run.id}/dismiss", data={"reason": "the relay was moved"})
    page = as_admin.get(f"/ops/runs/{run.id}").text
    assert "by Ruth Calloway" in page
    assert f"Dismissed the failure of run {run.id} of “alerts”: the relay was moved" in page
    assert as_admin.post(f"/ops/runs/{run.id}/dismiss").status_code == 409
    as_admin.post(f"/ops/runs/{run.id}/restore")
    assert as_admin.post(f"/ops/runs/{run.id}/restore").status_code == 409
    assert [entry.action for entry in audited()] == ["run.dismissed", "run.restored"]


def test_only_a_failure_can_be_dismissed(as_admin, db):
    assert as_admin.post(f"/ops/runs/{ended_run().id}/dismiss").status_code == 409
    assert as_admin.post("/ops/runs/999999999/dismiss").status_code == 404


def test_a_dismissed_failure_keeps_nothing_red(db):
    run = ended_run(error="no")
    now = datetime.now(UTC) + timedelta(seconds=1)
    assert [reason.run_id for reason in health.failing(health.vitals(now), now)] == [run.id]
    failures.dismiss([run.id], None)
    assert health.failing(health.vitals(now), now) == []
    failures.restore(run.id)
    assert health.failing(health.vitals(now), now) != []


def test_the_ticked_runs_are_retried_in_one_entry(as_admin, db):
    first, second = (ended_run("imports", args={"import_batch_id": n}, error="no") for n in (1, 2))
    fine = ended_run("imports", args={"import_batch_id": 3})
    as_admin.post("/ops/runs/chosen", data={"do": "retry", "run": [first.id, second.id, fine.id]})
    again = list(db.session.scalars(select(JobRun.args).where(JobRun.trigger == "retry").order_by(JobRun.id)))
    assert [args["import_batch_id"] for args in again] == [1, 2], "the oldest first"
    [entry] = audited()
    assert entry.action == "runs.retried"
    assert entry.fields["count"] == 2
    as_admin.post("/ops/runs/chosen", data={"do": "retry", "run": [first.id, second.id]})
    assert len(audited()) == 1, "they are in hand: nothing is left to do again"


def test_one_run_does_for_all_of_a_job_that_takes_what_is_due(as_admin, db):
    runs = [ended_run(error="no") for _ in range(4)]
    answer = as_admin.post("/ops/runs/chosen?state=failed&kind=alerts", data={"do": "retry-all"})
    [again] = db.session.scalars(select(JobRun).where(JobRun.trigger == "retry"))
    assert again.args["retry_of"] == runs[-1].id
    assert "It does for the 3 others of the same job" in as_admin.get(answer.location).text
    as_admin.post("/ops/runs/chosen", data={"do": "retry-all"})
    assert db.session.scalar(select(func.count()).where(JobRun.trigger == "retry")) == 1


def test_what_can_be_done_with_all_is_counted_before_it_is_offered(as_admin, db):
    """One is dismissed, one done again, one made up for by a success: none of them would start."""
    as_admin.post(f"/ops/runs/{ended_run('imports', {'import_batch_id': 1}, error='no').id}/dismiss")
    as_admin.post(f"/ops/runs/{ended_run('imports', {'import_batch_id': 2}, error='no').id}/retry")
    ended_run(error="no")
    ended_run()
    page = as_admin.get("/ops/runs?state=failed").text
    assert "0 are left to do again, 2 to dismiss" in page
    assert "Retry all…" not in page
    ended_run("imports", {"import_batch_id": 3}, error="no")
    page = as_admin.get("/ops/runs?state=failed").text
    assert "Retry 1 failed run?" in page
    assert "Dismiss 3 failed runs?" in page


def test_all_that_match_a_filter_are_dismissed_in_one_entry_that_names_it(as_admin, db):
    mine = [ended_run(error="no") for _ in range(3)]
    other = ended_run("digests", error="no")
    answer = as_admin.post("/ops/runs/chosen?kind=alerts", data={"do": "dismiss-all"})
    assert answer.location == "/ops/runs?kind=alerts"
    [entry] = audited()
    assert entry.sentence == "Dismissed 3 failures: job alerts"
    assert entry.fields["filter"] == {"kind": "alerts"}
    assert entry.fields["runs"] == [run.id for run in mine]
    assert db.session.get(JobRun, other.id, populate_existing=True).dismissed_at is None
    as_admin.post("/ops/runs/chosen?kind=alerts", data={"do": "dismiss-all"})
    assert len(audited()) == 1


def test_nothing_ticked_and_nothing_known_change_nothing(as_admin, db):
    ended_run(error="no")
    assert as_admin.post("/ops/runs/chosen", data={"do": "retry"}).status_code == 303
    assert as_admin.post("/ops/runs/chosen", data={"do": "retry", "run": ["x", "-1", "9" * 40]}).status_code == 303
    assert as_admin.post("/ops/runs/chosen", data={"do": "burn"}).status_code == 422
    assert as_admin.post("/ops/runs/chosen?argument=%3F", data={"do": "dismiss-all"}).status_code == 422
    assert as_admin.post("/ops/runs/chosen?state=succeeded", data={"do": "dismiss-all"}).status_code == 422
    assert audited() == []
    assert db.session.scalar(select(func.count()).where(JobRun.state == RunState.PENDING.value)) == 0


def test_the_boxes_are_for_admins_and_for_failures(as_admin, as_staff, db):
    broken, fine = ended_run(error="no"), ended_run()
    page = as_admin.get("/ops/runs").text
    assert f'name="run" value="{broken.id}"' in page
    assert f'name="run" value="{fine.id}"' not in page
    assert 'name="run"' not in as_staff.get("/ops/runs").text
