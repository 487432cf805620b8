"""What happened to one home for one search between two mails, told as one change from its beginning to its end. Pure.

The beginning is the home at the subscription's watermark: its last due moment. What may be no cause is left as it is
now, so that only a price that came down, a change of status, or a detail entered while the home was new on the market
can make the difference (PA-04, PA-05).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from app.domain.listings.changes import BACK, DETAILS, NEW, is_fresh
from app.domain.listings.history import undone
from app.domain.models import MatchCause
from app.domain.models.lookups import ON_MARKET
from app.domain.searches.criteria import Criteria

Values = Mapping[str, Any]
_CAUSES = {
    MatchCause.PRICE: ("list_price",),
    MatchCause.STATUS: ("standard_status",),
    MatchCause.DETAILS: (*DETAILS, "list_price"),
}


class Net(NamedTuple):
    """Two ends of one change, as one search sees them."""

    entered: int = 0
    """The bits of New and Back on market: how the home came to the market since."""
    price_before: Decimal | None = None
    status_before: str | None = None
    """None: it was not there."""
    was_there: bool = False
    """On the market in another status already, and taken by the search: Coming Soon that becomes Active."""
    took_before: bool = True
    """The search took the home before, what may be no cause left aside."""
    is_unchanged: bool = True
    """The search took it before, just as it was."""
    cause: MatchCause | None = None
    """What makes it match now, where it did not before."""


def net(home: Values, past: Sequence[Values], criteria: Criteria) -> Net:
    """`past` are the events since the watermark, oldest first: kinds, alertable, changes, and `at`, when they were
    recorded. Corrections are no part of it: what they changed was so before. A first sight that may alert nobody is
    where the home begins to be there."""
    entered = 0
    for event in past:
        entered |= event["kinds"] & (NEW | BACK) if event["alertable"] else 0
    past = [event for event in past if event["alertable"] or not _is_first_sight(event)]
    before = undone(home, [event["changes"] for event in past])
    if before is None:
        return Net(entered, took_before=False, is_unchanged=False)
    fair = _fair(home, before, past)
    took_before = criteria.matches(fair)
    return Net(
        entered=entered,
        price_before=before["list_price"],
        status_before=before["standard_status"],
        was_there=_was_there(home, before) and criteria.matches(before),
        took_before=took_before,
        is_unchanged=criteria.matches(before),
        cause=None if took_before else _cause(home, fair, criteria),
    )


def _is_first_sight(event: Values) -> bool:
    return event["changes"].get("standard_status", [""])[0] is None


def _was_there(home: Values, before: Values) -> bool:
    return (
        before["standard_status"] in ON_MARKET
        and before["standard_status"] != home["standard_status"]
        and bool(before["internet_entire_listing_display_yn"])
    )


def _fair(home: Values, before: Values, past: Sequence[Values]) -> dict[str, Any]:
    """The home before, in all that may be a cause; as it is now in all else."""
    fair = dict(home)
    for event in reversed(past):
        if is_fresh(_dated(home), _moment(event["at"])):
            former = undone(fair, [{name: step for name, step in event["changes"].items() if name in DETAILS}])
            fair = former or fair
    then, now = before["list_price"], home["list_price"]
    if then is None:
        is_late = not any(
            "list_price" in event["changes"] and is_fresh(_dated(home), _moment(event["at"])) for event in past
        )
        fair["list_price"] = now if is_late else None
    elif now is not None and now < then:
        fair["list_price"] = then
    if before["standard_status"] in ON_MARKET:
        fair["standard_status"] = before["standard_status"]
    return fair


def _cause(home: Values, fair: Values, criteria: Criteria) -> MatchCause | None:
    """The first cause that alone makes it match; else, where it takes several, the first that there is."""
    if not criteria.matches(home):
        return None
    differing = list(_differing(home, fair))
    for cause, names in differing:
        if criteria.matches({**fair, **{name: home[name] for name in names}}):
            return cause
    return differing[0][0] if differing else None


def _differing(home: Values, fair: Values) -> Iterator[tuple[MatchCause, list[str]]]:
    for cause, columns in _CAUSES.items():
        names = [name for name in columns if name in home and fair.get(name) != home[name]]
        if cause is MatchCause.PRICE and fair["list_price"] is None:
            continue  # a price that nobody had given is a detail
        if names:
            yield cause, names


def _dated(home: Values) -> dict[str, datetime | None]:
    since = home.get("on_market_timestamp")
    return {"on_market_timestamp": _moment(since) if since else None}


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
