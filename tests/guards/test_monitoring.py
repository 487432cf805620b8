"""docs/ops speaks of the metrics there are, and of all of them: the list, the alerts and the dashboard are held against
what /metrics answers with a month of rows behind it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.models import IntegrationCheck
from app.domain.ops.probing import REDIS
from tests.browser.world import build

OPS = Path(__file__).parent.parent.parent / "docs/ops"
README = (OPS / "README.md").read_text()
DASHBOARD = json.loads((OPS / "grafana.json").read_text())
NAME = re.compile(r"\bporchlight_\w+")
SELECTOR = re.compile(r"\b(porchlight_\w+)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\bby \(([^)]*)\)")
SCRAPED = {"job", "instance", "le"}
"""Labels that Prometheus adds, or that only buckets have."""


@pytest.fixture
def answered(client, db) -> dict[str, set[str]]:
    """Every sample's name and its labels."""
    build()
    db.session.add(IntegrationCheck(name=REDIS, is_up=True, ms=1.0, words="answers"))
    db.session.commit()
    client.get("/healthz")
    found: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(client.get("/metrics").text):
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                found[sample.name] |= set(sample.labels)
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Where each stands, and the query."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for expr in re.findall(r"^\s+expr: (.+)$", README, re.MULTILINE):
        yield "README", expr


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `(porchlight_\w+)` \| ([\w, ]*)\|", README, re.MULTILINE)
    return {name: {label.strip() for label in labels.split(",") if label.strip()} for name, labels in rows}


def family_of(sample: str) -> str:
    return re.sub(r"_(bucket|count|sum)$", "", sample)


def test_every_query_asks_for_what_there_is(answered):
    wrong: list[Any] = []
    for place, query in queries():
        asked = SELECTOR.findall(query)
        wrong += [(place, name) for name, _ in asked if name not in answered]
        for name, selectors in asked:
            labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selectors))
            wrong += [(place, name, label) for label in labels - SCRAPED - answered.get(name, set())]
        there = set().union(*(answered.get(name, set()) for name, _ in asked)) if asked else set()
        for labels in GROUPING.findall(query):
            wrong += [
                (place, query, label.strip()) for label in labels.split(",") if label.strip() not in there | SCRAPED
            ]
    assert not wrong


def test_a_query_is_whole(answered):
    del answered
    assert len(list(queries())) > 30
    for place, query in queries():
        for opening, closing in ("()", "{}", "[]"):
            assert query.count(opening) == query.count(closing), (place, query)


def test_every_metric_is_documented_with_its_labels_and_no_other(answered):
    there: dict[str, set[str]] = defaultdict(set)
    for name, labels in answered.items():
        there[family_of(name)] |= labels - {"le"}
    assert documented() == dict(there)


def test_every_metric_has_a_place_on_the_dashboard(answered):
    drawn = {
        family_of(name)
        for panel in DASHBOARD["panels"]
        for target in panel.get("targets", ())
        for name in NAME.findall(target["expr"])
    }
    assert {family_of(name) for name in answered} <= drawn


def test_no_two_panels_lie_on_each_other():
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
