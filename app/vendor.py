"""Third-party assets, served out of the wheels that carry them. Placeholder table; filled with the design system."""

from __future__ import annotations

from flask import Flask


def init_app(app: Flask) -> None:
    del app
