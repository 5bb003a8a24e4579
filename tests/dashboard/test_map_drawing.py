"""The picture of the map: colours, what they stand for, and how many rows each has."""

from __future__ import annotations

import numpy as np
import pytest

from dashboard.criteria import filter_of
from dashboard.sections.explore.map_drawing import draw_map
from dashboard.state import SampleFilter
from dashboard.theme import OUTCOME_COLOURS
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Filter
from engine.exploration.raster import LEVELS, window_of
from engine.exploration.table import FoundRows, Table
from engine.exploration.text_map import MapInfo, TextMap
from tests.exploration.made import make_dataset

ROWS = 60


@pytest.fixture
def explorer() -> Explorer:
    rng = np.random.default_rng(3)
    tags = [f"tag {number % 12:02}" for number in range(ROWS)]
    outcome = ["correct" if number % 3 else "wrong" for number in range(ROWS)]
    table = Table.of(make_dataset(["some text"] * ROWS, tags), outcome=outcome)
    scores = rng.random(ROWS).astype(np.float32)
    first, second = np.arange(ROWS) < 9, np.arange(ROWS) < 20
    findings = {"worst": FoundRows(first, scores), "mild": FoundRows(second, scores)}
    points = rng.random((ROWS, 2)).astype(np.float32)
    info = MapInfo("0" * 32, "by hand", ROWS, ROWS, ROWS, 0.0)
    text_map = TextMap(points, np.zeros((ROWS, 2), np.float32), info)
    return Explorer(table.with_columns(findings=findings), text_map=text_map)


@pytest.mark.parametrize("by", ["tag", "outcome", "finding"])
@pytest.mark.parametrize("filter", [Filter(), Filter(tags=("tag 03", "tag 07")), Filter(outcomes=("wrong",))])
def test_each_row_on_show_is_in_one_class(explorer: Explorer, by: str, filter: Filter) -> None:
    selection, text_map = explorer.select(filter), explorer.text_map()
    titles = {"worst": "Worst", "mild": "Mild", "unknown": "Not computed"}
    window = window_of(text_map.points)
    drawing = draw_map(text_map, explorer.table, selection, by, window, titles, dark=False)
    assert sum(one.count for one in drawing.classes) == selection.count
    assert len(drawing.colours) == LEVELS * (1 + len(drawing.classes)) <= 255
    assert drawing.picture.max() <= len(drawing.colours)
    # Rows that the filter leaves out stand behind, in a colour of their own.
    assert bool(((drawing.picture > 0) & (drawing.picture <= LEVELS)).any()) is (selection.count < ROWS)


@pytest.mark.parametrize("by", ["tag", "outcome"])
def test_what_the_legend_counts_is_what_its_click_leaves(explorer: Explorer, by: str) -> None:
    selection, text_map = explorer.select(), explorer.text_map()
    drawing = draw_map(text_map, explorer.table, selection, by, window_of(text_map.points), {}, dark=True)
    clickable = [one for one in drawing.classes if one.condition]
    assert clickable
    for one in clickable:
        state = SampleFilter(**dict([one.condition]))
        assert explorer.select(filter_of(state)[0]).count == one.count


def drawing_of(explorer: Explorer, filter: Filter, by: str = "tag", *, dark: bool = False):
    text_map = explorer.text_map()
    return draw_map(text_map, explorer.table, explorer.select(filter), by, window_of(text_map.points), {}, dark=dark)


def test_a_rare_tag_has_a_colour_as_soon_as_the_filter_leaves_it(explorer: Explorer) -> None:
    everything = drawing_of(explorer, Filter())
    rare = everything.others[-1].label
    (only,) = drawing_of(explorer, Filter(tags=(rare,))).classes
    assert (only.label, only.count, only.condition) == (rare, 5, ("tag", rare))
    assert only.colour != everything.others[0].colour
    # The frequent ones keep theirs, whatever else is on show.
    shades = {one.label: one.colour for one in everything.classes}
    some = Filter(tags=(rare, "tag 02", "tag 05"))
    kept = {one.label: one.colour for one in drawing_of(explorer, some).classes}
    assert {name: shades[name] for name in ("tag 02", "tag 05")}.items() <= kept.items()
    assert len(set(kept.values())) == 3


def test_tags_that_share_a_colour_can_be_chosen_one_by_one(explorer: Explorer) -> None:
    drawing = drawing_of(explorer, Filter())
    (gathered,) = [one for one in drawing.classes if one.gathered]
    assert (gathered.label, gathered.condition) == ("4 other tags", None)
    assert sum(one.count for one in drawing.others) == gathered.count
    for one in drawing.others:
        assert one.condition is not None
        state = SampleFilter(**dict([one.condition]))
        assert explorer.select(filter_of(state)[0]).count == one.count
    # One that would be alone in the last colour stands there by its name.
    nine = Filter(tags=tuple(f"tag {number:02}" for number in range(9)))
    assert [one.condition is None for one in drawing_of(explorer, nine).classes] == [False] * 9
    assert drawing_of(explorer, nine).others == ()


def test_a_row_of_several_findings_has_the_colour_of_the_worst(explorer: Explorer) -> None:
    text_map = explorer.text_map()
    drawing = draw_map(
        text_map,
        explorer.table,
        explorer.select(),
        "finding",
        window_of(text_map.points),
        {"worst": "Worst", "mild": "Mild"},
        dark=False,
    )
    assert [(one.label, one.count) for one in drawing.classes] == [("Worst", 9), ("Mild", 11), ("nothing found", 40)]


def test_outcomes_have_the_colours_that_they_have_elsewhere(explorer: Explorer) -> None:
    text_map = explorer.text_map()
    drawing = draw_map(
        text_map, explorer.table, explorer.select(), "outcome", window_of(text_map.points), {}, dark=False
    )
    assert {one.label: one.colour for one in drawing.classes}.items() <= OUTCOME_COLOURS.items()
