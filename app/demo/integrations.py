"""What the sweeps of the last two weeks found when they asked around: nearly always an answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random

from sqlalchemy import insert

from app.demo.ledger import STOOD
from app.domain.models import IntegrationCheck
from app.domain.ops import probing
from app.extensions import db

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
THINNED = 5 * MINUTE
"""Answers older than a day are written for every fifth minute only: the demo is to be there soon."""
USUAL = {
    probing.POSTGRESQL: (9.0, "version 18"),
    probing.REDIS: (1.4, "hints only; 24 keys"),
    probing.MAIL: (16.0, "takes mail"),
    probing.MONGO: (4.0, "answers"),
    probing.SLACK: (140.0, "signs in as porchlight in Harbor & Vine"),
    probing.SENTRY: (38.0, "can be reached"),
}
"""Milliseconds of a usual answer, and what it says."""
AWAY = (
    (probing.MAIL, 4 * DAY + timedelta(hours=6), timedelta(minutes=25), "does not take mail: the relay: timed out"),
    (probing.REDIS, 9 * DAY + timedelta(hours=5), timedelta(minutes=12), "does not answer (ConnectionError)"),
    (probing.MAIL, timedelta(hours=7), timedelta(minutes=3), "does not take mail: the relay: 421 4.3.2 too busy"),
    (probing.MONGO, 2 * DAY, timedelta(minutes=40), "does not answer"),
)
"""Who was away: how long before now, for how long, and what was said."""


def write(now: datetime) -> None:
    """An answer of each integration that is set up for each sweep since the house stands."""
    random = Random(3)  # noqa: S311 — milliseconds only
    names = [name for name in probing.configured() if name in USUAL]
    at = (now - STOOD).replace(second=1, microsecond=0)
    rows = []
    while at < now:
        for name in names:
            said = next(
                (words for who, ago, length, words in AWAY if who == name and 0 * DAY <= at - (now - ago) < length), ""
            )
            usual, words = USUAL[name]
            rows.append(
                {
                    "name": name,
                    "at": at,
                    "is_up": not said,
                    "ms": None if said else round(usual * random.lognormvariate(0, 0.25), 1),
                    "words": said or words,
                }
            )
        at += MINUTE if now - at <= DAY else THINNED
    for start in range(0, len(rows), 5000):
        db.session.execute(insert(IntegrationCheck), rows[start : start + 5000])
    db.session.commit()
