"""`flask …` commands: the same verbs as the screens, for terminals and scripts. A command commits; the domain does not."""

from __future__ import annotations

from importlib import import_module

from flask import Flask

GROUPS: tuple[str, ...] = ("alerts", "bounces", "demo", "doctor", "listings", "people", "run", "runs", "sentry")
"""One file per group in this folder; each has `register(app)`."""


def init_app(app: Flask) -> None:
    for name in GROUPS:
        import_module(f"app.cli.{name}").register(app)
