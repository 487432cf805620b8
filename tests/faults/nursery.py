"""Workers and schedulers to be killed. One program loads the app, then forks a real process for each line it reads, so
that a hundred of them cost no more than one start.

python -m tests.faults.nursery LOG '[["beat", "deed", "* * * * * */2"]]' 3

After the log come the lines of the clock (name, kind, cron) and after how many seconds an unanswered ring is repeated
("": as the product does). Reads a JSON list for each process, `["worker", "bulk"]`,
`["scheduler"]`, `["ring", "deed"]` or `["looks", …]`; writes its pid. The processes end with the nursery.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import datetime, timedelta

from app import create_app
from app.domain.models import Trigger
from app.domain.ops import due, ledger
from app.domain.ops.clock import Line
from app.extensions import db, settings
from app.jobs import queue, schedule, scheduler
from app.jobs.kinds import KINDS
from app.jobs.queue import ring, start
from app.jobs.scheduler import Clock
from app.jobs.worker import PorchWorker
from devstack.programs import die_with_parent
from tests.faults.works import HURT

BACKOFF = (1, 2, 4, 8)
"""Seconds before another attempt; the product waits up to a quarter of an hour, and a test does not."""


def work(name: str) -> None:
    PorchWorker(name, settings().redis_url).work(logging_level=None)


def keep_the_clock() -> None:
    Clock(settings().redis_url, schedule.SCHEDULE, interval=1).run()


def start_and_ring(kind: str) -> None:
    """What a page does: write a run down, commit, ring."""
    run = start(kind, {}, trigger=Trigger.MANUAL)
    db.session.commit()
    ring([run.id])


def look_at_a_fast_clock(name: str, began: float, first: str, speed: float, until: str) -> None:
    """Materialise one line again and again on a clock that began at `first` and runs `speed` times as fast as ours."""
    now = datetime.fromisoformat(first)
    work = KINDS["deed"].work
    while now < datetime.fromisoformat(until):
        now = datetime.fromisoformat(first) + timedelta(seconds=(time.time() - began) * speed)
        due.materialise(name, work, now)
        db.session.commit()
        time.sleep(0.005)


ROLES = {"worker": work, "scheduler": keep_the_clock, "ring": start_and_ring, "looks": look_at_a_fast_clock}


def main(log: str, lines: str, ring_again: str) -> None:
    KINDS.update(HURT)
    if ring_again:
        queue.RING_AGAIN = timedelta(seconds=float(ring_again))
    scheduler.SCHEDULE = schedule.SCHEDULE = tuple(
        Line(name, kind, cron, "UTC", 60) for name, kind, cron in json.loads(lines)
    )
    ledger.BACKOFF = BACKOFF
    app = create_app()
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed leave no zombies
    for line in sys.stdin:
        role, *arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent(signal.SIGKILL)
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(written, 1)
            os.dup2(written, 2)
            with app.app_context():
                db.engine.dispose(close=False)
                ROLES[role](*arguments)
            os._exit(0)
        print(pid, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
