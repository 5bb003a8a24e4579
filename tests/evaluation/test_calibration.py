from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from engine.errors import DataError
from engine.evaluation.calibration import calibration
from engine.evaluation.intervals import wilson

# Tenths lie on the edges of ten bins.
ANSWERS = st.lists(
    st.tuples(st.one_of(st.floats(0, 1), st.integers(0, 10).map(lambda tenth: tenth / 10)), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(ANSWERS, st.integers(1, 20))
@settings(deadline=None, max_examples=50)
def test_bins_equal_scikit_learn_and_the_error_is_made_of_them(answers, bins) -> None:
    confidence, right = (np.array(side) for side in zip(*answers, strict=True))
    found = calibration(confidence, right, bins=bins)
    filled = [part for part in found.bins if part.accuracy.n]
    if bins > 1:
        expected = calibration_curve(right, confidence, n_bins=bins)
        assert [part.accuracy.value for part in filled] == pytest.approx(expected[0], abs=1e-12)
        assert [part.confidence for part in filled] == pytest.approx(expected[1], abs=1e-12)
    assert len(found.bins) == bins
    assert sum(part.accuracy.n for part in filled) == found.ece.n == len(right)
    for part in filled:
        successes = round(part.accuracy.value * part.accuracy.n)
        assert (part.accuracy.low, part.accuracy.high) == pytest.approx(wilson(successes, part.accuracy.n), abs=1e-12)
    gaps = [part.accuracy.n * abs(part.accuracy.value - part.confidence) for part in filled]
    assert found.ece.value == pytest.approx(sum(gaps) / len(right), abs=1e-12)
    assert 0 <= found.ece.low <= found.ece.value <= found.ece.high <= 1


def test_empty_bins_and_no_answers() -> None:
    found = calibration([0.95], [True])
    assert [part.accuracy.n for part in found.bins] == [0] * 9 + [1]
    assert (found.bins[0].accuracy.low, found.bins[0].accuracy.high) == (0.0, 1.0)
    assert found.ece.high > 0.3  # one right answer tells little
    nothing = calibration([], [])
    assert (nothing.ece.value, nothing.ece.low, nothing.ece.high, nothing.ece.n) == (0.0, 0.0, 1.0, 0)


def test_a_calibrated_model_may_have_no_error_and_a_bad_one_has_some() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 2000)
    calm = calibration(confidence, rng.random(2000) < confidence).ece
    assert calm.value > 0.005  # by chance alone: the figure itself is never 0
    assert calm.low < 0.003
    rash = calibration(confidence, rng.random(2000) < confidence - 0.2).ece
    assert rash.low < 0.2 < rash.high
    assert rash.low > 0.15


def test_what_cannot_be_judged_is_refused_with_a_sentence() -> None:
    with pytest.raises(DataError, match=r"confidence is missing \(NaN\) in row 2"):
        calibration([0.5, np.nan], [True, False])
    with pytest.raises(DataError, match=r"A confidence is 1\.2"):
        calibration([1.2], [True])
    with pytest.raises(DataError, match="2 confidences for 1 answers"):
        calibration([0.5, 0.5], [True])
    with pytest.raises(DataError, match="must be True or False"):
        calibration([0.5], [1])
    for bins in (0, 1001, True, 2.5):
        with pytest.raises(DataError, match="bins cannot be made"):
            calibration([0.5], [True], bins=bins)


def test_the_same_seed_gives_the_same_interval() -> None:
    rng = np.random.default_rng(1)
    confidence, right = rng.uniform(0.3, 1, 50), rng.random(50) < 0.6
    assert calibration(confidence, right, seed=2) == calibration(confidence, right, seed=2)
