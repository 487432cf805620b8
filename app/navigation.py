"""Where a signed-in person can go: the rail, the shortcuts and the phone's bar are made from this one table."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import request

from app.web import link_to


@dataclass(frozen=True)
class Entry:
    """A line of the rail. `key` is what follows g; `more` entries hide in the phone's menu. Who sees it is who may enter
    its screen."""

    endpoint: str
    label: str
    icon: str
    key: str = ""
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
            Entry("held.index", "Held mail", "hourglass-split", key="m", more=True),
        ),
    ),
    Section(
        "The works",
        (
            Entry("ops.overview", "Operations", "activity", key="o", more=True),
            Entry("proof.explain", "Why / why not", "signpost-split", key="w", more=True),
            Entry("listings.imports", "Imports", "file-earmark-arrow-up", key="i", more=True),
        ),
    ),
)


def navigation() -> list[Section]:
    """The sections this person may see, without the screens that are closed to them. Exactly one entry is here: the one
    whose address is the longest beginning of this page's."""
    seen = [
        (
            section,
            [replace(entry, url=url) for entry in section.entries if (url := link_to(entry.endpoint)) is not None],
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
    return link_to("listings.index")
