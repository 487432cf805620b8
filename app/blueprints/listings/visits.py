"""The open houses and the owners of a listing, from its own page."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from flask import Response, flash, request
from flask_login import current_user

from app.blueprints.listings import bp
from app.domain.errors import Invalid
from app.domain.listings import openings, owners, queries
from app.extensions import db
from app.web import EDITORS, access, clean, go, sent_key


@bp.post("/<int:listing_id>/open-houses")
@access(*EDITORS)
def open_house(listing_id: int) -> Response:
    """Put down when a home can be seen. Buyers hear of it within seven days before."""
    try:
        starts, ends = _times(listing_id)
        made = openings.create(
            current_user.office_id,
            listing_id,
            starts=starts,
            ends=ends,
            remarks=request.form.get("open_house_remarks", ""),
            key=sent_key(),
            user_id=current_user.id,
        )
        db.session.commit()
    except Invalid as refused:
        db.session.rollback()
        flash(refused.sentence, "bad")
    else:
        when = "with the next alerts" if made.announced_at else "seven days before"
        flash(f"The open house is on record. Buyers whose searches the home fits hear of it {when}.", "good")
    return go("listings.show", listing_id=listing_id)


@bp.post("/<int:listing_id>/open-houses/<int:open_house_id>/cancel")
@access(*EDITORS)
def cancel_open_house(listing_id: int, open_house_id: int) -> Response:
    """Call one off: those who were told of it are told that."""
    openings.cancel(open_house_id, office_id=current_user.office_id, user_id=current_user.id)
    db.session.commit()
    flash("The open house is off. Buyers who were told of it hear of that with the next alerts.", "good")
    return go("listings.show", listing_id=listing_id)


@bp.post("/<int:listing_id>/owners")
@access(*EDITORS)
def add_owner(listing_id: int) -> Response:
    """Say who sells the home: they are not alerted to it."""
    try:
        owners.add(current_user.office_id, listing_id, clean(request.form.get("owner_email", ""))[:320])
        db.session.commit()
    except Invalid as refused:
        db.session.rollback()
        flash(refused.sentence, "bad")
    return go("listings.show", listing_id=listing_id)


@bp.post("/<int:listing_id>/owners/<int:contact_id>/remove")
@access(*EDITORS)
def remove_owner(listing_id: int, contact_id: int) -> Response:
    """Take that back."""
    owners.remove(current_user.office_id, listing_id, contact_id)
    db.session.commit()
    return go("listings.show", listing_id=listing_id)


def _times(listing_id: int) -> tuple[datetime, datetime | None]:
    """What was typed, on the wall of the property. Raises Invalid."""
    home = queries.columns_of(current_user.office_id, listing_id) or {}
    if not home:
        queries.listing_of(current_user.office_id, listing_id)  # says that there is none
    try:
        day = date.fromisoformat(request.form.get("open_house_date", ""))
        begins = time.fromisoformat(request.form.get("open_house_begins", "")).replace(tzinfo=None)
        typed = request.form.get("open_house_ends", "")
        ends = time.fromisoformat(typed).replace(tzinfo=None) if typed else None
    except ValueError:
        day, begins, ends = date.min, time(), None
    if not 1900 <= day.year <= 2200:
        raise Invalid("Give the day of the open house and the hour it begins.", field="open_house_start_time")
    zone = openings.zone_of(home)
    starts = datetime.combine(day, begins, tzinfo=zone).astimezone(UTC)
    if ends is None:
        return starts, None
    until = day + timedelta(days=1) if ends <= begins and begins.hour >= 12 and ends.hour < 6 else day
    return starts, datetime.combine(until, ends, tzinfo=zone).astimezone(UTC)
