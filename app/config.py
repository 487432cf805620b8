"""Settings, read once from the environment and typed. Nothing else in the app reads os.environ."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import time
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VERSION = "0.1.0"
"""As in pyproject.toml; a guard compares."""


class SettingsError(ValueError):
    """Every setting that is missing or malformed, in one list, so that one look mends them all."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("The settings are not usable:\n" + "\n".join(f"  - {line}" for line in problems))


def _switch(text: str) -> bool:
    truth = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    try:
        return truth[text.strip().lower()]
    except KeyError:
        raise ValueError("write 1 or 0") from None


def _whole(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise ValueError("must be above zero")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("must not be below zero")
    return number


def _url(*schemes: str) -> Any:
    def parse(text: str) -> str:
        parts = urlsplit(text.strip())
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(f"must look like {schemes[0]}://host/…")
        return text.strip()

    return parse


def _database(text: str) -> str:
    """Accept what hosts hand out (postgres://, postgresql://) and name the driver for SQLAlchemy."""
    _url("postgresql", "postgres", "postgresql+psycopg")(text)
    scheme, rest = text.strip().split("://", 1)
    del scheme
    return f"postgresql+psycopg://{rest}"


def _secret(text: str) -> str:
    if len(text) < 32:
        raise ValueError("must be at least 32 characters; python3 -c 'import secrets; print(secrets.token_hex(32))'")
    return text


def _token(text: str) -> str:
    if len(text) < 16:
        raise ValueError("must be at least 16 characters")
    return text


def _one_of(*words: str) -> Any:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def _hours(text: str) -> tuple[time, time] | None:
    """21:00-08:00, on a wall clock; or none."""
    if text.strip().lower() == "none":
        return None
    begin, separator, end = text.partition("-")
    if not separator:
        raise ValueError("write two times of day, 21:00-08:00; or none")
    return time.fromisoformat(begin.strip()), time.fromisoformat(end.strip())


def _working_hours(text: str) -> tuple[time, time]:
    hours = _hours(text)
    if hours is None or hours[0] >= hours[1]:
        raise ValueError("write two times of one day, 08:00-18:00")
    return hours


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _address(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>+]+@[^@\s<>]+", text.strip()):
        raise ValueError("write one address without a plus: canary@example.com")
    return text.strip().lower()


def _letterbox(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.netloc if parts.scheme in {"http", "https"} else parts.path and parts.scheme in {"maildir", "mbox"}:
        return text.strip()
    raise ValueError("must be maildir:/path/to/folder, mbox:/path/to/file or http://catcher:8025")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each.strip(), strict=False) for each in text.split(",") if each.strip())


def _addresses(text: str) -> tuple[str, ...]:
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if any(not re.fullmatch(r"[^@\s<>]+@[^@\s<>]+", each) for each in found):
        raise ValueError("write addresses with commas: ann@example.com, bob@example.com")
    return found


def _origins(text: str) -> tuple[str, ...]:
    found = tuple(each.strip().rstrip("/") for each in text.split(",") if each.strip())
    if any(not re.fullmatch(r"https?://[A-Za-z0-9.*-]+(:\d+)?", each) for each in found):
        raise ValueError("write origins with commas: https://photos.example.com, https://*.cdn.example")
    return found


def _pattern(text: str) -> str:
    if "{event_id}" not in _url("http", "https")(text):
        raise ValueError("must hold {event_id}")
    return text


def _tiles(text: str) -> str:
    if not all(part in _url("https", "http")(text) for part in ("{x}", "{y}", "{z}")):
        raise ValueError("must hold {x}, {y} and {z}")
    return text


def setting(parse: Any = str, default: Any = ..., *, about: str) -> Any:
    """One setting: how to read it, its default (none = required), and its line in .env.example."""
    extra = {} if default is ... else {"default": default}
    return field(metadata={"parse": parse, "about": about, "required": default is ...}, **extra)


@dataclass(frozen=True, kw_only=True)
class Config:
    """The whole of what can be set. Names equal the environment's; .env.example lists the same (a guard compares)."""

    database_url: str = setting(_database, about="PostgreSQL 16 or later: the only store that holds a promise")
    redis_url: str = setting(_url("redis", "rediss", "unix"), about="Redis 6.2 or later: hints only, may be lost")
    secret_key: str = setting(_secret, about="signs sessions and links; 32 characters or more, kept secret")
    public_url: str = setting(
        _url("http", "https"), about="where people reach Porchlight; links in mails start with it"
    )
    smtp_url: str = setting(
        _url("smtp", "smtps", "smtp+starttls"), about="the relay: smtp://user:password@host:port, smtps:// for TLS"
    )
    mail_from: str = setting(about="From of alert mails, on a domain whose SPF, DKIM and DMARC you own")
    mail_transport: str = setting(
        _one_of("smtp", "mailgun"), "smtp", about="how mail leaves: smtp to SMTP_URL, or mailgun by its HTTP API"
    )
    mailgun_api_url: str = setting(
        _url("https", "http"), "https://api.mailgun.net", about="Mailgun's API; https://api.eu.mailgun.net in Europe"
    )
    mailgun_api_key: str = setting(
        _token, "", about="Mailgun's API key: to send, to look up, to count beside it each day"
    )
    relay_log: str = setting(
        str,
        "",
        about="where a Message-ID can be looked up after a lost answer: the relay's log file, or http://… that answers"
        " ?message_id=; empty = people decide",
    )
    mails_per_connection: int = setting(_whole, 100, about="mails on one SMTP connection before a new one is opened")
    mails_per_second: int = setting(
        _whole, 100, about="mails a second from one sender to one receiving domain; others go in between"
    )
    bounce_mailbox: str = setting(
        str,
        "",
        about="the mailbox file or Maildir folder that mail to bounce+…@ and unsub+…@ goes to; read, and emptied",
    )
    mailgun_webhook_key: str = setting(_token, "", about="Mailgun's HTTP webhook signing key; see docs/ops")
    postmark_webhook_password: str = setting(
        _token, "", about="name:password that Postmark shows at its webhook; 16 characters or more"
    )
    sendgrid_webhook_key: str = setting(_token, "", about="SendGrid's verification key for signed event webhooks")
    ses_topic_arn: str = setting(_token, "", about="the SNS topic that Amazon SES publishes to: arn:aws:sns:…")
    files_dir: Path = setting(Path, Path("var/files"), about="a folder for uploads and import results")  # noqa: RUF009
    photo_origins: tuple[str, ...] = setting(
        _origins,
        (),
        about="where photographs of homes come from, with commas: https://photos.example.com; pages load no others",
    )
    map_tiles: str = setting(
        _tiles,
        "",
        about="where the map's pictures come from: https://tiles.example/{z}/{x}/{y}.png; empty = a map without streets",
    )
    map_attribution: str = setting(str, "", about="whom the map's pictures are by, as their licence asks it to be said")
    legacy_mongo_url: str = setting(str, "", about="the legacy MongoDB to stay in step with; empty = none")
    slack_api_url: str = setting(str, "", about="another address for Slack's Web API; empty = slack.com")
    slack_bot_token: str = setting(str, "", about="the token of Porchlight's bot in your Slack workspace: xoxb-…")
    alarm_slack_channel: str = setting(str, "", about="the Slack channel that is told when a person must act; #ops")
    alarm_email: tuple[str, ...] = setting(_addresses, (), about="who is mailed when a person must act, with commas")
    alarm_webhook_url: str = setting(
        _url("https", "http"), "", about="an address that is sent signed JSON when a person must act; see README"
    )
    sentry_dsn: str = setting(str, "", about="where errors are reported; empty = nowhere")
    sentry_environment: str = setting(str, "production", about="what this installation is called there")
    sentry_url: str = setting(
        _pattern,
        "",
        about="where a report is read, linked from its run: https://sentry.example/organizations/x/issues/?query={event_id}",
    )
    release: str = setting(str, "", about="what this build is called in reports; empty = the version of the code")
    metrics_token: str = setting(_token, "", about="who shows it as a Bearer token may read /metrics; see docs/ops")
    metrics_allow: tuple[IPv4Network | IPv6Network, ...] = setting(
        _networks,
        (),
        about="networks that may read /metrics without a token, with commas: 10.0.0.0/8, ::1; see docs/ops",
    )
    log_format: str = setting(_one_of("json", "console"), "json", about="json for machines, console for eyes")
    log_level: str = setting(
        _one_of("debug", "info", "warning", "error"), "info", about="the least severe event that is written"
    )
    session_cookie_secure: bool = setting(_switch, default=True, about="1 = cookies over https only; 0 on a laptop")
    proxies: int = setting(
        _count, 0, about="how many proxies of yours stand in front and set X-Forwarded-For, -Proto and -Host; 0 = none"
    )
    upload_limit_mb: int = setting(_whole, 64, about="the largest file a person may upload, in megabytes")
    login_rate_limit: str = setting(str, "10 per minute", about="sign-in tries per address and per account")
    run_lease_seconds: int = setting(_whole, 60, about="a worker silent for this long has lost its run")
    match_memory_mb: int = setting(
        _count,
        1024,
        about="megabytes that a worker may fill with searches, to match many changes; 0 = PostgreSQL does all",
    )
    message_lease_seconds: int = setting(_whole, 60, about="a sender silent for this long has lost its messages")
    instant_gap_minutes: int = setting(
        _count, 60, about="minutes between two mails of “as soon as possible” to one buyer, at least"
    )
    instant_mails_a_day: int = setting(_whole, 4, about="so many of them a day; what is left goes with the daily mail")
    quiet_hours: tuple[time, time] | None = setting(
        _hours,
        (time(21), time(8)),
        about="when no buyer is mailed “as soon as possible”, on their clock; office and buyer may choose others; or none",
    )
    ramp_per_minute: int = setting(
        _whole, 600, about="mails a minute after an outage, or when a halted run is approved"
    )
    halt_above_mails: int = setting(_whole, 200, about="a run with more mails than this is compared with what is usual")
    halt_above_times: int = setting(
        _whole, 3, about="so many times the median of four weeks for that hour, and a person is asked first"
    )
    halt_above_homes: int = setting(_whole, 50, about="more homes than this for one buyer, and a person is asked first")
    feeds: tuple[str, ...] = setting(
        _names, (), about="sources of listings that must come by themselves, with commas; silent for an hour = red"
    )
    business_hours: tuple[time, time] = setting(
        _working_hours, (time(8), time(18)), about="when they are waited for, on the office's clock"
    )
    smtp_timeout_seconds: int = setting(_whole, 60, about="longest wait for one SMTP answer")
    canary_address: str = setting(
        _address, "", about="a mailbox of yours that each quarter of an hour a synthetic mail must reach; empty = none"
    )
    canary_mailbox: str = setting(
        _letterbox, "", about="where its arrival is seen: maildir:/path, mbox:/path, or a mail catcher http://host:8025"
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read every setting. Raises SettingsError naming all that is wrong, not just the first."""
        environ = os.environ if environ is None else environ
        found: dict[str, Any] = {}
        problems: list[str] = []
        for item in fields(cls):
            name = item.name.upper()
            text = environ.get(name, "").strip()
            if not text:
                if item.metadata["required"]:
                    problems.append(f"{name} is missing: {item.metadata['about']}")
                continue
            try:
                found[item.name] = item.metadata["parse"](text)
            except (ValueError, TypeError) as wrong:
                problems.append(f"{name} is malformed: {wrong}")
        if problems:
            raise SettingsError(problems)
        return cls(**found)

    def for_flask(self) -> dict[str, Any]:
        """The keys that Flask and its extensions read."""
        return {
            "SECRET_KEY": self.secret_key,
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            "SQLALCHEMY_ENGINE_OPTIONS": {
                "pool_size": 5,
                "max_overflow": 5,
                "pool_pre_ping": True,
                "pool_timeout": 5,
                "hide_parameters": True,  # an error names its statement, never the people in it
                "connect_args": {
                    "connect_timeout": 5,
                    "application_name": "porchlight",
                    "options": "-c timezone=UTC -c statement_timeout=60s -c lock_timeout=10s"
                    " -c idle_in_transaction_session_timeout=60s",
                },
            },
            "SESSION_COOKIE_NAME": "__Host-porchlight" if self.session_cookie_secure else "porchlight",
            "SESSION_COOKIE_SECURE": self.session_cookie_secure,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Lax",
            "PERMANENT_SESSION_LIFETIME": 12 * 3600,
            "MAX_CONTENT_LENGTH": self.upload_limit_mb * 1024 * 1024,
            "MAX_FORM_MEMORY_SIZE": 2 * 1024 * 1024,
            "WTF_CSRF_TIME_LIMIT": None,
            "RATELIMIT_STORAGE_URI": self.redis_url,
            "RATELIMIT_HEADERS_ENABLED": True,
            "BOOTSTRAP_SERVE_LOCAL": True,
        }
