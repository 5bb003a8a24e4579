from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import DataError
from engine.evaluation.coverage import Coverage
from engine.evaluation.intervals import wilson

# Eighths are exact in float32: ties are frequent, and thresholds meet them.
CONFIDENCES = st.one_of(st.integers(0, 8).map(lambda eighth: eighth / 8), st.floats(0, 1, width=32))
ANSWERS = st.lists(st.tuples(CONFIDENCES, st.booleans()), max_size=30)
COSTS = st.one_of(st.integers(0, 10), st.floats(0, 100))


def split(answers, dtype=np.float64) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.array([confidence for confidence, _ in answers], dtype=dtype),
        np.array([right for _, right in answers], dtype=bool),
    )


@given(ANSWERS, st.lists(CONFIDENCES, max_size=5), st.sampled_from([np.float32, np.float64]))
@settings(deadline=None)
def test_every_threshold_is_what_counting_says(answers, thresholds, dtype) -> None:
    confidence, right = split(answers, dtype)
    for threshold, at in zip(thresholds, Coverage(confidence, right).at(thresholds), strict=True):
        answered = confidence >= threshold
        counts = (answered.sum(), (answered & ~right).sum(), (~answered).sum())
        assert (at.answered, at.wrong, at.rejected) == counts
        expected = wilson(int(answered.sum()), len(right))
        assert (at.coverage.low, at.coverage.high) == pytest.approx(expected, abs=1e-12)
        assert at.coverage.value == (answered.mean() if len(right) else 0)
        expected = wilson(int((answered & right).sum()), int(answered.sum()))
        assert (at.precision.low, at.precision.high) == pytest.approx(expected, abs=1e-12)
        assert at.precision.value == pytest.approx(right[answered].mean() if answered.any() else 0)
        assert (at.coverage.n, at.precision.n) == (len(right), answered.sum())


@given(ANSWERS, COSTS, COSTS)
@settings(deadline=None)
def test_no_threshold_costs_less_than_the_cheapest(answers, wrong, rejected) -> None:
    confidence, right = split(answers)
    curve = Coverage(confidence, right)
    best = curve.cheapest(wrong, rejected)
    alike = 1e-9 * (1 + wrong + rejected)
    for other in curve.at([0.0, *np.unique(confidence), 2.0]):
        assert best.cost(wrong, rejected) <= other.cost(wrong, rejected) + alike
        if other.cost(wrong, rejected) < best.cost(wrong, rejected) - alike:
            assert other.answered <= best.answered
    answered = confidence >= best.threshold
    rows = max(1, len(right))
    assert best.cost(wrong, rejected) == pytest.approx(
        ((answered & ~right).sum() * wrong + (~answered).sum() * rejected) / rows
    )


def test_the_cheapest_threshold() -> None:
    curve = Coverage([0.2, 0.4, 0.4, 0.9], [False, True, False, True])
    assert curve.cheapest(wrong=2, rejected=1).threshold == 0.4  # of 0.4 and 0.9, which cost the same, more is answered
    assert curve.cheapest(wrong=5, rejected=1).threshold == 0.9
    assert curve.cheapest(wrong=1, rejected=5).threshold == 0.0
    assert curve.cheapest(wrong=0, rejected=0).threshold == 0.0
    nothing = Coverage([0.9, 1.0], [False, False]).cheapest(wrong=5, rejected=1)
    assert nothing.threshold > 1
    assert nothing.answered == 0
    assert Coverage([], []).cheapest(1, 1).threshold == 0.0


def test_a_confidence_that_equals_the_threshold_is_answered_as_in_the_predictor() -> None:
    from engine.inference.prediction import ranked

    for confidence in np.array([0.1, 0.3, 0.7, 0.9], dtype=np.float32):
        for threshold in (0.1, 0.3, 0.7, 0.9, float(confidence)):
            *_, below = ranked(np.array([confidence]), ["a"], threshold=threshold)
            assert Coverage(np.array([confidence]), [True]).at([threshold])[0].rejected == below


def test_what_cannot_be_judged_is_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match=r"confidence is missing \(NaN\) in row 1"):
        Coverage([np.nan], [True])
    with pytest.raises(DataError, match="thresholds must be a row of numbers"):
        Coverage([0.5], [True]).at([np.nan])
    for cost in (-1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="must be finite numbers"):
            Coverage([0.5], [True]).cheapest(cost, 1)
