"""Every page there is, opened once with a month of rows behind it: it answers, it is well formed, it is cheap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.extensions import db as database
from tests.browser.world import World, addresses, build

MOST_QUERIES = 12
RECOUNTS = {"ops.balance": 20}
"""Pages that count every sum again from its rows, because somebody asked: more questions, still none per row."""
MOST_BYTES = 100_000


@dataclass
class Opened:
    endpoint: str
    path: str
    status: int
    content_type: str
    html: str
    queries: list[str] = field(default_factory=list)

    @property
    def is_page(self) -> bool:
        """A letter in its frame is none of ours: its title is its subject."""
        is_letter = self.path.endswith("/html")
        return (
            self.status == 200 and self.content_type.startswith("text/html") and "<html" in self.html and not is_letter
        )


@contextmanager
def counted() -> Iterator[list[str]]:
    """The statements that are sent meanwhile, without those that only mark a place in the transaction."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            sent.append(" ".join(statement.split())[:160])

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


@pytest.fixture
def world(db: object) -> World:
    del db
    return build()


@pytest.fixture
def opened(app: Flask, world: World, sign_in: Any) -> list[Opened]:
    browser = sign_in(world.people["admin"])
    found = []
    for endpoint, path in addresses(app, world):
        if endpoint == "auth.sign_in":
            continue
        database.session.expire_all()
        with counted() as queries:
            answer = browser.get(path, headers={"Accept": "text/html"})
        found.append(Opened(endpoint, path, answer.status_code, answer.content_type, answer.text, queries))
    return found


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self.refers: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        for name, value in attrs:
            if name == "id" and value:
                self.ids[value] += 1
            if name in ("aria-labelledby", "aria-describedby", "for", "popovertarget", "aria-controls") and value:
                self.refers |= set(value.split())


def test_every_page_there_is(opened):
    """One pass over all pages; each line below is a rule, and names the pages that break it."""
    pages = [page for page in opened if page.is_page]
    assert len(pages) >= 5
    parsed = {page.path: Page(page.html) for page in pages}
    broken = {
        "does not answer": [
            (page.path, page.status)
            for page in opened
            if page.status not in (200, 303) and (page.endpoint, page.status) != ("health.jobs", 503)  # its answer
        ],
        "has not exactly one heading": [path for path, page in parsed.items() if page.names["h1"] != 1],
        "has no title of its own": [
            page.path for page in pages if not re.search(r"<title>[^<]{3,} · Porchlight</title>", page.html)
        ],
        "uses an id twice": [
            (path, name) for path, page in parsed.items() for name, count in page.ids.items() if count > 1
        ],
        "points at an id that is not there": [
            (path, name) for path, page in parsed.items() for name in page.refers - set(page.ids)
        ],
        f"asks more than {MOST_QUERIES} questions": [
            (page.path, len(page.queries), Counter(page.queries).most_common(3))
            for page in opened
            if len(page.queries) > RECOUNTS.get(page.endpoint, MOST_QUERIES)
        ],
        f"is larger than {MOST_BYTES} bytes": [
            (page.path, len(page.html)) for page in pages if len(page.html.encode()) > MOST_BYTES
        ],
        "shows an address that is not a page": [
            page.path for page in pages if "None" in re.findall(r'href="(\w+)"', page.html)
        ],
    }
    said = [f"{rule}: {one}" for rule, found in broken.items() for one in found]
    assert not said, "\n".join(said)


def test_the_active_place_in_the_rail_is_one_at_most_and_is_a_beginning_of_the_address(opened):
    for page in opened:
        here = re.findall(r'class="rail-link" href="([^"]+)" aria-current="page"', page.html)
        assert len(here) <= 1, page.path
        assert not here or page.path.startswith(here[0])


@pytest.mark.parametrize("role", ["staff", "agent", "viewer"])
def test_every_link_that_a_role_sees_opens_for_it(app, world, sign_in, role):
    """No page shows a person a way that is shut for them."""
    browser = sign_in(world.people[role])
    seen, shut = set(), []
    for _, path in addresses(app, world):
        answer = browser.get(path)
        if answer.status_code != 200 or not answer.content_type.startswith("text/html"):
            continue
        for target in re.findall(r'<a[^>]*\shref="(/[^"#]*)"', answer.text):
            bare = target.split("?")[0]
            if bare in seen:
                continue
            seen.add(bare)
            status = browser.get(bare).status_code
            if status not in (200, 303):
                shut.append((path, bare, status))
    assert seen
    assert not shut
