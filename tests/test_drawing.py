"""Charts: the numbers of a chart come back out of its drawing."""

from __future__ import annotations

import re

import pytest

from app.drawing import HEIGHT, WIDTH, ceiling, draw_bars, draw_line, draw_lines, draw_spark, draw_stacks


def points(path: str) -> list[tuple[float, float]]:
    words = path.removeprefix("M").split()
    return list(zip(map(float, words[::2]), map(float, words[1::2]), strict=True))


def test_a_spark_goes_from_left_to_right_and_higher_is_up():
    drawn = points(draw_spark([1, 3, 2]).path)
    assert [x for x, _ in drawn] == [1.0, 59.0, 117.0]
    assert [y for _, y in drawn] == [24.0, 4.0, 14.0]


def test_a_spark_of_equal_numbers_is_level_and_one_of_nothing_is_drawn_too():
    assert {y for _, y in points(draw_spark([5, 5, 5]).path)} == {14.0}
    assert draw_spark([]).path


@pytest.mark.parametrize(
    ("value", "top"), [(0, 2), (1, 2), (2, 2), (3, 4), (7, 8), (9, 10), (11, 20), (41, 50), (81, 100), (1284, 2000)]
)
def test_a_chart_ends_at_a_round_number(value, top):
    assert ceiling(value) == top


def test_the_last_label_of_narrow_bars_ends_at_the_edge():
    bars = draw_bars([(f"Nov {day}", day) for day in range(1, 31)], narrow=True)["bars"]
    assert (bars[-1]["label_x"], bars[-1]["anchor"]) == (336, "end")
    assert {bar["anchor"] for bar in bars[:-3]} == {"middle"}
    few = draw_bars([("Mon", 1), ("Tue", 2)])["bars"]
    assert [bar["anchor"] for bar in few] == ["middle", "middle"]


def test_bars_start_at_zero_and_their_heights_keep_the_proportions():
    drawn = draw_bars([("Mon", 0), ("Tue", 2), ("Wed", 4)])
    heights = [bar["height"] for bar in drawn["bars"]]
    assert heights[0] == 0
    assert heights[2] == pytest.approx(2 * heights[1])
    floor = {round(bar["y"] + bar["height"], 1) for bar in drawn["bars"]}
    assert floor == {drawn["grid"][0]["y"]}
    assert drawn["grid"][0]["value"] == 0


def test_every_bar_stays_inside_the_chart_and_the_newest_is_labelled():
    drawn = draw_bars([(str(day), day) for day in range(60)])
    assert all(bar["x"] >= drawn["left"] and bar["x"] + bar["width"] <= WIDTH for bar in drawn["bars"])
    assert drawn["bars"][-1]["shows_label"]
    assert 2 <= sum(bar["shows_label"] for bar in drawn["bars"]) <= 8


def test_a_line_starts_at_zero_unless_it_is_told_not_to():
    rows = [("Jul", 525_000), ("Nov", 489_000)]
    assert draw_line(rows)["grid"][0]["value"] == 0
    grid = draw_line(rows, from_zero=False)["grid"]
    assert grid[0]["value"] <= 489_000
    assert grid[0]["value"] > 400_000
    assert grid[-1]["value"] >= 525_000


@pytest.mark.parametrize("rows", [[], [("a", 0)], [("a", None), ("b", 3)], [("a", 5), ("b", 5)]])
@pytest.mark.parametrize("from_zero", [True, False])
def test_little_or_nothing_can_be_drawn(rows, from_zero):
    drawn = draw_line(rows, from_zero=from_zero)
    assert len(drawn["grid"]) >= 2
    assert all(0 <= y <= HEIGHT for _, y in points(drawn["path"])) if rows else drawn["last"] is None
    draw_bars(rows)


def test_stacked_bars_stand_on_zero_and_what_failed_stands_on_what_ran():
    drawn = draw_stacks(
        [("10:00", 30, 10, "/a"), ("10:01", 0, 0, "/b"), ("10:02", 0, 40, "/c"), ("10:03", 1000, 1, "/d")]
    )
    floor = drawn["grid"][0]["y"]
    both, none, ill, barely = drawn["bars"]
    assert round(both["well_y"] + both["well_height"], 1) == floor
    assert round(both["ill_y"] + both["ill_height"], 1) == both["well_y"]
    assert (none["well_height"], none["ill_height"]) == (0, 0)
    assert round(ill["ill_y"] + ill["ill_height"], 1) == floor
    assert barely["ill_height"] >= 1.5, "a single failure is seen beside a thousand runs"
    assert [bar["url"] for bar in drawn["bars"]] == ["/a", "/b", "/c", "/d"]


def test_two_lines_break_where_nothing_was_measured_and_a_lone_point_is_marked():
    drawn = draw_lines(
        [("a", 1, 2), ("b", 1.5, 4), ("c", None, None), ("d", 0, 1), ("e", None, None), ("f", 2, 3), ("g", 2, 3)]
    )
    assert drawn["upper"].count("M") == 3
    assert drawn["upper"].count("L") == 2
    assert len(drawn["alone"]) == 1
    assert drawn["grid"][0]["value"] == 0
    heights = [float(spot.split()[1]) for spot in re.split("[ML]", drawn["upper"])[1:]]
    assert heights[1] < heights[0] < heights[2], "higher is up"


def test_lines_of_nothing_are_drawn_too():
    drawn = draw_lines([("a", None, None)])
    assert (drawn["upper"], drawn["lower"], drawn["alone"]) == ("", "", [])
