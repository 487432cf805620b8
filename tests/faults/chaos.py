"""The long storm: `make chaos`.

A whole installation of its own (durable PostgreSQL and Redis, a mail catcher, workers of every queue, two schedulers, a
supervisor) works for 90 seconds while a seeded killer goes about: kill -9 of workers, of the processes they fork, of
both together, of schedulers; FLUSHALL; Redis killed or restarted; PostgreSQL shut down at once and started again after
a moment, in which everybody else goes on. Then it is left alone until nothing waits, and its books are checked. Prints
the figures, and ends with 1 when one is wrong.

As in the product: how often a scheduler's bell is repeated. Shortened, so that the storm holds more: what
UNLIKE_THE_PRODUCT says, which is printed with the figures.

    python -m tests.faults.chaos [--seconds 90] [--seed 7]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from flask_migrate import upgrade
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import create_app
from app.domain.models import JobRun, OutboundMessage, RunState
from app.domain.ops import ledger
from app.extensions import db
from app.jobs.kinds import KINDS
from devstack import ports
from devstack.mailbox import Catcher
from devstack.servers import Postgres, Redis
from tests.conftest import MIGRATIONS, config_for
from tests.domain.digests.world import NOON, build, crowd, news
from tests.faults.nursery import BACKOFF
from tests.faults.stack import Stack, check_runs, due_times, open_runs
from tests.faults.works import HURT
from tests.make import office as make_office

LEASE = 10
BEAT = 2
"""Seconds from one due time to the next."""
BATCH = 1000
"""Runs that wait when Redis forgets everything, at the end."""
MAIL_EACH_SECOND = 6
DRAINED_WITHIN = 180
RECOVERED_WITHIN = 60
UNLIKE_THE_PRODUCT = (
    f"leases are {LEASE} s (60), a scheduler looks each second (every 5 s), another attempt comes after"
    f" {', '.join(map(str, BACKOFF))} s ({', '.join(map(str, ledger.BACKOFF))}), mail is looked for every 3 s (each"
    " minute), the relay has 5 s to answer (60), what died is started again after a second"
)
LINES = [
    ("beat", "deed", f"* * * * * */{BEAT}"),
    ("messages", "messages", "* * * * * */3"),
    ("sweep", "sweep", "* * * * *"),
]
PROGRAMS = (
    ("worker", "bulk"),
    ("worker", "bulk"),
    ("worker", "alerts"),
    ("worker", "messages"),
    ("worker", "messages"),
    ("scheduler",),
    ("scheduler",),
)
WEIGHTS = {
    "worker": 5,
    "horse": 10,
    "worker and horse": 4,
    "scheduler": 5,
    "FLUSHALL": 3,
    "Redis killed": 2,
    "Redis stopped": 2,
    "PostgreSQL crashed": 2,
}
LONG_AWAY = 20
"""Seconds: longer than the scheduler waits before it does the most needed runs itself."""


@dataclass
class Figures:
    """What is printed; `wrong` says what must not be."""

    seed: int
    lines: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def say(self, what: str, value: object) -> None:
        self.lines.append((what, str(value)))
        print(f"  {what:<44} {value}", flush=True)

    def must(self, truth: bool, sentence: str) -> None:
        if not truth:
            self.wrong.append(sentence)


class Storm:
    """The installation, and what is done to it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.postgres = Postgres(folder / "postgres", port=ports.find_free(set()), password=secrets.token_hex(16))
        self.redis = Redis(folder / "redis", port=ports.find_free({self.postgres.port}), password=secrets.token_hex(16))
        self.returns: dict[Postgres | Redis, float] = {}
        """Servers that are down, and when they are started again."""
        self.by_hand = 0
        self.untold = 0

    @contextlib.contextmanager
    def standing(self) -> Iterator[Stack]:
        for server in (self.postgres, self.redis):
            server.start()
        for server in (self.postgres, self.redis):
            server.wait()
        stack: Stack | None = None
        try:
            with Catcher(self.folder / "mail") as self.catcher:
                self.catcher.delay = 0.03  # wide enough to be killed in
                config = config_for(
                    self.postgres.url,
                    self.redis.url,
                    self.folder,
                    smtp_url=self.catcher.url,
                    run_lease_seconds=LEASE,
                    message_lease_seconds=LEASE,
                    smtp_timeout_seconds=5,
                )
                app = create_app(config)
                KINDS.update(HURT)
                with app.app_context():
                    upgrade(directory=str(MIGRATIONS))
                    stack = Stack(app, self.folder, LINES, restarts_after=1)
                    yield stack
                    stack.close()
                    db.session.remove()
                    db.engine.dispose()
        finally:
            if stack is not None:
                stack.close()
            for server in (self.postgres, self.redis):
                server.drop()
                server.remove()

    # --- work ---

    def write_mails(self, seconds: float) -> int:
        """So many that some are due in each second of the storm."""
        size = int(seconds * MAIL_EACH_SECOND)
        office = make_office()
        crowd(office, size, [news(office)[1]])
        build(NOON, now=db.session.scalar(text("SELECT now()")))
        db.session.execute(
            text(
                "UPDATE outbound_message SET not_before = now() + (id % :seconds) * interval '1 second', expires_at = now() + interval '1 day'"
            ),
            {"seconds": int(seconds)},
        )
        db.session.commit()
        return size

    def ask(self, stack: Stack) -> None:
        """As a person does, who tries again when PostgreSQL is away: then nothing is promised."""
        kind, seconds = self.chance.choice(["deed", "errand"]), self.chance.choice([0, 0, 0.2, 0.6])
        try:
            stack.run(kind, seconds=seconds)
            self.by_hand += 1
        except DBAPIError:
            db.session.rollback()
            self.untold += 1

    # --- harm ---

    def strike(self, stack: Stack) -> None:
        sort = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        deeds: dict[str, tuple[Postgres | Redis, Callable[[], object]]] = {
            "FLUSHALL": (self.redis, stack.redis.flushall),
            "Redis killed": (self.redis, lambda: self.take_down(self.redis, self.redis.kill)),
            "Redis stopped": (self.redis, lambda: self.take_down(self.redis, self.redis.stop, LONG_AWAY)),
            "PostgreSQL crashed": (self.postgres, lambda: self.take_down(self.postgres, self.postgres.drop)),
        }
        if sort not in deeds:
            stack.kill_a(sort, self.chance)
        elif deeds[sort][0] not in self.returns:
            stack.hurt(sort, deeds[sort][1])

    def take_down(self, server: Postgres | Redis, end: Callable[[], None], longest: float = 3) -> None:
        end()
        self.returns[server] = time.monotonic() + self.chance.uniform(0.2, longest)

    def bring_back(self, *, all_of_them: bool = False) -> None:
        for server, when in list(self.returns.items()):
            if all_of_them or time.monotonic() >= when:
                server.start()
                server.wait(60)
                del self.returns[server]


def storm(seconds: float, seed: int) -> Figures:
    figures = Figures(seed)
    folder = Path(tempfile.mkdtemp(prefix="porchlight-chaos-"))
    print(f"Chaos of {seconds:.0f} s, CHAOS_SEED={seed}")
    print(f"  not as in the product: {UNLIKE_THE_PRODUCT}")
    try:
        whole = Storm(folder, seed)
        with whole.standing() as stack:
            rage(whole, stack, seconds, figures)
            if figures.wrong:
                print((folder / "processes.log").read_text()[-6000:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return figures


def rage(whole: Storm, stack: Stack, seconds: float, figures: Figures) -> None:
    for arguments in PROGRAMS:
        stack.start(*arguments)
    stack.wait_for(lambda: due_times("beat"), 60)
    mails = whole.write_mails(seconds)
    until = time.monotonic() + seconds
    next_strike = time.monotonic() + 1
    while time.monotonic() < until:
        whole.ask(stack)
        if time.monotonic() >= next_strike:
            whole.strike(stack)
            next_strike = time.monotonic() + whole.chance.uniform(0.4, 1.4)
        whole.bring_back()
        stack.supervise()
        time.sleep(whole.chance.uniform(0.1, 0.3))
    whole.bring_back(all_of_them=True)
    ended_at = datetime.now(UTC)
    drain(stack, ended_at, figures)
    count(whole, stack, mails, ended_at, figures)
    forget_a_thousand(stack, figures)


def drain(stack: Stack, ended_at: datetime, figures: Figures) -> None:
    """Nobody is hurt any more. The clock's line stops, the rest goes on until nothing waits."""
    db.session.execute(text("UPDATE job_schedule SET enabled = false WHERE name = 'beat'"))
    db.session.commit()
    waiting = text(
        "SELECT (SELECT count(*) FROM job_run WHERE kind IN ('deed', 'errand') AND state IN ('pending', 'running'))"
        " + (SELECT count(*) FROM outbound_message WHERE state IN ('queued', 'sending'))"
    )
    stack.wait_for(lambda: db.session.scalar(waiting) == 0, DRAINED_WITHIN)
    figures.say("nothing waited any more after", f"{(datetime.now(UTC) - ended_at).total_seconds():.1f} s")
    db.session.execute(text("UPDATE job_schedule SET enabled = false"))
    db.session.commit()
    stack.wait_for(lambda: open_runs() == 0, DRAINED_WITHIN)


def count(whole: Storm, stack: Stack, mails: int, ended_at: datetime, figures: Figures) -> None:
    kills = Counter(stack.kills)
    of_senders = kills.pop("of them, of those that send mail", 0)
    figures.say("kills", f"{sum(kills.values())}: " + ", ".join(f"{n} × {sort}" for sort, n in sorted(kills.items())))

    states = check_runs()
    figures.say("runs, all ended", f"{sum(states.values())}: {dict(sorted(states.items()))}")
    attempts = Counter(dict(db.session.execute(text("SELECT outcome, count(*) FROM job_attempt GROUP BY 1")).all()))
    figures.say("attempts", dict(sorted(attempts.items())))

    due = due_times("beat")
    expected = [
        due[0] + timedelta(seconds=BEAT * n) for n in range(int((due[-1] - due[0]).total_seconds()) // BEAT + 1)
    ]
    figures.say("due times expected, and each with one run", f"{len(expected)}, {len(due)}")
    figures.must(due == expected, "a due time has no run, or two")
    figures.must(due[-1] >= ended_at - timedelta(seconds=15), "the clock stood still at the end")
    by_state = dict(
        db.session.execute(text("SELECT state, count(*) FROM job_run WHERE schedule_name = 'beat' GROUP BY 1")).all()
    )
    figures.say("of them", by_state)

    asked = db.session.query(JobRun.state).filter(JobRun.trigger == "manual").all()
    done = sum(state == RunState.SUCCEEDED for (state,) in asked)
    figures.say("runs asked for by a person, done, effects", f"{len(asked)}, {done}, {effects_of_asked()}")
    figures.must(len(asked) == done == effects_of_asked(), "a run that a person asked for was not done exactly once")
    figures.must(len(asked) >= whole.by_hand, "a run that was committed is gone")
    figures.say("askers who met no PostgreSQL", whole.untold)
    figures.must(states.get(RunState.FAILED, 0) == 0, "a run failed for good")

    count_mails(whole, mails, of_senders + kills["PostgreSQL crashed"], figures)
    longest, sort = recovery(stack)
    figures.say("longest from a kill to the next run that ended", f"{longest:.1f} s (after: {sort})")
    figures.must(longest < RECOVERED_WITHIN, f"{longest:.0f} s without a finished run")
    of_one, its_run, robbed = recovery_of_one(stack)
    figures.say("runs whose process was killed", robbed)
    figures.say("longest from the kill of a run's process to its end", f"{of_one:.1f} s (run {its_run})")
    figures.must(of_one < RECOVERED_WITHIN, f"run {its_run} ended {of_one:.0f} s after its process was killed")
    longest_wait = db.session.scalar(
        text(
            "SELECT max(extract(epoch FROM finished_at - created_at)) FROM job_run"
            " WHERE trigger = 'manual' AND state = 'succeeded'"
        )
    )
    figures.say("longest from asking to done, of one run", f"{float(longest_wait):.1f} s")


def effects_of_asked() -> int:
    return db.session.scalar(
        text("SELECT count(*) FROM office o JOIN job_run r ON o.office_name = r.id::text WHERE r.trigger = 'manual'")
    )


def count_mails(whole: Storm, mails: int, may_be_unknown: int, figures: Figures) -> None:
    accepted = Counter(whole.catcher.accepted())
    states: dict[str, list[str]] = {}
    for state, message_id in db.session.query(OutboundMessage.state, OutboundMessage.message_id):
        states.setdefault(state, []).append(message_id)
    figures.say("mails", f"{mails}: " + str({state: len(ids) for state, ids in sorted(states.items())}))
    doubled = [key for key, times in accepted.items() if times > 1]
    figures.say("mails accepted by the relay, of them doubled", f"{sum(accepted.values())}, {len(doubled)}")
    figures.must(not doubled, "a mail went out twice")
    figures.must(set(states) <= {"sent", "unknown"}, "a mail ended neither as sent nor as unknown")
    figures.must(all(accepted[key] == 1 for key in states.get("sent", [])), "a mail is called sent and never arrived")
    arrived = sum(accepted[key] for key in states.get("unknown", []))
    unknown = len(states.get("unknown", []))
    figures.say("unknown, of them arrived; senders hurt", f"{unknown}, {arrived}; {may_be_unknown}")
    figures.must(unknown <= may_be_unknown, "more mails are unknown than senders were hurt")


def recovery(stack: Stack) -> tuple[float, str]:
    """The longest time from a kill to the next success, in seconds, and of what sort the kill was."""
    ends = [
        moment
        for (moment,) in db.session.query(JobRun.finished_at)
        .filter(JobRun.state == RunState.SUCCEEDED)
        .order_by(JobRun.finished_at)
    ]
    longest, of_sort = 0.0, ""
    for moment, sort in stack.killed_at:
        after = next((end for end in ends if end > moment), None)
        took = (after - moment).total_seconds() if after else float("inf")
        if took > longest:
            longest, of_sort = took, sort
    return longest, of_sort


def recovery_of_one(stack: Stack) -> tuple[float, int, int]:
    """The longest time from the kill of the process that had a run to the end of that very run, in seconds; which run;
    and of how many. When its next process was killed as well, from the last kill."""
    last = {run_id: moment for moment, run_id in sorted(stack.robbed_at)}
    ends = dict(db.session.query(JobRun.id, JobRun.finished_at).filter(JobRun.id.in_(last)).all())
    # One that ended before its process did had been finished with.
    took = {run_id: (ends[run_id] - moment).total_seconds() for run_id, moment in last.items() if run_id in ends}
    robbed = {run_id: seconds for run_id, seconds in took.items() if seconds >= 0}
    its_run = max(robbed, key=lambda run_id: robbed[run_id], default=0)
    return robbed.get(its_run, 0.0), its_run, len(robbed)


def forget_a_thousand(stack: Stack, figures: Figures) -> None:
    """A thousand wait when Redis is emptied, and nobody asks for them again."""
    from app.domain.models import Trigger
    from app.jobs.queue import ring_due, start

    ids = [start("deed", {}, trigger=Trigger.MANUAL).id for _ in range(BATCH)]
    db.session.commit()
    while ring_due():
        pass
    stack.redis.flushall()
    began = time.monotonic()
    stack.wait_for(lambda: open_runs() == 0, 600)
    took = time.monotonic() - began
    figures.say(f"FLUSHALL with {BATCH} waiting: all done after", f"{took:.1f} s ({BATCH / took:.0f} a second)")
    done = db.session.query(JobRun).filter(JobRun.id.in_(ids), JobRun.state == RunState.SUCCEEDED).count()
    figures.must(done == BATCH, f"{BATCH - done} runs were lost with Redis")
    check_runs()


def main() -> None:
    parser = argparse.ArgumentParser(description="Ninety seconds of kills, and what is left of the work.")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6)))
    wanted = parser.parse_args()
    os.environ["TZ"] = "UTC"
    time.tzset()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    figures = storm(wanted.seconds, wanted.seed)
    summary: dict[str, Any] = {"chaos": "wrong" if figures.wrong else "right", "seed": figures.seed}
    print(json.dumps(summary | dict(figures.lines), ensure_ascii=False))
    for sentence in figures.wrong:
        print(f"WRONG: {sentence}")
    sys.exit(bool(figures.wrong))


if __name__ == "__main__":
    main()
