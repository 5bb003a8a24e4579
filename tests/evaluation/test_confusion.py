"""The order of a confusion matrix, and the list of what is confused."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.evaluation.confusion import confused_order, top_confusions
from engine.evaluation.counts import count

SEEDS = st.integers(0, 2**32 - 1)


def nearness(cells: np.ndarray, order: np.ndarray) -> float:
    """How near neighbours are, in sum."""
    size = len(cells)
    support = cells.sum(axis=1)
    total = 0.0
    for one, other in itertools.pairwise(order):
        both = support[one] + support[other]
        total += (cells[one, :size][other] + cells[other, :size][one]) / both if both else 0.0
    return total


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_each_tag_stands_once_and_neighbours_are_nearer_than_by_chance(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(0, 20))
    cells = rng.poisson(rng.choice([0.0, 0.1, 2.0], (size, size + 1)))
    order = confused_order(cells)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(size))
    chance = np.mean([nearness(cells, rng.permutation(size)) for _ in range(30)]) if size else 0.0
    assert nearness(cells, order) >= chance - 1e-9


@pytest.mark.parametrize("size", [6, 50, 320])
def test_groups_that_are_confused_stand_together(size: int) -> None:
    rng = np.random.default_rng(3)
    group = rng.permutation(np.arange(size) % max(size // 5, 2))
    cells = np.where(group[:, None] == group[None, :], rng.integers(5, 20, (size, size)), 0)
    np.fill_diagonal(cells, rng.integers(0, 500, size))
    ordered = group[confused_order(cells)]
    assert np.count_nonzero(np.diff(ordered)) == len(set(group)) - 1


def test_right_answers_and_those_that_are_no_tag_do_not_count() -> None:
    cells = np.array([[50, 0, 3, 0], [0, 9, 0, 90], [2, 0, 9, 0]])
    assert confused_order(cells).tolist() == [0, 2, 1]
    assert confused_order(np.zeros((4, 5), int)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("cells", [np.zeros((2, 4), int), np.zeros(3, int), np.array([[1, -1], [0, 1]])])
def test_what_is_no_matrix_of_counts_is_refused(cells: np.ndarray) -> None:
    with pytest.raises(DataError, match="Confusion counts"):
        confused_order(cells)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_confusions_are_those_that_pandas_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tags = ("a", "b", "c", "d")
    rows = int(rng.integers(0, 80))
    frame = pd.DataFrame({"true": rng.integers(0, 4, rows), "said": rng.integers(0, 5, rows)})
    counts = count(frame["true"].to_numpy(), frame["said"].to_numpy(), tags)
    found = top_confusions(counts)
    wrong = frame[frame["true"] != frame["said"]].groupby(["true", "said"]).size()
    assert {(one.true, one.predicted): one.rows for one in found} == wrong.to_dict()
    support = frame["true"].value_counts()
    assert all(one.share == one.rows / support[one.true] for one in found)
    assert [one.rows for one in found] == sorted((one.rows for one in found), reverse=True)
    assert top_confusions(counts, 2) == found[:2]
