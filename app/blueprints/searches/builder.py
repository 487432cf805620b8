"""What the builder's template reads: the form, the buyer, the stored search, and what the search would do. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import request
from flask_login import current_user

from app.blueprints.searches import words
from app.blueprints.searches.forms import (
    CHOICE_VALUES,
    FEATURES,
    JUMPS,
    KINDS,
    LINES,
    ON_MARKET,
    PLACE_WORDS,
    SCHEDULES,
    UNKNOWN_WORDS,
    SearchForm,
    split_place,
)
from app.domain.contacts import queries as people
from app.domain.contacts.standing import Block, standing
from app.domain.errors import Invalid, NotFound
from app.domain.models import AlertSubscription, Contact, SavedSearch
from app.domain.models.lookups import ReasonActiveOrDisabled
from app.domain.searches import saved
from app.domain.searches.desk import queries
from app.domain.searches.desk.preview import COUNTED_UP_TO, look, narrower_price
from app.domain.searches.desk.queries import Found
from app.domain.searches.desk.words import State, state_of
from app.domain.searches.queries import count_matching
from app.domain.searches.schedule import WEEKDAYS, Schedule, next_send
from app.extensions import settings

PAUSES = {
    ReasonActiveOrDisabled.AGENT_DISABLED.value: "The office pauses it",
    ReasonActiveOrDisabled.CLIENT_DISABLED.value: "The buyer asked for it",
}


@dataclass(frozen=True)
class Desk:
    """What is being worked on: a stored search, or a new one for this buyer."""

    contact: Contact
    found: Found | None = None

    @classmethod
    def new_for(cls, contact_id: int) -> Desk:
        """Raises NotFound, also for another office's buyer."""
        return cls(people.contact(current_user.office_id, contact_id))

    @classmethod
    def of(cls, search_id: int) -> Desk:
        """Raises NotFound, also for another office's search."""
        found = queries.search_with_subscription(current_user.office_id, search_id, now=datetime.now(UTC))
        return cls(found.contact, found)

    def again(self) -> Desk:
        """The same, read anew: after a rollback."""
        return Desk.of(self.found.search.id) if self.found else Desk.new_for(self.contact.id)

    def stored_form(self) -> SearchForm:
        return SearchForm.of(self.found.search, self.found.subscription) if self.found else SearchForm.blank()

    @property
    def search(self) -> SavedSearch:
        """Of a stored one."""
        return self.stored.search

    @property
    def subscription(self) -> AlertSubscription:
        return self.stored.subscription

    @property
    def stored(self) -> Found:
        if self.found is None:
            raise NotFound("There is no such search here.")
        return self.found

    @property
    def search_id(self) -> int:
        """0 for a new one: no row has it."""
        return self.found.search.id if self.found else 0

    @property
    def subscription_id(self) -> int:
        return self.found.subscription.id if self.found else 0

    @property
    def agent(self) -> str | None:
        owner = self.contact.owner if self.found is None else None
        return self.found.agent if self.found else owner.member_full_name if owner else None


def read_form() -> SearchForm:
    """What was posted; a typed place joins the chosen ones when it is plain which is meant."""
    form = SearchForm.read(request.form)
    if form.typed["place"]:
        name, kind = split_place(form.typed["place"])
        form.take_place([(kind, name)] if kind else queries.places_named(current_user.office_id, name))
    if form.typed["exclude"]:
        form.take_home(queries.keys_of_homes_called(current_user.office_id, form.typed["exclude"]))
    return form


def context_of(desk: Desk, form: SearchForm, version_at: datetime | None) -> dict[str, Any]:
    """Everything the builder's blocks read. `version_at`: since when the stored version is in force."""
    now = datetime.now(UTC)
    zone = saved.zone_for(desk.contact)
    stored = desk.found.search if desk.found else None
    subscription = desk.found.subscription if desk.found else None
    blocks = queries.blocks_of(desk.contact, subscription_id=subscription.id if subscription else None, now=now)
    state: State | None = None
    if subscription:
        reason = subscription.reason_active_or_disabled
        state = state_of(is_active=subscription.active_yn, reason=reason, is_blocked=bool(blocks))
    return {
        "contact": desk.contact,
        "search": stored,
        "subscription": subscription,
        "agent": desk.agent,
        "form": form,
        "version_at": version_at,
        "standing": standing(
            desk.contact.contact_status,
            desk.contact.email,
            [Block(one.scope, one.reason, one.created_at) for one in blocks],
        ),
        "own_block": next((one for one in blocks if one.scope == "subscription"), None),
        "state": state,
        "next_words": _next_words(form, zone, now),
        "zone_words": words.zone_words(zone.key),
        "limits": (saved.MOST_MATCHES, saved.MOST_A_WEEK),
        "counted_up_to": COUNTED_UP_TO,
        "choices": CHOICE_VALUES,
        "on_market": [status.value for status in ON_MARKET],
        "kind_names": [kind.value for kind in KINDS],
        "schedules": list(SCHEDULES.items()),
        "weekdays": WEEKDAYS,
        "place_words": PLACE_WORDS,
        "features": FEATURES,
        "lines": LINES,
        "unknown_words": UNKNOWN_WORDS,
        "left_out": queries.homes_of_keys(current_user.office_id, form.lists["excluded_listing_keys"]),
        "map_tiles": settings().map_tiles,
        "map_by": settings().map_attribution,
        "pauses": list(PAUSES.items()),
    } | _seen(desk, form, now)


def _seen(desk: Desk, form: SearchForm, now: datetime) -> dict[str, Any]:
    """What the criteria on the form would do; nothing of it while one of them cannot be read."""
    try:
        criteria = form.criteria()
    except Invalid:
        return dict.fromkeys(("criteria", "sentence", "seen", "matched_before", "narrower", "jump")) | {
            "changed": False
        }
    today = now.astimezone(ZoneInfo(current_user.office.time_zone)).date()
    stored = desk.found.search.criteria if desk.found else None
    changed = stored is not None and criteria.as_dict() != stored
    before = None
    if desk.found and changed and (readable := saved.readable(desk.found.search)):
        before = count_matching(current_user.office_id, readable, COUNTED_UP_TO)
    seen = look(current_user.office_id, criteria, form.bits, today=today, now=now)
    field = seen.refusal.field or "" if seen.refusal else ""
    return {
        "criteria": criteria,
        "sentence": words.lit(criteria),
        "seen": seen,
        "narrower": narrower_price(current_user.office_id, criteria) if field == "list_price" else None,
        "jump": JUMPS.get(field),
        "changed": changed,
        "matched_before": before,
    }


def _next_words(form: SearchForm, zone: ZoneInfo, now: datetime) -> str:
    """When the next mail would go, in the buyer's zone; empty while the schedule cannot be read."""
    try:
        due = next_send(now, Schedule.parse(**form.schedule()), zone)
    except Invalid:
        return ""
    return words.moment_words(due, zone, now) if due else ""
