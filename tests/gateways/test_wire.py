"""An answer that drips in, byte by byte, ends when its time is over; and nobody is asked twice at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Self

import pytest

from app.gateways import webhook, wire
from app.gateways.errands import Errands, Late
from app.gateways.probes import Answer, ask_all
from app.gateways.slack import Slack


class Dripper:
    """Takes connections, sends `first` and then a byte each tenth of a second, and never comes to an end."""

    def __init__(self, first: bytes = b"") -> None:
        self.first = first
        self.taken = 0
        self._door = socket.create_server(("127.0.0.1", 0))
        self._door.settimeout(0.2)
        self._is_over = threading.Event()
        self.host = f"127.0.0.1:{self._door.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._door.close()

    def _listen(self) -> None:
        while not self._is_over.is_set():
            try:
                line, _ = self._door.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            line.settimeout(30)
            self.taken += 1
            threading.Thread(target=self._drip, args=(line,), daemon=True).start()

    def _drip(self, line: socket.socket) -> None:
        with line:
            try:
                line.sendall(self.first)
                while not self._is_over.wait(0.1):
                    line.sendall(b"x")
            except OSError:
                return


@pytest.fixture(params=[b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["status", "headers", "body"])
def dripper(request) -> Iterator[Dripper]:
    with Dripper(request.param) as dripper:
        yield dripper


def test_a_receiver_that_drips_is_given_up_in_time(dripper):
    began = time.monotonic()
    answer = webhook.post(f"http://{dripper.host}/", {"a": 1}, key="k", seconds=1.0)
    assert (answer.is_ok, answer.words) == (False, "does not answer (TimeoutError)")
    assert time.monotonic() - began < 10


def test_a_slack_that_drips_is_given_up_in_time(dripper):
    began = time.monotonic()
    answer = Slack("xoxb-nobody", f"http://{dripper.host}/api/", seconds=1.0).whoami()
    assert (answer.is_ok, answer.words) == (False, "does not answer (TimeoutError)")
    assert time.monotonic() - began < 10


def test_a_handshake_that_drips_is_given_up_in_time():
    with Dripper(b"\x16\x03\x03\x40\x00") as dripper:
        began = time.monotonic()
        assert not webhook.connect(f"https://{dripper.host}/", seconds=1.0).is_ok
        assert not webhook.post(f"https://{dripper.host}/", {}, key="k", seconds=1.0).is_ok
        assert time.monotonic() - began < 15


def test_a_long_answer_is_not_read_to_its_end():
    with Dripper(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n" + bytes(2 * wire.LONGEST_ANSWER)) as dripper:
        assert webhook.post(f"http://{dripper.host}/", {}, key="k", seconds=20).words == "answered 200"


def test_no_thread_and_no_socket_is_left_behind(dripper):
    before = threading.active_count()
    for _ in range(3):
        webhook.post(f"http://{dripper.host}/", {}, key="k", seconds=0.3)
    until = time.monotonic() + 20
    while (
        threading.active_count() > before + 1 and time.monotonic() < until
    ):  # the dripper's own notice it a little later
        time.sleep(0.05)
    assert threading.active_count() <= before + 1


def test_who_is_late_is_not_sent_again_until_home():
    gate, sent = threading.Event(), []

    def go() -> str:
        sent.append(1)
        gate.wait(30)
        return "home"

    errands: Errands[str] = Errands()
    first = errands.run({"way": go}, 0.1)["way"]
    assert isinstance(first, Late)
    assert first.words == "did not answer within 0.1 s"
    for _ in range(3):
        again = errands.run({"way": go, "other": lambda: "here"}, 5)
        assert again["other"] == "here"
        assert isinstance(again["way"], Late)
        assert again["way"].is_former
    assert len(sent) == 1
    gate.set()
    until = time.monotonic() + 20
    while isinstance(found := errands.run({"way": go}, 5)["way"], Late) and time.monotonic() < until:
        time.sleep(0.02)
    assert (found, len(sent)) == ("home", 2)


def test_something_that_never_answers_holds_one_thread_however_often_it_is_asked():
    gate, sent = threading.Event(), []

    def frozen(where: str) -> Answer:
        sent.append(where)
        gate.wait(30)
        return Answer(is_up=True, words="answers")

    try:
        words = [ask_all({"Frozen": partial(frozen, "here")}, seconds=0.1)["Frozen"].words for _ in range(3)]
        assert words[0] == "did not answer within 0.1 s"
        assert words[2] == "has not answered for 0 s, and is not asked again until it does"
        ask_all({"Frozen": partial(frozen, "elsewhere")}, seconds=0.1)
        assert sent == ["here", "elsewhere"]
    finally:
        gate.set()
