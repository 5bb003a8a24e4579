from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from engine.evaluation.intervals import wilson

COUNTS = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVELS = st.sampled_from([0.5, 0.9, 0.95, 0.99])


@given(COUNTS, LEVELS)
@settings(deadline=None)
def test_wilson_equals_scipy(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    expected = binomtest(successes, n).proportion_ci(level, method="wilson")
    assert wilson(successes, n, level) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(COUNTS, LEVELS)
@settings(deadline=None)
def test_wilson_contains_the_proportion(counts: tuple[int, int], level: float) -> None:
    low, high = wilson(*counts, level)
    assert 0 <= low <= counts[0] / counts[1] <= high <= 1
    assert low < high


def test_wilson_without_samples_and_without_sense() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for bad in ((1, 0), (-1, 3), (4, 3), (float("nan"), 3), (1, float("inf"))):
        with pytest.raises(ValueError, match="no proportion"):
            wilson(*bad)
    with pytest.raises(ValueError, match="no proportion"):
        wilson(1, 2, 1.0)
