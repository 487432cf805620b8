"""The works, on one page that says without a doubt whether they work: read by admins, staff and viewers; only admins
act. Messages can be read by everybody of the office they went out for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, g, request, session, url_for
from flask.blueprints import BlueprintSetupState
from flask_login import current_user
from markupsafe import Markup

from app.domain.digests.decide import IN_WORDS as DROPPED_IN_WORDS
from app.domain.errors import Invalid, NotFound
from app.domain.messages.preview import disarm
from app.domain.models import Role
from app.domain.moments import database_now
from app.domain.ops import balance as sums
from app.domain.ops import health, probing, queries, words
from app.domain.ops.incidents import watch_beside
from app.domain.ops.overview import overview as look
from app.domain.ops.queries import Window
from app.extensions import db, settings
from app.jobs.kinds import KINDS
from app.web import EVERYONE, access, clean, fragment, go, link_to, may, page, wants_fragment

bp = Blueprint("ops", __name__, url_prefix="/ops")
bp.add_app_template_filter(words.counts_in_words, "counts_in_words")
bp.add_app_template_filter(words.bytes_in_words, "bytes_in_words")
bp.add_app_template_filter(words.wall, "wall")
bp.add_app_template_filter(disarm, "disarmed")

READERS = (Role.ADMIN, Role.STAFF, Role.VIEWER)
PAGE = 50
TABS = (
    ("ops.overview", "Overview"),
    ("ops.schedules", "Schedules"),
    ("ops.runs", "Runs"),
    ("ops.errors", "Errors"),
    ("ops.incidents", "Incidents"),
    ("ops.queues", "Queues"),
    ("ops.workers", "Workers"),
    ("ops.messages", "Messages"),
    ("held.index", "Held mail"),
    ("ops.stopped", "Stopped"),
    ("ops.sizes", "Data"),
    ("ops.integrations", "Integrations"),
    ("ops.audit", "Audit"),
)
"""The screens of the works, in the order of their tabs."""
WINDOWS = {"today": "Since midnight", "24h": "24 hours", "7d": "7 days"}


@bp.before_request
def lead_nowhere() -> None:
    """A word of an address that no column could hold (a NUL, say) names nothing: 404 instead of PostgreSQL's refusal."""
    if any(isinstance(word, str) and clean(word) != word for word in (request.view_args or {}).values()):
        raise NotFound("There is nothing at this address. It may have been moved or removed.")


@bp.record
def light_the_lamp(state: BlueprintSetupState) -> None:
    """The foot of every page says whether everything works."""
    state.app.extensions["verdict"] = lamp


LAMP = ("layouts/app.html", "house_lamp", "house_pauses", "house_word")
"""The lamp, the bars of what is paused, and its line in the menu of a phone: one after the other."""
CHANGED = "works_changed_at"
"""In the session of who did it: when they last changed something that the lamp tells."""


def changed() -> None:
    """Call after the commit of what the lamp tells. Whoever did it sees it on their next page, whichever process draws
    it: each one judges anew when its own verdict is older. Everybody else sees it within seconds."""
    health.dim(settings().database_url)
    session[CHANGED] = database_now().timestamp()


def lamp() -> dict[str, Any]:
    """The verdict in short, at most a few seconds old. Agents see it, and have nothing to open behind it."""
    watch_beside()
    after = datetime.fromtimestamp(session[CHANGED], UTC) if CHANGED in session else None
    return _short(health.lamp(settings().database_url, after=after))


@bp.get("/lamp", endpoint="lamp")
@access(*EVERYONE)
def show_lamp() -> Response:
    """What an open page asks for every 15 s, to put in place of what it shows: no statement but for the reader."""
    if not wants_fragment():
        return go("home.today")
    return fragment(*LAMP)


def _short(verdict: health.Verdict) -> dict[str, Any]:
    may_read = current_user.is_authenticated and current_user.role in READERS
    asks = request.endpoint == "ops.lamp"
    at_works = request.args.get("works") == "1" if asks else request.blueprint == bp.name
    return {
        "tone": verdict.tone.value,
        "sentence": verdict.sentence if may_read else verdict.in_public,
        "checked_at": verdict.checked_at,
        "url": url_for("ops.overview" if may_read else "home.today"),
        "ask": url_for("ops.lamp", works=1 if at_works else None),
        # Loud on every page for who can end it; for the other readers where they look at the works.
        "pauses": verdict.pauses if may(Role.ADMIN) or (may_read and at_works) else (),
    }


@bp.get("")
@access(*READERS)
def overview() -> Response:
    # The network is asked first: what it says is part of the verdict, once it is written down for everybody.
    answers = probing.ask_lately()
    is_news = probing.write_news(answers)
    watch_beside()
    seen = look(current_user.office.time_zone)
    health.light(settings().database_url, seen.verdict)
    g.verdict = _short(seen.verdict)
    # What is polled brings the lamp along, so that the two never disagree.
    lamp = Markup(fragment(*LAMP).get_data(as_text=True)) if wants_fragment() else ""  # noqa: S704  our own template
    drawn = page("ops/overview.html", "live", seen=seen, answers=answers, lamp=lamp)
    if is_news:
        db.session.commit()  # at the end: it makes the session ask anew for whatever it holds
    return drawn


@bp.get("/balance")
@access(*READERS)
def balance() -> Response:
    """Check it yourself: each number, what it counts, and the rows that make a remainder."""
    now = datetime.now(UTC)
    begins = {
        "today": sums.midnight(now, current_user.office.time_zone),
        "24h": now - timedelta(hours=24),
        "7d": now - timedelta(days=7),
    }
    name = one_of("since", begins) or "today"
    window = Window(begins[name], now)
    lines = sums.balance(window.since, now)
    lost = {
        "events": queries.lost_events,
        "matches": queries.lost_pairs,
        "messages": queries.lost_messages,
        "due_times": sums.missing_times,
    }
    return page(
        "ops/balance.html",
        lines=lines,
        since=window.since,
        chosen=name,
        windows=WINDOWS,
        lost={line.key: lost[line.key](window) if line.remainder else [] for line in lines},
        drop_reasons=queries.drop_reasons(window),
        unalertable=queries.unalertable_reasons(window),
        reason_words=DROPPED_IN_WORDS,
        office_id=current_user.office_id,
    )


@bp.app_template_global("ops_tabs")
def tabs() -> list[tuple[str, str, bool, None]]:
    """The screens of the works that the reader may open: for ui.tabs on each of them."""
    places = [(label, link_to(endpoint), endpoint == request.endpoint) for endpoint, label in TABS]
    return [(label, url, is_here, None) for label, url, is_here in places if url]


def by_hand() -> list[str]:
    """The kinds that a person may start."""
    return [name for name, kind in KINDS.items() if kind.by_hand]


def one_of(name: str, allowed: Any) -> str:
    """A filter from the address: one of these, or none. Raises Invalid for anything else: a list that silently shows
    everything would be taken for what was asked."""
    given = clean(request.args.get(name, ""))
    if given and given not in allowed:
        raise Invalid(f"“{given[:60]}” is no {name} that is known here.", field=name)
    return given


from app.blueprints.ops import audit as _audit  # noqa: E402, F401  their views belong to bp
from app.blueprints.ops import errors as _errors  # noqa: E402, F401
from app.blueprints.ops import incidents as _incidents  # noqa: E402, F401
from app.blueprints.ops import integrations as _integrations  # noqa: E402, F401
from app.blueprints.ops import messages as _messages  # noqa: E402, F401
from app.blueprints.ops import queues as _queues  # noqa: E402, F401
from app.blueprints.ops import runs as _runs  # noqa: E402, F401
from app.blueprints.ops import schedules as _schedules  # noqa: E402, F401
from app.blueprints.ops import sizes as _sizes  # noqa: E402, F401
from app.blueprints.ops import stopped as _stopped  # noqa: E402, F401
from app.blueprints.ops import workers as _workers  # noqa: E402, F401
