"""Styles in a mail's tags: what is written once for the template is what css-inline writes into the finished mail."""

from __future__ import annotations

from dataclasses import fields
from html.parser import HTMLParser

import pytest
from jinja2 import Environment

from app.domain.digests import words
from app.domain.digests.letterhead import inliner
from app.domain.digests.once import Once
from app.domain.digests.styles import renderer, styled

PAGE = """<!doctype html><html><head><style>
  body { margin: 0; }
  table { border-collapse: collapse; }
  .home { padding: 4px 8px; }
  td.home, .soft { color: #123456; }
  .new { background: #fdf0da; }
  @media (max-width: 600px) { .home .soft { color: red !important; } }
</style></head><body class="page"><table class="home">{% for n in many %}<tr><td class="home">{{ n }}</td>
<td><span class="kind{% if n > 1 %} new{% endif %}">{{ n }}</span> <a href="https://x.example/{{ n }}" class="{{ tone }}">
more</a></td></tr>{% endfor %}</table></body></html>"""


class Elements(HTMLParser):
    """(tag, attributes but style, declarations) of each element with a style or a class, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag in {"tbody", "html", "head", "style", "meta", "title"}:  # an HTML parser adds tbody
            return
        attributes = dict(attrs)
        style = attributes.pop("style", None) or ""
        declarations = [" ".join(one.replace(":", ": ").split()) for one in style.split(";") if one.strip()]
        self.found.append((tag, attributes, declarations))


def environment(source: str) -> Environment:
    from jinja2 import DictLoader

    return Environment(loader=DictLoader({"page.html": source}), autoescape=True)


def both(source: str, **values) -> tuple[list, list]:
    env = environment(source)
    fast = renderer(env, "page.html")(**values)
    slow = inliner().inline(env.get_template("page.html").render(**values))
    return Elements(fast).found, Elements(slow).found


def test_a_loop_in_a_table_and_classes_that_are_chosen_get_the_styles_css_inline_gives():
    assert styled(environment(PAGE), PAGE) is not None
    fast, slow = both(PAGE, many=[1, 2, 3], tone="soft")
    assert fast == slow
    assert len([one for one in fast if one[0] == "td"]) == 6


def test_what_a_person_wrote_is_still_escaped_and_never_read_as_a_tag():
    source = PAGE.replace("<table", "<p>{{ said }}</p><table", 1)
    page = renderer(environment(source), "page.html")(many=[1], said='<td class="home">', tone='soft" onclick="x')
    assert "<p>&lt;td class=&#34;home&#34;&gt;</p>" in page
    links = [attributes for tag, attributes, _ in Elements(page).found if tag == "a"]
    assert links == [{"href": "https://x.example/1", "class": 'soft" onclick="x'}]


@pytest.mark.parametrize(
    "source",
    [
        PAGE.replace(".new {", ".home .new {"),
        PAGE.replace(".new {", "a:link {"),
        PAGE.replace(".new {", "[href] {"),
        PAGE.replace("<table", '{% include "x" %}<table', 1),
        PAGE.replace("#123456", "{{ tone }}"),
        PAGE.replace('<td class="home">', '<td class="home" style="width: {{ n }}px">'),
    ],
)
def test_a_sheet_that_needs_the_whole_page_is_inlined_when_the_page_is_there(source):
    assert styled(environment(source), source) is None
    if "include" not in source:
        fast, slow = both(source, many=[1, 2], tone="red")
        assert fast == slow


def test_the_media_rules_stay_in_the_head():
    page = renderer(environment(PAGE), "page.html")(many=[1], tone="soft")
    head = page[: page.index("<body")]
    assert "@media" in head
    assert "max-width:600px" in head.replace(" ", "")
    assert "border-collapse" not in head


def an_alert(rich: bool) -> words.Alert:
    """Every field has words, or only those that are never empty."""
    lines = [
        words.Line(
            **{name: f"{name} {n}" if rich else "" for name in words.Line._fields}
            | {"tone": tone, "plate": plate, "by": "By (555) 555-0162"}
        )
        for n, (tone, plate) in enumerate([("new", "12"), ("drop", "41804"), ("back", "")])
    ]
    filled = {one.name: f"{one.name} <b>" if rich else "" for one in fields(words.Alert)}
    return words.Alert(**filled | {"lines": lines, "total": 3})


@pytest.mark.parametrize("rich", [True, False])
def test_the_alert_mail_is_styled_as_css_inline_would(app, rich):
    env = app.jinja_env
    source = env.loader.get_source(env, "email/alert/body.html")[0]
    assert styled(env, source) is not None, "it would cost half a millisecond more for each mail"
    values = {"alert": an_alert(rich), "wrap": words.wrap, "hold_phones": words.hold_phones, "once": Once()}
    fast = renderer(env, "email/alert/body.html")(**values)
    slow = inliner().inline(env.get_template("email/alert/body.html").render(values | {"once": Once()}))
    assert Elements(fast).found == Elements(slow).found
    assert len([one for one in Elements(fast).found if one[2]]) > 20
