"""Fifty kills over ten thousand mails, and what is left of them after the resolver: each arrived once.

    make chaos-mail                        about three minutes
    make chaos-mail args="--kills 5 --messages 600 --seed 7"

A sender at a time is killed at a random moment and followed by the next, as a worker is by its supervisor. Then time
passes: the resolver looks the unknown ones up in the log of the catcher, and those it never had go out once more.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import text

from app import create_app
from app.domain.messages.resolve import resolve
from app.domain.models import OutboundMessage
from app.extensions import db as database
from app.gateways.witness import LogFile
from devstack.mailbox import Catcher
from devstack.testing import create_database, drop_database, run_id, test_servers
from tests.conftest import MIGRATIONS, config_for
from tests.domain.digests.world import NOON, build, crowd, news
from tests.make import office as make_office

ROOT = Path(__file__).parent.parent.parent
OFFICE = 1_000
"""Mails of one office."""
LEASE = 5
"""Seconds: longer than a busy machine stands still."""


class Senders:
    """Starts senders, and remembers them to end what is left."""

    def __init__(self, app, catcher: Catcher, tmp_path: Path) -> None:
        config = app.extensions["porchlight"]
        environ = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": config.database_url.replace("postgresql+psycopg", "postgresql"),
            "REDIS_URL": config.redis_url,
            "SECRET_KEY": config.secret_key,
            "PUBLIC_URL": config.public_url,
            "SMTP_URL": catcher.url,
            "MAIL_FROM": config.mail_from,
            "FILES_DIR": str(tmp_path),
            "LOG_LEVEL": "error",
            "LOG_FORMAT": "console",
            "MESSAGE_LEASE_SECONDS": str(LEASE),
            "SMTP_TIMEOUT_SECONDS": "5",
            "MAILS_PER_SECOND": "100000",
        }
        self._nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.sender"],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pids: list[int] = []

    def start(self, crash_at: str = "-") -> int:
        self._nursery.stdin.write(f"{crash_at}\n")
        self._nursery.stdin.flush()
        self.pids.append(int(self._nursery.stdout.readline()))
        return self.pids[-1]

    def is_gone(self, pid: int) -> bool:
        """True when it ended; a zombie of the nursery counts as ended."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def wait_for(self, pid: int, seconds: float = 90) -> None:
        until = time.monotonic() + seconds
        while not self.is_gone(pid):
            assert time.monotonic() < until, f"sender {pid} is still there"
            time.sleep(0.01)

    def close(self) -> None:
        for pid in self.pids:
            if not self.is_gone(pid):
                os.kill(pid, signal.SIGKILL)
        self._nursery.stdin.close()
        self._nursery.wait(10)
        self._nursery.stdout.close()


def states() -> dict[str, list[str]]:
    """state → Message-IDs."""
    database.session.rollback()
    found: dict[str, list[str]] = {}
    for state, message_id in database.session.query(OutboundMessage.state, OutboundMessage.message_id):
        found.setdefault(state, []).append(message_id)
    return found


class Count:
    """How many the catcher has accepted, without reading its log anew each time."""

    def __init__(self, catcher: Catcher) -> None:
        self._log, self._read, self._lines = catcher.letters.log, 0, 0

    def __call__(self) -> int:
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(self._read)
                new = log.read()
            self._read += len(new)
            self._lines += new.count(b"\n")
        return self._lines


def kill_at_random(senders: Senders, catcher: Catcher, chance: random.Random, *, kills: int, messages: int) -> None:
    """Spread over the first nine tenths of the messages; then one comes to the end."""
    count = Count(catcher)
    each = max(messages * 9 // 10 // kills, 1)
    for number in range(kills):
        enough = number * each + chance.randrange(each)
        pid = senders.start()
        until = time.monotonic() + 60
        while count() < enough and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.02))
        assert not senders.is_gone(pid), "it came to the end before it was killed"
        os.kill(pid, signal.SIGKILL)
        senders.wait_for(pid)
    senders.wait_for(senders.start(), 600)


def resolve_all(senders: Senders, catcher: Catcher) -> dict[str, int]:
    """As the sweeps of the next hour do, and the senders of what goes out once more."""
    total: Counter[str] = Counter()
    for minutes in (2, 10, 61):
        while any(
            found := resolve(datetime.now(UTC) + timedelta(minutes=minutes), LogFile(catcher.letters.log)).values()
        ):
            total.update({"looked up": sum(found)})
        database.session.commit()
    again = text("UPDATE outbound_message SET not_before = now() WHERE state = 'queued'")  # the hour is over
    total["sent again"] = int(getattr(database.session.execute(again), "rowcount", 0))
    database.session.commit()
    senders.wait_for(senders.start())
    return dict(total)


@contextmanager
def house(folder: Path, catcher: Catcher) -> Iterator[Flask]:
    name = f"chaos_mail_{run_id()}"
    config = config_for(create_database(name), test_servers().redis_url, folder, smtp_url=catcher.url)
    app = create_app(config)
    try:
        with app.app_context():
            upgrade(directory=str(MIGRATIONS))
            yield app
            database.session.remove()
            database.engine.dispose()
    finally:
        drop_database(name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("CHAOS_SEED") or secrets.randbelow(10**6)))
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="porchlight-chaos-mail-"))
    print(f"{asked.kills} kills over {asked.messages:,} mails, CHAOS_SEED={asked.seed}", flush=True)
    try:
        with Catcher(folder / "mail") as catcher, house(folder, catcher) as app:
            for begin in range(0, asked.messages, OFFICE):
                office = make_office()
                crowd(office, min(OFFICE, asked.messages - begin), [news(office)[1]])
                database.session.execute(text("ANALYZE"))  # which a server in use has done long ago
                database.session.commit()
                build(NOON, now=datetime.now(UTC))
            database.session.remove()  # the storm is long, and an idle transaction would be ended
            with closing(Senders(app, catcher, folder)) as senders:
                began = time.monotonic()
                kill_at_random(senders, catcher, random.Random(asked.seed), kills=asked.kills, messages=asked.messages)
                took = time.monotonic() - began
                unknown = states().get("unknown", [])
                arrived = len(set(unknown) & set(catcher.accepted()))
                resolved = resolve_all(senders, catcher)
            accepted, ended = Counter(catcher.accepted()), states()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    every = {each for ids in ended.values() for each in ids}
    figures = {
        "kills": asked.kills,
        "messages": asked.messages,
        "seconds": round(took, 1),
        "unknown_after_the_kills": len(unknown),
        "of_them_arrived": arrived,
        "looked_up": resolved.get("looked up", 0),
        "sent_again": resolved.get("sent again", 0),
        "states": {state: len(ids) for state, ids in sorted(ended.items())},
        "lost": len(every - set(accepted)),
        "doubled": sum(times > 1 for times in accepted.values()),
    }
    is_right = not figures["lost"] and not figures["doubled"] and set(ended) == {"sent"} and len(unknown) <= asked.kills
    print(json.dumps({"chaos_mail": "right" if is_right else "wrong", "seed": asked.seed} | figures))
    sys.exit(not is_right)


if __name__ == "__main__":
    main()
