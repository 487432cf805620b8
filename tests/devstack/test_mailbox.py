"""The mail catcher: what it keeps, what it shows, and how it fails on request."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devstack.letters import Letters
from devstack.mailbox import Catcher, Drop, make_mailbox


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    with Catcher(tmp_path / "mail") as catcher:
        yield catcher


@pytest.fixture
def mailbox(catcher: Catcher):
    return make_mailbox(catcher.letters).test_client()


def alert(to: str, number: int = 1, unsubscribe: str = "http://127.0.0.1:1/u") -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "Porchlight Alerts <alerts@alerts.harborvine.example>"
    mail["To"] = to
    mail["Subject"] = f"Zwei Häuser, Nr. {number}"
    mail["Message-ID"] = f"<{number}@harborvine.example>"
    mail["List-Unsubscribe"] = f"<{unsubscribe}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content("Look: http://127.0.0.1:8000/text")
    mail.add_alternative('<p>Größe <a href="http://127.0.0.1:8000/l/1">12 Elm St</a></p>', subtype="html")
    return mail


def send(catcher: Catcher, *mails: EmailMessage) -> None:
    with smtplib.SMTP("127.0.0.1", catcher.port) as relay:
        for mail in mails:
            relay.send_message(mail)


def test_a_mail_sent_to_it_is_listed_with_its_text_links_and_headers(catcher, mailbox):
    send(catcher, alert("ann@example.com", 1), alert("bob@example.com", 2))

    first, second = mailbox.get("/api/messages").json
    assert (first["to"], second["to"]) == (["bob@example.com"], ["ann@example.com"]), "newest first"
    assert first["subject"] == "Zwei Häuser, Nr. 2"
    assert "Größe" in first["html"]
    assert first["links"] == ["http://127.0.0.1:8000/l/1", "http://127.0.0.1:8000/text", "http://127.0.0.1:1/u"]
    assert ["List-Unsubscribe-Post", "List-Unsubscribe=One-Click"] in first["headers"]
    assert catcher.accepted() == ["<1@harborvine.example>", "<2@harborvine.example>"]


def test_the_list_can_be_narrowed_to_a_recipient(catcher, mailbox):
    send(catcher, alert("ann@example.com", 1), alert("bob@example.com", 2))

    page = mailbox.get("/?to=ANN@").text
    assert "ann@example.com" in page
    assert "bob@example.com" not in page


def test_a_mail_opened_in_the_browser_can_run_nothing(catcher, mailbox):
    send(catcher, alert("ann@example.com"))
    (letter,) = catcher.messages()

    page = mailbox.get(f"/messages/{letter.summary.key}").text
    answer = mailbox.get(f"/messages/{letter.summary.key}/html")
    assert 'sandbox="allow-same-origin allow-popups' in page
    assert "allow-scripts" not in page + answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_what_another_program_delivers_appears_and_what_is_deleted_goes(tmp_path):
    mine, theirs = Letters(tmp_path), Letters(tmp_path)
    for number in range(3):
        theirs.add(bytes(alert("ann@example.com", number)), sender="a@b.example", recipients=["Ann@example.com"])
        assert len(mine) == number + 1
    assert mine.delete_all() == 3
    assert len(theirs) == 0


def test_one_click_unsubscribing_posts_what_rfc_8058_says(catcher, mailbox):
    posted = []

    class Sender(BaseHTTPRequestHandler):
        def do_POST(self):
            posted.append(
                (self.path, self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"])))
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Sender) as site:
        threading.Thread(target=site.handle_request, daemon=True).start()
        send(catcher, alert("ann@example.com", unsubscribe=f"http://127.0.0.1:{site.server_port}/u/7"))
        (letter,) = catcher.messages()
        page = mailbox.post(f"/messages/{letter.summary.key}/unsubscribe").text

    assert posted == [("/u/7", "application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click")]
    assert "One-click unsubscribe: 200 OK" in page


@pytest.mark.parametrize(("drop", "kept"), [(Drop.BEFORE, 0), (Drop.AFTER, 1)])
def test_it_can_hang_up_before_or_after_it_has_accepted_a_mail(catcher, drop, kept):
    catcher.drop = drop
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(catcher, alert("ann@example.com"))
    assert len(catcher.accepted()) == len(catcher.messages()) == kept


def test_it_can_answer_late_after_it_has_accepted_a_mail(catcher):
    catcher.delay = 1
    sending = threading.Thread(target=send, args=(catcher, alert("ann@example.com")))
    sending.start()
    while not catcher.accepted() and sending.is_alive():
        time.sleep(0.01)
    assert sending.is_alive(), "the sender still waits for its answer"
    sending.join()


def test_it_can_refuse_a_mail_for_now_and_a_recipient_for_good(catcher):
    catcher.refuse = "451 4.3.0 Try again later"
    with pytest.raises(smtplib.SMTPDataError, match="451"):
        send(catcher, alert("ann@example.com"))
    catcher.refuse = ""
    catcher.refuse_recipients = {"bob@example.com": "550 5.1.1 No such person"}
    with pytest.raises(smtplib.SMTPRecipientsRefused, match="550"):
        send(catcher, alert("Bob@example.com"))
    assert catcher.accepted() == []


def test_other_sites_pages_can_neither_read_nor_delete_mails(catcher, mailbox):
    send(catcher, alert("ann@example.com"))
    assert mailbox.post("/delete", headers={"Origin": "https://elsewhere.example"}).status_code == 403
    assert mailbox.get("/api/messages", headers={"Host": "rebound.example"}).status_code == 403
    assert len(catcher.messages()) == 1
