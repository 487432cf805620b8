"""flask bounces: mail that came back, from a terminal or a mail server's pipe."""

from __future__ import annotations

from sqlalchemy import select

from app.domain.messages.keys import Purpose, sign
from app.domain.messages.suppression import in_force
from app.domain.models import MessageEvent
from app.extensions import settings
from tests.cli.test_people import flask  # noqa: F401  a fixture
from tests.domain.messages.returns.letterbox import DOMAIN, dsn, vacation


def test_a_piped_mail_stops_a_dead_address_and_a_second_time_changes_nothing(flask, make, office, db):  # noqa: F811
    message = make.message(make.contact(office, email="amelia@example.com"), state="sent")
    token = sign(settings().secret_key, Purpose.BOUNCE, message.id)
    mail = dsn().decode()
    recipient = ("--recipient", f"bounce+{token}@{DOMAIN}")
    assert "1 new. 1 done" in flask("bounces", "read", "-", *recipient, typed=mail)
    assert "0 new. 0 done" in flask("bounces", "read", "-", *recipient, typed=mail)
    assert [one.reason for one in in_force(office.id, "amelia@example.com")] == ["bounced"]
    assert len(db.session.scalars(select(MessageEvent)).all()) == 1


def test_a_mailbox_file_is_read_and_left_as_it_is(flask, tmp_path):  # noqa: F811
    file = tmp_path / "bounces"
    file.write_bytes(b"From x\n" + dsn() + b"\nFrom y\n" + vacation())
    before = file.read_bytes()
    assert "2 new" in flask("bounces", "read", str(file))
    assert file.read_bytes() == before
    assert "bounce\tdead\tnobody\t5.1.1" in flask("bounces", "judge", str(file))


def test_a_path_that_cannot_be_read_is_a_sentence(flask, tmp_path):  # noqa: F811
    assert "cannot be read" in flask("bounces", "read", str(tmp_path / "nothing"), code=1)
