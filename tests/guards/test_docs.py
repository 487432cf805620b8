"""Docs that a test keeps true."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_every_path_in_the_flow_table_exists():
    paths = set(re.findall(r"`(app/[\w/.]+)`", (ROOT / "docs/flow.md").read_text()))
    assert len(paths) > 10
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_every_path_in_the_recipes_exists():
    paths = set(re.findall(r"`((?:app|tests|docs|migrations)/[\w/.]+)`", (ROOT / "docs/style.md").read_text()))
    assert len(paths) > 10
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([\w./-]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_make_target_the_readme_names_is_in_the_makefile():
    targets = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text()))
    makefile = (ROOT / "Makefile").read_text()
    assert targets
    assert not [name for name in sorted(targets) if not re.search(rf"^{name}:", makefile, re.MULTILINE)]


def test_every_decision_is_in_the_list():
    listed = (ROOT / "docs/decisions/README.md").read_text()
    for file in (ROOT / "docs/decisions").glob("0*.md"):
        assert f"({file.name})" in listed
        assert len(file.read_text().splitlines()) <= 30
