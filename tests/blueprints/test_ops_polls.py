"""Who leaves a page of the works open sees what is so: each live list asks again every 15 s."""

from __future__ import annotations

import re

import pytest

LIVE = ("", "/schedules", "/runs", "/errors", "/incidents", "/queues", "/workers", "/integrations")


@pytest.mark.parametrize("path", [f"/ops{path}" for path in LIVE])
def test_a_live_page_of_the_works_asks_again_every_15_seconds(as_viewer, path):
    found = re.findall(r'<[^>]*\bid="(\w+)"[^>]*\bdata-poll="(\w+)"[^>]*>', as_viewer.get(path).text)
    assert [seconds for _, seconds in found] == ["15"]
    renewed = as_viewer.get(path, headers={"HX-Request": "true", "HX-Target": found[0][0]}).text
    assert re.findall(r'<[^>]*\bid="(\w+)"[^>]*\bdata-poll="(\w+)"[^>]*>', renewed) == found, "and again after that"
    assert "<html" not in renewed
