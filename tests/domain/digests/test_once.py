"""Pieces of a mail that are rendered once for many buyers."""

from __future__ import annotations

import pytest
from jinja2 import Environment

from app.domain.digests import once
from app.domain.digests.once import Once
from app.domain.digests.words import Line
from app.domain.models import AlertKind

PIECE = "{% call(line) once(each) %}<a href='{{ line.url }}'>{{ line.headline }}, {{ line.price }}</a> {{ line.why }}{% endcall %}"


def line(**said: str) -> Line:
    usual = dict.fromkeys(Line._fields, "") | {"headline": "418 Alder Court", "price": "$489,000", "url": "/d/one/7"}
    return Line(**usual | {"listing_id": 7, "kind": AlertKind.NEW} | said)


@pytest.fixture
def say():
    rendered = []
    template = Environment(autoescape=True).from_string(PIECE)
    keep = Once()

    def counted(each: Line, caller) -> str:
        return keep(each, caller=lambda one: rendered.append(one) or caller(one))

    return lambda each: template.render(each=each, once=counted), rendered


def test_each_buyer_has_their_own_link_and_reason_in_a_piece_that_is_rendered_once(say):
    said, rendered = say
    assert said(line(why="Matches “Family home”.")) == (
        "<a href='/d/one/7'>418 Alder Court, $489,000</a> Matches “Family home”."
    )
    assert said(line(url="/d/two/7", why="Matches <b> & “Two”.")) == (
        "<a href='/d/two/7'>418 Alder Court, $489,000</a> Matches &lt;b&gt; &amp; “Two”."
    )
    assert len(rendered) == 1


def test_a_price_that_changed_is_said_in_the_next_mail(say):
    """PA-19"""
    said, rendered = say
    assert "$489,000" in said(line())
    assert "$475,000" in said(line(price="$475,000"))
    assert "$489,000" in said(line())
    assert len(rendered) == 2


def test_what_is_kept_does_not_grow_for_ever(say):
    said, rendered = say
    for number in range(once.MOST + 1):
        said(line(price=f"${number}"))
    assert said(line(price="$0")).count("$0") == 1
    assert len(rendered) == once.MOST + 2


def test_a_reason_that_the_template_wraps_is_said_as_it_wraps_it():
    template = Environment(autoescape=False).from_string(
        "{% call(line) once(each, why='a\n  b') %}- {{ line.why }}{% endcall %}"
    )
    assert template.render(each=line(why="a b"), once=Once()) == "- a\n  b"
