"""No event is skipped and none is taken twice, whatever order transactions end in; no batch is matched twice.

Real connections that really commit: a snapshot sees nothing of a transaction that never ends.
"""

from __future__ import annotations

import random
import threading
import time

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.domain.alerts import match
from app.domain.listings import record
from app.domain.models import ListingEvent, Office
from app.domain.searches import saved

pytestmark = pytest.mark.committed

WRITERS = 5
SECONDS = 2.5
LONG_OPEN = 1.2
"""One writer holds a transaction open for so long while the others commit past it."""


def url_of(db) -> str:
    return db.engine.url.render_as_string(hide_password=False).replace("+psycopg", "", 1)


def connect(db, **options) -> psycopg.Connection:
    return psycopg.connect(url_of(db), **options)


COLUMNS = ", ".join(c.key for c in ListingEvent.__table__.columns if c.key not in {"seq", "xid", "recorded_at"})
COPY_EVENT = (
    f"INSERT INTO listing_event ({COLUMNS}) SELECT {COLUMNS} FROM listing_event, generate_series(1, %s)"
    " WHERE seq = %s RETURNING seq"
)


class Writers:
    """Threads that append events, roll some of them back, and remember which were committed."""

    def __init__(self, db, template: int) -> None:
        self.url, self.template = url_of(db), template
        self.committed: list[int] = []
        self.errors: list[BaseException] = []
        self.threads = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]
        self.threads.append(threading.Thread(target=self.dawdle))
        for thread in self.threads:
            thread.start()

    def write(self, number: int) -> None:
        rnd = random.Random(number)
        until = time.monotonic() + SECONDS
        try:
            with psycopg.connect(self.url) as connection:
                while time.monotonic() < until:
                    seqs = [row[0] for row in connection.execute(COPY_EVENT, [rnd.randint(1, 4), self.template])]
                    time.sleep(rnd.random() * 0.01)
                    if rnd.random() < 0.15:
                        connection.rollback()
                    else:
                        connection.commit()
                        self.committed += seqs
        except BaseException as error:
            self.errors.append(error)

    def dawdle(self) -> None:
        try:
            with psycopg.connect(self.url) as connection:
                seqs = [row[0] for row in connection.execute(COPY_EVENT, [3, self.template])]
                time.sleep(LONG_OPEN)
                connection.commit()
                self.committed += seqs
        except BaseException as error:
            self.errors.append(error)

    @property
    def are_busy(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def finish(self) -> None:
        for thread in self.threads:
            thread.join()
        assert self.errors == []


def a_template(db, make) -> int:
    """An event to copy, already taken and matched."""
    office = make.office()
    values = {"standard_status": "Active", "list_price": 489_000, "city": "Port Ellery"}
    listing = record.create(office.id, values)
    db.session.commit()
    match.take_batches()
    while match.match_one_batch():
        db.session.commit()
    db.session.commit()
    return db.session.scalar(text("SELECT seq FROM listing_event WHERE listing_id = :id"), {"id": listing.id})


def taken(db) -> list[int]:
    """Every event in a batch but the template, which is the first."""
    seqs = text("SELECT seq FROM (SELECT unnest(event_seqs) AS seq FROM match_batch) AS e ORDER BY seq")
    return list(db.session.scalars(seqs))[1:]


def test_pa_01_nothing_is_missed_and_nothing_taken_twice_while_writers_commit_roll_back_and_dawdle(db, make, app):
    writers = Writers(db, a_template(db, make))
    while_one_dawdled = 0
    began = time.monotonic()
    errors: list[BaseException] = []

    def poll_too() -> None:
        """A second poller: two schedulers, or a hand at the terminal."""
        try:
            with app.app_context():
                while writers.are_busy:
                    match.take_batches()
                    db.session.commit()
                    time.sleep(0.003)
                db.session.remove()
        except BaseException as error:
            errors.append(error)

    other = threading.Thread(target=poll_too)
    other.start()
    while writers.are_busy:
        match.take_batches()
        db.session.commit()
        if time.monotonic() - began < LONG_OPEN * 0.9:
            while_one_dawdled = len(taken(db))
            db.session.commit()
        time.sleep(0.005)
    writers.finish()
    other.join()
    match.take_batches()
    db.session.commit()
    assert errors == []
    assert taken(db) == sorted(writers.committed)
    assert len(writers.committed) > 100
    assert while_one_dawdled > 20, "the open transaction held up the others"


def test_pa_01_a_cursor_on_the_sequence_would_have_missed_some(db, make):
    """The reason for snapshots: a number is given when a row is written, and seen when it is committed."""
    template = a_template(db, make)
    with connect(db) as slow, connect(db) as quick:
        early = slow.execute(COPY_EVENT, [1, template]).fetchone()[0]
        late = quick.execute(COPY_EVENT, [1, template]).fetchone()[0]
        quick.commit()
        assert early < late
        match.take_batches()
        db.session.commit()
        assert taken(db) == [late]
        slow.commit()
    match.take_batches()
    db.session.commit()
    assert taken(db) == [early, late]


def test_a_poll_with_nothing_new_writes_nothing(db, make):
    a_template(db, make)
    match.take_batches()
    db.session.commit()
    state = text("SELECT snapshot::text, moved_at, xmin::text, xmax::text FROM match_cursor")
    before = db.session.execute(state).one()
    db.session.commit()
    assert match.take_batches() == 0
    assert db.session.scalar(text("SELECT pg_current_xact_id_if_assigned()")) is None
    db.session.commit()
    assert db.session.execute(state).one() == before


def test_a_taker_that_dies_before_its_commit_leaves_everything_to_the_next(db, make):
    template = a_template(db, make)
    with connect(db, autocommit=True) as writer:
        seqs = [row[0] for row in writer.execute(COPY_EVENT, [5, template])]
    assert match.take_batches() == 1
    db.session.rollback()
    assert taken(db) == []
    assert match.take_batches() == 1
    db.session.commit()
    assert taken(db) == seqs


def test_two_matchers_at_once_share_the_batches_and_write_each_pair_once(db, make, app):
    template = a_template(db, make)
    subscriptions = keys_for(db, make, template, count=30)
    with connect(db, autocommit=True) as writer:
        seqs = [row[0] for row in writer.execute(COPY_EVENT, [300, template])]
    assert match.take_batches(most=20) == 15
    db.session.commit()
    totals: list[dict[str, int]] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            with app.app_context():
                while (found := match.match_one_batch()) is not None:
                    db.session.commit()
                    totals.append(found)
                db.session.commit()
                db.session.remove()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(totals) == 15
    pairs = pairs_of(db)
    assert sorted(pairs) == sorted((one, seq) for one in subscriptions for seq in seqs)
    assert sum(found["pairs"] for found in totals) == len(pairs)


def test_a_matcher_that_dies_leaves_its_batch_to_the_next_and_nothing_half_done(db, make):
    template = a_template(db, make)
    (subscription,) = keys_for(db, make, template, count=1)
    with connect(db, autocommit=True) as writer:
        seqs = [row[0] for row in writer.execute(COPY_EVENT, [4, template])]
    match.take_batches()
    db.session.commit()
    assert match.match_one_batch()["pairs"] == 4
    assert match.match_one_batch() is None, "one worker's own batch is done for it"
    pid = db.session.scalar(text("SELECT pg_backend_pid()"))
    with connect(db, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s)", [pid])
        while admin.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
            time.sleep(0.01)
    with pytest.raises(OperationalError):
        db.session.commit()
    db.session.rollback()
    assert pairs_of(db) == []
    assert match.match_one_batch()["pairs"] == 4
    db.session.commit()
    assert sorted(pairs_of(db)) == [(subscription, seq) for seq in seqs]


def keys_for(db, make, template: int, *, count: int) -> list[int]:
    """Subscriptions, made through the verb, that want what the template is news of."""
    office = db.session.get(Office, db.session.get(ListingEvent, template).office_id)
    contact = make.contact(office)
    for n in range(count):
        saved.create(office.id, contact.id, f"Search {n}", {"city": ["Port Ellery"]}, schedule_type="ASAP")
    db.session.commit()
    return list(db.session.scalars(text("SELECT id FROM alert_subscription ORDER BY id")))


def pairs_of(db) -> list[tuple[int, int]]:
    rows = db.session.execute(text("SELECT alert_subscription_id, unnest(event_seqs) FROM alert_match"))
    return [tuple(row) for row in rows]
