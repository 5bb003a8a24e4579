from __future__ import annotations

import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.exploration.explorer import Explorer
from engine.exploration.filter import Filter, FilterError
from engine.exploration.order import Order
from engine.exploration.progress import StoppedError
from engine.exploration.table import Table
from tests.exploration.conftest import TEXTS
from tests.exploration.made import make_dataset


def test_a_page_shows_the_rows_as_they_are(explorer: Explorer) -> None:
    page = explorer.page(explorer.select(), size=100)
    assert page.columns.tolist() == list(explorer.table.columns)
    assert page.index.tolist() == list(range(8))
    assert page["text"].tolist() == TEXTS
    assert page["id"].tolist() == [f"r{number}" for number in range(8)]
    assert page["tag"].tolist() == ["nlp", "cv", "cv", "nlp", "cv", "nlp", "ops", "ops"]
    assert page["created"].iloc[1] == pd.Timestamp("2024-01-31 23:59:59.999999")
    assert page["created"].isna().tolist() == [False, False, False, True, False, False, False, True]
    assert page["split"].isna().tolist() == [row == 3 for row in range(8)]
    assert page["words"].tolist() == [4, 6, 6, 0, 4, 6, 3, 4]
    assert page["finding:odd"].iloc[-1] == 1


@pytest.mark.parametrize(
    ("column", "rows"),
    [
        (None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("text", [3, 4, 6, 0, 1, 2, 7, 5]),  # whatever the case
        ("words", [3, 6, 0, 4, 7, 1, 2, 5]),
        ("created", [4, 0, 1, 2, 6, 5, 3, 7]),
        ("tag", [1, 2, 4, 0, 3, 5, 6, 7]),
        ("split", [1, 7, 0, 2, 5, 6, 4, 3]),
        ("tokens", [3, 6, 0, 7, 4, 2, 5, 1]),
        ("confidence", [7, 6, 5, 4, 3, 2, 1, 0]),
        ("finding:odd", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("row", [0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_sorting(explorer: Explorer, column: str | None, rows: list[int]) -> None:
    everything = explorer.select()
    assert explorer.page(everything, sort_by=column).index.tolist() == rows
    assert explorer.page(everything, sort_by=column, offset=2, size=3).index.tolist() == rows[2:5]
    selection = explorer.select(Filter(tags=("cv", "ops")))
    kept = [row for row in rows if row in selection.positions]
    assert explorer.page(selection, sort_by=column).index.tolist() == kept


def test_rows_without_value_are_last_in_both_directions(explorer: Explorer) -> None:
    everything = explorer.select()
    assert explorer.page(everything, sort_by="created", ascending=False).index.tolist() == [5, 6, 2, 1, 0, 4, 3, 7]


@pytest.mark.parametrize(
    ("offset", "size", "rows"), [(0, 0, []), (7, 5, [7]), (99, 5, []), (-3, 2, [0, 1]), (0, -1, [])]
)
def test_pages_at_the_ends(explorer: Explorer, offset: int, size: int, rows: list[int]) -> None:
    for column in (None, "row"):
        page = explorer.page(explorer.select(), sort_by=column, offset=offset, size=size)
        assert page.index.tolist() == rows


def test_chosen_columns(explorer: Explorer) -> None:
    assert explorer.page(explorer.select(), columns=["tag", "words"]).columns.tolist() == ["tag", "words"]
    with pytest.raises(FilterError, match='no column "nothing"; choose one of "id"'):
        explorer.page(explorer.select(), columns=["nothing"])
    with pytest.raises(FilterError, match='no column "nothing"'):
        explorer.page(explorer.select(), sort_by="nothing")


def test_ids_that_are_numbers_are_sorted_as_numbers() -> None:
    dataset = make_dataset(["a"] * 4)
    dataset.frame["id"] = pd.Series(["10", "9", "100", "007"], dtype="str")
    explorer = Explorer(Table.of(dataset))
    assert explorer.page(explorer.select(), sort_by="id")["id"].tolist() == ["007", "9", "10", "100"]


VALUE = st.floats(-3, 3, width=32) | st.just(float("nan"))


@given(st.lists(st.tuples(VALUE, st.booleans()), max_size=30), st.booleans())
@settings(deadline=None)
def test_order_is_that_of_a_naive_sort(rows, ascending: bool) -> None:
    values = np.array([value for value, _ in rows], np.float32)
    mask = np.array([chosen for _, chosen in rows], bool)
    found = Order(values).sorted(mask, ascending=ascending).tolist()
    known = sorted(np.flatnonzero(mask & ~np.isnan(values)).tolist(), key=lambda row: (values[row], row))
    unknown = np.flatnonzero(mask & np.isnan(values)).tolist()
    assert found == (known if ascending else known[::-1]) + unknown


def test_columns_of_another_run_share_what_stays(explorer: Explorer) -> None:
    words, order = explorer.words(), explorer.order("tag")
    explorer.order("outcome")
    other = explorer.with_columns(outcome=["wrong"] * 8)
    assert other.words() is words
    assert other.order("tag") is order
    assert other.select(Filter(outcomes=("wrong",))).count == 8
    assert explorer.select(Filter(outcomes=("wrong",))).count == 2
    assert other.page(other.select(), sort_by="outcome").index.tolist() == list(range(8))
    assert other.select(Filter(finding="odd")).count == 4


def test_a_column_of_other_data_is_refused(explorer: Explorer) -> None:
    with pytest.raises(FilterError, match='"outcome" has 3 rows, but the data set has 8'):
        explorer.with_columns(outcome=["right"] * 3)


def test_preparing_beforehand(explorer: Explorer) -> None:
    assert explorer.words_share == 0
    explorer.prepare().join(20)
    assert explorer.words_share == 1
    assert explorer.page(explorer.select(), sort_by="text", size=1).index.tolist() == [3]


def test_closing_ends_what_was_begun(explorer: Explorer) -> None:
    explorer.close()
    explorer.prepare().join(20)
    with pytest.raises(StoppedError, match="being closed"):
        explorer.select(Filter(text="deep"))


def test_many_visitors_at_once_get_the_same_answers(explorer: Explorer) -> None:
    answers = []

    def visit() -> None:
        for text in ("deep", "/deep/i", "learn*"):
            selection = explorer.select(Filter(text=text))
            answers.append((text, tuple(explorer.page(selection, sort_by="text").index)))

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 24
    assert set(answers) == {("deep", (4, 0, 1)), ("/deep/i", (4, 0, 1)), ("learn*", (4, 0, 1))}


def test_a_table_without_rows() -> None:
    explorer = Explorer(Table.of(make_dataset([], [], [])))
    selection = explorer.select(Filter(text="a /b/", words=None))
    assert selection.count == 0
    for column in explorer.table.columns:
        assert explorer.page(selection, sort_by=column).empty


def test_what_is_sorted_after_a_run_was_added_serves_its_pages_too(explorer: Explorer) -> None:
    other = explorer.with_columns(outcome=["wrong"] * 8)
    explorer.prepare().join(20)
    for column in explorer.table.columns:
        assert (other.order(column) is explorer.order(column)) == (column != "outcome")


def test_two_who_sort_by_different_columns_do_not_wait_for_each_other(explorer: Explorer, monkeypatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    sort = Explorer._sort

    def slow(self: Explorer, column: str) -> Order:
        if column == "title":
            begun.set()
            assert go_on.wait(60)
        return sort(self, column)

    monkeypatch.setattr(Explorer, "_sort", slow)
    thread = threading.Thread(target=lambda: explorer.order("title"))
    thread.start()
    assert begun.wait(60)
    assert explorer.page(explorer.select(), sort_by="tag", size=1).index.tolist() == [1]
    go_on.set()
    thread.join()
