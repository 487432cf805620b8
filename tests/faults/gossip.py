"""The programs of works.py with one job more, that talks about people when it fails: for test_sentry.py.

python -m tests.faults.gossip worker bulk
"""

from __future__ import annotations

import sys

import structlog
from sqlalchemy import text

from app.extensions import db
from app.jobs.kinds import Kind
from app.jobs.run import Run
from tests.faults import works


def gossip(run: Run) -> dict[str, int]:
    """Fails, and quotes who it was asked about: in its error, in a statement, in a log line."""
    who = run.args["who"]
    db.session.execute(text("SELECT :who"), {"who": who})
    structlog.get_logger("porchlight.gossip").info("gossip.heard", who=who)
    raise ValueError(f"nobody saw {who} at home")


works.HURT["gossip"] = Kind(gossip, "bulk", timeout=60, max_attempts=1, overlap=True)
works.HURT["tattle"] = Kind(gossip, "alerts", timeout=60, max_attempts=1, overlap=True)

if __name__ == "__main__":
    works.main(*sys.argv[1:])
