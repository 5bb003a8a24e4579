"""Intervals: the Wilson score interval of a proportion, and of many at once."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Z = statistics.NormalDist().inv_cdf(0.975)
"""Half the width of a 95 % interval of the normal distribution, in standard deviations."""


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Parameters
    ----------
    successes, n : float
        How many of how many.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    low, high : float
        Within [0, 1], with ``successes / n`` between them; (0, 1) if `n` is 0, for then nothing is known.

    Raises
    ------
    ValueError
        If the numbers make no proportion.

    References
    ----------
    Wilson, E. B. (1927), "Probable inference, the law of succession, and statistical inference", JASA 22, 209-212.

    Examples
    --------
    >>> low, high = wilson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if not (0 <= successes <= n and math.isfinite(n)) or not 0 < confidence < 1:
        raise ValueError(f"no proportion: {successes} of {n} with confidence {confidence}")
    low, high = wilson_ends(successes, n, confidence)
    return float(low), float(high)


def wilson_ends(successes: ArrayLike, n: ArrayLike, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return the Wilson score intervals of proportions: `wilson` for arrays, which must make proportions.

    Parameters
    ----------
    successes, n : array-like of float
        How many of how many, of one shape; they need not be whole.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    low, high : numpy.ndarray
        float64, of the same shape, within [0, 1] and with ``successes / n`` between them; 0 and 1 where `n` is 0.

    Examples
    --------
    >>> low, high = wilson_ends([8, 0], [10, 0])
    >>> low.round(3), high.round(3)
    (array([0.49, 0.  ]), array([0.943, 1.   ]))
    """
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    successes, n = np.asarray(successes, np.float64), np.asarray(n, np.float64)
    known = n > 0
    n = np.where(known, n, 1.0)
    p = np.where(known, successes / n, 0.0)
    square = z * z / n
    centre = (p + square / 2) / (1 + square)
    half = z / (1 + square) * np.sqrt(p * (1 - p) / n + square / (4 * n))
    # At 0 of n and n of n one end is the proportion itself; rounding must not move it past.
    low = np.clip(np.minimum(p, centre - half), 0, 1)
    high = np.clip(np.maximum(p, centre + half), 0, 1)
    return np.where(known, low, 0.0), np.where(known, high, 1.0)
