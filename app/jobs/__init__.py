"""Time enters here: the clock, the queue, and one short file for each stage."""

from __future__ import annotations

from pathlib import Path

from flask import Flask


def init_app(app: Flask) -> None:
    """Refuse to start on a schedule or a queue that nobody would serve (raises RegistryError), and listen to what jobs
    log."""
    from app.domain.ops.registry import Registry
    from app.jobs import journal
    from app.jobs.kinds import KINDS, check
    from app.jobs.schedule import SCHEDULE

    check(KINDS, SCHEDULE, Path(app.root_path).parent / "Procfile")
    journal.install()
    app.extensions["registry"] = Registry(SCHEDULE, {name: kind.queue for name, kind in KINDS.items()})
