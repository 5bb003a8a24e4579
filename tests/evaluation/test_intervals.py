from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from engine.evaluation.intervals import bootstrap_f1, wilson
from engine.evaluation.metrics import scores

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


LABELS = ["a", "b", "c"]
PAIRS = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1, max_size=30)


@given(PAIRS, st.integers(0, 100))
@settings(deadline=None)
def test_bootstrap_contains_the_f1(pairs, seed) -> None:
    true, predicted = zip(*pairs, strict=True)
    low, high = bootstrap_f1(true, predicted, LABELS, seed=seed, resamples=50)
    assert 0 <= low <= scores(true, predicted, labels=LABELS)["f1"] + 1e-12
    assert scores(true, predicted, labels=LABELS)["f1"] - 1e-12 <= high <= 1
    assert low < high or len(set(pairs)) > 1


def test_bootstrap_equals_resampling_the_samples() -> None:
    rng = np.random.default_rng(0)
    true = rng.choice(LABELS, 150, p=[0.6, 0.3, 0.1])
    predicted = np.where(rng.random(150) < 0.6, true, "c")  # one-sided: tags occur and are predicted unequally often
    slow = []
    for _ in range(1000):
        drawn = rng.integers(0, 150, 150)
        slow.append(scores(true[drawn], predicted[drawn], labels=LABELS)["f1"])
    fast = bootstrap_f1(true, predicted, LABELS, seed=1, resamples=20_000)
    # The ends are quantiles of 1,000 values of spread 0.04: their own standard error is about 0.003.
    assert fast == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.012)


def test_bootstrap_is_seeded_and_narrows() -> None:
    true, predicted = ["a"] * 60 + ["b"] * 40, ["a"] * 50 + ["b"] * 40 + ["a"] * 10
    first = bootstrap_f1(true, predicted, ["a", "b"], seed=3)
    assert first == bootstrap_f1(true, predicted, ["a", "b"], seed=3)
    assert first != bootstrap_f1(true, predicted, ["a", "b"], seed=4)
    narrow = bootstrap_f1(true * 100, predicted * 100, ["a", "b"], seed=3)
    assert 8 < (first[1] - first[0]) / (narrow[1] - narrow[0]) < 12  # the square root of 100
    wide = bootstrap_f1(true, predicted, ["a", "b"], seed=3, confidence=0.99)
    assert wide[0] < first[0] < first[1] < wide[1]


def test_bootstrap_claims_no_certainty() -> None:
    assert bootstrap_f1(["a"] * 5, ["a"] * 5, ["a", "b"], seed=0) == wilson(5, 5)
    assert bootstrap_f1(["a"] * 5, ["b"] * 5, ["a", "b"], seed=0) == wilson(0, 5)
    assert bootstrap_f1([], [], ["a"], seed=0) == (0.0, 1.0)


def test_bootstrap_of_fifty_tags_and_many_rows_is_fast() -> None:
    rng = np.random.default_rng(0)
    labels = [f"tag{number}" for number in range(50)]
    true, predicted = rng.choice(labels, 100_000), rng.choice(labels, 100_000)
    start = time.perf_counter()
    low, high = bootstrap_f1(true, predicted, labels, seed=0)
    assert time.perf_counter() - start < 5
    assert low <= 0.02 <= high + 0.005
