"""The whole product as a newcomer meets it: `make run`'s stack with every process of the Procfile, a real browser, a
real mail. One journey, from a buyer written down to their unsubscribing, and the sums at the end. Then one of its
processes is stopped, and the page says so."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask_migrate import upgrade
from playwright.sync_api import Browser, Page, expect

from app.domain.listings.record import record
from app.domain.models import Office, Role, User
from app.domain.models.lookups import Origin
from app.domain.people.accounts import hash_password
from app.extensions import db
from devstack.programs import Identity
from devstack.state import State
from devstack.testing import create_database, drop_database, run_id, test_servers
from tests.conftest import MIGRATIONS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300, method="thread")]

ROOT = Path(__file__).parent.parent.parent
EMAIL, PASSWORD = "admin@harborvine.example", "a porch light at dusk"
STARTS_WITHIN = 120  # seconds; about ten on an idle machine
ARRIVES_WITHIN = 60


@dataclass
class House:
    """Where the running product is."""

    url: str
    mailbox: str
    place: Path
    supervisor: int
    """The pid of what starts again whatever ended."""

    def program(self, name: str) -> Identity:
        """A line of the Procfile, as it runs now."""
        return State.read(self.place).programs[name]

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{self.mailbox}/api/messages?to={address}", timeout=10) as answer:
            return json.load(answer)

    def mail_to(self, address: str) -> dict[str, Any]:
        until = time.monotonic() + ARRIVES_WITHIN
        while time.monotonic() < until:
            if mails := self.mails_to(address):
                return mails[0]
            time.sleep(0.3)
        raise AssertionError(f"no mail to {address} within {ARRIVES_WITHIN} s")


def move_in(another_app, database_url: str) -> None:
    """A small office with forty homes in one town, all of them older than any alert."""
    app = another_app(database_url=database_url)
    with app.app_context():
        upgrade(directory=str(MIGRATIONS))
        office = Office(
            office_key="end-to-end", office_name="Harbor & Vine Realty", office_address1="14 Customs House Lane"
        )
        db.session.add(office)
        db.session.flush()
        db.session.add(
            User(
                office_id=office.id,
                email=EMAIL,
                full_name="Ruth Calloway",
                role=Role.ADMIN.value,
                password_hash=hash_password(PASSWORD),
            )
        )
        long_ago = datetime.now(UTC) - timedelta(days=40)
        homes = [
            {
                "originating_system_key": f"E2E-{number}",
                "listing_id": f"E2E-{number}",
                "standard_status": "Active",
                "list_price": Decimal(400_000 + 1_000 * number),
                "property_type": "Residential",
                "bedrooms_total": 3,
                "unparsed_address": f"{number} Lantern Way",
                "city": "Gull Harbor",
                "postal_code": "04916",
                "on_market_timestamp": long_ago,
            }
            for number in range(1, 41)
        ]
        record(office.id, "Ellery County MLS", homes, origin=Origin.BACKFILL, now=long_ago)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def house(another_app, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """devstack's run, on servers of the tests; ended with Ctrl-C, as a person would."""
    name = f"house_{run_id()}"
    database_url = create_database(name).replace("postgresql://", "postgresql+psycopg://", 1)
    move_in(another_app, database_url)
    place = tmp_path_factory.mktemp("house")
    said = place / "said"
    environ = os.environ | {
        "DEVSTACK_DIR": str(place),
        "DEVSTACK_PORTS": "any",
        "DATABASE_URL": database_url,
        "REDIS_URL": test_servers().redis_url,
    }
    with said.open("w") as output:
        stack = subprocess.Popen(
            [sys.executable, "-m", "devstack", "run"],
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + STARTS_WITHIN
        while "Ctrl-C stops everything" not in said.read_text():
            assert stack.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.2)
        addresses = dict(re.findall(r"^  (Porchlight|Mailbox)\s+(http://\S+)", said.read_text(), re.MULTILINE))
        yield House(addresses["Porchlight"], addresses["Mailbox"], place, stack.pid)
    finally:
        os.kill(stack.pid, signal.SIGINT)
        stack.wait(timeout=60)
        drop_database(name)


@pytest.fixture
def page(house: House, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(base_url=house.url, viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def sign_in(page: Page, house: House) -> None:
    page.goto("/sign-in")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(house.url + "/")


def post(url: str, body: bytes) -> tuple[int, str]:
    with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=20) as answer:
        return answer.status, answer.geturl()


def test_a_listing_changes_a_buyers_email_arrives_and_the_ops_page_proves_it(house: House, page: Page):
    address = "june.ashby@example.com"
    sign_in(page, house)

    # A buyer, and what they look for.
    page.goto("/contacts")
    page.get_by_role("link", name="New buyer").click()
    page.get_by_label("First name").fill("June")
    page.get_by_label("Last name").fill("Ashby")
    page.get_by_label("Email").fill(address)
    page.get_by_role("button", name="Write them down").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("June Ashby")
    buyer = page.url
    page.get_by_role("link", name="New search").first.click()
    page.get_by_label("Name", exact=True).fill("A cottage in Gull Harbor")
    page.get_by_label("Add a place").fill("Gull Harbor")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Remove Gull Harbor")).to_be_visible()
    page.get_by_text("As it happens").click()
    expect(page.get_by_text("40 homes").first).to_be_visible()
    page.get_by_role("button", name="Save and start sending").click()
    page.wait_for_url(re.compile(r"/searches/\d+"))

    # A price comes down.
    page.goto("/listings?q=7+Lantern+Way")
    page.get_by_role("link", name="7 Lantern Way", exact=True).first.click()
    listing = page.url
    page.get_by_text("Change price or status").click()
    page.get_by_label("Price").first.fill("$389,000")
    page.get_by_role("button", name="Save").first.click()
    expect(page.get_by_text("$389,000").first).to_be_visible()

    # The alerts stage runs, and the mail arrives: the right home, the right words, the right headers.
    page.goto("/ops/schedules")
    page.get_by_role("button", name="Run alerts now").click()
    page.wait_for_url(re.compile(r"/ops/runs/\d+"))
    mail = house.mail_to(address)
    headers = {name.lower(): value for name, value in mail["headers"]}
    assert "7 Lantern Way" in mail["subject"]
    assert "$389,000" in mail["text"]
    assert "$407,000" in mail["text"]
    assert "7 Lantern Way" in mail["html"]
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"

    # Its link leads to the home, for anybody, and shows it.
    page.context.clear_cookies()
    page.goto(re.search(r"http://\S+/d/\S+/\d+", mail["text"]).group())
    expect(page.get_by_text("$389,000").first).to_be_visible()

    # One click, as a mail program does it: no cookie, no redirect. Opening the page had changed nothing.
    target = re.search(r"<(https?://[^>]+)>", headers["list-unsubscribe"]).group(1)
    page.goto(target)
    expect(page.get_by_role("button", name="Stop this search")).to_be_visible()
    assert post(target, b"List-Unsubscribe=One-Click") == (200, target)

    # The chain is on the listing, on the buyer and on operations, and every remainder is nought.
    sign_in(page, house)
    page.goto(listing)
    expect(page.get_by_text("June Ashby").first).to_be_visible()
    page.goto(buyer)
    expect(page.get_by_text("7 Lantern Way is down").first).to_be_visible()
    expect(page.get_by_text("Unsubscribed").first).to_be_visible()
    page.goto("/ops/balance")
    expect(page.get_by_text("not accounted for")).to_have_count(0)
    expect(page.get_by_text("0 left over").first).to_be_visible()

    # A second drop tells nobody: the buyer has stopped it.
    page.goto(listing)
    page.get_by_text("Change price or status").click()
    page.get_by_label("Price").first.fill("$369,000")
    page.get_by_role("button", name="Save").first.click()
    page.goto("/ops/schedules")
    page.get_by_role("button", name="Run alerts now").click()
    page.wait_for_url(re.compile(r"/ops/runs/\d+"))
    expect(page.get_by_text("Succeeded").first).to_be_visible(timeout=60_000)
    time.sleep(2)
    assert len(house.mails_to(address)) == 1


def test_an_admin_who_stops_a_worker_sees_operations_turn_red_and_green_again_when_it_is_back(house: House, page: Page):
    """On one open page, which looks for itself. A worker that is told to stop says goodbye; what would start it again
    is held back meanwhile."""
    sign_in(page, house)
    page.goto("/ops")
    verdict = page.get_by_role("status", name="Verdict")
    expect(verdict).to_have_attribute("data-tone", "good", timeout=60_000)
    worker = house.program("worker_bulk")
    os.kill(house.supervisor, signal.SIGSTOP)
    try:
        began = time.monotonic()
        worker.end(signal.SIGTERM, seconds=20)
        expect(verdict).to_have_attribute("data-tone", "bad", timeout=90_000)
        expect(verdict).to_contain_text("No worker takes jobs from “bulk”")
        print(f"red after {time.monotonic() - began:.0f} s")
    finally:
        os.kill(house.supervisor, signal.SIGCONT)
    began = time.monotonic()
    expect(verdict).to_have_attribute("data-tone", "good", timeout=90_000)
    print(f"green after {time.monotonic() - began:.0f} s")
    assert house.program("worker_bulk") != worker
    assert house.program("worker_bulk").is_alive()
