"""Ranking: where the true tag stands among the probabilities, and how surprised the model is by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.errors import DataError
from engine.evaluation.estimates import Estimate, proportion
from engine.evaluation.probabilities import bounded

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_BATCH_CELLS = 2_000_000
_IMAGINED_ROWS = 25.0


class Ranking:
    """The true tag's place among the probabilities of each row.

    Parameters
    ----------
    probabilities : array-like of float, shape (n, labels)
        One column per tag of the model, 0 to 1. float32 and float64 are kept as they are.
    true : array-like of int, shape (n,)
        Columns of the true tags; ``labels`` and more for a tag that the model does not know. Such a tag comes last and
        has the probability 0.

    Attributes
    ----------
    ranks : numpy.ndarray
        int64, shape (n,): 0 where no tag is more probable than the true one. Of equally probable tags the last one
        comes first, as in scikit-learn's ``top_k_accuracy_score``; ``labels`` for a tag that the model does not know.

    Raises
    ------
    DataError
        If the lengths differ, or a probability is missing (NaN) or not between 0 and 1 (but for rounding).

    Examples
    --------
    >>> ranking = Ranking([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], [0, 1, 0])
    >>> ranking.ranks
    array([0, 1, 2])
    >>> ranking.top(2).value == 2 / 3
    True
    """

    def __init__(self, probabilities: ArrayLike, true: ArrayLike) -> None:
        self._probabilities, self._true = _checked(probabilities, true)
        rows, size = self._probabilities.shape
        self.ranks = np.full(rows, size, np.int64)
        columns = np.arange(size)
        for part in self._parts():
            known = np.flatnonzero(self._true[part] < size) + part.start
            found, place = self._probabilities[known], self._true[known][:, None]
            own = np.take_along_axis(found, place, axis=1)
            self.ranks[known] = ((found > own) | ((found == own) & (columns > place))).sum(axis=1)

    def top(self, k: int) -> Estimate:
        """Return the share of rows whose true tag is among the `k` most probable, with its Wilson interval."""
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise DataError(f"There is no top {k}; give a whole number from 1.")
        # A tag that the model does not know is not found however many are looked at.
        among = self.ranks < min(k, self._probabilities.shape[1])
        return proportion(int(among.sum()), len(self.ranks))

    def losses(self) -> np.ndarray:
        """Return the negative logarithm of the true tag's probability, float64, shape (n,).

        As in scikit-learn's ``log_loss``, probabilities are kept from 0 and 1 by the smallest step of their type.
        """
        rows, size = self._probabilities.shape
        known = self._true < size
        own = np.zeros(rows, self._probabilities.dtype)
        own[known] = self._probabilities[np.flatnonzero(known), self._true[known]]
        step = np.finfo(own.dtype).eps
        losses: np.ndarray = -np.log(np.clip(own, step, 1 - step).astype(np.float64))
        return losses

    def log_loss(self) -> Estimate:
        """Return the mean of the losses with its interval.

        Notes
        -----
        Losses are skewed: a rare, sure and wrong answer costs more than all others. So Student's interval is bent by
        the skewness (Hall's transformation), and a few imagined rows, 25 / sqrt(n) of them, stand beside those that
        were seen, with tags as probable as the model says: what has not gone wrong yet may. In simulation
        (`benchmarks/statistics.py`) it holds the true value in 94.2 to 96.0 % of the samples of 10 to 1,000 rows,
        averaged over the true values, but for models that are nearly always right and surer than that in only 32 % of
        10 rows and 55 % of 30: nobody can know from these what the next error will cost.

        References
        ----------
        Hall, P. (1992), "On the removal of skewness by transformation", JRSS B 54, 221-228.
        """
        losses = self.losses()
        if not len(losses):
            return Estimate(0.0, 0.0, float("inf"), 0)
        value = float(losses.mean())
        low, high = _mean_interval(losses, self._imagined())
        return Estimate(value, max(0.0, min(value, low)), max(value, high), len(losses))

    def _imagined(self) -> np.ndarray:
        """Return the first three moments of the loss where tags are as probable as the model says, float64[3]."""
        step = np.finfo(self._probabilities.dtype).eps
        moments = np.zeros(3)
        for part in self._parts():
            chance = np.clip(self._probabilities[part], step, 1 - step).astype(np.float64)
            loss = -np.log(chance)
            weighted = chance
            for power in range(3):
                weighted = weighted * loss
                moments[power] += weighted.sum()
        mean: np.ndarray = moments / len(self._probabilities)
        return mean

    def _parts(self) -> list[slice]:
        """Return the rows in parts that fit into the processor's memory."""
        rows, size = self._probabilities.shape
        step = max(1, _BATCH_CELLS // max(1, size))
        return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def _mean_interval(values: np.ndarray, imagined: np.ndarray) -> tuple[float, float]:
    """Return the interval of a mean by Hall's transformation; see `Ranking.log_loss`."""
    # The quantile of Student's t; `scipy.stats` takes two seconds to import.
    from scipy.special import stdtrit

    n = len(values)
    seen = np.array([(values**power).mean() for power in (1, 2, 3)])
    weight = _IMAGINED_ROWS / np.sqrt(n)
    first, second, third = (n * seen + weight * imagined) / (n + weight)
    variance = second - first**2
    if variance <= 1e-12 * second:  # all alike, and certain
        return float(first), float(first)
    skewness = (third - 3 * first * second + 2 * first**3) / variance**1.5
    spread = np.sqrt(variance / max(1, n - 1))
    bend = skewness / np.sqrt(n)
    if abs(bend) < 1e-6:
        bend = 1e-6
    reach = float(stdtrit(max(1, n - 1), 0.975))

    def back(y: float) -> float:
        return float(3 * (np.cbrt(1 + bend * (y - bend / 6)) - 1) / bend)

    return float(first - back(reach) * spread), float(first - back(-reach) * spread)


def _checked(probabilities: ArrayLike, true: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities (floats) and true codes (int64), checked."""
    values, codes = np.asarray(probabilities), np.asarray(true)
    if values.ndim != 2 or codes.ndim != 1 or len(values) != len(codes):
        raise DataError(
            f"Probabilities of the shape {values.shape} do not fit {codes.size:,} true tags; give one row for each."
        )
    if len(codes) and codes.dtype.kind not in "iu":
        raise DataError(f"The codes of the true tags must be whole numbers, not {codes.dtype}.")
    if len(codes) and codes.min() < 0:
        raise DataError(f"The true tag {int(codes.min())} is no column; give whole numbers from 0.")
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    return bounded(values), codes.astype(np.int64)
