"""Who comes in, who does not, and how a session ends."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from flask import request

from app.blueprints import auth
from app.domain.errors import Invalid
from app.domain.models import User
from app.domain.people import accounts
from app.domain.people.accounts import disable, end_sessions, hasher, set_password
from app.extensions import limiter

PASSWORD = "a porch with a light"


@pytest.fixture(scope="module")
def hashed() -> str:
    return hasher.hash(PASSWORD)


@pytest.fixture
def ruth(make, office, hashed) -> User:
    return make.user(office=office, email="ruth@harborvine.example", password_hash=hashed)


def try_in(client, password=PASSWORD, email="ruth@harborvine.example", **more):
    return client.post("/sign-in", data={"email": email, "password": password} | more)


def is_in(client) -> bool:
    return client.get("/").status_code == 200


def test_the_right_password_opens_the_door(client, ruth):
    answer = try_in(client)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert is_in(client)
    assert ruth.last_login_at is not None


def test_the_address_is_read_in_any_case_and_with_spaces_around(client, ruth):
    try_in(client, email="  Ruth@HarborVine.example ")
    assert is_in(client)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ruth@harborvine.example", "wrong"),
        ("nobody@harborvine.example", PASSWORD),
        ("ruth@harborvine.example", PASSWORD.upper()),
    ],
)
def test_a_wrong_password_and_an_unknown_address_are_answered_alike(client, ruth, email, password):
    answer = try_in(client, email=email, password=password)
    assert answer.status_code == 422
    assert "That email and password do not belong together." in answer.text
    assert f'value="{email}"' in answer.text
    assert password not in answer.text
    assert not is_in(client)


def test_an_unknown_address_takes_as_long_as_a_wrong_password(app, db, ruth):
    accounts.check_password("nobody@harborvine.example", "warm the hash of nobody")

    def seconds(email: str) -> float:
        start = time.perf_counter()
        accounts.check_password(email, "wrong")
        return time.perf_counter() - start

    # By turns, and the quickest of each: a busy machine makes some late. Without a hash it would be a hundredth.
    taken = [(seconds("ruth@harborvine.example"), seconds("nobody@harborvine.example")) for _ in range(4)]
    known, unknown = (min(each) for each in zip(*taken, strict=True))
    assert 0.2 < unknown / known < 5


def test_a_disabled_account_is_refused_in_the_same_words(client, ruth, db):
    disable(ruth)
    db.session.commit()
    assert "do not belong together" in try_in(client).text
    assert not is_in(client)


def test_an_empty_field_is_named(client, ruth):
    answer = try_in(client, password="")
    assert answer.status_code == 422
    assert "Write your password." in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_an_account_without_a_usable_hash_lets_nobody_in(client, make, office):
    make.user(office=office, email="new@harborvine.example", password_hash="!")
    assert try_in(client, email="new@harborvine.example", password="!").status_code == 422


def test_a_hash_of_older_costs_is_renewed(client, make, office):
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    user = make.user(office=office, email="old@harborvine.example", password_hash=old)
    try_in(client, email="old@harborvine.example")
    assert is_in(client)
    assert user.password_hash != old
    assert hasher.verify(user.password_hash, PASSWORD)


def test_the_session_begins_anew_at_sign_in(client, ruth):
    with client.session_transaction() as session:
        session["planted"] = "by somebody else"
    try_in(client)
    with client.session_transaction() as session:
        assert "planted" not in session
        assert session.permanent


def test_the_cookie_is_out_of_reach_of_script_and_of_other_sites(client, ruth):
    cookie = try_in(client).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize("here", ["/listings?q=alder", "/searches/7"])
def test_a_person_comes_back_to_where_they_were(client, ruth, here):
    assert try_in(client, next=here).headers["Location"] == here


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", "evil"],
)
def test_nobody_is_sent_to_another_site(client, ruth, elsewhere):
    assert try_in(client, next=elsewhere).headers["Location"] == "/"


def test_who_is_signed_in_needs_no_sign_in_page(as_staff):
    assert as_staff.get("/sign-in").headers["Location"] == "/"


def test_signing_out_takes_a_post_and_ends_the_session(client, ruth):
    try_in(client)
    assert client.get("/sign-out").status_code == 405
    assert is_in(client)
    answer = client.post("/sign-out")
    assert answer.headers["Location"] == "/sign-in"
    assert not is_in(client)
    assert "Signed out, here and wherever else you were signed in." in client.get("/sign-in").text


def test_a_copy_of_the_cookie_is_dead_after_signing_out(app, client, ruth):
    try_in(client)
    thief = app.test_client()
    copied = client.get_cookie("porchlight", domain="porchlight.test")
    thief.set_cookie("porchlight", copied.value, domain="porchlight.test")
    assert is_in(thief)
    client.post("/sign-out")
    assert not is_in(thief)


def test_signing_out_twice_is_no_fault(client):
    assert client.post("/sign-out").headers["Location"] == "/sign-in"


def test_an_address_with_a_control_character_is_nobodys(client, ruth):
    answer = try_in(client, email="ruth\0@harborvine.example")
    assert answer.status_code == 422
    assert "do not belong together" in answer.text


def test_the_key_that_counts_tries_is_short_and_the_same_however_the_address_is_written(app):
    def key(email: str) -> str:
        with app.test_request_context("/sign-in", method="POST", data={"email": email}):
            return auth._account()

    assert key(" Ruth@harborvine.example") == key("ruth@HARBORVINE.example ")
    assert key("ruth@harborvine.example") != key("tom@harborvine.example")
    assert len(key("r" * 100_000)) < 100
    assert key("r" * 254) == key("r" * 100_000)


class TestASessionEndsWithinOneRequest:
    def test_when_the_account_is_disabled(self, client, ruth, db):
        try_in(client)
        disable(ruth)
        db.session.commit()
        assert not is_in(client)

    def test_when_the_person_is_signed_out_everywhere(self, client, ruth, db):
        try_in(client)
        end_sessions(ruth)
        db.session.commit()
        assert not is_in(client)

    def test_when_the_password_is_changed(self, client, ruth, db):
        try_in(client)
        set_password(ruth, "another long password")
        db.session.commit()
        assert not is_in(client)
        assert try_in(client, password="another long password").status_code == 303

    def test_when_the_account_is_gone(self, client, ruth, db):
        try_in(client)
        db.session.delete(ruth)
        db.session.commit()
        assert not is_in(client)

    @pytest.mark.parametrize("forged", ["", "1", "x:y", ":", "1:1:1", "-1:1", "999999999999:1", "١:١"])
    def test_when_its_id_makes_no_sense(self, client, ruth, forged):
        with client.session_transaction() as session:
            session["_user_id"] = forged
        assert client.get("/").status_code == 303


class TestAnExpiredSession:
    def test_leads_to_the_sign_in_page_and_back(self, client):
        assert client.get("/listings?q=alder").headers["Location"] == "/sign-in?next=/listings?q%3Dalder"

    def test_under_htmx_is_401_with_the_way_to_sign_in(self, client):
        answer = client.get(
            "/", headers={"HX-Request": "true", "HX-Current-URL": "http://porchlight.test/listings?q=a"}
        )
        assert answer.status_code == 401
        assert answer.headers["HX-Redirect"] == "/sign-in?next=/listings?q%3Da"

    def test_under_htmx_keeps_the_words_that_were_just_typed_into_a_list(self, client):
        here = {"HX-Request": "true", "HX-Current-URL": "http://porchlight.test/contacts?q=w"}
        answer = client.get("/contacts?q=wei+chen", headers=here)
        assert answer.headers["HX-Redirect"] == "/sign-in?next=/contacts?q%3Dwei%2Bchen"
        answer = client.get("/searches/places?place=port", headers=here)
        assert answer.headers["HX-Redirect"] == "/sign-in?next=/contacts?q%3Dw"
        assert client.get("/sign-in").text.count("Your session ended; sign in and go on.") == 1

    def test_under_htmx_says_that_a_posted_form_was_not_saved(self, client):
        here = {"HX-Request": "true", "HX-Current-URL": "http://porchlight.test/searches/7"}
        answer = client.post("/searches/7", headers=here)
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (401, "/sign-in?next=/searches/7")
        assert "You were signed out before that was saved." in client.get("/sign-in").text

    def test_says_that_a_posted_form_was_not_saved_and_leads_back_to_it(self, client):
        answer = client.post("/preferences", headers={"Referer": "http://porchlight.test/searches/7/edit"})
        assert answer.headers["Location"] == "/sign-in?next=/searches/7/edit"
        assert "You were signed out before that was saved." in client.get(answer.headers["Location"]).text

    def test_says_so_too_when_the_token_is_missing_with_it(self, app, client):
        app.config["WTF_CSRF_ENABLED"] = True
        try:
            answer = client.post("/preferences", headers={"Referer": "http://elsewhere.example/x"})
        finally:
            app.config["WTF_CSRF_ENABLED"] = False
        assert answer.headers["Location"] == "/sign-in"

    def test_is_401_for_who_asked_for_json(self, client):
        assert client.get("/", headers={"Accept": "application/json"}).status_code == 401


class TestTooManyTries:
    @pytest.fixture
    def strict(self, app, db, hashed):
        usual = app.extensions["porchlight"]
        app.extensions["porchlight"] = replace(usual, login_rate_limit="3 per minute")
        limiter.reset()
        yield app
        limiter.reset()
        app.extensions["porchlight"] = usual

    def test_from_one_address_are_refused(self, strict, ruth):
        client = strict.test_client()
        for number in range(3):
            assert try_in(client, "wrong", email=f"somebody{number}@harborvine.example").status_code == 422
        answer = try_in(client)
        assert answer.status_code == 429
        assert "Too many tries in a short time." in answer.text
        assert not is_in(client)

    def test_on_one_account_are_refused_wherever_they_come_from(self, strict, ruth):
        for number in range(3):
            strict.test_client().post(
                "/sign-in",
                data={"email": "RUTH@harborvine.example", "password": "wrong"},
                environ_base={"REMOTE_ADDR": f"192.0.2.{number}"},
            )
        answer = strict.test_client().post(
            "/sign-in",
            data={"email": "ruth@harborvine.example", "password": PASSWORD},
            environ_base={"REMOTE_ADDR": "192.0.2.99"},
        )
        assert answer.status_code == 429

    def test_do_not_shut_out_others(self, strict, ruth, make, office, hashed):
        make.user(office=office, email="sam@harborvine.example", password_hash=hashed)
        for _ in range(4):
            try_in(strict.test_client(), "wrong")
        sam = strict.test_client()
        sam.post(
            "/sign-in",
            data={"email": "sam@harborvine.example", "password": PASSWORD},
            environ_base={"REMOTE_ADDR": "192.0.2.7"},
        )
        assert is_in(sam)

    def test_are_counted_by_the_process_itself_without_redis(self, another_app, db, ruth):
        """Whoever looks after the house comes in while Redis is down, and a guesser is still shut out."""
        blind = another_app(redis_url="redis://127.0.0.1:9/0", login_rate_limit="3 per minute")
        kept = dict(vars(limiter))
        vars(limiter).update(blind.extensions["limiter_of_it"])
        try:
            start = time.monotonic()
            admin = blind.test_client()
            assert try_in(admin).status_code == 303
            assert is_in(admin)
            assert time.monotonic() - start < 5
            answers = [try_in(blind.test_client(), "wrong").status_code for _ in range(4)]
            assert answers == [422, 422, 429, 429]
        finally:
            vars(limiter).update(kept)


def test_the_form_keeps_its_token_and_no_password(app, client, ruth):
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        assert try_in(client).status_code == 400
        token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/sign-in").text)[1]
        assert try_in(client, csrf_token=token).status_code == 303
    finally:
        app.config["WTF_CSRF_ENABLED"] = False


def test_a_password_below_ten_characters_is_not_taken():
    with pytest.raises(Invalid, match="10 characters"):
        accounts.hash_password("short")
    assert hasher.verify(accounts.hash_password("ten enough"), "ten enough")


@pytest.mark.parametrize(("proxies", "address", "secure"), [(0, "127.0.0.1", False), (1, "198.51.100.7", True)])
def test_only_a_proxy_that_was_named_may_say_who_the_visitor_is(another_app, proxies, address, secure):
    behind = another_app(proxies=proxies)
    seen = {}

    @behind.before_request
    def look():
        seen.update(address=request.remote_addr, secure=request.is_secure)

    behind.test_client().get("/sign-in", headers={"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"})
    assert seen == {"address": address, "secure": secure}
