"""Where a signed-in person can go: the rail, the shortcuts and the phone's bar are made from this one table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import current_app, request, url_for

from app.domain.models import Role
from app.web import EVERYONE, STAFF, may


@dataclass(frozen=True)
class Entry:
    """A line of the rail. `key` is what follows g; `more` entries hide in the phone's menu."""

    endpoint: str
    label: str
    icon: str
    key: str = ""
    roles: tuple[Role, ...] = EVERYONE
    more: bool = False
    url: str = ""
    is_here: bool = False


@dataclass(frozen=True)
class Section:
    name: str
    entries: tuple[Entry, ...]


SECTIONS = (
    Section(
        "",
        (
            Entry("home.today", "Today", "house-door", key="h"),
            Entry("listings.index", "Listings", "buildings", key="l"),
            Entry("searches.index", "Searches", "search-heart", key="s"),
            Entry("contacts.index", "Buyers", "people", key="b"),
        ),
    ),
    Section(
        "The works",
        (
            Entry("ops.overview", "Operations", "activity", key="o", roles=(*STAFF, Role.VIEWER), more=True),
            Entry("listings.imports", "Imports", "file-earmark-arrow-up", key="i", roles=STAFF, more=True),
        ),
    ),
)


def navigation() -> list[Section]:
    """The sections this person may see; a screen that is not built is left out. Exactly one entry is here: the one whose
    address is the longest beginning of this page's."""
    seen = [
        (
            section,
            [
                replace(entry, url=url_for(entry.endpoint))
                for entry in section.entries
                if entry.endpoint in current_app.view_functions and may(*entry.roles)
            ],
        )
        for section in SECTIONS
    ]
    path = request.path
    here = max(
        (entry.url for _, entries in seen for entry in entries if _is_within(path, entry.url)), key=len, default=None
    )
    return [
        Section(section.name, tuple(replace(entry, is_here=entry.url == here) for entry in entries))
        for section, entries in seen
        if entries
    ]


def _is_within(path: str, url: str) -> bool:
    return path == url or (url != "/" and path.startswith(url + "/"))


def find_url() -> str | None:
    """Where the find box at the top sends its words."""
    return url_for("listings.index") if "listings.index" in current_app.view_functions else None
