"""The Slack stand-in, spoken to by the real client: what it takes, what it shows, and how it fails on request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.gateways.slack import Slack, escape
from devstack.slack import FAULTS, TOKEN, Workspace, make_slack


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    with Workspace() as workspace:
        yield workspace


def bot(workspace: Workspace, token: str = TOKEN) -> Slack:
    return Slack(token, workspace.url, seconds=2)


def block(text: str) -> dict:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def test_a_message_is_taken_named_and_shown_newest_first(workspace):
    first = bot(workspace).post("#ops", "one")
    second = bot(workspace).post("#ops", "two", [block("*two* &amp; <https://x.example/a?b=1&amp;c=2|more>\n<b>")])
    assert (first.is_ok, first.channel, first.words) == (True, "#ops", "posted")
    assert first.ts != second.ts
    page = make_slack(workspace).test_client().get("/", headers={"Host": "127.0.0.1"}).text
    shown = '<b>two</b> &amp; <a href="https://x.example/a?b=1&amp;c=2">more</a><br>&lt;b&gt;'
    assert page.index(shown) < page.index("<div>one</div>")


def test_a_bot_is_known_by_its_token(workspace):
    assert bot(workspace).whoami().words == "signs in as porchlight"
    wrong = bot(workspace, "xoxb-wrong")
    assert (wrong.whoami().is_ok, wrong.whoami().words) == (False, "refused: invalid_auth")
    assert wrong.post("#ops", "hello").words == "refused: invalid_auth"
    assert not workspace.messages


def test_a_message_without_words_is_refused(workspace):
    assert bot(workspace).post("#ops", "").words == "refused: no_text"
    assert bot(workspace).post("", "hello").words == "refused: channel_not_found"


@pytest.mark.parametrize(
    ("fault", "words", "retry_after"),
    [
        ("ratelimited", "asks us to wait 30 s (ratelimited)", 30.0),
        ("internal_error", "answered 500", None),
        ("channel_not_found", "refused: channel_not_found", None),
        ("hang", "does not answer (TimeoutError)", None),
    ],
)
def test_it_fails_on_request_and_the_gateway_says_how(workspace, fault, words, retry_after):
    workspace.fault = fault
    answer = bot(workspace).post("#ops", "hello")
    assert (answer.is_ok, answer.words, answer.retry_after) == (False, words, retry_after)
    workspace.fault = ""
    assert bot(workspace).post("#ops", "hello").is_ok


def test_nobody_at_all_is_an_answer_too():
    assert (
        Slack(TOKEN, "http://127.0.0.1:9/api", 2).post("#ops", "hello").words
        == "does not answer (ConnectionRefusedError)"
    )


def test_a_fault_is_chosen_on_its_page(workspace):
    site = make_slack(workspace).test_client()
    site.post("/fault", data={"fault": "ratelimited"}, headers={"Host": "127.0.0.1"})
    assert workspace.fault == "ratelimited"
    page = site.get("/", headers={"Host": "127.0.0.1"}).text
    assert f"It fails on request: {FAULTS['ratelimited']}" in page
    assert site.post("/fault", data={"fault": "fire"}, headers={"Host": "127.0.0.1"}).status_code == 400


def test_words_that_mean_something_to_slack_are_written_out():
    assert escape("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"
