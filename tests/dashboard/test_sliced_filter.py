"""A filter saved as a slice selects the same rows, or is refused by a sentence."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dashboard.criteria import CONDITIONS, filter_of, name_in_filter
from dashboard.sliced_filter import NoSliceError, slice_of
from dashboard.state import SampleFilter
from engine.evaluation.declared_slices import DayRange, DeclaredSlice, SliceError, WordRange
from engine.evaluation.slices_file import read_slices, save_slice
from engine.exploration.explorer import Explorer
from engine.exploration.filter import Dates, Filter, FilterError, Lengths
from engine.exploration.table import Table
from tests.exploration.made import make_dataset

if TYPE_CHECKING:
    from pathlib import Path

PIECES = [
    "Graph",
    "graph-neural",
    "neural network",
    "v1.2",
    "Ünï",
    "İstanbul",
    "ΑΣ",
    "画像",
    "a/b",
    "\\d",
    "*",
    "\n",
    "𝒳",
]
DAYS = [
    "2020-01-01",
    "2020-01-01T23:59:59.999999",
    "1969-12-31T05",
    "0001-01-01",
    "9999-12-31T23:59",
    "10000-01-01",
    None,
]
TAGS, PARTS_OF_DATA = ("a", "b c", '"quoted"'), ("train", "validation", "test")
QUERIES = [
    "graph",
    "GRAPH neur*",
    '"graph neural*"',
    '"neural network',
    "graph-neural",
    "画*",
    "像",
    "ünï İSTANBUL",
    "i̇st*",
    "ας",
    r"/v\d\.\d/",
    "/GRAPH/i /ü/",
    r"/a\/b/",
    r"/\\d/",
    r"/a\\\/b|\\/",
    "/ /",
    "/[/]/",
    '""',
    "",
]
DATE = st.sampled_from([datetime.date(2020, 1, 1), datetime.date(1970, 1, 1), datetime.date.min, datetime.date.max])
ENDS = st.none() | DATE | st.dates()
SIZES = st.none() | st.integers(-1, 9) | st.sampled_from([2**31, 2**40])
TEXTS = st.lists(st.sampled_from(QUERIES) | st.text(max_size=6), max_size=3).map(" ".join)
CONVERTIBLE = st.builds(
    Filter,
    tags=st.lists(st.sampled_from(TAGS), max_size=2).map(tuple),
    splits=st.lists(st.sampled_from(PARTS_OF_DATA), max_size=2).map(tuple),
    text=TEXTS,
    created=st.none() | st.builds(Dates, ENDS, ENDS),
    words=st.none() | st.builds(Lengths, SIZES, SIZES),
)


def rows(texts: list[str], seed: int):
    """A data set of texts with all tags, splits and dates there are, and its explorer."""
    rng = np.random.default_rng(seed)
    draw = {name: rng.integers(0, len(every), len(texts)) for name, every in (("tag", TAGS), ("day", DAYS))}
    days = np.array(DAYS, "datetime64[us]")
    dataset = make_dataset(texts, [TAGS[at] for at in draw["tag"]], days[draw["day"]])
    split = np.resize(np.array(PARTS_OF_DATA, object), len(texts))
    return dataset.frame.assign(split=split), Explorer(Table.of(dataset, split=split.tolist()))


RNG = np.random.default_rng(7)
FRAME, EXPLORER = rows([" ".join(RNG.choice(PIECES, RNG.integers(1, 8))) for _ in range(400)], 7)


@given(filter=CONVERTIBLE)
@settings(max_examples=400, deadline=None)
def test_a_slice_selects_the_rows_of_the_filter(filter: Filter) -> None:
    try:
        mask = EXPLORER.select(filter).mask
    except FilterError:
        assume(False)
    try:
        record = slice_of(filter)
    except NoSliceError as error:
        assert str(error).endswith(".")
        # What is refused has no condition that a slice could be made of, or one that no row meets.
        assert mask.all() or not mask.any()
        return
    assert record.mask(FRAME).tolist() == mask.tolist()


@given(texts=st.lists(st.text(max_size=12), min_size=1, max_size=6), query=TEXTS, seed=st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_queries_mean_the_same_in_any_text(texts: list[str], query: str, seed: int) -> None:
    frame, explorer = rows(texts, seed)
    # A query made of the text itself is met more often than any other.
    for text in (query, query + " " + texts[0], f'"{texts[0]}*'):
        try:
            mask = explorer.select(Filter(text=text)).mask
            record = slice_of(Filter(text=text))
        except (FilterError, NoSliceError):
            continue
        assert record.mask(frame).tolist() == mask.tolist()


@given(filter=CONVERTIBLE)
@settings(max_examples=60, deadline=None)
def test_what_is_saved_is_what_was_made(filter: Filter, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("slices") / "slices.toml"
    try:
        record = slice_of(filter)
    except (FilterError, NoSliceError):
        assume(False)
    save_slice("mine", record, path=path)
    assert read_slices(path) == {"mine": record}


def test_each_condition_is_kept_as_it_is_written() -> None:
    day = datetime.date(2020, 1, 1)
    whole = Filter(
        tags=("mlops",),
        splits=("test",),
        text=r'"Graph  neural-net*" BERT* /a\/b/i',
        created=Dates(None, day),
        words=Lengths(3),
    )
    assert slice_of(whole) == DeclaredSlice(
        ("mlops",), ("test",), ("graph neural net*", "bert*", r"/a\/b/i"), WordRange(3), DayRange(None, day)
    )


REFUSED = {
    "outcome": "wrong",
    "predicted": "mlops",
    "tokens": "3..",
    "finding": "duplicates",
    "missing": "title",
    "polygon": "0,0;1,0;0,1",
}
KEPT = {"tag": "mlops", "split": "test", "text": "graph", "created": "2020-01-01..", "words": "..8"}


def test_every_condition_of_the_page_is_kept_or_refused() -> None:
    assert {*REFUSED, *KEPT} == set(CONDITIONS)
    for attribute, text in KEPT.items():
        slice_of(filter_of(SampleFilter(**{attribute: text}))[0])
    for attribute, text in REFUSED.items():
        with pytest.raises(NoSliceError, match=r"take it out, and filter by tag, split, dates, words") as caught:
            slice_of(filter_of(SampleFilter(**{attribute: text}))[0])
        assert caught.value.conditions == (name_in_filter(attribute),)


def test_the_sentence_names_what_to_take_out_and_what_can_stay() -> None:
    with pytest.raises(NoSliceError) as caught:
        slice_of(filter_of(SampleFilter(**REFUSED, **KEPT))[0])
    assert str(caught.value) == (
        "A slice holds for every run, but the length in tokens, the finding, the outcome, the predicted tag, the "
        "missing value and the shape on the map belong to one run or one data set: take them out; tag, split, text, "
        "dates and length in words can stay."
    )
    with pytest.raises(
        NoSliceError, match=r"but the choice of single rows belongs to .*: take it out; tag can stay\.$"
    ):
        slice_of(Filter(tags=("mlops",), ids=("1",)))
    with pytest.raises(NoSliceError):
        slice_of(Filter(finding=""))


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (Filter(), "it has no condition"),
        (Filter(text='""'), "it has no condition"),
        (Filter(words=Lengths(8, 3)), "its condition “words” goes from 8 to 3; exchange the two"),
        (Filter(splits=("exam",)), 'its condition “split” has "exam"; choose among'),
        (Filter(text="\ud800x"), "its condition “text” has an empty text, or one with characters that are none"),
    ],
)
def test_a_filter_that_selects_nothing_or_all_is_refused_by_one_sentence(filter: Filter, expected: str) -> None:
    with pytest.raises(NoSliceError) as caught:
        slice_of(filter)
    assert expected in str(caught.value)
    assert str(caught.value).endswith(".")
    assert caught.value.conditions == ()


def test_a_query_that_cannot_be_read_is_said_by_its_own_sentence() -> None:
    with pytest.raises(FilterError, match="has no end"):
        slice_of(Filter(text="/open"))


def test_the_page_writes_no_more_slices_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "slices.toml"
    record = DeclaredSlice(tag=("a",))
    for number in range(3):
        save_slice(str(number), record, path=path, most=3)
    with pytest.raises(SliceError, match=r"slices\.toml has as many slices as it may have \(3\); delete some"):
        save_slice("more", record, path=path, most=3)
    save_slice("2", DeclaredSlice(tag=("b",)), path=path, most=3, replace=True)
    assert list(read_slices(path)) == ["0", "1", "2"]
