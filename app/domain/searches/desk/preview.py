"""What a search would do if it were saved now: what matches, what it would have sent, and whether it may be switched on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from app.domain.errors import Invalid
from app.domain.models import KIND_BITS, AlertKind, Listing
from app.domain.searches import queries, saved
from app.domain.searches.criteria import Bounds, Criteria
from app.domain.searches.desk.queries import matches_and_newest, price_after

DAYS = saved.BACKTEST_DAYS
COUNTED_UP_TO = saved.COUNTED


@dataclass(frozen=True)
class Preview:
    """Counted, not mailed: looking at a search changes nothing."""

    matches: int
    """COUNTED_UP_TO stands for that many or more."""
    newest: Sequence[Listing]
    unknown: dict[str, int]
    """Homes that fit but for a field nobody filled in (PA-06); not counted for a search that is too broad anyway."""
    days: list[tuple[date, int]]
    """Homes a day that would have been sent, oldest first, DAYS of them, on the office's calendar."""
    kinds: list[tuple[AlertKind, int]]
    refusal: Invalid | None
    """Why it could not be switched on (PA-14), naming the field to narrow."""

    @property
    def sent(self) -> int:
        return sum(homes for _, homes in self.days)

    @property
    def weekly(self) -> float:
        return self.sent * 7 / DAYS

    @property
    def busy_days(self) -> int:
        return sum(1 for _, homes in self.days if homes)

    @property
    def fullest(self) -> tuple[date, int]:
        return max(self.days, key=lambda one: (one[1], one[0]))


def narrower_price(office_id: int, criteria: Criteria) -> tuple[int, int] | None:
    """(price, homes): a round highest price that leaves no more homes than may match, and how many it leaves; None when
    there is none above the lowest price (PA-14)."""
    beyond = price_after(office_id, criteria, saved.MOST_MATCHES)
    if beyond is None:
        return None
    step = 10 ** max(len(str(int(beyond))) - 3, 0) * 5
    highest = (math.ceil(beyond) - 1) // step * step
    lowest = criteria.list_price.ge if criteria.list_price else None
    if highest <= (lowest or 0):
        return None
    narrowed = replace(criteria, list_price=Bounds(lowest, highest))
    return highest, queries.count_matching(office_id, narrowed, COUNTED_UP_TO)


def look(office_id: int, criteria: Criteria, kinds: int, *, today: date, now: datetime) -> Preview:
    """Everything the builder shows beside the form. `today` is the office's date. Reads only."""
    matches, newest = matches_and_newest(office_id, criteria, limit=COUNTED_UP_TO)
    sent = queries.backtest(office_id, criteria, kinds, days=DAYS, now=now) if kinds else []
    by_day: Counter[date] = Counter()
    by_kind: Counter[AlertKind] = Counter()
    for day in sent:
        by_day[day.day] += day.homes
        by_kind[day.kind] += day.homes
    first = min(today - timedelta(days=DAYS - 1), min(by_day, default=today))
    return Preview(
        matches=matches,
        newest=newest,
        unknown=queries.skipped_unknown(office_id, criteria) if matches <= saved.MOST_MATCHES else {},
        days=[(day, by_day[day]) for day in (first + timedelta(days=n) for n in range((today - first).days + 1))],
        kinds=[(kind, by_kind[kind]) for kind in sorted(AlertKind, key=lambda kind: KIND_BITS[kind])],
        refusal=saved.too_broad(criteria, matches=matches, homes=by_kind.total()),
    )
