from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.dataset.fields import OTHER
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


ANSWERED = st.lists(st.tuples(CONFIDENCES, *[st.sampled_from(["a", "b", OTHER])] * 2), max_size=30)


def deployed(answered, threshold: float) -> pd.DataFrame:
    """What the predictor answers at a threshold, told without ours."""
    frame = pd.DataFrame(answered, columns=["confidence", "true", "said"])
    frame["below"] = frame["confidence"] < threshold
    frame["answer"] = frame["said"].where(~frame["below"], OTHER)
    frame["wrong"] = frame["answer"] != frame["true"]
    return frame


def curve_of(answered, dtype=np.float64) -> Coverage:
    confidence = np.array([one for one, _, _ in answered], dtype=dtype)
    true, said = (np.array([one[at] for one in answered], dtype=object) for at in (1, 2))
    return Coverage(confidence, (true == said).astype(bool), (true == OTHER).astype(bool))


@given(ANSWERED, st.lists(CONFIDENCES, max_size=5), st.sampled_from([np.float32, np.float64]))
@settings(deadline=None)
def test_below_the_threshold_the_answer_is_other_as_in_the_predictor(answered, thresholds, dtype) -> None:
    for threshold, at in zip(thresholds, curve_of(answered, dtype).at(thresholds, "other"), strict=True):
        found = deployed(answered, threshold)
        assert (at.answered, at.rejected, at.below) == (len(found), 0, found["below"].sum())
        assert (at.wrong, at.others) == (found["wrong"].sum(), found["below"].sum())
        assert at.others_wrong == (found["wrong"] & found["below"]).sum()
        assert at.precision.value == pytest.approx(1 - found["wrong"].mean() if len(found) else 0)
        assert at.coverage.value == pytest.approx(1 - found["below"].mean() if len(found) else 0)
        expected = wilson(int((~found["wrong"]).sum()), len(found))
        assert (at.precision.low, at.precision.high) == pytest.approx(expected, abs=1e-12)
        assert at.cost(3.0, 1.0) == pytest.approx(3 * found["wrong"].mean() if len(found) else 0)


@given(ANSWERED, COSTS)
@settings(deadline=None)
def test_where_nothing_is_rejected_the_cheapest_threshold_has_the_fewest_wrong_answers(answered, ratio) -> None:
    best = curve_of(answered).cheapest(ratio, 1.0, "other")
    every = [0.0, *sorted({one for one, _, _ in answered}), 2.0]
    mistakes = {one: int(deployed(answered, one)["wrong"].sum()) for one in every}
    if ratio:
        assert best.wrong == min(mistakes.values())
        # Of several, the one at which most rows keep their answer.
        lowest = min(one for one in every if mistakes[one] == best.wrong)
        assert best.below == deployed(answered, lowest)["below"].sum()
    else:
        assert best.threshold == 0
    assert best.wrong == deployed(answered, best.threshold)["wrong"].sum()


def test_half_the_rows_are_other_and_unsure() -> None:
    curve = Coverage([0.4] * 50 + [0.9] * 50, [False] * 50 + [True] * 50, [True] * 50 + [False] * 50)
    at = curve.at([0.5], "other")[0]
    assert (at.precision.value, at.wrong, at.rejected, at.others, at.others_wrong) == (1.0, 0, 0, 50, 0)
    assert curve.cheapest(5, 1, "other").threshold == 0.9
    assert curve.at([0.5])[0].rejected == 50


def test_a_model_without_other_cannot_answer_so() -> None:
    curve = Coverage([0.5], [True])
    assert not curve.knows_other
    with pytest.raises(DataError, match="no tag `other`"):
        curve.at([0.5], "other")
    with pytest.raises(DataError, match="no tag `other`"):
        curve.cheapest(1, 1, "other")
    with pytest.raises(DataError, match="must be True or False"):
        Coverage([0.5], [True], [True, False])


def test_a_million_rows_are_asked_at_once() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1_000_000).astype(np.float32)
    curve = Coverage(confidence, rng.random(1_000_000) < confidence, rng.random(1_000_000) < 0.1)
    started = time.process_time()
    for threshold in np.linspace(0, 1, 100):
        curve.at([threshold], "other")
    assert time.process_time() - started < 0.5


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
    with pytest.raises(DataError, match=r"confidence is 1\.5 in row 2; probabilities lie"):
        Coverage([0.5, 1.5], [True, True])
    with pytest.raises(DataError, match="thresholds must be a row of numbers"):
        Coverage([0.5], [True]).at([np.nan])
    for cost in (-1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="must be finite numbers"):
            Coverage([0.5], [True]).cheapest(cost, 1)
