"""Senders to be killed. One program loads the app and then forks a real process for each line it reads, so that a
dozen of them cost no more than one start.

Reads `POINT` or `-` (no crash point); writes the pid of the sender. A sender sends until nothing is due or held by
anybody, and ends with 0.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, func, select

from app import create_app
from app.domain.digests.letters import COMPOSERS
from app.domain.messages.send import send_due
from app.domain.models import MessageState, OutboundMessage
from app.extensions import db

app = create_app()
for name in ("body.txt", "body.html"):  # compiled once, here
    app.jinja_env.get_template(f"email/alert/{name}")


def end_idle_transactions_soon(connection: Any, _: object) -> None:
    """A sender frozen in the middle of a transaction holds its row until PostgreSQL ends it: a minute as the app sets it,
    two seconds here."""
    connection.execute("SET idle_in_transaction_session_timeout = '2s'")
    connection.commit()


with app.app_context():
    event.listen(db.engine, "connect", end_idle_transactions_soon)


def is_all_done() -> bool:
    held = (MessageState.QUEUED, MessageState.SENDING)
    statement = select(func.count()).select_from(OutboundMessage)
    left = db.session.scalar(statement.where(OutboundMessage.state.in_(held), OutboundMessage.not_before <= func.now()))
    db.session.rollback()
    return left == 0


def send_all() -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        send_due(COMPOSERS, chunk=20)  # small, so that several senders share the work
        if is_all_done():
            return
        time.sleep(0.1)
    raise SystemExit(f"not done by {datetime.now(UTC)}")


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            if line.strip() != "-":
                os.environ["CRASH_AT"] = line.strip()
            with app.app_context():
                send_all()
            os._exit(0)
        print(pid, flush=True)


main()
