""".env.example says what can be set: the same names and words as the settings themselves."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from app.config import VERSION, Config, SettingsError

EXAMPLE = (Path(__file__).parent.parent.parent / ".env.example").read_text()
LINES = re.findall(r"^# (.+)\n([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)


def test_the_example_lists_every_setting_with_its_own_words():
    said = {name: about for about, name, _ in LINES}
    assert said == {item.name.upper(): item.metadata["about"] for item in fields(Config)}


def test_the_example_shows_the_defaults():
    for _, name, value in LINES:
        item = next(item for item in fields(Config) if item.name.upper() == name)
        if value and not item.metadata["required"]:
            assert item.metadata["parse"](value) == item.default


def test_the_example_with_a_secret_is_a_usable_environment():
    environ = {name: value for _, name, value in LINES} | {"SECRET_KEY": "x" * 32}
    assert Config.from_env(environ).database_url.startswith("postgresql+psycopg://")


def test_without_a_secret_it_is_refused_by_name():
    with pytest.raises(SettingsError, match="SECRET_KEY"):
        Config.from_env({name: value for _, name, value in LINES})


def test_the_code_knows_the_version_of_the_project():
    project = tomllib.loads((Path(__file__).parent.parent.parent / "pyproject.toml").read_text())
    assert project["project"]["version"] == VERSION
