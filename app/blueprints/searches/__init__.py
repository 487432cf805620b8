"""Saved searches: the list, and the builder that shows what a search would do before it is saved."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Blueprint, Response, flash, make_response, request
from flask_login import current_user

from app.blueprints.searches import words
from app.blueprints.searches.builder import Desk, context_of, read_form
from app.blueprints.searches.forms import PLACE_WORDS, SCHEDULES, SearchForm, split_place
from app.domain.contacts import queries as people
from app.domain.errors import Conflict, Invalid
from app.domain.searches import saved
from app.domain.searches.criteria import Criteria
from app.domain.searches.desk import queries
from app.domain.searches.desk.queries import SORTS, Filters
from app.domain.searches.desk.words import (
    OFF_REASONS,
    Change,
    changes_between,
    reschedule_words,
    schedule_words,
    state_of,
)
from app.extensions import db
from app.web import EDITORS, EVERYONE, access, clean, fragment, go, page, row_id, sent_key, wants_fragment, with_args

bp = Blueprint("searches", __name__, url_prefix="/searches")
bp.add_app_template_filter(words.day_rows, "day_rows")

PAGE = 50
SHOWN_VERSIONS = 3
"""As many stand below the form; all of them have a page."""
STATES = {"on": "Sending", "off": "Off, for any reason"}


# The list


@bp.get("")
@access(*EVERYONE)
def index() -> Response:
    """Every search of the office. The address says everything: filters, order, page."""
    filters = Filters(
        q=clean(" ".join(request.args.get("q", "").split()))[:100],
        member_id=request.args.get("agent", type=row_id),
        schedule=_one_of("schedule", "asap", "daily", "days"),
        state=_one_of("state", *STATES, *OFF_REASONS),
    )
    sort = _one_of("sort", *(sign + name for name in SORTS for sign in ("", "-"))) or "-added"
    total = queries.count_searches(current_user.office_id, filters)
    number = min(max(request.args.get("page", 1, type=int), 1), -(-min(total, queries.COUNTED_UP_TO) // PAGE) or 1)
    rows = queries.search_rows(
        current_user.office_id,
        filters,
        sort=sort.removeprefix("-"),
        descending=sort.startswith("-"),
        offset=(number - 1) * PAGE,
        limit=PAGE,
        now=datetime.now(UTC),
    )
    agents = [(member.id, member.member_full_name) for member in people.members(current_user.office_id)]
    states = STATES | {reason: state_of(is_active=False, reason=reason).word for reason in OFF_REASONS}
    schedules = {name: words for name, words in SCHEDULES.items() if name != "monthly"}
    response = page(
        "searches/index.html",
        "results",
        rows=rows,
        total=total,
        number=number,
        size=PAGE,
        cap=queries.COUNTED_UP_TO,
        sort=sort,
        filters=filters,
        on=[
            one
            for one in (
                ("Words", f"“{filters.q}”" if filters.q else "", "q"),
                ("Agent", dict(agents).get(filters.member_id, "somebody else") if filters.member_id else "", "agent"),
                ("Schedule", schedules.get(filters.schedule, "").lower(), "schedule"),
                ("State", states.get(filters.state, "").lower(), "state"),
            )
            if one[1]
        ],
        agents=agents,
        schedules=list(schedules.items()),
        states=list(states.items()),
        schedule_words=schedule_words,
        state_of=state_of,
    )
    if wants_fragment():
        response.headers["HX-Push-Url"] = with_args(**{n: None for n, v in request.args.items() if not v.strip()})
    return response


# The builder


@bp.get("/new")
@access(*EDITORS)
def new() -> Response:
    """For a buyer, `?contact=`; without one, choose the buyer first. `?like=` begins with what another search asks."""
    if "contact" not in request.args:
        return go("contacts.index")
    like = Desk.of(request.args.get("like", 0, type=row_id)) if "like" in request.args else None
    desk = Desk.new_for(request.args.get("contact", 0, type=row_id))
    form = (
        SearchForm.like(like.search, like.subscription, for_same=like.contact.id == desk.contact.id) if like else None
    )
    return _builder(desk, form or SearchForm.blank(), like=like)


@bp.get("/<int:search_id>")
@access(*EVERYONE)
def show(search_id: int) -> Response:
    desk = Desk.of(search_id)
    return _builder(desk, desk.stored_form())


@bp.post("")
@access(*EDITORS)
def create() -> Response:
    """Make the search, or only look at it again ("Check", adding and dropping values): `do` says which."""
    desk = Desk.new_for(request.form.get("contact", 0, type=row_id))
    form = read_form()
    if request.form.get("do") != "save" or form.faults:
        return _builder(desk, form, status=422 if form.faults else 200)
    try:
        search = saved.create(
            current_user.office_id,
            desk.contact.id,
            form.typed["name"],
            _criteria_and_schedule(form),
            kinds=form.bits,
            concierge=form.concierge,
            member_id=desk.contact.owner_member_id or current_user.member_id,
            user_id=current_user.id,
            key=sent_key(),
            **form.schedule(),
        )
    except Invalid as refusal:
        return _refused(desk, form, refusal)
    db.session.commit()
    flash("Saved. It sends only what changes from now on; what matches today is not mailed.", "good")
    return go("searches.show", search_id=search.id)


@bp.post("/<int:search_id>")
@access(*EDITORS)
def save(search_id: int) -> Response:
    """Change the search, or only look at it again: `do` says which."""
    desk = Desk.of(search_id)
    form = read_form()
    if request.form.get("do") != "save" or form.faults:
        return _builder(desk, form, status=422 if form.faults else 200)
    if desk.search.deleted_at:
        raise Conflict("This search was deleted. Bring it back first.")
    before = desk.search.version
    timed = _schedule_of(desk)
    try:
        search = saved.edit(
            search_id,
            office_id=current_user.office_id,
            version=form.version or 0,
            name=form.typed["name"],
            criteria=_criteria_and_schedule(form),
            kinds=form.bits,
            concierge=form.concierge,
            user_id=current_user.id,
            **form.schedule(),
        )
    except Invalid as refusal:
        return _refused(desk, form, refusal)
    except Conflict:
        db.session.rollback()
        return _overtaken(search_id, form)
    db.session.commit()
    said = "Saved." if search.version == before else f"Saved as version {search.version}, in force from now on."
    flash(f"{said} {reschedule_words(timed, _schedule_of(Desk.of(search_id)))}".rstrip(), "good")
    return go("searches.show", search_id=search_id)


@bp.post("/<int:search_id>/preview")
@access(*EDITORS)
def preview(search_id: int) -> Response:
    return _preview(Desk.of(search_id))


@bp.post("/preview")
@access(*EDITORS)
def preview_new() -> Response:
    return _preview(Desk.new_for(request.form.get("contact", 0, type=row_id)))


@bp.get("/places")
@access(*EDITORS)
def places() -> Response:
    """What the office's dictionary of places has for the letters typed so far, as options of the place box."""
    typed, _ = split_place(clean(request.args.get("place", ""))[:100])
    found = queries.places_like(current_user.office_id, typed)
    return fragment("searches/builder.html", "suggestions", suggestions=found, place_words=PLACE_WORDS)


# On and off


@bp.post("/<int:search_id>/resume")
@access(*EDITORS)
def resume(search_id: int) -> Response:
    desk = Desk.of(search_id)
    try:
        saved.resume(desk.subscription_id, office_id=current_user.office_id)
    except Invalid as refusal:
        return _refused(desk, desk.stored_form(), refusal)
    db.session.commit()
    flash("It sends again, from now on. Here is what the pause kept back; none of it is mailed.", "good")
    return go("searches.missed", search_id=search_id)


# Parts


def _criteria_and_schedule(form: SearchForm) -> Criteria:
    """The criteria, once the schedule is known to be right too."""
    criteria = form.criteria()
    form.schedule()
    return criteria


def _schedule_of(desk: Desk) -> str:
    if desk.found is None:
        return ""
    one = desk.found.subscription
    return schedule_words(one.schedule_type, one.daily_schedule, one.send_time)


def _refused(desk: Desk, form: SearchForm, refusal: Invalid) -> Response:
    db.session.rollback()
    form.refused(refusal)
    return _builder(desk.again(), form, status=422)


def _overtaken(search_id: int, form: SearchForm) -> Response:
    """Somebody saved a newer version: show theirs and mine, and let the person choose."""
    desk = Desk.of(search_id)
    theirs = queries.versions_of(search_id, limit=1)[0]
    form.version = theirs.version
    return _builder(desk, form, status=409, overtaken=changes_between(theirs.criteria, form.criteria().as_dict()))


def _preview(desk: Desk) -> Response:
    """The right column, and with it every part of the form that follows from what is typed."""
    newest = queries.versions_of(desk.search_id, limit=1)
    context = context_of(desk, SearchForm.read(request.form), newest[0].created_at if newest else None)
    parts = [fragment("searches/builder.html", block, live=True, **context) for block in ("preview", "live")]
    return make_response("\n".join(part.get_data(as_text=True) for part in parts))


def _builder(
    desk: Desk,
    form: SearchForm,
    *,
    status: int = 200,
    overtaken: list[Change] | None = None,
    like: Desk | None = None,
) -> Response:
    versions = queries.versions_of(desk.search_id, limit=SHOWN_VERSIONS + 1)
    return page(
        "searches/builder.html",
        "builder",
        status=status,
        live=False,
        suggestions=[],
        overtaken=overtaken,
        like=like,
        versions=_history.told(versions, shown=SHOWN_VERSIONS),
        **context_of(desk, form, versions[0].created_at if versions else None),
    )


def _one_of(name: str, *allowed: str) -> str:
    """A word of the address, or "" when it is none of those the page knows."""
    value = request.args.get(name, "")
    return value if value in allowed else ""


from app.blueprints.searches import history as _history  # noqa: E402  their views belong to bp
from app.blueprints.searches import points as _points  # noqa: E402, F401
