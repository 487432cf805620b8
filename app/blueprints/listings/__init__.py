"""Listings: the list, one listing with everything that followed from it, and its forms."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, current_app, flash, request, url_for
from flask_login import current_user

from app.blueprints.listings import clashes, filters, prices, words
from app.blueprints.listings.filters import SIZES, TABS, Asked
from app.blueprints.listings.forms import SECTIONS, WIDE, Guarded, ListingForm, TermsForm
from app.display import clock, plural
from app.domain.errors import Conflict, Invalid
from app.domain.listings import openings, owners, queries, record
from app.domain.listings.queries import COUNT_LIMIT, FOR_SALE, REACH, Told, View
from app.domain.models import KIND_BITS, AlertKind, AreaKind, Listing
from app.domain.models.lookups import Origin, PropertySubType, PropertyType, StandardStatus
from app.domain.searches.wanted import queries as wanted
from app.extensions import db
from app.web import EDITORS, EVERYONE, access, go, may, page, sent_key, wants_fragment

WISHES = 25
"""Searches shown of those that a home fits."""

bp = Blueprint("listings", __name__, url_prefix="/listings")


@bp.get("")
@access(*EVERYONE)
def index() -> Response:
    """The homes this office knows, narrowed as the address line says."""
    now = datetime.now(UTC)
    asked = _asked()
    office_id, wanted = current_user.office_id, asked.filter
    counts: dict[Any, int] = {}
    if wants_fragment():
        total = queries.count_of_list(office_id, wanted, now)
    else:
        total, counts = queries.counts_of_list(office_id, wanted, now)
    number = _page_within(asked, total)
    offset = (number - 1) * asked.size
    found = queries.rows_of_list(
        office_id,
        wanted,
        asked.column,
        descending=asked.descending,
        offset=offset,
        limit=min(asked.size, REACH - offset),
        now=now,
    )
    response = page(
        "listings/index.html",
        "list",
        asked=asked,
        tabs=[
            (label, url_for("listings.index", **asked.tab(view)), view is wanted.effective_view, counts.get(view))
            for view, label in TABS.items()
        ],
        lines=words.lines(found, queries.matched_searches([row.id for row in found], now), now),
        total=total,
        count_words=count_words(total),
        number=number,
        offset=offset,
        has_next=offset + len(found) < min(total, REACH),
        sizes=SIZES,
        emptied=None if found else _emptied(asked, counts.get(View.ALL), now),
        cities=[] if wants_fragment() else queries.names_of_places(office_id, AreaKind.CITY),
        statuses=[(status.value, status.value) for status in StandardStatus],
        types=[("", "Any"), *((kind.value, kind.value) for kind in PropertyType)],
        sub_types=[("", "Any"), *((kind.value, kind.value) for kind in PropertySubType)],
        list_url=lambda **changes: url_for("listings.index", **asked.args(**changes)),
        show_query=url_for("listings.index", **asked.args(page=1, size=None)).partition("?")[2],
    )
    if wants_fragment():
        # What was left empty is not worth an address.
        response.headers["HX-Push-Url"] = url_for("listings.index", **asked.args(page=number))
    return response


@bp.get("/<int:listing_id>")
@access(*EVERYONE)
def show(listing_id: int) -> Response:
    """One listing: what it is, what happened, who wants it, who was told, and where it comes from."""
    return _shown(queries.listing_of(current_user.office_id, listing_id))


@bp.post("/<int:listing_id>/terms")
@access(*EDITORS)
def adjust(listing_id: int) -> Response:
    """Change price and status on the listing's own page."""
    listing = queries.listing_of(current_user.office_id, listing_id)
    form = TermsForm()
    if not form.validate():
        return _shown(listing, form, status=422)
    overtaken = _save(form, listing)
    if overtaken is not None:
        return _shown(queries.listing_of(current_user.office_id, listing_id), form, overtaken, status=409)
    if form.errors:
        return _shown(queries.listing_of(current_user.office_id, listing_id), form, status=422)
    return go("listings.show", listing_id=listing_id, **_came_from())


@bp.route("/new", methods=["GET", "POST"])
@access(*EDITORS)
def new() -> Response:
    """Add a home by hand."""
    form = ListingForm()
    form.needs_address = True
    form.offer(queries.members_of(current_user.office_id))
    if request.method == "GET":
        form.list_agent_id.data = current_user.member_id
        return _form_page(form, None)
    if form.validate():
        origin = Origin.CORRECTION if form.is_correction.data else Origin.MANUAL
        try:
            listing = record.create(
                current_user.office_id, form.values(), key=sent_key(), user_id=current_user.id, origin=origin
            )
        except Invalid as refused:
            db.session.rollback()
            form.refuse(refused)
        else:
            db.session.commit()
            flash(f"{words.title_of(listing)} is on record. {_then(queries.newest_event_of(listing.id))}", "good")
            return go("listings.show", listing_id=listing.id)
    return _form_page(form, None, status=422)


@bp.route("/<int:listing_id>/edit", methods=["GET", "POST"])
@access(*EDITORS)
def edit(listing_id: int) -> Response:
    """Change anything about a home. A form that was overtaken is answered 409 with both values."""
    listing = queries.listing_of(current_user.office_id, listing_id)
    members = queries.members_of(current_user.office_id)
    if request.method == "GET":
        form = ListingForm(obj=listing)
        form.offer(members, listing)
        newest = queries.newest_event_of(listing_id)
        form.seq.data = newest.seq if newest else 0
        return _form_page(form, listing)
    typed, undecided = clashes.settled(request.form, listing)
    form = ListingForm(typed)
    form.offer(members, listing)
    if not form.validate() or undecided:
        problem = "Choose whose value stands for each field that both of you changed." if undecided else ""
        events = queries.changes_since(listing_id, form.seq.data) if undecided else []
        overtaken = clashes.overtaken(form, listing, events) if undecided else None
        return _form_page(form, listing, overtaken, problem=problem, status=422)
    overtaken = _save(form, listing)
    if overtaken is not None or form.errors:
        listing = queries.listing_of(current_user.office_id, listing_id)
        return _form_page(form, listing, overtaken, status=422 if overtaken is None else 409)
    return go("listings.show", listing_id=listing_id, **_came_from())


def _save(form: Guarded, listing: Listing) -> clashes.Overtaken | None:
    """Save what was changed, say what was recorded. What happened meanwhile when the form was overtaken; a refusal,
    or a doubt about the price, lands in the form's errors. Commits."""
    listing_id = listing.id
    if form.doubts(listing):
        return None
    try:
        event = record.change(
            listing_id,
            form.changes(listing),
            office_id=current_user.office_id,
            user_id=current_user.id,
            origin=Origin.CORRECTION if form.is_correction.data else Origin.MANUAL,
            lock_version=form.lock_version.data,
        )
    except Conflict:
        db.session.rollback()
        fresh = queries.listing_of(current_user.office_id, listing_id)
        return clashes.overtaken(form, fresh, queries.changes_since(listing_id, form.seq.data))
    except Invalid as refused:
        db.session.rollback()
        form.refuse(refused)
        return None
    db.session.commit()
    if event is None:
        flash("Nothing was different, so nothing was recorded.", "good")
    else:
        flash(f"{words.recorded(event)} {_then(event)}", "good")
    return None


def _then(event: Any) -> str:
    """Who will hear of it, and when."""
    if not event.alertable:
        return words.silence(event.not_alertable_reason).capitalize() + "."
    if event.kinds == KIND_BITS[AlertKind.STATUS_CHANGE]:
        return "Buyers hear of it who were shown the home and follow its status."
    due = queries.next_alerts_at()
    fits = wanted.wanted(queries.listing_of(current_user.office_id, event.listing_id))
    if not fits.searches:
        return "No active search fits it, so nobody is told."
    count = "1,000+ searches" if fits.searches >= wanted.MOST else plural(fits.searches, "search", "searches")
    return f"It fits {count}; alerts go out {f'at {clock(due)}' if due else 'with the next run'}."


def _form_page(
    form: ListingForm,
    listing: Listing | None,
    overtaken: clashes.Overtaken | None = None,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    return page(
        "listings/form.html",
        form=form,
        listing=listing,
        title=words.title_of(listing) if listing else "",
        overtaken=overtaken,
        problem=problem,
        sections=SECTIONS,
        wide=WIDE,
        came_from=_came_from(),
        own_source=record.OWN_SOURCE,
        status=status,
    )


def _shown(
    listing: Listing,
    form: TermsForm | None = None,
    overtaken: clashes.Overtaken | None = None,
    *,
    status: int = 200,
) -> Response:
    now = datetime.now(UTC)
    events = queries.events_of(listing.id)
    told, told_by_event = queries.told_of(listing.id)
    offered_until = now if listing.standard_status in FOR_SALE else listing.off_market_timestamp or now
    asked = _asked()
    at = asked.at
    walk = (
        queries.neighbours(
            current_user.office_id,
            listing.id,
            asked.filter,
            asked.column,
            descending=asked.descending,
            at=at,
            now=now,
        )
        if at
        else None
    )
    fits = wanted.wanted(listing)
    seqs = [row.ListingEvent.seq for row in events]
    is_unread, due = queries.next_reading_of(listing.id)
    reading = words.reading_words(due) if is_unread else ""
    zone = openings.zone_of(vars(listing))
    if form is None:
        form = TermsForm(formdata=None, obj=listing)
        form.seq.data = events[0].ListingEvent.seq if events else 0
    return page(
        "listings/show.html",
        listing=listing,
        title=words.title_of(listing),
        days=words.days_on_market(listing, now),
        facts=words.facts(listing),
        change=words.price_change(listing, now),
        happenings=[words.happening(row, told_by_event.get(row.ListingEvent.seq, Told())) for row in events],
        price_history=prices.history(queries.prices_of(listing.id), told_by_event, offered_until),
        told=told,
        alerts=queries.alerts_of(current_user.office_id, listing.id),
        fits=fits,
        most=wanted.MOST - 1,
        wishes=wanted.wishes(listing, fits.subscription_ids[:WISHES], seqs, now),
        wish_state=partial(words.wish_state, reading=reading),
        wish_why=words.wish_why,
        search_url=lambda search_id: _url("searches.show", search_id=search_id),
        form=form,
        overtaken=overtaken,
        walk=walk,
        walk_url=lambda other, place: url_for("listings.show", listing_id=other, **asked.args(), at=place),
        asked=asked,
        tab=TABS[asked.filter.effective_view],
        came_from=_came_from(),
        own_source=record.OWN_SOURCE,
        for_sale=FOR_SALE,
        open_houses=openings.upcoming(listing.id, now),
        opening_words=partial(words.opening_words, zone=zone),
        zone_name=zone.key,
        owners=owners.of_listing(listing.id),
        last_import=next((row for row in events if row.import_file), None),
        outcome_of=words.outcome_of,
        message_url=lambda message_id: _url("ops.message", message_id=message_id),
        contact_url=lambda contact_id: _url("contacts.show", contact_id=contact_id),
        import_url=lambda batch_id: _url("listings.show_import", batch_id=batch_id),
        status=status,
    )


def _asked() -> Asked:
    return filters.read(request.args, ZoneInfo(current_user.office.time_zone))


def _came_from() -> dict[str, Any]:
    """The list a listing was opened from, and its place there, for links that lead back."""
    asked = _asked()
    return asked.args() | ({"at": at} if (at := asked.at) else {})


def _page_within(asked: Asked, total: int) -> int:
    """The page asked for, or the last there is, with a note."""
    last = max(-(-min(total, REACH) // asked.size), 1)
    if asked.page <= last:
        return asked.page
    if total > REACH and asked.page * asked.size > REACH:
        asked.notes.append(f"Pages reach the first {REACH:,} homes. A filter reaches the rest; this is the last page.")
    else:
        asked.notes.append(f"There is no page {asked.page:,}; this is the last one.")
    return last


def count_words(count: int) -> str:
    """1,284 and, beyond what is counted, 10,000+."""
    return f"{COUNT_LIMIT - 1:,}+" if count >= COUNT_LIMIT else f"{count:,}"


def _emptied(asked: Asked, known: int | None, now: datetime) -> dict[str, Any]:
    """Why the list is empty: which filter emptied it, and what would be left without. `known` listings of the office,
    when they were counted."""
    chips = asked.chips(with_words=True)
    groups = [*(chip.names for chip in chips), ("view",)]
    *freed, any_status = queries.counts_without(current_user.office_id, asked.filter, groups, now)
    ways = sorted(((count, chip) for chip, count in zip(chips, freed, strict=True) if count), key=lambda way: -way[0])
    others = len(chips) - 1
    if ways:
        count, culprit = ways[0]
        title = f"“{culprit.words}” left nothing"
        text = f"{count_words(count)} {'listing fits' if count == 1 else 'listings fit'} " + (
            f"the other {others} filters." if others > 1 else "the other filter." if others else "without it."
        )
    elif chips:
        title = "Nothing fits all of these" if others else f"“{chips[0].words}” left nothing"
        text = "No single filter is to blame: take away two, or begin again." if others else ""
    else:
        title, text = "Nothing here just now", f"No listing is in “{TABS[asked.filter.effective_view]}”."
    return {
        "title": title,
        "text": text,
        "ways": [(f"Remove {chip.words}", chip.names) for _, chip in ways[:2]],
        "any_status": any_status if asked.filter.effective_view is not View.ALL else 0,
        "never": known == 0 or (not chips and not any_status),
    }


def _url(endpoint: str, **values: Any) -> str | None:
    """The address of a screen, or None for one that this person may not open or that is not there."""
    view = current_app.view_functions.get(endpoint)
    return url_for(endpoint, **values) if view and may(*getattr(view, "access_roles", ())) else None


def imports_url() -> str | None:
    """Where files are brought in."""
    return _url("listings.imports")


bp.add_app_template_filter(count_words, "capped")
bp.add_app_template_global(imports_url)

from app.blueprints.listings import export as _export  # noqa: E402, F401  their views belong to bp
from app.blueprints.listings import imports as _imports  # noqa: E402, F401
from app.blueprints.listings import visits as _visits  # noqa: E402, F401
