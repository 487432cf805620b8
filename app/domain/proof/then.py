"""What a subscription and its search were at a moment, from the rows that remember it. Pure.

Rows are those of queries.subscriptions_of: the subscription as it is now, `pasts` (subscription_past) and `versions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from app.domain.errors import Invalid
from app.domain.models.lookups import ScheduleType
from app.domain.searches.criteria import Criteria
from app.domain.searches.schedule import Schedule


class State(NamedTuple):
    """What a subscription was at a moment, and since when."""

    began_at: datetime
    active_yn: bool
    reason: str | None
    kinds: int
    schedule: Schedule
    since_snapshot: str


def state_at(one: Any, moment: datetime) -> State | None:
    """None before it began."""
    began: datetime = one.original_entry_timestamp
    if moment < began:
        return None
    for past in one.pasts or ():
        until = datetime.fromisoformat(past["until"])
        if moment < until:
            return State(
                began,
                past["active_yn"],
                past["reason_active_or_disabled"],
                past["kinds"],
                _schedule(past["schedule_type"], past["send_time"], past["daily_schedule"]),
                past["since_snapshot"],
            )
        began = until
    return State(
        began,
        one.active_yn,
        one.reason_active_or_disabled,
        one.kinds,
        _schedule(one.schedule_type, one.send_time, one.daily_schedule),
        one.since_snapshot,
    )


def version_at(one: Any, moment: datetime) -> tuple[int, str] | None:
    """The newest version of the criteria made by then, as (number, JSON); None before the first."""
    made = [each for each in one.versions or () if datetime.fromisoformat(each["created_at"]) <= moment]
    return (made[-1]["version"], orjson.dumps(made[-1]["criteria"]).decode()) if made else None


@lru_cache(maxsize=10_000)
def criteria_of(search_id: int, version: int, said: str) -> Criteria | None:
    """A version never changes; None when it cannot be read."""
    del search_id, version
    try:
        return Criteria.parse(orjson.loads(said))
    except Invalid:
        return None


def _schedule(kind: str, send_time: Any, days: Sequence[str]) -> Schedule:
    at = time.fromisoformat(send_time) if isinstance(send_time, str) else send_time
    return Schedule(ScheduleType(kind), at, tuple(days))
