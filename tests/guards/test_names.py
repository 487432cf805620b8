"""What the house is built of: which room may look into which, no empty names, no traces of a machine."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parent.parent.parent
BANNED = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "manager",
    "service",
    "services",
    "process",
    "handle",
    "data",
    "info",
    "misc",
}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def tracked() -> list[str]:
    """What git would carry away: the files in it, and those about to be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_no_room_looks_where_it_may_not(capsys):
    """The contracts stand in pyproject.toml."""
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_the_business_never_asks_for_the_request():
    """flask.request, session and g are the web's; a verb is told what it needs."""
    asked = []
    for path in modules("app/domain"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "flask":
                asked += [f"{path}: {name.name}" for name in node.names if name.name in ("request", "session", "g")]
            if isinstance(node, ast.ImportFrom) and node.module == "flask_login":
                asked.append(f"{path}: flask_login")
    assert not asked


def test_models_hold_no_queries():
    assert not [path for path in modules("app/domain/models") if re.search(r"\bselect\(|\.execute\(", path.read_text())]


@pytest.mark.parametrize("folder", ["app", "tests", "devstack", "benchmarks"])
def test_no_module_has_a_name_that_says_nothing(folder):
    assert not [path for path in modules(folder) if path.stem in BANNED or BANNED & set(path.relative_to(ROOT).parts)]


def test_no_function_or_class_has_a_name_that_says_nothing():
    empty = [
        f"{path}: {node.name}"
        for path in modules("app")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
        and (node.name.lower() in BANNED or re.search(r"(Manager|Service|Helper|Utils?|Handler)$", node.name))
    ]
    assert not empty


def test_nothing_tracked_names_a_machine_or_a_package_index():
    """A path or host of the machine it was written on helps nobody else."""
    paths = "|".join(("/wo" + "rk/", "/ro" + "ot/", r"/ho" + r"me/\w+/", "/tm" + "p/"))
    traces = re.compile(rf"(?<![\w.~-])(?:{paths})|--(?:extra-)?index-" + "url|--find-" + "links")
    found = []
    for name in tracked():
        path = ROOT / name
        if path.stat().st_size > 2_000_000 or name.endswith((".png", ".jpg", ".gz")):
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if traces.search(line) and "--no-emit" not in line:
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    assert not found


def test_requirements_name_no_address():
    for name in ("requirements.txt", "requirements-dev.txt"):
        pins = (ROOT / name).read_text()
        assert "://" not in pins
        assert "--hash=sha256:" in pins


def test_every_file_of_tests_is_collected():
    """A test file is called test_*.py; anything else in tests/ is ground for them."""
    ground = {"conftest.py", "__init__.py", "make.py", "world.py", "works.py"}
    stray = [
        path
        for path in modules("tests")
        if not path.name.startswith("test_") and path.name not in ground and "def test_" in path.read_text()
    ]
    assert not stray
