"""Porchlight: a CRM for real-estate brokerages that can prove what it did."""

from __future__ import annotations

from flask import Flask

from app import arrivals, cli, errors, jobs, leftovers, logs, vendor, web
from app.config import Config
from app.extensions import csrf, db, htmx, limiter, login, migrate


def create_app(config: Config | None = None) -> Flask:
    """Build the app: a table of contents. Raises SettingsError when the environment is not usable."""
    config = config or Config.from_env()
    logs.configure(config)
    app = Flask(__name__)
    app.config.from_mapping(config.for_flask())
    app.extensions["porchlight"] = config

    db.init_app(app)
    migrate.init_app(app, db, directory="migrations")
    login.init_app(app)
    csrf.init_app(app)
    htmx.init_app(app)
    limiter.init_app(app)

    vendor.init_app(app)
    web.init_app(app)
    arrivals.init_app(app)
    errors.init_app(app)
    leftovers.init_app(app)
    jobs.init_app(app)
    cli.init_app(app)
    register_blueprints(app)
    return app


def register_blueprints(app: Flask) -> None:
    """Every door of the house. A guard test holds each route to a declared access rule."""
    from importlib import import_module

    for name in web.BLUEPRINTS:
        app.register_blueprint(import_module(f"app.blueprints.{name}").bp)
