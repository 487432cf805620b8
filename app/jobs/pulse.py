"""A web process says that it lives, as workers do: every few seconds, from a thread of its own, and goodbye at its end.

It begins with the first request that the process answers: servers fork, before or after the app was loaded, and a
thread does not come along. So a process that nobody asked anything yet is not listed; one that is says when it was
started, which is earlier.
"""

from __future__ import annotations

import atexit
import os
import threading

import structlog
from flask import Flask

from app.domain.ops.heartbeat import Heart, began_at, version
from app.extensions import db

log = structlog.get_logger(__name__)

EVERY = 15.0
"""Seconds: as workers do."""


class Pulse:
    """One for each app; `start` is called before its first request."""

    def __init__(self, app: Flask, every: float = EVERY) -> None:
        self._app, self._every = app, every
        self._pid = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._heart: Heart | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._app.before_request(self._feel)

    def stop(self) -> None:
        """Goodbye. Never raises, and waits no longer than for a connection."""
        self._stopped.set()
        if self._thread is None or self._heart is None or self._pid != os.getpid():
            return
        self._thread.join(timeout=2)
        try:
            with self._app.app_context():
                self._heart.stop()
                db.session.commit()
        except Exception as error:
            log.warning("heartbeat.failed", error=type(error).__name__)

    def _feel(self) -> None:
        if self._pid == os.getpid():
            return
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()
            self._heart = Heart("web", version=version(), started_at=began_at())
            self._thread = threading.Thread(target=self._beat, args=(self._heart,), name="pulse", daemon=True)
            self._thread.start()
            atexit.register(self.stop)

    def _beat(self, heart: Heart) -> None:
        while not self._stopped.is_set():
            with self._app.app_context():
                try:
                    heart.beat()
                    db.session.commit()
                except Exception as error:  # PostgreSQL away: the silence tells; pages go on saying so
                    db.session.rollback()
                    log.warning("heartbeat.failed", error=type(error).__name__)
            self._stopped.wait(self._every)
