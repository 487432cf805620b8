"""Circles, boxes and the cells that cover them: whole numbers, edges inside."""

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.searches.shapes import CELL_SIZES, COLUMNS, GRID, LEVEL, Box, Circle, Ring, Shape, cosine, flat

LATITUDES = st.integers(-85_000_000, 85_000_000)
LONGITUDES = st.integers(-180_000_000, 180_000_000)


@given(latitude=st.integers(-90_000_000, 90_000_000))
def test_a_cosine_is_right_to_its_last_bit(latitude):
    assert abs(cosine(latitude) - math.cos(math.radians(latitude / 1e6)) * 2**20) <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("where", "miles"),
    [((43_660_000, -70_250_000), 1), ((43_660_000, -70_250_000), 25), ((0, 0), 5), ((-33_900_000, 151_200_000), 3)],
)
def test_a_mile_is_a_mile(where, miles):
    """Against the great-circle distance, within a fiftieth of a percent of the radius and the cell of a micro-degree."""
    circle = Circle(*where, miles * 100)
    for bearing in range(0, 360, 15):
        for share, inside in ((0.995, True), (1.005, False)):
            away = math.radians(miles * 1609.344 * share / 111_195.0797)
            y, turn = math.radians(where[0] / 1e6), math.radians(bearing)
            latitude = math.asin(math.sin(y) * math.cos(away) + math.cos(y) * math.sin(away) * math.cos(turn))
            longitude = math.radians(where[1] / 1e6) + math.atan2(
                math.sin(turn) * math.sin(away) * math.cos(y), math.cos(away) - math.sin(y) * math.sin(latitude)
            )
            point = round(math.degrees(latitude) * 1e6), round(math.degrees(longitude) * 1e6)
            assert circle.contains(*point) is inside, (bearing, share)


def test_the_edge_is_inside_and_one_millionth_further_is_not():
    circle = Circle(43_660_000, -70_250_000, 100)
    assert circle.reach == 14_473
    assert circle.contains(43_660_000 + 14_473, -70_250_000)
    assert not circle.contains(43_660_000 + 14_474, -70_250_000)
    box = Box(43_000_000, -71_000_000, 44_000_000, -70_000_000)
    assert box.contains(43_000_000, -70_000_000)
    assert not box.contains(42_999_999, -70_000_000)
    assert not box.contains(43_000_000, -69_999_999)


def test_a_circle_reaches_across_the_antimeridian():
    circle = Circle(0, 179_999_000, 100)
    assert circle.contains(0, -179_990_000)
    assert not circle.contains(0, -179_980_000)


@pytest.mark.parametrize("latitude", [0, 43_660_000, -84_999_999])
@pytest.mark.parametrize("longitude", [179_999_500, -179_999_500, 180_000_000, -180_000_000])
def test_both_names_of_the_antimeridian_are_covered(latitude, longitude):
    shape = Shape(Circle(latitude, longitude, 10), None)
    places = shape.places(512)
    for named in (180_000_000, -180_000_000):
        assert shape.contains(latitude, named)
        assert place_of(0, latitude, named) in places


@settings(max_examples=100)
@given(latitude=LATITUDES, hundredths=st.integers(1, 10_000), share=st.floats(0, 1))
def test_a_circle_is_as_wide_as_it_says(latitude, hundredths, share):
    circle = Circle(latitude, 0, hundredths)
    dy = int(circle.reach * share)
    width = circle.width_at(dy)
    assert not circle.contains(latitude + dy, width + 1)
    assert circle.contains(latitude + dy, width) or circle.contains(latitude + dy, width - 1)


def test_a_cell_that_one_part_fills_needs_no_look_for_the_other():
    circle = Circle(43_660_000, -70_250_000, 1_000)
    tiny = Box(43_660_001, -70_250_001, 43_660_002, -70_250_000)
    assert Shape(circle, tiny).places(512) == Shape(circle, None).places(512)


CIRCLES = st.builds(Circle, LATITUDES, LONGITUDES, st.sampled_from((1, 25, 50, 100, 300, 500, 2_500, 10_000)))


@st.composite
def boxes(draw) -> Box:
    south, west = draw(st.integers(-90_000_000, 89_999_999)), draw(st.integers(-180_000_000, 179_999_999))
    tall, wide = (draw(st.sampled_from((1, 10_000, 12_345, 50_000, 250_000, 4_000_000))) for _ in range(2))
    return Box(south, west, min(south + tall, 90_000_000), min(west + wide, 180_000_000))


@st.composite
def rings(draw) -> Ring:
    """A star around a middle: its corners lie in the order of their bearings, so that it cannot meet itself."""
    y, x = draw(st.integers(-88_000_000, 88_000_000)), draw(st.integers(-178_000_000, 178_000_000))
    reach = draw(st.sampled_from((9, 700, 15_000, 90_000, 2_000_000)))
    bearings = sorted(draw(st.sets(st.integers(0, 359), min_size=3, max_size=24)))
    away = [draw(st.integers(max(reach // 4, 1), reach)) for _ in bearings]
    corners = [
        (y + round(far * math.cos(math.radians(bearing))), x + round(far * math.sin(math.radians(bearing))))
        for bearing, far in zip(bearings, away, strict=True)
    ]
    ring = Ring.through(corners)
    assume(len(ring.points) > 2 and ring.twice_area and not ring.meets_itself())
    return ring


SHAPES = (
    st.builds(Shape, CIRCLES, st.none())
    | st.builds(Shape, st.none(), boxes())
    | st.builds(Shape, CIRCLES, boxes())
    | st.builds(Shape, st.none(), st.none(), st.tuples(rings()))
    | st.builds(Shape, CIRCLES, st.none(), st.tuples(rings(), rings()))
)


def points_of(shape: Shape) -> st.SearchStrategy[tuple[int, int]]:
    """On and around the edges of its parts, and on the corners of their cells."""
    anchors = []
    for part in shape.drawn:
        if isinstance(part, Box):
            anchors += [(y, x) for y in (part.south, part.north) for x in (part.west, part.east)]
        elif isinstance(part, Ring):
            anchors += [*part.points, *(((a[0] + b[0]) // 2, (a[1] + b[1]) // 2) for a, b in part.edges)]
            anchors += [(a[0], b[1]) for a, b in part.edges]
        else:
            for dy in (0, part.reach * 3 // 5, part.reach):
                anchors += [
                    (part.latitude + sign * dy, part.longitude + side * part.width_at(dy))
                    for sign in (-1, 1)
                    for side in (-1, 0, 1)
                ]
    anchors += [(y // size * size, x // size * size) for size in CELL_SIZES for y, x in anchors]
    near = st.sampled_from((0, 0, 1, -1, 2, -2, 5_000, -5_000, 200_000))

    def land(anchor: tuple[int, int], dy: int, dx: int) -> tuple[int, int]:
        y, x = anchor[0] + dy, anchor[1] + dx
        folded = x if -180_000_000 <= x <= 180_000_000 else (x + 180_000_000) % 360_000_000 - 180_000_000
        return max(-90_000_000, min(90_000_000, y)), folded

    return st.builds(land, st.sampled_from(anchors), near, near)


def place_of(level: int, latitude: int, longitude: int) -> int:
    """As app/domain/alerts/queries.py numbers the cell a home is in."""
    size = CELL_SIZES[level]
    return GRID + level * LEVEL + (latitude + 90_000_000) // size * COLUMNS + (longitude + 180_000_000) // size


@settings(max_examples=150, deadline=None)
@given(shape=SHAPES, draw=st.data(), most=st.sampled_from((1, 40, 512)))
def test_cells_and_a_look_at_the_point_where_they_say_so_decide_as_the_shape_does(shape, draw, most):
    places = shape.places(most)
    levels = {(place - GRID) // LEVEL for place in places}
    assert len(levels) == 1
    level = levels.pop()
    for latitude, longitude in draw.draw(st.lists(points_of(shape), min_size=5, max_size=25)):
        partly = places.get(place_of(level, latitude, longitude))
        by_cell = partly is not None and (not partly or shape.contains(latitude, longitude))
        assert by_cell == shape.contains(latitude, longitude), (latitude, longitude)


@settings(max_examples=60, deadline=None)
@given(shape=SHAPES, draw=st.data())
def test_everything_inside_is_within_the_bounds(shape, draw):
    for latitude, longitude in draw.draw(st.lists(points_of(shape), min_size=5, max_size=25)):
        if shape.contains(latitude, longitude) and shape.bounds:
            south, west, north, east = shape.bounds
            assert south <= latitude <= north
            assert west <= longitude <= east


def test_places_take_the_finest_cells_that_are_few_enough():
    near, far = Shape(Circle(43_660_000, -70_250_000, 50), None), Shape(Circle(43_660_000, -70_250_000, 10_000), None)
    assert {(place - GRID) // LEVEL for place in near.places(512)} == {0}
    assert {(place - GRID) // LEVEL for place in far.places(512)} == {2}
    assert len(near.places(512)) < 10
    assert len(far.places(512)) < 250
    assert not all(far.places(512).values()), "cells well inside need no look at the point"


def a_ring(*corners: tuple[int, int]) -> Ring:
    return Ring.through(corners)


SQUARE = a_ring((0, 0), (0, 10), (10, 10), (10, 0))
THE_LETTER_C = a_ring((0, 0), (0, 30), (10, 30), (10, 10), (20, 10), (20, 30), (30, 30), (30, 0))


@pytest.mark.parametrize(
    ("ring", "point", "inside"),
    [
        (SQUARE, (5, 5), True), (SQUARE, (0, 0), True), (SQUARE, (10, 5), True), (SQUARE, (5, 10), True),
        (SQUARE, (5, 11), False), (SQUARE, (-1, 0), False), (SQUARE, (10, 11), False), (SQUARE, (0, -1), False),
        (THE_LETTER_C, (15, 20), False), (THE_LETTER_C, (15, 5), True), (THE_LETTER_C, (10, 30), True),
        (THE_LETTER_C, (10, 20), True), (THE_LETTER_C, (11, 20), False), (THE_LETTER_C, (20, 31), False),
        (a_ring((0, 0), (5, 10), (10, 0)), (5, 10), True), (a_ring((0, 0), (5, 10), (10, 0)), (5, 11), False),
        (a_ring((0, 0), (3, 10), (10, 0)), (1, 3), True), (a_ring((0, 0), (3, 10), (10, 0)), (1, 4), False),
    ],
)  # fmt: skip
def test_pa_06_the_edge_of_a_ring_is_inside(ring, point, inside):
    assert ring.contains(*point) is inside


@pytest.mark.parametrize(
    ("corners", "meets"),
    [
        ([(0, 0), (0, 10), (10, 10), (10, 0)], False),
        ([(0, 0), (10, 10), (10, 0), (0, 10)], True),
        ([(0, 0), (0, 10), (0, 5), (10, 5)], True),  # back along its own edge
        ([(0, 0), (0, 5), (0, 10), (10, 5)], False),  # straight on is no meeting
        ([(0, 0), (0, 10), (10, 10), (0, 5), (10, 0)], True),  # a corner on an edge
        ([(0, 0), (4, 4), (0, 8), (8, 8), (4, 4), (8, 0)], True),  # two corners at one point
        ([(0, 0), (0, 10), (0, 20)], True),
        ([(0, 0), (5, 0), (0, 10), (0, -5)], True),
    ],
)
def test_a_line_that_meets_itself_is_found_wherever_it_begins_and_whichever_way_it_turns(corners, meets):
    for start in range(len(corners)):
        turned = corners[start:] + corners[:start]
        assert Ring.through(turned).meets_itself() is meets
        assert Ring.through(turned[::-1]) == Ring.through(turned) or meets


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shape=st.builds(Shape, st.none(), st.none(), st.tuples(rings(), rings())), draw=st.data())
def test_the_database_finds_points_in_rings_as_python_does(db, shape, draw):
    points = draw.draw(st.lists(points_of(shape), min_size=10, max_size=30))
    rows = db.session.execute(
        text(
            "SELECT ring_holds(:ring, y, x), rings_hold(:shape, y, x)"
            " FROM unnest(CAST(:ys AS bigint[]), CAST(:xs AS bigint[])) WITH ORDINALITY AS point (y, x, place)"
            " ORDER BY place"
        ),
        {
            "ring": list(flat(shape.rings[0])),
            "shape": list(shape.numbers),
            "ys": [y for y, _ in points],
            "xs": [x for _, x in points],
        },
    ).all()
    assert [tuple(row) for row in rows] == [(shape.rings[0].contains(*one), shape.contains(*one)) for one in points]


def test_a_point_that_is_not_known_is_not_looked_for(db):
    asked = text("SELECT ring_holds(:ring, CAST(NULL AS bigint), 1)")
    assert db.session.scalar(asked, {"ring": list(flat(SQUARE))}) is None


def test_numbers_of_a_missing_part_hold_nothing():
    circle, box = Circle(1, 2, 100), Box(1, 2, 3, 4)
    assert Shape(circle, None).numbers[:4] == (1, 0, 0, 0)
    assert Shape(None, box).numbers == (1, 2, 3, 4, 0, 0, 0, -1)
    assert Shape(circle, box).numbers == (1, 2, 3, 4, 1, 2, 1 << 20, 14_473**2)
    assert Shape(None, None, (SQUARE,)).numbers[8:] == (0, 0, 10, 10, 8, 0, 0, 10, 0, 10, 10, 0, 10)
