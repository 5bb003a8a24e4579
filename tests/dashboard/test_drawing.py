"""Every chart: what a rectangle counts is what a click on it selects, and the click finds the rectangle."""

from __future__ import annotations

import datetime
import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.components.rectangles import RectangleChart
from dashboard.criteria import filter_of, state_of
from dashboard.sections.explore.drawing import (
    MOST_ROWS,
    draw_lengths,
    draw_missing,
    draw_tags,
    draw_terms,
    draw_timeline,
    name_of,
    splits_of,
)
from dashboard.state import Appearance, SampleFilter
from dashboard.theme import mix
from engine.exploration.bars import count_missing, count_tags
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Filter
from engine.exploration.histogram import count_lengths
from engine.exploration.table import Table
from engine.exploration.terms import characteristic_terms
from engine.exploration.timeline import count_over_time
from tests.exploration.made import make_dataset

TAGS = ["cv", "nlp", "a|b\\c"]
ROWS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["graph", "neural", "deep", "net", "x"]), max_size=60).map(" ".join),
        st.sampled_from(TAGS),
        st.one_of(st.none(), st.dates(min_value=datetime.date(1990, 1, 1)).map(str)),
        st.sampled_from(["train", "validation", "test", None]),
        st.integers(0, 900),
    ),
    min_size=1,
    max_size=30,
)


def explorer_of(rows) -> Explorer:
    texts, tags, created, splits, tokens = (list(column) for column in zip(*rows, strict=True))
    table = Table.of(make_dataset(texts, tags, created), split=splits, tokens=tokens, token_limit=512)
    return Explorer(table, threads=1)


def counted(tip: str) -> int:
    """The number that hovering tells."""
    return int(re.findall(r"([\d,]+) rows", tip)[0].replace(",", ""))


def charts_of(explorer: Explorer, filter: Filter):
    table, selection = explorer.table, explorer.select(filter)
    yield draw_tags(count_tags(table, selection), selection.count, "", False)
    yield draw_timeline(count_over_time(table, selection), 50, True)
    for column in ("words", "tokens"):
        yield draw_lengths(count_lengths(explorer, selection, column), False)
    yield draw_terms(characteristic_terms(explorer, selection, table.tag.names[0]), True)
    yield draw_missing(count_missing(table, selection, explorer.select), {}, selection.count, False)


def labels_of(chart) -> dict[str, bool]:
    return {"columns_have_labels": chart.columns is not None, "rows_have_labels": chart.rows is not None}


@settings(max_examples=40, deadline=None)
@given(ROWS, st.sampled_from([Filter(), Filter(text="deep"), Filter(missing=("created",)), Filter(splits=("train",))]))
def test_a_click_selects_exactly_the_rows_that_are_counted(rows, filter: Filter) -> None:
    explorer = explorer_of(rows)
    if filter.splits and "train" not in explorer.table.category("split").names:
        return
    for chart, filters in charts_of(explorer, filter):
        for one in chart.rectangles:
            # By way of the state and so of the link, as on the page.
            wanted, problems = filter_of(SampleFilter(**state_of(filters[one.key])))
            assert problems == {}
            assert explorer.select(wanted).count == counted(one.tip)


@settings(max_examples=25, deadline=None)
@given(ROWS)
def test_a_point_inside_a_rectangle_is_a_click_on_it(rows) -> None:
    explorer = explorer_of(rows)
    for chart, _ in charts_of(explorer, Filter()):
        view = RectangleChart(Appearance(), chart=chart, **labels_of(chart))
        for one in chart.rectangles:
            if one.right > one.left and one.bottom != one.top:
                assert view.hit((one.left + one.right) / 2, (one.bottom + one.top) / 2) == one.key
            assert one.right <= chart.width
            assert max(one.bottom, one.top) <= chart.height
        assert view.hit(-1, -1) == ""


def test_a_part_of_a_bar_is_its_split_and_the_place_beside_the_bar_is_the_tag() -> None:
    splits = ["train"] * 6 + ["test"] * 2 + [None]
    explorer = explorer_of([("deep", "cv", None, split, 1) for split in splits] + [("net", "nlp", None, "test", 1)])
    bars = count_tags(explorer.table, explorer.select())
    chart, filters = draw_tags(bars, 10, "", False)
    view = RectangleChart(Appearance(), chart=chart, **labels_of(chart))

    def at(x: float, row: int) -> tuple[tuple[str, ...], tuple[str, ...], int]:
        found = filters[view.hit(x, row + 0.5)]
        return found.tags, found.splits, explorer.select(found).count

    assert at(3, 0) == (("cv",), ("train",), 6)
    assert at(7, 0) == (("cv",), ("test",), 2)
    # What has no split, the place beside the bar, and the label: all rows of the tag.
    assert {at(8.5, 0), at(chart.width - 0.01, 0), at(-5, 0)} == {(("cv",), (), 9)}
    assert at(0.5, 1) == (("nlp",), ("test",), 1)
    assert at(-5, 1) == (("nlp",), (), 1)
    tips = {one.key: one.tip for one in chart.rectangles}
    assert tips[name_of("cv")] == "cv: 9 rows; train 6 (67%), test 2 (22%)"
    assert tips[name_of("cv", "test")] == "cv, test: 2 rows, 22% of the tag"
    assert splits_of(bars) == ["train", "test"]


def test_a_bin_of_few_rows_is_clicked_above_its_bar_as_well() -> None:
    rows = [("deep " * 3, "cv", None, None, 1)] * 500 + [("deep " * 7, "cv", None, None, 1)]
    explorer = explorer_of(rows)
    chart, filters = draw_lengths(count_lengths(explorer, explorer.select()), False)
    view = RectangleChart(Appearance(), chart=chart, **labels_of(chart))
    place = next(one.left for one in chart.rectangles if one.top == 1)
    key = view.hit(place + 0.4, chart.height - 0.1)
    assert explorer.select(filters[key]).count == 1


def test_a_click_means_what_the_browser_showed_when_it_was_made() -> None:
    def drawn(*tags: str):
        explorer = explorer_of([("deep", tag, None, None, 1) for tag in tags])
        return draw_tags(count_tags(explorer.table, explorer.select()), len(tags), "", False)[0]

    view = RectangleChart(Appearance(), chart=drawn("cv", "cv", "nlp"), rows_have_labels=True)
    source = view.__panel__().object.renderers[0].data_source
    before = int(source.data["turn"][0])
    view.chart = drawn("nlp", "nlp", "nlp", "cv")
    after = int(source.data["turn"][0])

    def click(turn: float, x: float = 0.5, y: float = 0.5) -> str:
        view.picked = {}
        view._tapped("data", {}, {"x": [x], "y": [y], "turn": [turn], "n": [1]})
        return view.picked.get("key", "")

    assert (click(before), click(after)) == (name_of("cv"), name_of("nlp"))
    # A drawing that nobody remembers, and what our page never sends.
    assert {click(turn) for turn in (-1, 99, float("nan"), float("inf"))} == {""}
    for broken in ({}, {"x": [], "y": [0], "turn": [after]}, {"x": [None], "y": [0], "turn": [after]}):
        view._tapped("data", {}, broken)
    assert view.picked == {}


@pytest.mark.parametrize("name", ["plain", "a|b\\c", '"quoted" <b>', "two\nlines\r", "\x00"])
def test_keys_survive_html(name: str) -> None:
    key = name_of("x", name)
    assert re.search("[\x00-\x1f]", key) is None
    assert html.unescape(html.escape(key)) == key != name_of(f"x{name}")


def test_fifty_tags_have_a_label_each_and_room_for_it() -> None:
    rows = [
        ("deep", f"{'tag-with-a-long-name-' * 2}{number % 50:02}", "2024-05-01", "train", 3) for number in range(500)
    ]
    explorer = explorer_of(rows)
    bars = draw_tags(count_tags(explorer.table, explorer.select()), 500, "", False)[0]
    heat = draw_timeline(count_over_time(explorer.table, explorer.select()), MOST_ROWS, False)[0]
    for chart, count in ((bars, 50), (heat, 51)):
        assert len(chart.rows) == len(set(chart.rows.values())) == count
        assert chart.pixels / count >= 16


def test_the_length_at_which_a_model_cuts_is_marked_where_it_lies() -> None:
    explorer = explorer_of([("deep", "cv", None, None, tokens) for tokens in range(0, 1000, 5)])
    histogram = count_lengths(explorer, explorer.select(), "tokens")
    chart, filters = draw_lengths(histogram, False)
    cut = {one.key for one in chart.rectangles if one.left > chart.mark}
    assert sum(explorer.select(filters[key]).count for key in cut) <= histogram.cut
    width = histogram.leasts[1]
    assert chart.mark * width == pytest.approx(513)


def test_a_theme_changes_the_colours_of_a_chart_in_place() -> None:
    appearance = Appearance()
    chart = RectangleChart(appearance)
    plot = chart.__panel__().object
    light = plot.border_fill_color
    appearance.dark = True
    assert plot is chart.__panel__().object
    assert plot.border_fill_color != light


@given(st.floats(0, 1))
def test_mixed_colours_are_colours(share: float) -> None:
    assert re.fullmatch("#[0-9a-f]{6}", mix("#ffffff", "#0b62a8", share))
    assert (mix("#ffffff", "#0b62a8", 0), mix("#ffffff", "#0b62a8", 1)) == ("#ffffff", "#0b62a8")
