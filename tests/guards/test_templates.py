"""Templates keep to the rules: no inline style or script, every form proves itself, every htmx element stands alone, no
macro, icon or asset that is not there or not used."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app import vendor
from app.web import COMPONENTS
from tests.guards.test_routes import WITHOUT_CSRF

TEMPLATES = Path(__file__).parent.parent.parent / "app/templates"
MAILS = {"email"}
"""Mail programs read inline styles only; mails are not pages."""
ALL = sorted(TEMPLATES.rglob("*.html"))
PAGES = [path for path in ALL if not MAILS & set(path.relative_to(TEMPLATES).parts)]


def name_of(path: Path) -> str:
    return path.relative_to(TEMPLATES).as_posix()


def without_comments(path: Path) -> str:
    return re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)


def source(path: Path) -> str:
    """The template's HTML: comments and statements gone, expressions replaced by a word."""
    text = re.sub(r"\{%.*?%\}", " ", without_comments(path), flags=re.DOTALL)
    return re.sub(r"\{\{.*?\}\}", "x", text, flags=re.DOTALL)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def tags(path: Path) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(source(path))
    return parser.found


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_no_inline_style_or_script(path):
    wrong = [
        (tag, name)
        for tag, attrs in tags(path)
        for name in attrs
        if name == "style" or name.startswith(("on", "hx-on", "hx:on")) or (attrs[name] or "").startswith("javascript:")
    ]
    wrong += [(tag, "") for tag, attrs in tags(path) if tag == "style" or (tag == "script" and "src" not in attrs)]
    assert not wrong


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_htmx_element_carries_its_own_target_and_swap(path):
    asks = ("hx-get", "hx-post")
    assert not [
        attrs for _, attrs in tags(path) if set(asks) & set(attrs) and not {"hx-target", "hx-swap"} <= set(attrs)
    ]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_only_htmx_that_both_majors_understand(path):
    gone = ("hx-boost", "hx-disable", "hx-delete", "hx-put", "hx-patch", "hx-inherit", "hx-ext", "hx-vars", "hx-prompt")
    assert not [(tag, name) for tag, attrs in tags(path) for name in attrs if name in gone]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_form_that_posts_carries_a_token(path):
    forms = re.findall(r"<form\b[^>]*?method=[\"']post[\"'].*?</form>", path.read_text(), re.DOTALL | re.IGNORECASE)
    assert not [form[:120] for form in forms if "csrf" not in form and not any(door in form for door in WITHOUT_CSRF)]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_nothing_is_loaded_from_elsewhere(path):
    loads = [attrs.get("src") or attrs.get("href") for tag, attrs in tags(path) if tag in ("script", "link", "img")]
    assert not [address for address in loads if (address or "").startswith(("http:", "https:", "//"))]


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_a_template_compiles(app, path):
    app.jinja_env.get_template(name_of(path))


def macros() -> dict[str, str]:
    return {
        name: part
        for part in COMPONENTS
        for name in re.findall(r"\{% macro (\w+)\(", (TEMPLATES / f"components/{part}.html").read_text())
    }


def test_every_component_that_is_used_exists():
    known = set(macros())
    used = {name for path in ALL for name in re.findall(r"\bui\.(\w+)", without_comments(path))}
    assert used
    assert not used - known


def test_no_two_components_share_a_name():
    names = [
        name
        for part in COMPONENTS
        for name in re.findall(r"\{% macro (\w+)\(", (TEMPLATES / f"components/{part}.html").read_text())
    ]
    assert len(names) == len(set(names))


def test_every_component_is_shown_on_the_style_guide_or_used_by_a_page():
    """Each is used somewhere besides its own definition; pieces of other pieces count."""
    everything = "\n".join(map(without_comments, PAGES))
    calls = {name: len(re.findall(rf"(?:\bui\.|[^\w.]){name}\(", everything)) for name in macros()}
    assert not [name for name, count in calls.items() if count < 2]


def test_every_icon_is_one_that_exists():
    called = re.compile(r"\bicon\(\s*\"([\w-]+)\"|icon_name=\"([\w-]+)\"")
    used = {one or two for path in ALL for one, two in called.findall(path.read_text())}
    assert used
    assert not used - set(vendor.symbols())


def test_every_asset_is_one_that_exists():
    used = {name for path in ALL for name in re.findall(r"asset\([\"']([\w./-]+)[\"']\)", path.read_text())}
    assert used
    assert not [
        name
        for name in used
        if name not in vendor.FILES and name not in vendor.SHEETS and not (vendor.STATIC / name).is_file()
    ]


def test_no_class_of_bootstraps_colours_is_used():
    """Ours are tokens; Bootstrap's !important utilities would win over them."""
    colours = re.compile(
        r"\b(?:text|bg|border|btn|alert|badge|table)-(?:primary|secondary|success|warning|info|light|dark|muted)\b"
    )
    ours = {"btn-primary"}
    found = {
        (name_of(path), word)
        for path in PAGES
        for _, attrs in tags(path)
        for word in (attrs.get("class") or "").split()
        if colours.fullmatch(word) and word not in ours
    }
    assert not found
