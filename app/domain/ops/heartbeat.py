"""Living processes say so, and say goodbye. A process that does neither is dead. Nothing in this file commits."""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID, uuid4

from flask import current_app
from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from app.config import VERSION
from app.domain.models import ProcessHeartbeat
from app.domain.moments import moment
from app.extensions import db, settings


@dataclass
class Heart:
    """One process. `instance` is new at each start, so a restart never inherits a dead one's row."""

    role: str
    queue: str | None = None
    version: str = ""
    instance: UUID = field(default_factory=uuid4)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def name(self) -> str:
        """What people and rows call this process."""
        return name_of(self.role, self.queue, self.instance)

    def beat(self, current_run_id: int | None = None, *, note: str = "", now: datetime | None = None) -> None:
        """Say: still here, using this much memory, doing this; and what is out of the ordinary. When, PostgreSQL says:
        by its own clock, hours ahead, a process would live for hours after its death."""
        values = {
            "seen_at": moment(now),
            "rss_kb": memory_kb(),
            "current_run_id": current_run_id,
            "note": note,
        }
        db.session.execute(
            insert(ProcessHeartbeat)
            .values(
                instance=self.instance,
                role=self.role,
                host=self.host,
                pid=self.pid,
                queue=self.queue,
                version=self.version,
                started_at=self.started_at,
                rss_first_kb=values["rss_kb"],
                **values,
            )
            .on_conflict_do_update(index_elements=["instance"], set_=values)
        )

    def stop(self) -> None:
        """Say goodbye: this process is not missing, it has gone."""
        db.session.execute(delete(ProcessHeartbeat).where(ProcessHeartbeat.instance == self.instance))


def name_of(role: str, queue: str | None, instance: UUID) -> str:
    """What rows call the process of a heartbeat: a run's `worker`."""
    return f"{queue or role}-{instance.hex[:6]}"


def version() -> str:
    """Which code this process runs: RELEASE where it is set, else the project's version, with the revision when the
    code lies in a git checkout. Read once: a checkout that moves on under a running process does not change it."""
    return _version(settings().release, Path(current_app.root_path).parent)


@cache
def _version(release: str, root: Path) -> str:
    revision = _revision(root / ".git")
    return release or (f"{VERSION}+{revision}" if revision else VERSION)


def _revision(folder: Path) -> str:
    """The first seven letters of the commit that a checkout is at; empty where there is none to read."""
    try:
        head = (folder / "HEAD").read_text(encoding="ascii").strip()
        if not head.startswith("ref: "):
            return head[:7]
        name = head.removeprefix("ref: ")
        if (folder / name).exists():
            return (folder / name).read_text(encoding="ascii").strip()[:7]
        packed = (folder / "packed-refs").read_text(encoding="ascii").splitlines()
        return next((line[:7] for line in packed if line.endswith(f" {name}")), "")
    except (OSError, ValueError):
        return ""


def began_at() -> datetime:
    """When this process was started, or forked, as the system says; now where it does not."""
    now = datetime.now(UTC)
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return now
    return now - timedelta(seconds=max(age, 0.0))


def memory_kb() -> int | None:
    """What this process holds in memory now, in kB; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def peak_memory_kb() -> int:
    """The most this process has ever held in memory, in kB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak
