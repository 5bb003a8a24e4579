"""Outcomes per example: equal to scikit-learn's confusion matrix and to what sorting the probabilities says."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import multilabel_confusion_matrix

from engine.errors import DataError
from engine.evaluation.outcomes import outcomes

TAGS = ("a", "b", "c", "d")
CODES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=30)


@given(CODES)
@settings(deadline=None, max_examples=50)
def test_counts_and_rows_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, predicted = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    found = outcomes(true, predicted, TAGS)
    counts = found.counts()
    if pairs:
        expected = multilabel_confusion_matrix(true, predicted, labels=range(4))
        assert counts.tolist() == [[one[1, 1], one[0, 1], one[1, 0]] for one in expected]
    for code, tag in enumerate(TAGS):
        rows = [found.rows(kind, tag) for kind in ("tp", "fp", "fn")]
        assert [len(one) for one in rows] == counts[code].tolist()
        assert set(found.cell(tag, tag)) == set(rows[0])
    assert len(found.mask("correct")) == len(pairs)
    # A tag that is none of those looked at is never right, even where the answer is none of them either.
    assert not found.correct[true == 4].any()
    assert (found.mask("wrong") == ~found.mask("correct")).all()


# Few different values, so that there are ties.
PROBABILITIES = arrays(np.float32, (12, 4), elements=st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]))


@given(
    PROBABILITIES, arrays(np.int64, 12, elements=st.integers(0, 4)), arrays(np.int64, 12, elements=st.integers(0, 4))
)
@settings(deadline=None, max_examples=50)
def test_nearly_right_and_confidently_wrong_equal_sorting(
    probabilities: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> None:
    found = outcomes(true, predicted, TAGS, probabilities, confident=0.75)
    for row in range(12):
        wrong = true[row] == 4 or true[row] != predicted[row]
        order = sorted((tag for tag in range(4) if tag != predicted[row]), key=lambda tag: -probabilities[row, tag])
        second = wrong and order[0] == true[row] and probabilities[row, order[0]] > 0
        assert found.mask("nearly right")[row] == second
        confidence = probabilities[row, predicted[row]] if predicted[row] < 4 else 0
        assert found.confidence is not None
        assert found.confidence[row] == confidence
        assert found.mask("confidently wrong")[row] == (wrong and confidence >= 0.75)


def test_a_float32_at_the_threshold_counts_as_confident() -> None:
    probabilities = np.array([[0.9, 0.1]], dtype=np.float32)
    assert (
        outcomes(np.array([1]), np.array([0]), ["a", "b"], probabilities, confident=0.9).mask("confidently wrong").all()
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_probability_that_is_no_number_is_refused_by_its_row(value: float) -> None:
    probabilities = np.full((3, 2), 0.5, dtype=np.float32)
    probabilities[1, 0] = value
    with pytest.raises(DataError, match=r"A probability is (missing \(NaN\)|inf) in row 2[;,]"):
        outcomes(np.zeros(3, int), np.zeros(3, int), ["a", "b"], probabilities)


def test_a_probability_that_rounding_moved_beyond_one_is_one() -> None:
    probabilities = np.array([[1.0000002, 0.0], [0.5, 0.5]], dtype=np.float32)
    found = outcomes(np.array([1, 0]), np.array([0, 0]), ["a", "b"], probabilities)
    assert found.confidence is not None
    assert found.confidence.tolist() == [1.0, 0.5]
    assert probabilities[0, 0] > 1, "what was given stays as it is"


def test_what_cannot_be_said_is_said_so() -> None:
    found = outcomes(np.array([0, 1]), np.array([0, 0]), ["a", "b"])
    with pytest.raises(DataError, match="this run has no probabilities"):
        found.mask("nearly right")
    with pytest.raises(DataError, match="no tag 'z'; choose one of a, b"):
        found.rows("fp", "z")
    with pytest.raises(ValueError, match="no kind"):
        found.mask("odd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no kind"):
        found.rows("tn", "a")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("true", "predicted", "shape"),
    [
        ([0, 1], [0], None),
        ([3], [0], None),
        ([-1], [0], None),
        ([0.5], [0], None),
        ([0], [0], (2, 2)),
        ([0], [0], (1, 3)),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(true: list, predicted: list, shape: tuple | None) -> None:
    probabilities = None if shape is None else np.zeros(shape)
    with pytest.raises(ValueError, match=r"tags|codes|probabilities"):
        outcomes(np.array(true), np.array(predicted), ["a", "b"], probabilities)


def test_no_rows() -> None:
    found = outcomes(np.array([]), np.array([]), TAGS, np.zeros((0, 4)))
    assert found.counts().tolist() == [[0, 0, 0]] * 4
    assert not len(found.rows("fn", "a"))


def test_200_000_rows_of_50_tags_take_little() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 50, 200_000)
    predicted = np.where(rng.random(len(true)) < 0.8, true, rng.integers(0, 50, len(true)))
    probabilities = rng.random((len(true), 50), dtype=np.float32)
    tags = [str(code) for code in range(50)]
    took = []
    for _ in range(3):
        started = time.process_time()
        outcomes(true, predicted, tags, probabilities).counts()
        took.append(time.process_time() - started)
    assert min(took) < 0.3
