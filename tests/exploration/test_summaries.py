from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exploration.bars import count_findings, count_missing, count_tags, count_values
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Dates, Filter, FilterError, Lengths
from engine.exploration.histogram import count_lengths
from engine.exploration.table import FoundRows, Table
from engine.exploration.terms import characteristic_terms
from engine.exploration.timeline import MOST_BINS, count_over_time
from tests.exploration.made import make_dataset

ROW = st.tuples(
    st.lists(st.sampled_from(["deep", "learning", "graph", "x y z", "the"]), max_size=30).map(" ".join),
    st.sampled_from(["a", "b", "c"]),
    st.none() | st.datetimes(datetime.datetime(2019, 12, 25), datetime.datetime(2024, 1, 9)),
    st.sampled_from(["train", "validation", "test", None]),
    st.integers(0, 3_000),
    st.booleans(),
)
FILTER = st.builds(
    Filter,
    tags=st.sampled_from([(), (), ("a",), ("a", "b")]),
    splits=st.sampled_from([(), ("train",)]),
    text=st.sampled_from(["", "deep", '"learning graph', "/the$/"]),
    created=st.none() | st.builds(Dates, st.dates(datetime.date(2020, 1, 1), datetime.date(2020, 12, 31)) | st.none()),
    words=st.none() | st.builds(Lengths, st.integers(0, 5), st.integers(3, 40) | st.none()),
    tokens=st.none() | st.builds(Lengths, st.none(), st.integers(300, 900)),
    finding=st.sampled_from([None, "odd"]),
    missing=st.sampled_from([(), (), ("title",)]),
)
EVERY = [("", tag, None, split, 1, True) for tag, split in [("a", "train"), ("b", "test"), ("c", "validation")]]


def explorer_of(rows) -> Explorer:
    texts, tags, created, splits, tokens, found = zip(*rows, strict=True)
    odd = FoundRows(np.array(found), np.zeros(len(rows), np.float32))
    columns = {"split": splits, "tokens": tokens, "token_limit": 512, "findings": {"odd": odd}}
    return Explorer(Table.of(make_dataset(texts, tags, list(created)), **columns))


@given(rows=st.lists(ROW, max_size=25).map(lambda rows: EVERY + rows), filter=FILTER)
@settings(deadline=None, max_examples=150)
def test_each_bar_leads_to_exactly_the_rows_that_it_counts(rows, filter: Filter) -> None:
    explorer = explorer_of(rows)
    table, selection = explorer.table, explorer.select(filter)

    def rows_of(change: Filter) -> int:
        return explorer.select(change).count

    tags = count_tags(table, selection)
    assert sum(bar.count for bar in tags) == selection.count
    bars = [*tags, *(part for bar in tags for part in bar.parts), *count_values(table, selection, "split")]
    bars += [*count_missing(table, selection, explorer.select), *count_findings(table, selection)]
    for term in characteristic_terms(explorer, selection, "a", count=3):
        assert term.rows == rows_of(term.filter) > 0
    for bar in bars:
        assert bar.count == rows_of(bar.filter)

    timeline = count_over_time(table, selection)
    assert timeline.undated == rows_of(timeline.undated_filter)
    assert timeline.totals.sum() + timeline.undated == selection.count
    for place in range(len(timeline.firsts)):
        assert timeline.totals[place] == rows_of(timeline.filter_of(None, place))
        if timeline.totals[place]:
            for number, tag in enumerate(timeline.tags):
                if timeline.counts[number, place]:
                    assert timeline.counts[number, place] == rows_of(timeline.filter_of(tag, place))

    for column in ("words", "tokens"):
        histogram = count_lengths(explorer, selection, column)
        assert histogram.counts.sum() == selection.count
        for place, count in enumerate(histogram.counts):
            assert count == rows_of(histogram.filter_of(place))
    assert histogram.cut == rows_of(histogram.cut_filter)


def timeline_of(first: str, last: str):
    table = Table.of(make_dataset(["x"] * 2, created=[first, last]))
    return count_over_time(table, Explorer(table).select())


@pytest.mark.parametrize(
    ("first", "last", "unit", "bins", "start", "end"),
    [
        ("2024-05-17 10:00", "2024-05-17 12:00", "day", 1, "2024-05-17", "2024-05-17"),
        ("2024-01-31", "2024-03-30", "day", 60, "2024-01-31", "2024-03-30"),
        ("2024-01-31", "2024-03-31", "week", 9, "2024-01-29", "2024-03-31"),
        ("2024-01-03", "2024-12-25", "week", 52, "2024-01-01", "2024-12-29"),
        ("2021-03-05", "2024-01-01", "month", 35, "2021-03-01", "2024-01-31"),
        ("2015-03-05", "2024-11-01", "quarter", 40, "2015-01-01", "2024-12-31"),
        ("1955-03-05", "2024-11-01", "year", 70, "1955-01-01", "2024-12-31"),
        ("0001-01-01", "0001-03-15", "week", 11, "0001-01-01", "0001-03-18"),
        ("9999-12-01", "9999-12-31", "day", 31, "9999-12-01", "9999-12-31"),
        ("9000-01-01", "9999-12-31", "year", 1000, "9000-01-01", "9999-12-31"),
    ],
)
def test_bins_of_time(first: str, last: str, unit: str, bins: int, start: str, end: str) -> None:
    timeline = timeline_of(first, last)
    assert (timeline.unit, len(timeline.firsts)) == (unit, bins)
    assert (timeline.firsts[0].isoformat(), timeline.lasts[-1].isoformat()) == (start, end)
    for next_first, this_last in zip(timeline.firsts[1:], timeline.lasts, strict=False):
        assert next_first - this_last == datetime.timedelta(1)
    assert timeline.counts.sum() == 2
    assert bins <= MOST_BINS or unit == "year"


def test_no_dates_at_all() -> None:
    table = Table.of(make_dataset(["x", "y"]))
    timeline = count_over_time(table, Explorer(table).select())
    assert (timeline.firsts, timeline.undated, timeline.counts.shape) == ((), 2, (1, 0))


def test_tags_come_with_their_splits(explorer: Explorer) -> None:
    bars = count_tags(explorer.table, explorer.select())
    assert [(bar.label, bar.count) for bar in bars] == [("cv", 3), ("nlp", 3), ("ops", 2)]
    assert [(part.label, part.count) for part in bars[0].parts] == [("train", 1), ("validation", 1), ("test", 1)]
    assert [(part.label, part.count) for part in bars[1].parts] == [("train", 2)]  # one row has no split


def test_missing_values(explorer: Explorer) -> None:
    bars = count_missing(explorer.table, explorer.select(), explorer.select)
    assert {bar.label: bar.count for bar in bars} == {
        "id": 0, "title": 1, "tag": 0, "created": 2, "split": 1, "outcome": 0, "predicted": 0,
    }  # fmt: skip


def test_histogram(explorer: Explorer) -> None:
    histogram = count_lengths(explorer, explorer.select(), "tokens")
    assert (histogram.limit, histogram.cut, histogram.longest) == (512, 1, 700)
    assert explorer.select(histogram.cut_filter).positions.tolist() == [1]
    narrow = count_lengths(explorer, explorer.select(Filter(tags=("ops",))), "tokens")
    assert narrow.leasts == histogram.leasts
    with pytest.raises(FilterError, match="limit of words"):
        _ = count_lengths(explorer, explorer.select(), "words").cut_filter
    with pytest.raises(FilterError, match="Nothing is known of letters"):
        count_lengths(explorer, explorer.select(), "letters")


def test_one_long_text_does_not_hide_the_others() -> None:
    explorer = Explorer(Table.of(make_dataset(["one two three"] * 999 + ["word " * 5_000])))
    histogram = count_lengths(explorer, explorer.select())
    assert histogram.leasts == (0, 1, 2, 3, 4)
    assert histogram.counts.tolist() == [0, 0, 0, 999, 1]
    assert histogram.longest == 5_000


def test_terms_tell_tags_apart() -> None:
    texts = ["the pixel of the image", "the image and the pixel"] * 5 + ["the verb of the sentence"] * 5
    tags = ["cv"] * 10 + ["nlp"] * 5
    explorer = Explorer(Table.of(make_dataset(texts, tags)))
    found = characteristic_terms(explorer, explorer.select(), "cv")
    assert [term.word for term in found][:2] == ["image", "pixel"]
    assert [term.rows for term in found][:2] == [10, 10]
    assert "the" not in [term.word for term in found]
    back = characteristic_terms(explorer, explorer.select(), "nlp", "cv", count=2)
    assert {term.word for term in back} == {"verb", "sentence"}
    # tf = 10 / 50 in cv, 0 in nlp; 75 words in two classes; "image" occurs 10 times.
    assert found[0].score == pytest.approx(0.2 * np.log(1 + 37.5 / 10))


def test_terms_of_what_is_not_there(explorer: Explorer) -> None:
    assert characteristic_terms(explorer, explorer.select(Filter(tags=("ops",))), "cv") == []
    with pytest.raises(FilterError, match="with itself"):
        characteristic_terms(explorer, explorer.select(), "cv", "cv")
    with pytest.raises(FilterError, match='no tag "x"'):
        characteristic_terms(explorer, explorer.select(), "x")
