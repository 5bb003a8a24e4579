"""Calibration: whether answers are right as often as their confidence says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.errors import DataError
from engine.evaluation.coverage import checked_confidence
from engine.evaluation.estimates import Estimate, proportions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

_DRAWS = 500
_HALVINGS = 14
_TAIL = 0.025


class Bin(msgspec.Struct, frozen=True):
    """The answers with a confidence above `start` and up to `end`; the first bin holds 0, too.

    Parameters
    ----------
    start, end : float
        Of the bin.
    confidence : float
        Mean of the answers'; 0 where there are none.
    accuracy : Estimate
        Share of the answers that are right, by a Wilson interval.
    """

    start: float
    end: float
    confidence: float
    accuracy: Estimate


class Calibration(msgspec.Struct, frozen=True):
    """The expected calibration error, and the bins of the reliability curve, empty ones among them."""

    ece: Estimate
    bins: tuple[Bin, ...]


def calibration(confidence: ArrayLike, right: ArrayLike, *, bins: int = 10, seed: int = 0) -> Calibration:
    """Compare confidence with the share of right answers.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
        Probability of the predicted tag, 0 to 1.
    right : array-like of bool, shape (n,)
        Whether the prediction is right.
    bins : int, optional
        Number of bins of equal width.
    seed : int, optional
        The same seed gives the same interval.

    Returns
    -------
    Calibration
        The ECE (Guo et al. 2017) is the mean over the rows of |confidence - accuracy| of their bin; bins as in
        scikit-learn's ``calibration_curve``.

    Raises
    ------
    DataError
        If the lengths differ, a confidence is missing (NaN) or not between 0 and 1, or `bins` is not 1 to 1,000.

    Notes
    -----
    The ECE of a sample is too high, by chance alone, so a bootstrap around it would leave out the truth. Its interval
    is found by inverting a test instead: an end is the true error at which samples with an ECE as high (or as low) as
    the one that was seen are 2.5 % of all. The true errors that are tried are the gaps of the bins, made smaller or
    larger together, and for the upper end confidence that is too high by the same in all bins. In simulation
    (`benchmarks/statistics.py`) it holds the true value in 95.5 to 96.0 % of the samples of 10 to 1,000 rows.

    References
    ----------
    Guo, C., Pleiss, G., Sun, Y. and Weinberger, K. Q. (2017), "On calibration of modern neural networks", ICML.

    Examples
    --------
    >>> round(calibration([0.9, 0.9, 0.6, 0.6], [True, True, True, False]).ece.value, 6)
    0.1
    """
    if isinstance(bins, bool) or not isinstance(bins, int) or not 1 <= bins <= 1000:
        raise DataError(f"{bins} bins cannot be made; give a whole number from 1 to 1,000.")
    values, truths = checked_confidence(confidence, right)
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.searchsorted(edges[1:-1], values)
    rows = np.bincount(places, minlength=bins)
    successes = np.bincount(places[truths], minlength=bins)
    sums = np.bincount(places, values.astype(np.float64), minlength=bins)
    mean = np.divide(sums, rows, out=np.zeros(bins), where=rows > 0)
    value, low, high = _ece(rows, successes, mean, seed)
    accuracy = proportions(successes, rows)
    return Calibration(
        Estimate(value, low, high, len(values)),
        tuple(
            Bin(float(start), float(end), float(middle), share)
            for start, end, middle, share in zip(edges[:-1], edges[1:], mean, accuracy, strict=True)
        ),
    )


def _ece(rows: np.ndarray, successes: np.ndarray, mean: np.ndarray, seed: int) -> tuple[float, float, float]:
    """Return the ECE and its interval; see the notes of `calibration`."""
    n = int(rows.sum())
    if not n:
        return 0.0, 0.0, 1.0
    some = rows > 0
    rows, successes, mean = rows[some], successes[some], mean[some]
    gap = successes / rows - mean
    value = float((rows * np.abs(gap)).sum() / n)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, rows / n, size=_DRAWS)

    def end(accuracy_at: Callable[[float], np.ndarray], furthest: float, upper: bool) -> float:
        """Return the true error beyond which figures as low (or as high) as this one are too rare, by halving."""
        low, high = 0.0, furthest
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            accuracy = np.clip(accuracy_at(middle), 0.0, 1.0)
            found = np.abs(rng.binomial(drawn, accuracy) - drawn * mean).sum(axis=1) / n
            share = ((found <= value + 1e-12) if upper else (found >= value - 1e-12)).mean()
            if (share >= _TAIL) == upper:
                low = middle
            else:
                high = middle
        accuracy = np.clip(accuracy_at(high if upper else low), 0.0, 1.0)
        return float((rows * np.abs(accuracy - mean)).sum() / n)

    def scaled(step: float) -> np.ndarray:
        return np.asarray(mean + step * gap)

    def overconfident(step: float) -> np.ndarray:
        return np.asarray(mean - step)

    lowest = end(scaled, 2.0, upper=False)
    highest = max(end(scaled, 2.0, upper=True), end(overconfident, 1.0, upper=True))
    return value, min(value, lowest), max(value, highest)
