"""McNemar's test, its corrections and the interval of a change: against SciPy and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest, false_discovery_control

from engine.evaluation.significance import corrected, mcnemar, paired_interval

COUNT = st.integers(0, 3000)


@given(COUNT, COUNT)
@example(10, 1065)
@settings(deadline=None)
def test_mcnemar_equals_the_binomial_test(improved: int, regressed: int) -> None:
    total = improved + regressed
    expected = binomtest(improved, total).pvalue if total else 1.0
    # SciPy says 0 of what is below about 1e-299.
    assert mcnemar(improved, regressed) == pytest.approx(expected, rel=1e-9, abs=1e-290)
    fewer = min(improved, regressed)
    mid = 1.0 if improved == regressed else expected - binom.pmf(fewer, total, 0.5)
    assert mcnemar(improved, regressed, mid_p=True) == pytest.approx(mid, rel=1e-6, abs=1e-12)


def test_mcnemar_keeps_its_level_for_any_number_of_differing_rows() -> None:
    # Exactly, not by simulation: of m rows that differ, k improved with the chance of a fair coin.
    for total in range(60):
        improved = np.arange(total + 1)
        p, chance = mcnemar(improved, total - improved), binom.pmf(improved, total, 0.5)
        for alpha in (0.01, 0.05, 0.10):
            assert chance[p <= alpha].sum() <= alpha


def test_mcnemar_of_many_and_of_no_sense() -> None:
    assert mcnemar([0, 5], [0, 5]).tolist() == [1.0, 1.0]
    assert 0 < mcnemar(0, 100_000) < 1e-300
    with pytest.raises(ValueError, match="not negative"):
        mcnemar([-1], [2])


def test_mid_p_keeps_its_level_on_the_average() -> None:
    rng = np.random.default_rng(0)
    for n, rate in ((20, 0.2), (60, 0.1), (400, 0.05)):
        total = rng.binomial(n, rate, 20_000)
        improved = rng.binomial(total, 0.5)
        p = mcnemar(improved, total - improved, mid_p=True)
        for alpha in (0.01, 0.05, 0.10):
            assert (p <= alpha).mean() <= alpha + 3 * (alpha * (1 - alpha) / 20_000) ** 0.5


PS = st.lists(st.floats(0, 1), max_size=20)


@given(PS)
@settings(deadline=None)
def test_benjamini_hochberg_equals_scipy(p: list[float]) -> None:
    expected = false_discovery_control(p) if p else []
    assert corrected(p, "benjamini-hochberg") == pytest.approx(expected)


@given(PS, st.sampled_from([0.01, 0.05, 0.2]))
@settings(deadline=None)
def test_holm_rejects_what_stepping_down_rejects(p: list[float], level: float) -> None:
    adjusted = corrected(p)
    rejected = set()
    for step, at in enumerate(np.argsort(p, kind="stable")):
        if p[at] * (len(p) - step) > level:
            break
        rejected.add(int(at))
    assert {at for at, value in enumerate(adjusted) if value <= level} == rejected
    assert (adjusted >= np.array(p)).all()
    assert (adjusted <= 1).all()


def test_values_that_are_no_p_are_refused() -> None:
    for bad in ([np.nan], [1.5], [-0.1], [[0.5]]):
        with pytest.raises(ValueError, match="p-values"):
            corrected(bad)
    with pytest.raises(ValueError, match="no correction"):
        corrected([0.5], "none")  # type: ignore[arg-type]


@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 1000), st.sampled_from([0.8, 0.95, 0.99]))
@settings(deadline=None)
def test_the_interval_of_a_change_contains_it(improved: int, regressed: int, same: int, confidence: float) -> None:
    n = improved + regressed + same
    low, high = paired_interval(improved, regressed, n, confidence)
    if not n:
        assert (low, high) == (-1, 1)
        return
    assert -1 <= low <= (improved - regressed) / n <= high <= 1
    assert low < high
    # Seen from the other side it is the same one.
    mirrored = paired_interval(regressed, improved, n, confidence)
    assert [float(-high), float(-low)] == pytest.approx([float(end) for end in mirrored], abs=1e-12)


def test_the_interval_is_that_of_bonett_and_price() -> None:
    # Their formula by hand: p12 = 10/52, p21 = 3/52, difference 0.13462, standard error 0.06678.
    low, high = paired_interval(9, 2, 50)
    assert (float(low), float(high)) == pytest.approx((0.00373, 0.26550), abs=1e-5)
    with pytest.raises(ValueError, match="no proportions"):
        paired_interval(3, 3, 5)


def test_the_interval_covers_the_true_change() -> None:
    rng = np.random.default_rng(1)
    for n, up, down in ((12, 0.2, 0.1), (30, 0.1, 0.1), (30, 0.02, 0.2), (500, 0.05, 0.03)):
        improved, regressed, _ = rng.multinomial(n, [up, down, 1 - up - down], 5000).T
        low, high = paired_interval(improved, regressed, n)
        assert ((low <= up - down) & (up - down <= high)).mean() > 0.935
