"""Events with fields, one per outcome, never personal data; and Sentry for what failed. One setup for web, workers,
scheduler and commands."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import sentry_sdk
import structlog
from sentry_sdk.integrations.flask import FlaskIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.integrations.rq import RqIntegration
from sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration

if TYPE_CHECKING:
    from app.config import Config


def configure(config: Config) -> None:
    """Send structlog and the standard library's logging down one pipe, as JSON or for eyes."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
    ]
    last: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if config.log_format == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )
    )
    root = logging.getLogger()
    root.handlers = [output]
    root.setLevel(config.log_level.upper())
    for noisy in ("rq.worker", "rq_scheduler.scheduler", "werkzeug", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    start_sentry(config)


def without_people(event: Any, hint: dict[str, Any]) -> Any:
    """A query string may hold a name, an address or a token: what is reported says where, not about whom."""
    del hint
    event.get("request", {}).pop("query_string", None)
    return event


def start_sentry(config: Config) -> None:
    """Off without a DSN. No personal data leaves: no default PII, no local variables, no request bodies."""
    if not config.sentry_dsn:
        return
    for reports_itself in ("app.errors", "app.domain.messages.send"):
        ignore_logger(reports_itself)  # it hands over the exception with its traceback: one event, not two
    sentry_sdk.init(
        dsn=config.sentry_dsn,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=without_people,
        shutdown_timeout=1,
        traces_sample_rate=0.0,
        integrations=[
            FlaskIntegration(),
            RqIntegration(),
            SqlalchemyIntegration(),
            LoggingIntegration(level=logging.INFO, event_level=logging.ERROR),
        ],
    )
