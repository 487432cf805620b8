"""Living processes say so, and say goodbye. A process that does neither is dead. Nothing in this file commits."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from app.domain.models import ProcessHeartbeat
from app.extensions import db


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
        return f"{self.queue or self.role}-{self.instance.hex[:6]}"

    def beat(self, current_run_id: int | None = None, now: datetime | None = None) -> None:
        """Say: still here, using this much memory, doing this."""
        values = {
            "seen_at": now or datetime.now(UTC),
            "rss_kb": memory_kb(),
            "current_run_id": current_run_id,
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
                **values,
            )
            .on_conflict_do_update(index_elements=["instance"], set_=values)
        )

    def stop(self) -> None:
        """Say goodbye: this process is not missing, it has gone."""
        db.session.execute(delete(ProcessHeartbeat).where(ProcessHeartbeat.instance == self.instance))


def memory_kb() -> int | None:
    """What this process holds in memory now, in kB; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024
