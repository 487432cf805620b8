"""How mail leaves, and who can say afterwards whether one did, as the settings have it."""

from __future__ import annotations

from pathlib import Path

from app.config import Config
from app.gateways.mail import Relay, Transport, domain_of
from app.gateways.mailgun import Mailgun
from app.gateways.witness import LogFile, LogPage, Witness


def transport(config: Config) -> Transport:
    """MAIL_TRANSPORT's."""
    if config.mail_transport == "mailgun":
        return _mailgun(config)
    return Relay(
        config.smtp_url,
        hostname=domain_of(config.mail_from),
        answer_seconds=config.smtp_timeout_seconds,
        most_on_a_line=config.mails_per_connection,
    )


def witness(config: Config) -> Witness | None:
    """None: nobody can be asked."""
    if config.relay_log.startswith(("http://", "https://")):
        return LogPage(config.relay_log)
    if config.relay_log:
        return LogFile(Path(config.relay_log))
    return _mailgun(config) if config.mail_transport == "mailgun" else None


def _mailgun(config: Config) -> Mailgun:
    return Mailgun(
        config.mailgun_api_url,
        config.mailgun_api_key,
        domain_of(config.mail_from),
        seconds=config.smtp_timeout_seconds,
    )
