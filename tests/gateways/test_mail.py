"""The relay, and the truth about each attempt: what smtplib tells apart, and what it does not."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import time

import pytest

from app.gateways.mail import Phase, Relay, RelayRefusedUs, RelayUnreachable, Verdict, domain_of
from tests.gateways.scripted import ACCEPT_AND_CLOSE, CLOSE, HANG, ScriptedRelay

CONTENT = b"Subject: five homes\r\n\r\n.\r\n..two dots\r\nlast line\r\n"


def relay_to(server: ScriptedRelay, answer_seconds: float = 0.3, scheme: str = "smtp", login: str = "") -> Relay:
    return Relay(server.url(scheme, login), hostname="sender.example", answer_seconds=answer_seconds)


def deliver(relay: Relay, recipient: str = "amelia@example.com"):
    return relay.deliver("bounce+1@alerts.example.com", recipient, CONTENT)


def test_a_message_arrives_as_it_was_written_dots_and_all():
    with ScriptedRelay() as server, relay_to(server) as relay:
        outcome = deliver(relay)
    assert (outcome.state, outcome.phase, outcome.reply) == (Verdict.ACCEPTED, Phase.AWAIT250, "250 2.0.0 kept")
    assert server.kept == [CONTENT.replace(b"\r\n.", b"\r\n..")]
    assert server.commands[:4] == [
        "ehlo sender.example",
        "MAIL FROM:<bounce+1@alerts.example.com>",
        "RCPT TO:<amelia@example.com>",
        "DATA",
    ]


def test_one_connection_is_kept_for_many_messages():
    with ScriptedRelay() as server, relay_to(server) as relay:
        assert {deliver(relay).state for _ in range(5)} == {Verdict.ACCEPTED}
        assert server.connections == 1
    assert server.commands[-1] == "quit"


FAULTS = {
    "451 at MAIL": ("MAIL", "451 4.3.0 later", Verdict.RETRY, Phase.ENVELOPE, False),
    "450 at RCPT": ("RCPT", "450 4.2.0 greylisted", Verdict.RETRY, Phase.ENVELOPE, False),
    "550 at RCPT, no such user": ("RCPT", "550 5.1.1 no such user", Verdict.REFUSED, Phase.ENVELOPE, False),
    "550 at RCPT, about us": ("RCPT", "550 5.7.1 not from you", Verdict.REFUSED, Phase.ENVELOPE, False),
    "hang at RCPT": ("RCPT", HANG, Verdict.RETRY, Phase.ENVELOPE, False),
    "close at RCPT": ("RCPT", CLOSE, Verdict.RETRY, Phase.ENVELOPE, False),
    "nonsense at RCPT": ("RCPT", "999 nonsense", Verdict.RETRY, Phase.ENVELOPE, False),
    "451 at DATA": ("DATA", "451 4.3.0 later", Verdict.RETRY, Phase.ENVELOPE, False),
    "421 at DATA": ("DATA", "421 4.3.2 shutting down", Verdict.RETRY, Phase.ENVELOPE, False),
    "554 at DATA": ("DATA", "554 5.5.1 no", Verdict.REFUSED, Phase.ENVELOPE, False),
    "451 after the dot": ("dot", "451 4.3.0 later", Verdict.RETRY, Phase.AWAIT250, False),
    "421 after the dot": ("dot", "421 4.3.2 shutting down", Verdict.RETRY, Phase.AWAIT250, False),
    "554 after the dot": ("dot", "554 5.6.0 content", Verdict.REFUSED, Phase.AWAIT250, False),
    "550 after the dot": ("dot", "550 5.7.1 spam", Verdict.REFUSED, Phase.AWAIT250, False),
    "close after the dot, not kept": ("dot", CLOSE, Verdict.UNKNOWN, Phase.AWAIT250, False),
    "close after the dot, kept": ("dot", ACCEPT_AND_CLOSE, Verdict.UNKNOWN, Phase.AWAIT250, True),
    "hang after the dot": ("dot", HANG, Verdict.UNKNOWN, Phase.AWAIT250, True),
    "nonsense after the dot": ("dot", "what?", Verdict.UNKNOWN, Phase.AWAIT250, False),
    "out of step after the dot": ("dot", "354 out of step", Verdict.UNKNOWN, Phase.AWAIT250, False),
}
PIPELINING = {"EHLO": "250-scripted\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES"}


@pytest.mark.parametrize("greets", [{}, PIPELINING], ids=["one question at a time", "pipelined"])
@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_ends_in_the_state_that_is_true(name, greets):
    """The table of SMTP faults, each by its name; what happens at the banner is below."""
    step, what, state, phase, is_kept = FAULTS[name]
    with ScriptedRelay({step: what} | greets) as server, relay_to(server) as relay:
        outcome = deliver(relay)
        assert (outcome.state, outcome.phase) == (state, phase)
        assert bool(server.kept) == is_kept
        assert outcome.enhanced == (what.split()[1] if what[4:5].isdigit() and "." in what else "")


def test_where_the_relay_takes_them_three_questions_are_one_piece():
    with ScriptedRelay(PIPELINING) as server, relay_to(server) as relay:
        assert {deliver(relay).state for _ in range(3)} == {Verdict.ACCEPTED}
        assert server.connections == 1
        assert len(server.kept) == 3


def test_a_refused_recipient_among_pipelined_questions_sends_nothing_and_the_next_one_arrives():
    """The scripted relay waits for content after DATA whatever it said before: then the line is given up."""
    script = PIPELINING | {"RCPT": ["550 5.1.1 no such user", "250 ok"]}
    with ScriptedRelay(script) as server, relay_to(server) as relay:
        assert [deliver(relay).state for _ in range(2)] == [Verdict.REFUSED, Verdict.ACCEPTED]
        assert (server.connections, len(server.kept)) == (2, 1)
    # The scripted relay asks its script twice for DATA: what to answer, and whether content follows.
    script |= {"RCPT": ["550 5.1.1 no such user", "250 ok"], "DATA": [*["503 5.5.1 no recipient"] * 2, "354 go on"]}
    with ScriptedRelay(script) as server, relay_to(server) as relay:
        assert [deliver(relay).state for _ in range(2)] == [Verdict.REFUSED, Verdict.ACCEPTED]
        assert (server.connections, len(server.kept)) == (1, 1), "it said that it does not, so the line is kept"


def test_after_so_many_messages_a_new_connection_is_opened():
    with ScriptedRelay() as server:
        with Relay(server.url(), hostname="s.example", answer_seconds=5.0, most_on_a_line=2) as relay:
            assert {deliver(relay).state for _ in range(5)} == {Verdict.ACCEPTED}
        assert server.connections == 3


@pytest.mark.parametrize(
    ("script", "error"),  # 421, hang and close at the banner; close after EHLO
    [
        ({"greeting": "421 4.3.2 busy"}, RelayUnreachable),
        ({"greeting": "554 5.7.1 go away"}, RelayRefusedUs),
        ({"greeting": HANG}, RelayUnreachable),
        ({"greeting": CLOSE}, RelayUnreachable),
        ({"greeting": "SSH-2.0-OpenSSH"}, RelayUnreachable),
        ({"EHLO": CLOSE}, RelayUnreachable),
        ({"EHLO": "421 busy"}, RelayUnreachable),
        ({"MAIL": "550 5.7.1 you may not send"}, RelayRefusedUs),
    ],
)
def test_a_relay_that_is_not_there_for_anybody_is_an_error_and_not_a_verdict_on_the_message(script, error):
    with ScriptedRelay(script) as server, relay_to(server) as relay:
        with pytest.raises(error):
            deliver(relay)
        assert not server.kept
        assert not relay.is_open


def test_nobody_listening_is_unreachable():
    with ScriptedRelay() as server:
        url = server.url()
    with pytest.raises(RelayUnreachable, match=r"127\.0\.0\.1"):
        Relay(url, hostname="sender.example", answer_seconds=0.3).open()


def test_after_a_refusal_the_same_connection_takes_the_next_message():
    script = {"RCPT": ["550 5.1.1 no such user", "450 4.2.0 later", "250 ok"]}
    with ScriptedRelay(script) as server, relay_to(server) as relay:
        states = [deliver(relay).state for _ in range(3)]
        assert states == [Verdict.REFUSED, Verdict.RETRY, Verdict.ACCEPTED]
        assert server.connections == 1
        assert server.commands.count("RSET") == 2


@pytest.mark.parametrize("goodbye", ["421 4.4.2 idle too long", CLOSE])
def test_a_kept_connection_that_the_relay_gave_up_is_opened_again_for_the_same_message(goodbye):
    script = {"MAIL": ["250 ok", goodbye, "250 ok"]}
    with ScriptedRelay(script) as server, relay_to(server) as relay:
        assert [deliver(relay).state for _ in range(2)] == [Verdict.ACCEPTED, Verdict.ACCEPTED]
        assert server.connections == 2
        assert len(server.kept) == 2


def test_after_the_dot_it_is_never_sent_again_on_a_new_connection():
    script = {"dot": ["250 ok", ACCEPT_AND_CLOSE, "250 ok"]}
    with ScriptedRelay(script) as server, relay_to(server) as relay:
        assert [deliver(relay).state for _ in range(2)] == [Verdict.ACCEPTED, Verdict.UNKNOWN]
        assert len(server.kept) == 2


def test_a_relay_that_drips_is_believed_when_it_ends_in_time():
    with ScriptedRelay({"RCPT": "drip:250 ok"}) as server, relay_to(server, answer_seconds=10.0) as relay:
        assert deliver(relay).state is Verdict.ACCEPTED


def test_a_relay_that_drips_for_ever_is_left_after_the_time_of_one_answer():
    with ScriptedRelay({"RCPT": f"drip:250 {'x' * 2000}"}) as server, relay_to(server) as relay:
        began = time.monotonic()
        assert deliver(relay).state is Verdict.RETRY
        assert time.monotonic() - began < 20, "the answer itself would take a hundred seconds"


def test_a_whole_attempt_has_a_deadline_of_its_own():
    """Each answer comes in time, all of them together do not."""
    slow = dict.fromkeys(("MAIL", "RCPT"), f"drip:250-{'x' * 1}\r\n250 ok")
    with ScriptedRelay(slow) as server:
        relay = Relay(server.url(), hostname="s.example", answer_seconds=1.0, message_seconds=1.0)
        with relay:
            began = time.monotonic()
            assert deliver(relay).state is Verdict.RETRY, "without a deadline it would have been accepted"
            assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "a@b.example\r\nRCPT TO:<c@d.example>", "a b@c.example", "<a@b.example>", "a@" + "x" * 300],
)
def test_what_is_no_address_never_reaches_the_wire(address):
    with ScriptedRelay() as server, relay_to(server) as relay:
        outcome = deliver(relay, address)
        assert (outcome.state, outcome.enhanced) == (Verdict.REFUSED, "5.1.3")
        assert server.commands == []


def test_a_domain_in_letters_of_its_own_is_written_as_mail_servers_do():
    with ScriptedRelay() as server, relay_to(server) as relay:
        deliver(relay, "zoë@bücher.example".replace("zoë", "zoe"))
        assert "RCPT TO:<zoe@xn--bcher-kva.example>" in server.commands


def test_an_address_beyond_ascii_needs_a_relay_that_says_it_takes_them():
    with ScriptedRelay() as server, relay_to(server) as relay:
        assert deliver(relay, "zoë@example.com").enhanced == "5.6.7"
    with ScriptedRelay({"EHLO": "250-scripted\r\n250 SMTPUTF8"}) as server, relay_to(server) as relay:
        assert deliver(relay, "zoë@example.com").state is Verdict.ACCEPTED
        assert "RCPT TO:<zoë@example.com>" in server.commands


@pytest.mark.parametrize(
    ("answer", "error"),
    [("235 ok", None), ("535 5.7.8 wrong", RelayRefusedUs), ("454 4.7.0 not now", RelayUnreachable)],
)
def test_signing_in(answer, error):
    script = {"EHLO": "250-scripted\r\n250 AUTH PLAIN", "AUTH": answer}
    with ScriptedRelay(script) as server, relay_to(server, login="ann:p%40ss%3Aword@") as relay:
        if error:
            with pytest.raises(error):
                relay.open()
        else:
            relay.open()
            assert relay.is_open
        assert "AUTH PLAIN AGFubgBwQHNzOndvcmQ=" in server.commands


def test_a_relay_without_sign_in_refuses_one_who_has_a_password():
    with ScriptedRelay() as server, pytest.raises(RelayRefusedUs):
        relay_to(server, login="ann:secret@").open()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder


def server_context(certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    return context


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_message_goes_over_tls_to_a_relay_with_a_good_certificate(scheme, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    script = {"EHLO": "250-scripted\r\n250 STARTTLS"}
    with ScriptedRelay(script, tls=server_context(certificate)) as server:
        server.implicit_tls = scheme == "smtps"
        with relay_to(server, 2.0, scheme) as relay:
            assert deliver(relay).state is Verdict.ACCEPTED


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_a_certificate_nobody_vouches_for_is_not_believed(scheme, certificate):
    script = {"EHLO": "250-scripted\r\n250 STARTTLS"}
    with ScriptedRelay(script, tls=server_context(certificate)) as server:
        server.implicit_tls = scheme == "smtps"
        with pytest.raises(RelayUnreachable), relay_to(server, 2.0, scheme) as relay:
            deliver(relay)
        assert not server.kept


def test_starttls_that_is_not_offered_sends_nothing_in_the_clear():
    with ScriptedRelay() as server, pytest.raises(RelayRefusedUs):
        relay_to(server, scheme="smtp+starttls", login="ann:secret@").open()
    assert not [words for words in server.commands if words.startswith("AUTH")]


@pytest.mark.parametrize(
    ("mail_from", "domain"),
    [("Harbor <alerts@alerts.example.com>", "alerts.example.com"), ("a@b.example", "b.example"), ("", "localhost")],
)
def test_the_domain_of_a_from(mail_from, domain):
    assert domain_of(mail_from) == domain
