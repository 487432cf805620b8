"""What the last look reads of a home is what any search may ask of it."""

from __future__ import annotations

from dataclasses import fields

from app.domain.digests.queries import LISTING_COLUMNS
from app.domain.models import Listing
from app.domain.searches.criteria import Criteria

ASKED_OTHERWISE = {
    "radius": ("latitude", "longitude"),
    "box": ("latitude", "longitude"),
    "polygons": ("latitude", "longitude"),
    "not_polygons": ("latitude", "longitude"),
    "special_listing_conditions_not": ("special_listing_conditions",),
    "excluded_listing_keys": ("listing_key",),
    "keywords_any": (),  # of the remarks, which are read only for searches that ask for words
    "keywords_none": (),
    "include_unknown": (),
}


def test_the_last_look_reads_each_column_that_a_search_may_ask_of():
    asked = {column for field in fields(Criteria) for column in ASKED_OTHERWISE.get(field.name, (field.name,))}
    assert asked <= set(LISTING_COLUMNS)
    assert set(LISTING_COLUMNS) <= set(Listing.__table__.columns.keys())
