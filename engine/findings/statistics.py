"""Is a difference more than chance, and is it large? Shared by the findings about tags and drift."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

SIGNIFICANCE = 0.01
"""Probability at which a difference is taken for chance, after correction for the number of differences looked at."""


@dataclasses.dataclass(frozen=True, eq=False)
class Association:
    """How a table of counts differs from independence of its rows and columns.

    Parameters
    ----------
    p : float
        Probability of such a table by chance (chi-squared test).
    effect : float
        Cramér's V with the bias correction of Bergsma (2013), in [0, 1].
    residuals : numpy.ndarray
        Float64, shape of the table: adjusted residuals (Haberman, 1973), normally distributed by chance.
    expected : numpy.ndarray
        Float64, shape of the table.
    """

    p: float
    effect: float
    residuals: np.ndarray
    expected: np.ndarray


def association(counts: np.ndarray) -> Association:
    """Test a table of counts, of which no row or column is empty."""
    statistic, p, _, expected = stats.chi2_contingency(counts, correction=False)
    total = counts.sum()
    rows, columns = counts.shape
    square = max(0.0, statistic / total - (rows - 1) * (columns - 1) / (total - 1))
    least = min(rows - (rows - 1) ** 2 / (total - 1), columns - (columns - 1) ** 2 / (total - 1)) - 1
    effect = math.sqrt(square / least) if least > 0 else 0.0
    variance = expected * (1 - counts.sum(1, keepdims=True) / total) * (1 - counts.sum(0, keepdims=True) / total)
    residuals = (counts - expected) / np.sqrt(np.where(variance > 0, variance, 1))
    return Association(float(p), min(1.0, effect), residuals, expected)


def critical(tests: int) -> float:
    """Return the size of a residual that chance exceeds in one of `tests` tests with `SIGNIFICANCE` (Bonferroni)."""
    return float(stats.norm.isf(SIGNIFICANCE / 2 / max(1, tests)))


def proportions(first: np.ndarray, first_total: int, second: np.ndarray, second_total: int) -> np.ndarray:
    """Return z of the difference of two proportions, pooled variance: float64, positive where the second is more."""
    pooled = (first + second) / (first_total + second_total)
    variance = pooled * (1 - pooled) * (1 / first_total + 1 / second_total)
    difference = second / second_total - first / first_total
    return np.asarray(difference / np.sqrt(np.where(variance > 0, variance, 1)))


def wilson(successes: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson, 1927)."""
    share = successes / total
    centre = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, centre - half), min(1.0, centre + half)
