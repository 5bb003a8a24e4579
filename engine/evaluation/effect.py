"""Effect: how much more often something happens here than elsewhere, as a difference and as a ratio, with intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.evaluation.intervals import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Effect(msgspec.Struct, frozen=True):
    """A figure with its interval; `value` lies within, and all three may be infinite for a ratio."""

    value: float
    low: float
    high: float


def difference(successes: float, n: float, other_successes: float, other_n: float, confidence: float = 0.95) -> Effect:
    """Return the difference of two proportions, with an interval made of those of Wilson for each of them.

    Parameters
    ----------
    successes, n : float
        How many of how many here; n above 0.
    other_successes, other_n : float
        How many of how many elsewhere; they need not be whole, so that a standardised rate can be compared with.
    confidence : float, optional
        Between 0 and 1.

    References
    ----------
    Newcombe, R. G. (1998), "Interval estimation for the difference between independent proportions: comparison of
    eleven methods", Statistics in Medicine 17, 873-890; method 10.

    Examples
    --------
    >>> effect = difference(56, 70, 48, 80)
    >>> round(effect.value, 4), round(effect.low, 4), round(effect.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    here, elsewhere = successes / n, other_successes / other_n if other_n else 0.5
    low, high = wilson(successes, n, confidence)
    other_low, other_high = wilson(other_successes, other_n, confidence)
    value = here - elsewhere
    return Effect(
        value,
        value - math.hypot(here - low, other_high - elsewhere),
        value + math.hypot(high - here, elsewhere - other_low),
    )


def ratio(successes: float, n: float, other_successes: float, other_n: float, confidence: float = 0.95) -> Effect:
    """Return the ratio of two proportions, with an interval made of those of Wilson for each of them.

    Parameters
    ----------
    successes, n, other_successes, other_n, confidence
        As for `difference`. Where nothing happened elsewhere the ratio is infinite, or nan if nothing happened here
        either.

    References
    ----------
    Donner, A. and Zou, G. Y. (2012), "Closed-form confidence intervals for functions of the normal mean and standard
    deviation", Statistical Methods in Medical Research 21, 347-359; the interval of a ratio there.

    Examples
    --------
    >>> effect = ratio(30, 100, 10, 100)
    >>> round(effect.value, 2), round(effect.low, 2), round(effect.high, 2)
    (3.0, 1.58, 5.74)
    """
    a, b = successes / n, other_successes / other_n if other_n else 0.0
    low, high = wilson(successes, n, confidence)
    other_low, other_high = wilson(other_successes, other_n, confidence)
    if b == 0:
        return Effect(math.inf if a > 0 else math.nan, low / other_high, math.inf)
    bottom = other_high * (2 * b - other_high)
    # What is below the root is not negative but for rounding.
    root = math.sqrt(max(0.0, (a * b) ** 2 - low * (2 * a - low) * bottom))
    # The same root in the form that does not divide by what may be 0.
    lower = low * (2 * a - low) / (a * b + root) if a > 0 else 0.0
    bottom = other_low * (2 * b - other_low)
    root = math.sqrt(max(0.0, (a * b) ** 2 - high * (2 * a - high) * bottom))
    upper = (a * b + root) / bottom if bottom > 0 else math.inf
    return Effect(a / b, min(lower, a / b), max(upper, a / b))


def standardised(
    inside: NDArray[np.int64], outside: NDArray[np.int64], outside_events: NDArray[np.int64]
) -> tuple[float, float]:
    """Return how often something happens elsewhere, given the strata of the rows here.

    Parameters
    ----------
    inside, outside, outside_events : numpy.ndarray
        int64 [strata]: the rows here and elsewhere, and how many of the latter it happened to.

    Returns
    -------
    events, n : float
        Their ratio is the directly standardised rate. `n` is the number of rows that a simple proportion of the same
        certainty rests on (Kish, 1965). A stratum that is not elsewhere has the rate of all rows elsewhere.
    """
    total, rows = inside.sum(), outside.sum()
    if not total or not rows:
        return 0.0, 0.0
    known = outside > 0
    rates = np.where(known, outside_events / np.maximum(outside, 1), outside_events.sum() / rows)
    weights = inside / total
    n = 1.0 / float((weights**2 / np.where(known, outside, rows)).sum())
    return float((weights * rates).sum()) * n, n
