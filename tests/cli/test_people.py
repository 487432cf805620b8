"""flask office …, flask user …: from an empty database to somebody who is signed in."""

from __future__ import annotations

from datetime import time

import pytest
from sqlalchemy import select

from app.domain.models import AuditEntry, Office, Role
from app.domain.people import accounts, queries

PASSWORD = "a lamp in the window"


@pytest.fixture
def flask(app, db):
    del db
    runner = app.test_cli_runner()

    def run(*arguments: str, code: int = 0, typed: str | None = None) -> str:
        result = runner.invoke(args=list(arguments), input=typed)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return run


@pytest.fixture
def ruth(flask, office) -> str:
    ruth = "ruth@harborvine.example"
    add = ("user", "add", ruth, "--name", "Ruth Calloway", "--role", "admin", "--office", office.office_key)
    flask(*add, "--password-stdin", typed=PASSWORD + "\n")
    return ruth


def test_two_commands_open_an_empty_house(flask, client):
    said = flask("office", "add", "Harbor & Vine", "--time-zone", "America/Chicago", "--city", "Port Ellery")
    assert "Its key is harbor-vine, its clock America/Chicago." in said
    said = flask(
        *("user", "add", " Ruth@HarborVine.example ", "--name", "Ruth Calloway", "--role", "admin"),
        *("--office", "harbor-vine"),
        typed=f"{PASSWORD}\n{PASSWORD}\n",
    )
    assert "Ruth Calloway can sign in as ruth@harborvine.example: admin of Harbor & Vine." in said
    assert PASSWORD not in said
    answer = client.post("/sign-in", data={"email": "ruth@harborvine.example", "password": PASSWORD})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert "Harbor &amp; Vine" in client.get("/").text


def test_pa_21_an_office_chooses_its_quiet_hours_and_gives_them_up_again(flask, office, db):
    assert "is quiet from 20:00 to 07:00." in flask("office", "quiet", "20:00", "7:00", "--office", office.office_key)
    db.session.refresh(office)
    assert (office.quiet_from, office.quiet_until) == (time(20), time(7))
    flask("office", "quiet", "20:00", "--office", office.office_key, code=2)
    flask("office", "quiet", "--office", office.office_key)
    db.session.refresh(office)
    assert (office.quiet_from, office.quiet_until) == (None, None)
    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "office.quiet_hours"))
    assert [entry.sentence for entry in entries] == [
        "Set the office to be quiet from 20:00 to 07:00",
        "Set the office to be quiet when the settings say",
    ]


def test_what_is_known_of_an_office_is_kept(flask):
    flask(
        *("office", "add", "Salt & Stone", "--key", "salt", "--address1", "14 Customs House Lane", "--city", "Ellery"),
        *("--state", "ME", "--postal-code", "04100", "--phone", "(555) 555-0117"),
    )
    made = queries.office_by_key("salt")
    assert (made.office_address1, made.office_city, made.office_state_or_province) == (
        "14 Customs House Lane",
        "Ellery",
        "ME",
    )
    assert (made.office_postal_code, made.office_phone) == ("04100", "(555) 555-0117")
    assert "Salt & Stone" in flask("office", "list")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["Harbor", "--time-zone", "America/Atlantis"], "No time zone is called “America/Atlantis”."),
        (["Harbor", "--time-zone", "../etc/passwd"], "No time zone is called"),
        (["Harbor", "--key", "Harbor Vine"], "“Harbor Vine” cannot be an office’s key"),
        (["  "], "An office has a name."),
        (["海辺"], "cannot be an office’s key"),
    ],
)
def test_an_office_that_cannot_be_is_refused_with_a_sentence(flask, db, arguments, sentence):
    assert sentence in flask("office", "add", *arguments, code=1)
    assert db.session.query(Office).count() == 0


def test_a_key_is_given_once(flask, office):
    assert "already" in flask("office", "add", "Another", "--key", office.office_key, code=1)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"email": "nobody"}, "“nobody” is not an email address."),
        ({"name": " "}, "A person has a name."),
        ({"password": "short"}, "A password has 10 characters or more."),
        ({"password": ""}, "A password has 10 characters or more."),
    ],
)
def test_a_person_who_cannot_be_is_refused_with_a_sentence(flask, office, given, sentence):
    whole = {"email": "ruth@harborvine.example", "name": "Ruth", "password": PASSWORD} | given
    add = ("user", "add", whole["email"], "--name", whole["name"], "--role", "staff", "--office", office.office_key)
    assert sentence in flask(*add, "--password-stdin", typed=whole["password"], code=1)
    assert not queries.users()


def test_an_address_has_one_account_however_it_is_written(flask, ruth):
    add = ("user", "add", ruth.upper(), "--name", "Ruth", "--role", "staff", "--password-stdin")
    assert "has an account already." in flask(*add, typed=PASSWORD, code=1)


def test_two_passwords_that_differ_are_asked_for_again(flask, office):
    add = ("user", "add", "ruth@harborvine.example", "--name", "Ruth", "--role", "staff", "--office", office.office_key)
    said = flask(*add, typed=f"{PASSWORD}\nanother one\n{PASSWORD}\n{PASSWORD}\n")
    assert "do not match" in said
    assert accounts.check_password("ruth@harborvine.example", PASSWORD)


def test_the_password_is_never_an_argument(flask, ruth):
    assert "No such option" in flask("user", "password", ruth, "--password", PASSWORD, code=2)


def test_a_role_that_is_none_and_an_office_that_is_none_are_named(flask, office):
    add = ("user", "add", "ruth@harborvine.example", "--name", "Ruth", "--password-stdin", "--role")
    assert "'king'" in flask(*add, "king", code=2)
    assert "no office with the key “castle”" in flask(*add, "staff", "--office", "castle", typed=PASSWORD, code=1)


def test_a_new_password_replaces_the_old_one_and_ends_sessions(flask, ruth):
    before = queries.user_by_email(ruth).get_id()
    flask("user", "password", ruth, "--password-stdin", typed="another porch light\n")
    assert queries.user_of_session(before) is None
    assert accounts.check_password(ruth, PASSWORD) is None
    assert accounts.check_password(ruth, "another porch light")


def test_a_disabled_person_cannot_sign_in_until_enabled(flask, ruth):
    flask("user", "disable", ruth)
    assert accounts.check_password(ruth, PASSWORD) is None
    assert "Ruth Calloway, disabled" in flask("user", "list")
    flask("user", "enable", ruth)
    assert accounts.check_password(ruth, PASSWORD)


@pytest.mark.parametrize("verb", ["password", "disable", "enable"])
def test_nobody_is_not_changed(flask, verb):
    assert "Nobody has an account with x@harborvine.example." in flask("user", verb, "X@harborvine.example", code=1)


def test_the_list_names_everybody_with_role_and_office(flask, ruth, make):
    other = make.office()
    agent = make.user(other, Role.AGENT)
    said = flask("user", "list")
    assert f"{other.office_key:24} agent   {agent.email}" in said
    assert f"admin   {ruth}" in said
    assert "never signed in" in said


def test_every_command_that_changes_who_may_enter_is_in_the_audit(flask, office, ruth, db):
    flask("user", "password", ruth, "--password-stdin", typed="another lamp in the window\n")
    flask("user", "disable", ruth)
    flask("user", "enable", ruth)
    flask("office", "add", "Harbor & Vine")
    flask("user", "disable", "nobody@harborvine.example", code=1)
    whose = str(accounts.account_of(ruth).id)
    done = db.session.query(AuditEntry).order_by(AuditEntry.id).all()
    assert [(entry.action, entry.subject_id, entry.actor) for entry in done] == [
        ("user.added", whose, "command line"),
        ("user.password_set", whose, "command line"),
        ("user.disabled", whose, "command line"),
        ("user.enabled", whose, "command line"),
        ("office.added", "harbor-vine", "command line"),
    ]
    assert done[0].sentence == "Added Ruth Calloway as admin"
    assert (done[0].office_id, done[0].user_id) == (office.id, None)
    assert not any("lamp" in f"{entry.sentence} {entry.fields}" for entry in done), "and no password"


def test_a_run_started_by_command_is_in_the_audit(flask, db):
    flask("run-now", "alerts")
    entry = db.session.query(AuditEntry).one()
    assert entry.action == "run.started"
    assert entry.actor == "command line"
    assert entry.sentence.endswith("of “alerts”")
