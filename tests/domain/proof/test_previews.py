"""The next mail of a buyer: as it would be, without a trace, and to whoever asked as what it is."""

from __future__ import annotations

from datetime import time

import pytest
from sqlalchemy import text

from app.domain.errors import Conflict, Invalid, NotFound
from app.domain.models import Listing
from app.domain.proof.previews import preview_of, send_to
from app.extensions import db
from tests.domain.proof.life import Life
from tests.domain.proof.test_canary import settings

pytestmark = pytest.mark.committed
TABLES = (
    "alert_match",
    "digest",
    "digest_item",
    "outbound_message",
    "message_event",
    "buyer_listing",
    "alert_subscription",
)


def rows():
    db.session.rollback()
    return {table: db.session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).all() for table in TABLES}


@pytest.fixture
def waiting(life: Life):
    """Two homes wait for the daily mail at six."""
    amelia = life.buyer("Amelia")
    life.search(amelia, schedule_type="Daily", send_time=time(18))
    life.wait(minutes=20)
    life.home()
    life.home(unparsed_address="9 Chandlery Row", list_price=365_000)
    life.alerts()
    return amelia


def test_it_is_the_mail_that_comes_and_leaves_no_trace(life, waiting, catcher):
    before = rows()
    shown = preview_of(life.office.id, waiting.id, life.now)
    assert rows() == before
    assert shown.due_at == life.now.replace(hour=22, minute=0)
    assert "418 Alder Court" in shown.letter.html
    assert "9 Chandlery Row" in shown.letter.text
    life.now = shown.due_at
    life.alerts()
    [sent] = catcher.messages(to=waiting.email)
    assert sent.header("Subject") == shown.letter.subject


def test_a_home_sold_meanwhile_is_not_in_it_and_nothing_left_is_said(life, waiting):
    for (home,) in db.session.execute(text("SELECT id FROM listing")).all():
        life.change(db.session.get(Listing, home), standard_status="Closed")
    shown = preview_of(life.office.id, waiting.id, life.now)
    assert shown.letter is None
    assert shown.reason == "The last look would leave nothing to say."
    with pytest.raises(Invalid):
        send_to(None, shown)


def test_send_to_me_goes_to_me_alone_is_marked_and_holds_no_key_of_the_buyer(app, life, waiting, catcher, make):
    me = make.user(life.office, email="ruth@harborvine.example")
    before = rows()
    shown = preview_of(life.office.id, waiting.id, life.now)
    with settings(app, smtp_url=catcher.url):
        send_to(me, shown)
    [mail] = catcher.messages()
    assert mail.summary.recipients == ("ruth@harborvine.example",)
    assert mail.header("Subject").startswith("[Preview for Amelia Carter]")
    assert mail.header("List-Unsubscribe") == ""
    assert "/u/•••" in mail.text
    assert rows() == before
    with settings(app, smtp_url="smtp://127.0.0.1:9"), pytest.raises(Conflict, match="cannot be reached"):
        send_to(me, shown)


def test_another_offices_buyer_is_not_found(life, make):
    with pytest.raises(NotFound):
        preview_of(life.office.id, make.contact(make.office()).id, life.now)
