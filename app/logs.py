"""Events with fields, one per outcome, never personal data; what failed goes to Sentry too (app/sentry.py). One setup for
web, workers, scheduler and commands."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from app import sentry
from app.discretion import without_people

if TYPE_CHECKING:
    from app.config import Config


def quote_nobody(_: Any, __: str, event: Any) -> Any:
    """A traceback without what it quotes of people (app/discretion.py)."""
    if "exception" in event:
        event["exception"] = without_people(event["exception"])
    return event


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
        [structlog.processors.format_exc_info, quote_nobody, structlog.processors.JSONRenderer()]
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
    sentry.start(config)
