"""Two models on the same texts: how often their answers differ, and how much worse one may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.evaluation.metrics import encode
from engine.evaluation.paired_f1 import drawn_sums, f1_averages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


class Change(msgspec.Struct, frozen=True):
    """How a figure changes from one model to another, on the same rows, with its 95 % interval."""

    before: float
    after: float
    low: float
    high: float
    rows: int

    @property
    def change(self) -> float:
        """`after` less `before`."""
        return self.after - self.before

    @property
    def worse(self) -> bool:
        """Whether the whole interval is below zero: significantly worse."""
        return self.high < 0


def upper_bound(events: int, n: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper bound of Clopper and Pearson for a proportion.

    Where the true proportion is above the bound, so few events are seen with a probability of at most
    ``1 - confidence``.

    Parameters
    ----------
    events, n : int
        How many of how many.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    float
        Within (0, 1]; 1 if `n` is 0, for then nothing is known.

    Raises
    ------
    ValueError
        If the numbers make no proportion.

    References
    ----------
    Clopper, C. and Pearson, E. S. (1934), "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 404-413.

    Examples
    --------
    >>> round(upper_bound(0, 2000), 4), round(upper_bound(4, 2000), 4)
    (0.0015, 0.0046)
    """
    if not 0 <= events <= n or not 0 < confidence < 1:
        raise ValueError(f"no proportion: {events} of {n} with confidence {confidence}")
    if events == n:
        return 1.0
    from scipy.special import betaincinv

    return float(betaincinv(events + 1, n - events, confidence))


def f1_change(
    true: ArrayLike, before: ArrayLike, after: ArrayLike, labels: Sequence[str], *, seed: int = 0, resamples: int = 2000
) -> Change:
    """Return the change of the weighted F1 between two models' answers to the same rows, by a paired bootstrap.

    Rows are drawn with both answers, so what both models get right or wrong alike cancels. Drawing
    rows with replacement and counting them is drawing the counts of each (true, before, after) from a multinomial
    distribution, so the rows themselves are never drawn. Where no answer differs the change is 0 and so is the
    interval; how many answers may differ on other texts is what `upper_bound` says.

    Parameters
    ----------
    true, before, after : array-like of str, shape (n,)
        The true tags, the answers of the one model and those of the other.
    labels : sequence of str
        The tags of the models.
    seed, resamples : int, optional
        The same seed gives the same interval.

    Returns
    -------
    Change
        The change is within its interval; all zero if there are no rows.
    """
    true_values = np.asarray(true, dtype=object)
    labels = [*labels, *sorted(set(true_values) - set(labels))]
    codes = [encode(values, labels) for values in (true_values, before, after)]
    n, size = len(true_values), len(labels) + 1
    if not n:
        return Change(0.0, 0.0, 0.0, 0.0, 0)
    cells, counts = np.unique((codes[0] * size + codes[1]) * size + codes[2], return_counts=True)
    rows, first, second = cells // size**2, cells // size % size, cells % size
    drawn = np.random.default_rng(seed).multinomial(n, counts / n, size=resamples)

    def weighted(counted: np.ndarray, columns: np.ndarray) -> np.ndarray:
        return f1_averages(drawn_sums(counted, rows, columns, size), size)[0]

    changes = weighted(drawn, second) - weighted(drawn, first)
    old, new = (float(weighted(counts[None, :], columns)[0]) for columns in (first, second))
    low, high = (float(value) for value in np.quantile(changes, [0.025, 0.975]))
    return Change(old, new, min(low, new - old), max(high, new - old), n)
