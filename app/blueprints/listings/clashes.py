"""A form that was overtaken: somebody saved the listing while it was open. Compares three, decides nothing alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from werkzeug.datastructures import MultiDict

from app.blueprints.listings.forms import Guarded, ListingForm, written
from app.blueprints.listings.words import said
from app.domain.listings.fields import FIELDS, Kind
from app.domain.models import Listing


@dataclass(frozen=True)
class Clash:
    """A field that both changed: theirs is saved, yours is typed."""

    name: str
    label: str
    theirs: str
    yours: str
    who: str
    at: datetime


@dataclass(frozen=True)
class Overtaken:
    """What happened to the listing while a form was open."""

    clashes: list[Clash]
    taken: list[Clash]
    """Fields that only the other one changed: theirs stands, nothing to choose."""


def overtaken(form: Guarded, listing: Listing, events: Sequence[Any]) -> Overtaken:
    """Compare three: what the form was made from, what is saved now, what was typed. Fields that only the other one
    changed are put into the form; the form is made to hold the newest version."""
    before: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for event in events:
        for name, (was, _) in event.changes.items():
            before.setdefault(name, was)
            last[name] = event
    clashes, taken = [], []
    for name in form.names:
        if name not in last:
            continue
        now = getattr(listing, name)
        yours = form.values().get(name) if not form[name].errors else form[name].data
        if yours == now:
            continue
        clash = Clash(
            name,
            form[name].label.text,
            said(name, now),
            said(name, yours),
            last[name].who or "The source",
            last[name].recorded_at,
        )
        if logged(yours) == before[name]:
            taken.append(clash)
            form[name].raw_data = None
            form[name].process_data(now)
        else:
            clashes.append(clash)
    form.lock_version.data = listing.lock_version
    form.seq.data = max((event.seq for event in events), default=form.seq.data)
    return Overtaken(clashes, taken)


def settled(typed: MultiDict[str, str], listing: Listing) -> tuple[MultiDict[str, str], list[str]]:
    """What was typed, with theirs put in wherever "keep theirs" was chosen; and the clashes nobody decided."""
    settled = MultiDict(typed)
    open_ones = []
    for name in typed.getlist("clash"):
        choice = typed.get(f"keep-{name}")
        if name not in ListingForm.names or choice not in ("theirs", "yours"):
            open_ones.append(name)
        elif choice == "theirs":
            value = getattr(listing, name)
            settled.poplist(name)
            if isinstance(value, bool):
                value = ("yes" if value else "no") if FIELDS[name].kind is Kind.YES_NO else ("y" if value else None)
            if value is not None:
                settled[name] = str(value) if name in ("latitude", "longitude", "year_built") else written(value)
    return settled, open_ones


def logged(value: Any) -> Any:
    """A value as the event log keeps it."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and len(value) > 500:
        return value[:500] + "…"
    return value
