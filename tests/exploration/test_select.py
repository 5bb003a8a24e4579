from __future__ import annotations

import datetime
import gc
import re
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exploration.explorer import Explorer
from engine.exploration.filter import Dates, Filter, FilterError, Lengths
from engine.exploration.progress import StoppedError
from engine.exploration.table import FoundRows, Table
from engine.exploration.text_map import MapInfo, TextMap
from engine.runs.tokenizer import words_of
from tests.exploration.made import make_dataset

WORDS = ["deep", "learning", "Zebra", "a-b", "état", "深度", "x1"]
QUERIES = {
    "": lambda text: True,
    "deep": lambda text: "deep" in words_of(text),
    "de*": lambda text: any(word.startswith("de") for word in words_of(text)),
    '"deep learning"': lambda text: "deep learning" in " ".join(words_of(text)),
    "a-b zebra": lambda text: "a b" in " ".join(words_of(text)) and "zebra" in words_of(text),
    "度": lambda text: "度" in text,
    "/[xZ]e?b?/": lambda text: re.search("[xZ]e?b?", text) is not None,
    "/zebra/i learning": lambda text: re.search("(?i)zebra", text) is not None and "learning" in words_of(text),
    "/^$/": lambda text: text == "",
}
DAY = st.dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 8))
MOMENT = st.datetimes(datetime.datetime(2023, 12, 31), datetime.datetime(2024, 1, 9)) | st.none()
NAME = st.sampled_from(["a", "b", "c"])
ROW = st.fixed_dictionaries(
    {
        "text": st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join),
        "tag": NAME,
        "created": MOMENT,
        "split": st.sampled_from(["train", "test"]) | st.none(),
        "tokens": st.integers(0, 9),
        "found": st.booleans(),
        "point": st.tuples(*[st.integers(-3, 3)] * 2) | st.none(),
    }
)
RANGE = st.builds(Lengths, st.integers(-1, 6) | st.none(), st.integers(0, 2**40) | st.integers(0, 6) | st.none())
SQUARE = ((-1.5, -1.5), (1.5, -1.5), (1.5, 1.5), (-1.5, 1.5))
FILTER = st.builds(
    Filter,
    tags=st.sampled_from([(), ("a",), ("a", "b")]),
    splits=st.sampled_from([(), ("train",)]),
    text=st.sampled_from(list(QUERIES)),
    created=st.none() | st.builds(Dates, DAY | st.none(), DAY | st.none()),
    words=st.none() | RANGE,
    tokens=st.none() | RANGE,
    finding=st.sampled_from([None, "odd"]),
    missing=st.sampled_from([(), (), ("created",), ("split", "created"), ("title",)]),
    polygon=st.sampled_from([(), SQUARE]),
)
# Rows in which every value occurs, so that no condition names something that the data does not have.
EVERY = [
    {"text": "", "tag": tag, "created": None, "split": split, "tokens": 1, "found": True, "point": None}
    for tag, split in [("a", "train"), ("b", "test"), ("c", "train")]
]


def explorer_of(dataset, rows) -> Explorer:
    table = Table.of(
        dataset,
        split=[row["split"] for row in rows],
        tokens=[row["tokens"] for row in rows],
        findings={"odd": FoundRows(np.array([row["found"] for row in rows]), np.zeros(len(rows), np.float32))},
    )
    points = np.array([row["point"] or (np.nan, np.nan) for row in rows], np.float32)
    info = MapInfo("", "", len(rows), 0, 0, 0.0)
    return Explorer(table, text_map=TextMap(points, np.zeros((len(rows), 2), np.float32), info))


def within(value, least, most) -> bool:
    return (least is None or value >= least) and (most is None or value <= most)


def meets(row, filter: Filter) -> bool:
    missing = {"created": row["created"] is None, "split": row["split"] is None, "title": not row["text"].strip()}
    day = row["created"] and row["created"].date()
    return (
        (not filter.tags or row["tag"] in filter.tags)
        and (not filter.splits or row["split"] in filter.splits)
        and QUERIES[filter.text](row["text"])
        and (filter.created is None or (day is not None and within(day, filter.created.first, filter.created.last)))
        and (filter.words is None or within(len(words_of(row["text"])), filter.words.least, filter.words.most))
        and (filter.tokens is None or within(row["tokens"], filter.tokens.least, filter.tokens.most))
        and (filter.finding is None or row["found"])
        and all(missing[name] for name in filter.missing)
        and (not filter.polygon or (row["point"] is not None and max(map(abs, row["point"])) <= 1))
    )


@given(rows=st.lists(ROW, max_size=20).map(lambda rows: EVERY + rows), filters=st.lists(FILTER, min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_the_rows_are_those_of_a_naive_filter(rows, filters) -> None:
    dataset = make_dataset(
        [row["text"] for row in rows], [row["tag"] for row in rows], [row["created"] for row in rows]
    )
    explorer = explorer_of(dataset, rows)
    for filter in [*filters, *filters]:  # the second time from the cache
        expected = [position for position, row in enumerate(rows) if meets(row, filter)]
        selection = explorer.select(filter)
        assert selection.positions.tolist() == expected
        assert selection.count == len(expected)


def test_every_row_without_a_filter(explorer: Explorer) -> None:
    assert explorer.select().count == 8


def test_ids(explorer: Explorer) -> None:
    assert explorer.select(Filter(ids=("r5", "r1", "r5"))).positions.tolist() == [1, 5]


def test_outcomes_and_predicted(explorer: Explorer) -> None:
    assert explorer.select(Filter(outcomes=("wrong",))).positions.tolist() == [1, 4]
    assert explorer.select(Filter(tags=("cv",), predicted=("ops",))).positions.tolist() == [4]


def test_both_days_of_a_range_count_whole(explorer: Explorer) -> None:
    january = Dates(datetime.date(2024, 1, 1), datetime.date(2024, 1, 31))
    assert explorer.select(Filter(created=january)).positions.tolist() == [0, 1]
    assert explorer.select(Filter(created=Dates(last=datetime.date(1969, 12, 31)))).positions.tolist() == [4]
    assert explorer.select(Filter(created=Dates())).count == 6


@pytest.mark.parametrize(
    ("filter", "message"),
    [
        (Filter(tags=("nothing",)), 'no tag "nothing"; choose one of "cv", "nlp", "ops"'),
        (Filter(finding="none"), 'no finding "none".*choose one of "odd"'),
        (Filter(missing=("words",)), 'no column "words"'),
        (Filter(ids=("r1", "x")), 'no row with the id "x"'),
        (Filter(ids=("\ud800",)), "no row|character"),
        (Filter(text="/(/"), "cannot be used"),
        (Filter(polygon=SQUARE), "map of the texts is not there yet"),
    ],
)
def test_what_the_data_does_not_have_is_said(explorer: Explorer, filter: Filter, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        explorer.select(filter)


def test_columns_that_are_not_known() -> None:
    bare = Explorer(Table.of(make_dataset(["a"])))
    for filter in (Filter(splits=("train",)), Filter(tokens=Lengths(1)), Filter(finding="odd")):
        with pytest.raises(FilterError, match=r"choose a run|compute the findings"):
            bare.select(filter)


@pytest.mark.parametrize("corners", [1, 2, 41])
def test_a_polygon_that_is_none(corners: int) -> None:
    with pytest.raises(FilterError, match=f"{corners} corners"):
        Filter(polygon=((0.0, 0.0),) * corners)


def test_the_cache_keeps_within_its_bytes() -> None:
    explorer = Explorer(Table.of(make_dataset(["a b"] * 8_000)), cache_bytes=10_000)
    for number in range(50):
        assert explorer.select(Filter(words=Lengths(number))).count == (8_000 if number <= 2 else 0)
        assert explorer.cache_bytes <= 10_000


def test_a_search_can_be_called_off(explorer: Explorer) -> None:
    with pytest.raises(StoppedError):
        explorer.select(Filter(text="/deep/"), stop=lambda: True)
    assert explorer.select(Filter(text="/[Dd]eep/")).positions.tolist() == [0, 1, 4]


def test_masks_cannot_be_changed(explorer: Explorer) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="read-only"):
            explorer.select(Filter(tags=("cv",))).mask[0] = True


def test_who_asks_for_the_same_rows_shares_them_and_lets_go_of_them(explorer: Explorer) -> None:
    first = explorer.select(Filter(tags=("cv",)))
    assert explorer.select(Filter(tags=("cv",))) is first
    gone = weakref.ref(first)
    del first
    gc.collect()
    assert gone() is None
    assert explorer.select(Filter(tags=("cv",))).count == 3


def test_a_page_leaves_no_positions_behind(explorer: Explorer) -> None:
    selection = explorer.select(Filter(tags=("cv",)))
    explorer.page(selection)
    held = [value for value in vars(selection).values() if isinstance(value, np.ndarray)]
    assert [array.nbytes for array in held] == [8]
