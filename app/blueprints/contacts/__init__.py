"""Buyers: the list, one person with everything that was sent to them, and the form."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, request
from flask_login import current_user

from app.blueprints.contacts.forms import ZONES, ContactForm, differences
from app.blueprints.contacts.words import look_of, suppression_words
from app.domain.contacts import book, household, queries
from app.domain.contacts.book import AddressTaken, ChangedMeanwhile, Faulty
from app.domain.contacts.queries import SORTS, Filters
from app.domain.digests.lifecycle import still_watching as monthly
from app.domain.digests.optout import how_asked
from app.domain.searches.desk.words import schedule_words, state_of
from app.extensions import db
from app.web import EDITORS, EVERYONE, access, clean, go, page, row_id, sent_key, wants_fragment, with_args

bp = Blueprint("contacts", __name__, url_prefix="/contacts")
bp.add_app_template_filter(look_of, "moment_look")
bp.add_app_template_filter(how_asked, "how_asked")
bp.add_app_template_filter(suppression_words, "suppression_words")

PAGE = 50
MAIL_PAGE = 20
SEARCHES = {"active": "With a search that sends", "none": "With no search"}
MAIL = {"open": "Can be mailed", "stopped": "Address suppressed", "missing": "No address"}


@bp.get("")
@access(*EVERYONE)
def index() -> Response:
    """Who we know. The address says everything: filters, order, page."""
    now = datetime.now(UTC)
    filters = Filters(
        q=clean(" ".join(request.args.get("q", "").split()))[:100],
        member_id=request.args.get("agent", type=row_id),
        searches=_one_of("searches", *SEARCHES),
        mail=_one_of("mail", *MAIL),
    )
    sort = _one_of("sort", *(sign + name for name in SORTS for sign in ("", "-"))) or "name"
    total = queries.count_contacts(current_user.office_id, filters, now=now)
    number = min(max(request.args.get("page", 1, type=int), 1), -(-min(total, queries.COUNTED_UP_TO) // PAGE) or 1)
    rows = queries.contact_rows(
        current_user.office_id,
        filters,
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        offset=(number - 1) * PAGE,
        limit=PAGE,
        now=now,
    )
    agents = [(member.id, member.member_full_name) for member in queries.members(current_user.office_id)]
    response = page(
        "contacts/index.html",
        "results",
        rows=rows,
        total=total,
        number=number,
        size=PAGE,
        cap=queries.COUNTED_UP_TO,
        sort=sort,
        filters=filters,
        on=_filters_on(filters, agents),
        agents=agents,
        search_choices=list(SEARCHES.items()),
        mail_choices=list(MAIL.items()),
    )
    if wants_fragment():
        # What was left empty is not worth an address.
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


@bp.get("/<int:contact_id>")
@access(*EVERYONE)
def show(contact_id: int) -> Response:
    now = datetime.now(UTC)
    contact = queries.contact(current_user.office_id, contact_id)
    before = request.args.get("before", type=row_id)
    mails = queries.messages_of(contact.id, before=before, limit=MAIL_PAGE + 1)
    suppressions = queries.suppressions_of(contact.office_id, contact.email, now=now)
    subscriptions = queries.subscriptions_of(contact.id)
    blocked = [found.search_id for found in suppressions if found.in_force]
    return page(
        "contacts/show.html",
        "mails",
        contact=contact,
        subscriptions=subscriptions,
        held_back={one.saved_search_id for one in subscriptions if None in blocked or one.saved_search_id in blocked},
        mails=mails[:MAIL_PAGE],
        older=mails[MAIL_PAGE - 1].id if len(mails) > MAIL_PAGE else None,
        newest=before is None,
        suppressions=suppressions,
        standing=queries.standing_of(contact, suppressions),
        homes=queries.homes_shown(contact.id),
        mates=[mate for mate in queries.household_of(contact.household_id) if mate.id != contact.id],
        household_mail=queries.household_mail(contact.household_id),
        moments=queries.timeline_of(contact),
        schedule_words=schedule_words,
        state_of=state_of,
    )


@bp.post("/<int:contact_id>/household")
@access(*EDITORS)
def share(contact_id: int) -> Response:
    """Share alerts with another buyer of the office, or end it."""
    if request.form.get("verb") == "leave":
        household.leave(contact_id, office_id=current_user.office_id)
        said = "They share alerts no more."
    else:
        household.share(
            contact_id,
            clean(request.form.get("email", ""))[:254],
            request.form.get("mail", ""),
            office_id=current_user.office_id,
        )
        said = "They share their alerts from now on."
    db.session.commit()
    flash(said, "good")
    return go("contacts.show", contact_id=contact_id)


@bp.post("/<int:contact_id>/still-watching")
@access(*EDITORS)
def still_watching(contact_id: int) -> Response:
    """A word a month from a search that found nothing, or none (PA-12)."""
    contact = queries.contact(current_user.office_id, contact_id)
    subscription_id = request.form.get("subscription", type=row_id) or 0
    wanted = request.form.get("wanted") == "yes"
    monthly.want(subscription_id, wanted=wanted, office_id=current_user.office_id)
    db.session.commit()
    flash("A month without a match gets a word." if wanted else "A month without a match gets no word.", "good")
    return go("contacts.show", contact_id=contact.id)


@bp.get("/new")
@access(*EDITORS)
def new() -> Response:
    return _form(ContactForm.blank(queries.members(current_user.office_id), current_user.member_id))


@bp.post("")
@access(*EDITORS)
def create() -> Response:
    form = ContactForm.blank(queries.members(current_user.office_id), current_user.member_id)
    try:
        contact = book.create(current_user.office_id, form.values(), key=sent_key())
    except (Faulty, AddressTaken) as refusal:
        return _form(form.refused(refusal), status=422, taken=refusal)
    db.session.commit()
    flash(f"{contact.full_name} is in the book.", "good")
    return go("contacts.show", contact_id=contact.id)


@bp.get("/<int:contact_id>/edit")
@access(*EDITORS)
def edit(contact_id: int) -> Response:
    contact = queries.contact(current_user.office_id, contact_id)
    return _form(ContactForm.of(contact, queries.members(current_user.office_id)), contact=contact)


@bp.post("/<int:contact_id>")
@access(*EDITORS)
def save(contact_id: int) -> Response:
    contact = queries.contact(current_user.office_id, contact_id)
    form = ContactForm.of(contact, queries.members(current_user.office_id))
    try:
        contact = book.edit(contact_id, form.values(), office_id=current_user.office_id, seen=form.seen_at())
    except (Faulty, AddressTaken) as refusal:
        return _form(form.refused(refusal), contact=contact, status=422, taken=refusal)
    except ChangedMeanwhile as refusal:
        db.session.rollback()
        theirs = queries.contact(current_user.office_id, contact_id)
        changed = differences(theirs, form, queries.members(current_user.office_id))
        form.seen.data = theirs.modification_timestamp.isoformat()
        return _form(form, contact=theirs, status=409, refusal=refusal.sentence, differences=changed)
    db.session.commit()
    flash("Saved.", "good")
    return go("contacts.show", contact_id=contact.id)


def _form(form: ContactForm, *, status: int = 200, taken: Any = None, **context: Any) -> Response:
    return page(
        "contacts/form.html",
        status=status,
        form=form,
        zones=ZONES,
        taken=taken if isinstance(taken, AddressTaken) else None,
        **({"contact": None, "refusal": None, "differences": []} | context),
    )


def _filters_on(filters: Filters, agents: list[tuple[int, str]]) -> list[tuple[str, str, str]]:
    """(label, value in words, name in the address) of each filter that is on, for its chip."""
    named = dict(agents).get(filters.member_id or 0, "somebody else")
    found = [
        ("Words", f"“{filters.q}”" if filters.q else "", "q"),
        ("Agent", named if filters.member_id else "", "agent"),
        ("Searches", SEARCHES.get(filters.searches, "").lower(), "searches"),
        ("State", MAIL.get(filters.mail, "").lower(), "mail"),
    ]
    return [one for one in found if one[1]]


def _one_of(name: str, *allowed: str) -> str:
    """A word of the address, or "" when it is none of those the page knows."""
    value = request.args.get(name, "")
    return value if value in allowed else ""
