"""What every mail to a buyer has in common: who it is from, the headers receivers ask for, and how its styles travel."""

from __future__ import annotations

from email.utils import parseaddr
from functools import lru_cache

import css_inline

from app.config import Config
from app.domain.messages.mime import Mailbox
from app.domain.messages.queue import Queued
from app.domain.messages.returns.inbound import configured
from app.domain.messages.returns.providers import naming
from app.gateways.mail import domain_of


def list_headers(message: Queued, config: Config, stop: str, office_name: str) -> tuple[tuple[str, str], ...]:
    """What receivers ask of mail one has subscribed to: one click ends it (RFC 8058), it names its list, and no
    out-of-office answers it."""
    domain = domain_of(config.mail_from)
    called = "".join(c for c in office_name if c.isascii() and (c.isalnum() or c == " ")).strip() or "Office"
    key = message.message_id.strip("<>").partition("@")[0]
    return (
        ("List-Unsubscribe", stop),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("List-Id", f"{called} alerts <alerts.office-{message.office_id}.{domain}>"),
        ("Feedback-ID", f"alerts:{message.stream}:office{message.office_id}:porchlight"),
        ("Auto-Submitted", "auto-generated"),
        ("List-Help", stop.partition(",")[0]),
        ("X-Porchlight-Key", key),
        *naming(configured(), key),
    )


@lru_cache(maxsize=4)
def sender_of(mail_from: str) -> Mailbox:
    name, address = parseaddr(mail_from)
    return Mailbox(address, name)


@lru_cache(maxsize=1)
def inliner() -> css_inline.CSSInliner:
    """Inlines what was rendered, not the template: parsing a template as HTML moves its tags. It fetches
    nothing."""
    return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, minify_css=True)
