"""The buyer's own pages in a real browser: a look that counts is a person's, and what they choose holds."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from app.domain.models import AlertSubscription, Digest, DigestItem, MessageEvent, OutboundMessage
from app.extensions import db
from tests.browser.test_access import breaches


@pytest.fixture
def token(live) -> str:
    return str(live.world.SAMPLES["digest_token"])


def looks(live, token: str) -> int:
    """How many looks its searches and its message know of."""
    with live.app.app_context():
        digest = db.session.scalars(select(Digest).where(Digest.token == token)).one()
        seen = db.session.scalars(
            select(AlertSubscription.id)
            .join(DigestItem, DigestItem.alert_subscription_id == AlertSubscription.id)
            .where(DigestItem.digest_id == digest.id, AlertSubscription.last_viewed_timestamp.is_not(None))
        ).all()
        clicked = db.session.scalars(
            select(MessageEvent.id)
            .join(OutboundMessage, OutboundMessage.id == MessageEvent.outbound_message_id)
            .where(OutboundMessage.digest_id == digest.id, MessageEvent.event_type == "clicked")
        ).all()
        return len(seen) + len(clicked)


def forget_looks(live) -> None:
    with live.app.app_context():
        for one in db.session.scalars(select(AlertSubscription)):
            one.last_viewed_timestamp = None
        for event in db.session.scalars(select(MessageEvent).where(MessageEvent.event_type == "clicked")):
            db.session.delete(event)
        db.session.commit()


def test_a_page_that_is_only_opened_is_no_look_and_one_that_is_scrolled_is_pa_17(open_as, live, token):
    forget_looks(live)
    page = open_as(None, f"/d/{token}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert looks(live, token) == 0
    with page.expect_request("**/looked"):
        page.mouse.move(200, 200)
        page.mouse.wheel(0, 300)
    for _ in range(100):
        if looks(live, token):
            break
        time.sleep(0.1)
    assert looks(live, token) > 0


def test_without_script_the_page_is_whole(open_as, token):
    page = open_as(None, f"/d/{token}", js=False)
    expect(page.get_by_role("heading", level=1)).to_be_visible()


@pytest.mark.parametrize(("theme", "width"), [("light", 1440), ("dark", 390)])
def test_a_buyer_chooses_how_often_pauses_and_goes_on_pa_16(open_as, theme, width):
    page = open_as(None, "/u/subscription-token-0", theme=theme, width=width, measured=True)
    page.get_by_text("Change how often, and what of").click()
    assert breaches(page) == []
    page.get_by_role("radio", name="One mail a day").check()
    page.get_by_label("At what time").fill("07:45")
    page.get_by_role("checkbox", name="Open house").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("every day at 07:45")).to_be_visible()
    page.get_by_text("Change how often, and what of").click()
    expect(page.get_by_role("checkbox", name="Open house")).not_to_be_checked()
    page.get_by_role("checkbox", name="Open house").check()
    page.get_by_role("radio", name="As it happens").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Writes to you as it happens.")).to_be_visible()
    page.get_by_role("button", name="Pause for a month").click()
    expect(page.get_by_text("Paused until")).to_be_visible()
    assert breaches(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Start again now").click()
    expect(page.get_by_text("We keep watching.")).to_be_visible()
