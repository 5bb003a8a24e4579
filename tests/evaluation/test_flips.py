"""Flips over several runs: the course of each example, and the summary of the matrix."""

from __future__ import annotations

import time
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from engine.errors import DataError
from engine.evaluation.flips import COURSES, flips

MATRICES = arrays(np.int8, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7), elements=st.integers(-1, 1))


def course(answers: list[int]) -> str:
    runs = [key for key, _ in groupby(answer for answer in answers if answer >= 0)]
    if len(runs) > 2:
        return "flaky"
    names = {(): "not judged", (1,): "always right", (0,): "never right", (0, 1): "fixed", (1, 0): "broken"}
    return names[tuple(runs)]


@given(MATRICES)
@settings(deadline=None)
def test_courses_equal_their_definition(right: np.ndarray) -> None:
    found = flips(right)
    expected = [course(list(column)) for column in right.T]
    assert [COURSES[one] for one in found.courses] == expected
    assert found.counts() == {name: expected.count(name) for name in COURSES}
    for name in COURSES:
        assert found.rows(name).tolist() == [at for at, one in enumerate(expected) if one == name]
    groups = np.arange(right.shape[1]) % 3
    by_group = found.counts_by(groups, 2)
    assert by_group[0].tolist() == [sum(e == n and g == 0 for e, g in zip(expected, groups)) for n in COURSES]  # noqa: B905


@given(MATRICES)
@settings(deadline=None)
def test_patterns_are_the_matrix_in_other_words(right: np.ndarray) -> None:
    found = flips(right)
    patterns, counts = found.patterns()
    assert counts.sum() == right.shape[1]
    assert (np.diff(counts) <= 0).all()
    assert len({tuple(pattern) for pattern in patterns}) == len(patterns)
    for pattern, count in zip(patterns, counts, strict=True):
        rows = found.pattern_rows(pattern)
        assert len(rows) == count
        assert (right[:, rows] == pattern[:, None]).all()


def test_patterns_of_more_runs_than_a_number_holds() -> None:
    right = np.random.default_rng(0).integers(0, 2, (45, 20)).astype(np.int8)
    right = np.concatenate([right, right[:, :5]], axis=1)
    patterns, counts = flips(right).patterns()
    assert counts.tolist() == [2] * 5 + [1] * 15
    assert {tuple(pattern) for pattern in patterns[:5]} == {tuple(column) for column in right[:, :5].T}


def test_each_run_is_told_what_it_changed() -> None:
    right = np.array([[1, 0, 0, 1, -1], [1, 1, -1, 0, 0], [0, 1, 1, 0, -1]])
    # Of the third run: the first example broke; the third was fixed, seen from the first run.
    assert flips(right).steps().tolist() == [[0, 0, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]


def test_what_is_no_matrix_of_answers_is_refused() -> None:
    for bad in (np.zeros(3), np.array([[2]]), np.array([[np.nan]])):
        with pytest.raises(ValueError, match="1, 0 and -1"):
            flips(bad)
    with pytest.raises(DataError, match="61 runs are too many"):
        flips(np.zeros((61, 1)))


def test_10_runs_of_200_000_rows_take_little() -> None:
    right = (np.random.default_rng(0).random((10, 200_000)) < 0.8).astype(np.int8)
    took = []
    for _ in range(3):
        started = time.process_time()
        found = flips(right)
        found.counts(), found.steps(), found.patterns()
        took.append(time.process_time() - started)
    assert min(took) < 0.4
