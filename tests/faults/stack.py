"""An installation to be hurt: its database, its Redis, its processes, somebody who starts again what died, and a
seeded killer. Used by the tests beside it and by `make chaos`."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.config import Config
from app.domain.models import JobAttempt, JobRun, Office, ProcessHeartbeat, RunState, Trigger
from app.extensions import db
from app.jobs.queue import ring, start

ROOT = Path(__file__).parent.parent.parent
ENDED = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.SKIPPED, RunState.MISSED, RunState.CANCELLED})
SEED = int(os.environ.get("CHAOS_SEED", "20261120"))
"""What chance begins with in the tests. One that failed is repeated; CHAOS_SEED=… tries another."""
Line = tuple[str, str, str]
"""Name, kind, cron."""


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@dataclass
class Program:
    """A worker or a scheduler that is started again when it died, unless it is told to stay away."""

    arguments: tuple[str, ...]
    pid: int
    is_wanted: bool = True
    died_at: float | None = None

    @property
    def role(self) -> str:
        return self.arguments[0]


@dataclass
class Stack:
    """`lines`: the clock of this installation. `ring_again`: seconds; None as the product has it. Enter it with the
    app's context pushed."""

    app: Flask
    folder: Path
    lines: Sequence[Line] = ()
    settings: dict[str, str] = field(default_factory=dict)
    ring_again: float | None = None
    restarts_after: float = 0.3
    programs: list[Program] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    killed_at: list[tuple[datetime, str]] = field(default_factory=list)
    robbed_at: list[tuple[datetime, int]] = field(default_factory=list)
    """When a process was killed that had a run in its hands, and which."""

    def __post_init__(self) -> None:
        config: Config = self.app.extensions["porchlight"]
        self.redis = redis.Redis.from_url(config.redis_url, socket_timeout=2, socket_connect_timeout=1)
        self.log = self.folder / "processes.log"
        self.log.touch()
        self._nursery = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults.nursery",
                self.log,
                json.dumps(self.lines),
                str(self.ring_again or ""),
            ],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "TZ": "UTC",
                "DATABASE_URL": config.database_url,
                "REDIS_URL": config.redis_url,
                "SECRET_KEY": config.secret_key,
                "PUBLIC_URL": config.public_url,
                "SMTP_URL": config.smtp_url,
                "MAIL_FROM": config.mail_from,
                "FILES_DIR": str(config.files_dir),
                "RUN_LEASE_SECONDS": str(config.run_lease_seconds),
                "MESSAGE_LEASE_SECONDS": str(config.message_lease_seconds),
                "SMTP_TIMEOUT_SECONDS": str(config.smtp_timeout_seconds),
                "QUIET_HOURS": "none",
                "INSTANT_GAP_MINUTES": "0",
                "LOG_LEVEL": "warning",
                "LOG_FORMAT": "console",
                "CRASH_AT": f"@{self.crash_file}",
            }
            | self.settings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    # --- processes ---

    @property
    def crash_file(self) -> Path:
        """Who reaches the point that is written here dies of it, once."""
        return self.folder / "crash-at"

    def fork(self, *arguments: Any) -> int:
        """The pid of a new process that nobody starts again."""
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(json.dumps(arguments) + "\n")
        self._nursery.stdin.flush()
        return int(self._nursery.stdout.readline())

    def start(self, *arguments: str) -> Program:
        program = Program(arguments, self.fork(*arguments))
        self.programs.append(program)
        return program

    def supervise(self) -> None:
        """Start again what died, a moment after it did."""
        for program in self.programs:
            if is_alive(program.pid) or not program.is_wanted:
                continue
            now = time.monotonic()
            program.died_at = program.died_at or now
            if now - program.died_at >= self.restarts_after:
                program.pid, program.died_at = self.fork(*program.arguments), None

    def living(self, role: str, queue: str | None = None) -> list[Program]:
        return [
            program
            for program in self.programs
            if program.role == role and is_alive(program.pid) and (queue is None or program.arguments[1] == queue)
        ]

    def horses(self, queue: str | None = None) -> list[int]:
        """The forked processes that do runs at this moment."""
        return [child for worker in self.living("worker", queue) for child in children_of(worker.pid)]

    def close(self) -> None:
        """End every process. Harmless when done already."""
        if self._nursery.poll() is not None:
            return
        for program in self.programs:
            program.is_wanted = False
            for pid in (program.pid, *children_of(program.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.close()
        self._nursery.wait(10)
        self._nursery.stdout.close()
        self.redis.close()

    # --- hurt ---

    def hurt(self, sort: str, deed: Callable[[], object]) -> None:
        """Do it, and remember when and what."""
        self.killed_at.append((datetime.now(UTC), sort))
        self.kills[sort] += 1
        deed()

    def kill(self, sort: str, pid: int) -> None:
        def deed() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

        self.hurt(sort, deed)

    def kill_a(self, sort: str, chance: random.Random) -> bool:
        """One of the living, chosen by chance: a worker, a horse, a scheduler, or a worker with its horse (“host”).
        False when there is none."""
        if sort == "horse":
            pids = self.horses()
        elif sort == "scheduler":
            pids = [program.pid for program in self.living("scheduler")]
        else:
            pids = [program.pid for program in self.living("worker")]
        if not pids:
            return False
        pid = chance.choice(sorted(pids))
        queue = next((each.arguments[-1] for each in self.programs if pid in (each.pid, *children_of(each.pid))), "")
        if queue == "messages":
            self.kills["of them, of those that send mail"] += 1
        horses = children_of(pid) if sort == "worker and horse" else []
        held = None if sort in {"scheduler", "worker"} else self.run_of(pid)  # a worker's fork outlives it
        self.kill(sort, pid)
        if held is not None:
            self.robbed_at.append((self.killed_at[-1][0], held))
        for horse in horses:
            with contextlib.suppress(ProcessLookupError):
                os.kill(horse, signal.SIGKILL)
        return True

    def run_of(self, pid: int) -> int | None:
        """The run that this worker, or the worker of this fork, has in its hands; None also when nobody can say."""
        worker = next((each.pid for each in self.programs if pid in (each.pid, *children_of(each.pid))), 0)
        try:
            held = db.session.query(ProcessHeartbeat.current_run_id).filter_by(pid=worker)
            return held.order_by(ProcessHeartbeat.seen_at.desc()).limit(1).scalar()
        except DBAPIError:
            return None
        finally:
            db.session.rollback()

    # --- runs ---

    def run(self, kind: str = "deed", *, is_rung: bool = True, **args: object) -> int:
        run = start(kind, args, trigger=Trigger.MANUAL)
        db.session.commit()
        if is_rung:
            ring([run.id])
        return run.id

    def wait_for(self, what: Callable[[], Any], seconds: float = 30) -> Any:
        """Supervising meanwhile. Fails with a picture of what there is."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.supervise()
            db.session.rollback()
            if found := what():
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {self.picture()}\n{self.log.read_text()[-3000:]}")

    def ended(self, run_id: int, seconds: float = 30) -> JobRun:
        def look() -> JobRun | None:
            run = db.session.get_one(JobRun, run_id)
            return run if run.state in ENDED else None

        return self.wait_for(look, seconds)

    def picture(self) -> list[Any]:
        db.session.rollback()
        return (
            db.session.query(JobRun.id, JobRun.kind, JobRun.state, JobRun.attempt, JobRun.worker, JobRun.hinted_at)
            .filter(JobRun.state.in_(("pending", "running", "failed")))
            .all()
        )


def effects(run_id: int) -> int:
    """How often a nap left its row."""
    return db.session.query(Office).filter(Office.office_name == str(run_id)).count()


def outcomes(run_id: int) -> list[str | None]:
    db.session.expire_all()
    rows = db.session.query(JobAttempt).filter_by(run_id=run_id).order_by(JobAttempt.attempt).all()
    return [row.outcome for row in rows]


def open_runs() -> int:
    """Runs that have not ended."""
    return db.session.query(JobRun).filter(JobRun.state.in_(("pending", "running"))).count()


def check_runs() -> Counter[str]:
    """Every run ended; each that succeeded took effect once, no other at all; no attempt is left open; no due time has
    two runs. Returns how many ended how."""
    db.session.rollback()
    states = Counter(dict(db.session.execute(text("SELECT state, count(*) FROM job_run GROUP BY state")).all()))
    assert not {"pending", "running"} & set(states), states
    wrong = db.session.execute(
        text(
            """
            SELECT r.id, r.state, r.attempt, count(o.id) AS effects
            FROM job_run r LEFT JOIN office o ON o.office_name = r.id::text
            WHERE r.kind IN ('nap', 'deed', 'errand')
            GROUP BY r.id HAVING count(o.id) <> CASE WHEN r.state = 'succeeded' THEN 1 ELSE 0 END
            """
        )
    ).all()
    assert wrong == [], "a run took effect more or less often than it succeeded"
    left_open = db.session.execute(text("SELECT run_id, attempt FROM job_attempt WHERE outcome IS NULL")).all()
    assert left_open == []
    doubled = db.session.execute(
        text("SELECT schedule_name, due_at FROM job_run WHERE due_at IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1")
    ).all()
    assert doubled == []
    return states


def due_times(name: str) -> list[datetime]:
    return [
        moment for (moment,) in db.session.query(JobRun.due_at).filter_by(schedule_name=name).order_by(JobRun.due_at)
    ]
