"""Every chart: what a rectangle counts is what a click on it selects, and the click finds the rectangle."""

from __future__ import annotations

import datetime
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.components.rectangles import RectangleChart
from dashboard.criteria import filter_of, state_of
from dashboard.sections.explore.drawing import draw_lengths, draw_missing, draw_tags, draw_terms, draw_timeline, mix
from dashboard.state import Appearance, SampleFilter
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
    return int(re.findall(r"([\d,]+) rows", tip)[-1].replace(",", ""))


def charts_of(explorer: Explorer, filter: Filter):
    table, selection = explorer.table, explorer.select(filter)
    yield draw_tags(count_tags(table, selection), selection.count, "", False)
    yield draw_timeline(count_over_time(table, selection), 24, True)
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
        assert view.hit(-1, -1) is None


def test_rows_of_bars_are_clicked_anywhere_also_beside_the_bar() -> None:
    explorer = explorer_of([("deep", "cv", None, None, 1)] * 9 + [("net", "nlp", None, None, 1)])
    chart, filters = draw_tags(count_tags(explorer.table, explorer.select()), 10, "", False)
    view = RectangleChart(Appearance(), chart=chart, **labels_of(chart))
    assert [filters[view.hit(chart.width, place + 0.5)].tags for place in (0, 1)] == [("cv",), ("nlp",)]


def test_fifty_tags_have_a_label_each_and_room_for_it() -> None:
    rows = [
        ("deep", f"{'tag-with-a-long-name-' * 2}{number % 50:02}", "2024-05-01", "train", 3) for number in range(500)
    ]
    explorer = explorer_of(rows)
    chart, _ = draw_tags(count_tags(explorer.table, explorer.select()), 500, "", False)
    assert len(chart.rows) == len(set(chart.rows.values())) == 50
    assert chart.pixels / 50 >= 16


def test_the_length_at_which_a_model_cuts_is_marked_where_it_lies() -> None:
    explorer = explorer_of([("deep", "cv", None, None, tokens) for tokens in range(0, 1000, 5)])
    histogram = count_lengths(explorer, explorer.select(), "tokens")
    chart, filters = draw_lengths(histogram, False)
    cut = [one for one in chart.rectangles if one.left > chart.mark]
    assert sum(explorer.select(filters[one.key]).count for one in cut) <= histogram.cut
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
