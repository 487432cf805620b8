"""A real Chromium in front of the real app: its own database with the small world in it, its own server on a free port.

Nothing here is rolled back; a test that changes rows changes its own. Locate by role and name only: what a test cannot
find so, a person with a screen reader cannot either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask_migrate import upgrade
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page
from werkzeug.serving import make_server

from devstack.testing import create_database, drop_database, run_id
from tests.browser.world import PASSWORD, World, build
from tests.conftest import MIGRATIONS

AXE = "Applying inline style violates"
"""The checker itself tries to style what it measures; the policy stops it, and says so."""
EXPECTED = (
    "Status Error Code 4",
    "ERR_FAILED",
    "htmx:",
    "status of 401",
    "status of 403",
    "status of 404",
    "status of 409",
    "status of 422",
    "status of 429",
    # A page left before its style was read gives up its fade; Chromium calls that an error too.
    "ViewTransition opt-in disabled",
)
"""Refusals are answers, though the console calls them errors."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)
            # A signal's error can be lost in the browser's event loop, and the test would hang for ever after all.
            item.add_marker(pytest.mark.timeout(180, method="thread"))


@dataclass
class Live:
    """The app as it is reached over HTTP, and who lives in it."""

    app: Flask
    world: World
    url: str


@pytest.fixture(scope="session")
def live(another_app: Callable[..., Flask], chromium: str) -> Iterator[Live]:
    del chromium
    name = f"browser_{run_id()}"
    database_url = create_database(name).replace("postgresql://", "postgresql+psycopg://", 1)
    app = another_app(database_url=database_url)
    app.config.update(WTF_CSRF_ENABLED=True)
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
        world = build()
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Live(app, world, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()
    from app.extensions import db

    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    drop_database(name)


@pytest.fixture(scope="session")
def base_url(live: Live) -> str:
    return live.url


@pytest.fixture(scope="session")
def states(live: Live, browser: Browser) -> Callable[[str], Any]:
    """The cookies of a role, got once by signing in at the page."""
    kept: dict[str, Any] = {}

    def state(role: str) -> Any:
        if role not in kept:
            context = browser.new_context(base_url=live.url)
            page = context.new_page()
            sign_in(page, role)
            page.wait_for_url(live.url + "/")
            kept[role] = context.storage_state()
            context.close()
        return kept[role]

    return state


def sign_in(page: Page, role: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Email").fill(f"{role}@harborvine.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def open_as(live: Live, browser: Browser, states: Callable[[str], Any]) -> Iterator[Callable[..., Page]]:
    """open_as("staff", path="/listings", theme="dark", width=390, js=False): a page in a browser of its own. At the end
    no console may have spoken of an error, nor any policy of a breach."""
    contexts: list[BrowserContext] = []
    spoken: list[str] = []

    def listen(page: Page, but_for: str | None) -> None:
        def note(message: ConsoleMessage) -> None:
            if message.type == "error" and not (but_for and message.text.startswith(but_for)):
                spoken.append(f"{page.url}: {message.text}")

        page.on("console", note)
        page.on("pageerror", lambda error: spoken.append(str(error)))

    def open_page(
        role: str | None = "staff",
        path: str | None = None,
        *,
        theme: str = "light",
        width: int = 1280,
        js: bool = True,
        measured: bool = False,
    ) -> Page:
        context = browser.new_context(
            base_url=live.url,
            storage_state=states(role) if role else None,
            color_scheme=theme,  # type: ignore[arg-type]
            viewport={"width": width, "height": 844 if width < 500 else 900},
            java_script_enabled=js,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.on("page", lambda page: listen(page, AXE if measured else None))
        page = context.new_page()
        page.set_default_timeout(30_000)
        if path:
            page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not [text for text in spoken if not any(part in text for part in EXPECTED)]
