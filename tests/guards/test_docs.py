"""Docs that a test keeps true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from app.extensions import db
from app.jobs.kinds import KINDS

ROOT = Path(__file__).parent.parent.parent


def test_every_path_in_the_flow_table_exists():
    paths = set(re.findall(r"`(app/[\w/.]+)`", (ROOT / "docs/flow.md").read_text()))
    assert len(paths) > 10
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_the_flow_table_names_every_kind_of_run_and_only_tables_there_are():
    table = (ROOT / "docs/flow.md").read_text().partition("\n## ")[0]
    assert not [name for name in KINDS if f"`app/jobs/{name}.py`" not in table]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")][1:]
    named = {name for row in rows for cell in row[2:4] for name in re.findall(r"`(\w+)`", cell)}
    assert len(named) > 20
    assert not sorted(named - set(db.metadata.tables))


def test_every_path_in_the_recipes_exists():
    paths = set(re.findall(r"`((?:app|tests|docs|migrations)/[\w/.]+)`", (ROOT / "docs/style.md").read_text()))
    assert len(paths) > 10
    assert not [path for path in sorted(paths) if not (ROOT / path).exists()]


def test_the_order_of_the_domain_is_the_one_that_is_held():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each.get("containers") == ["app.domain"]]
    order = " → ".join(layer.strip("()").replace(" : ", ", ") for layer in layers)
    assert f"domain `{order}`" in (ROOT / "docs/style.md").read_text()


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


def test_every_rule_that_the_code_names_has_its_sentence_and_the_reverse():
    """PA-07 in a docstring, T3 in a comment, test_t12_… and test_pa_16_… as names."""
    named: set[str] = set()
    for file in (*(ROOT / "app").rglob("*.py"), *(ROOT / "tests").rglob("*.py")):
        if file == Path(__file__):
            continue
        source = file.read_text()
        named |= set(re.findall(r"\b(?:PA|SY|LM)-\d\d\b|\bT\d{1,2}\b", source))
        named |= {f"{family.upper()}-{number}" for family, number in re.findall(r"\btest_(pa|sy|lm)_(\d\d)_", source)}
        named |= {f"T{number}" for number in re.findall(r"\btest_t(\d{1,2})_", source)}
    told = set(re.findall(r"^\| ((?:PA|SY|LM)-\d\d|T\d{1,2}) \|", (ROOT / "docs/rules.md").read_text(), re.MULTILINE))
    assert len(told) > 10
    assert named == told


def test_sections_are_only_quoted_of_what_everybody_can_open():
    """A newcomer reads RFCs and this repository, nothing else."""
    files = (file for folder in ("app", "tests", "benchmarks", "devstack") for file in (ROOT / folder).rglob("*.py"))
    lines = [(file.name, line) for file in files if file != Path(__file__) for line in file.read_text().splitlines()]
    assert not [found for found in lines if "§" in found[1] and "RFC" not in found[1]]
