"""The worker and the scheduler as programs that a test starts and kills: the real ones, with jobs to hurt added.

python -m tests.faults.works worker bulk | scheduler | web
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any

import structlog
from sqlalchemy import event, text

from app import create_app
from app.domain.models import Office
from app.domain.ops import ledger
from app.extensions import db, settings
from app.jobs.kinds import KINDS, Kind
from app.jobs.run import Run
from app.jobs.schedule import SCHEDULE
from app.jobs.scheduler import Clock
from app.jobs.worker import PorchWorker

log = structlog.get_logger(__name__)


def nap(run: Run) -> dict[str, int]:
    """Sleep, then leave one row behind in the very transaction that finishes the run."""
    until = time.monotonic() + float(run.args.get("seconds", 0))
    db.session.add(Office(office_key=f"nap-{run.id}-{run.attempt}", office_name=str(run.id)))
    db.session.flush()
    while time.monotonic() < until:
        time.sleep(0.05)
    return {"naps": 1}


def hold(run: Run) -> dict[str, int]:
    """As nap, but until the test lets go: a row whose key is let-go-<run>."""
    db.session.add(Office(office_key=f"hold-{run.id}-{run.attempt}", office_name=str(run.id)))
    db.session.flush()
    while not db.session.query(Office).filter_by(office_key=f"let-go-{run.id}").count():
        time.sleep(0.05)
    return {"holds": 1}


def look(run: Run) -> dict[str, int]:
    """What its connections are allowed, and called: the job's own and the lease's."""
    names = ("application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    found = {name: db.session.scalar(text(f"SHOW {name}")) for name in names}
    both = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = current_setting('application_name')")
    run.progress("looking")
    until = time.monotonic() + 30
    while (count := db.session.scalar(both)) < 2 and time.monotonic() < until:
        db.session.rollback()  # within one transaction the picture stays the same
        time.sleep(0.05)
    return found | {"connections": count}


def talk(run: Run) -> dict[str, int]:
    """Say something, and then work until the test lets go."""
    log.info("talk.begun", attempt_of=run.attempt)
    return hold(run)


def freeze(run: Run) -> dict[str, int]:
    """Stop, the first time, in the middle of the transaction that has locked the run's own row."""
    db.session.add(Office(office_key=f"freeze-{run.id}-{run.attempt}", office_name=str(run.id)))
    ledger.fence(run.id, run.lease.token, run.lease.until())
    if run.attempt == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    run.commit()
    return {"freezes": 1}


def sleepwalk(run: Run) -> dict[str, int]:
    """Its connections bear nobody's name, so that only the fence is in its way: it stops, the first time, and works on
    when it is woken. Asked for a chunk, it commits one; else it only ends."""

    def unnamed(dialect: Any, record: Any, arguments: Any, named: dict[str, Any]) -> None:
        named["application_name"] = "nobody"

    db.session.commit()
    event.listen(db.engine, "do_connect", unnamed)
    db.engine.dispose()
    if run.attempt == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    else:
        while not db.session.query(Office).filter_by(office_key=f"let-go-{run.id}").count():
            db.session.rollback()
            time.sleep(0.05)
    db.session.add(Office(office_key=f"walk-{run.id}-{run.attempt}", office_name=str(run.id)))
    if run.args["chunk"]:
        run.commit()
        if run.attempt == 1:  # nobody stopped it: at its end, somebody else might
            os._exit(1)
    return {"walks": run.attempt}


def hang(run: Run) -> dict[str, int]:
    """Hear of nothing, the end of its time included; the first time."""
    db.session.add(Office(office_key=f"hang-{run.id}-{run.attempt}", office_name=str(run.id)))
    if run.attempt == 1:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
        time.sleep(600)
    return {}


def leave(run: Run) -> dict[str, int]:
    """End the process as if all were well, the first time; nobody is told."""
    db.session.add(Office(office_key=f"leave-{run.id}-{run.attempt}", office_name=str(run.id)))
    db.session.flush()
    if run.attempt == 1:
        os._exit(0)
    return {}


def chunks(run: Run) -> dict[str, int]:
    """Leave a row behind in each of many chunks; the number of the chunk is its key, so a second try goes on."""
    total = int(run.args["chunks"])
    for number in range(total):
        key = f"chunk-{run.id}-{number}"
        if not db.session.query(Office).filter_by(office_key=key).count():
            db.session.add(Office(office_key=key, office_name=f"{run.id} by attempt {run.attempt}"))
            time.sleep(float(run.args.get("pause", 0.05)))
        run.progress("chunks", number + 1, total)
        run.commit()
    return {"chunks": total}


def stumble(run: Run) -> dict[str, int]:
    """Fail, until the attempt that is to succeed."""
    if run.attempt < int(run.args["succeeds_at"]):
        raise ValueError(f"attempt {run.attempt} of {run.kind}")
    run.then("nap", {"after": run.id})
    return {}


HURT = {
    "nap": Kind(nap, "bulk", timeout=60, max_attempts=3, overlap=True),
    "look": Kind(look, "bulk", timeout=95, max_attempts=1, overlap=True),
    "talk": Kind(talk, "bulk", timeout=90, max_attempts=3, overlap=True),
    "hold": Kind(hold, "bulk", timeout=90, max_attempts=3, overlap=True),
    "hold-alone": Kind(hold, "bulk", timeout=90, max_attempts=3, overlap=False),
    "freeze": Kind(freeze, "bulk", timeout=90, max_attempts=3, overlap=True),
    "sleepwalk": Kind(sleepwalk, "bulk", timeout=90, max_attempts=3, overlap=True),
    "hang": Kind(hang, "bulk", timeout=3, max_attempts=3, overlap=True),
    "nap-short": Kind(nap, "bulk", timeout=2, max_attempts=1, overlap=True),
    "chunks": Kind(chunks, "bulk", timeout=60, max_attempts=3, overlap=True),
    "stumble": Kind(stumble, "bulk", timeout=60, max_attempts=2, overlap=True),
    "urgent": Kind(nap, "bulk", timeout=60, max_attempts=3, overlap=True, without_redis=True),
    "urgent-hold": Kind(hold, "bulk", timeout=90, max_attempts=3, overlap=True, without_redis=True),
    "leave": Kind(leave, "bulk", timeout=60, max_attempts=3, overlap=True),
    # May be killed again and again and is still to be done, once.
    "deed": Kind(nap, "bulk", timeout=60, max_attempts=50, overlap=True),
    "errand": Kind(nap, "alerts", timeout=60, max_attempts=50, overlap=True),
}


def main(role: str, *arguments: str) -> None:
    KINDS.update(HURT)
    with create_app().app_context():
        if role == "worker":
            PorchWorker(arguments[0], settings().redis_url).work(logging_level=None)
        else:
            Clock(settings().redis_url, SCHEDULE, interval=1).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
