"""Intervals: how far a measured figure may lie from the true one."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

import numpy as np

from engine.evaluation.metrics import encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

_BATCH_CELLS = 2_000_000


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
    if n == 0:
        return 0.0, 1.0
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At 0 of n and n of n one end is the proportion itself; rounding must not move it past.
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def bootstrap_f1(
    true: ArrayLike,
    predicted: ArrayLike,
    labels: Sequence[str],
    *,
    seed: int,
    resamples: int = 1000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the bootstrap percentile interval of the weighted F1.

    Drawing n samples with replacement and counting their confusions is the same as drawing the counts from a
    multinomial distribution, so the samples themselves are never drawn: the cost does not depend on n.

    Where every sample or none is right all resamples are alike and the bootstrap would claim certainty; the interval is
    then that of `wilson` for the share of right answers, which the F1 equals.

    Parameters
    ----------
    true, predicted : array-like of str, shape (n,)
        The tags.
    labels : sequence of str
        The tags of the model; others count as wrong.
    seed : int
        The same seed gives the same interval.
    resamples : int, optional
        Number of resamples.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    low, high : float
        Within [0, 1], with the weighted F1 between them; (0, 1) if there are no samples.

    References
    ----------
    Efron, B. (1979), "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1-26.
    """
    true_values = np.asarray(true, dtype=object)
    labels = [*labels, *sorted(set(true_values) - set(labels))]
    true_codes, predicted_codes = encode(true_values, labels), encode(predicted, labels)
    n, size = len(true_codes), len(labels) + 1
    if not n:
        return 0.0, 1.0
    right = int((true_codes == predicted_codes).sum())
    if right in (0, n):
        return wilson(right, n, confidence)
    cells, counts = np.unique(true_codes * size + predicted_codes, return_counts=True)
    rows, columns = cells // size, cells % size
    estimate = float(weighted_f1(counts[None, :], rows, columns, size)[0])
    rng = np.random.default_rng(seed)
    batch = max(1, _BATCH_CELLS // max(len(cells), size))
    values = np.concatenate(
        [
            weighted_f1(rng.multinomial(n, counts / n, size=min(batch, resamples - start)), rows, columns, size)
            for start in range(0, resamples, batch)
        ]
    )
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return max(0.0, min(float(low), estimate)), min(1.0, max(float(high), estimate))


def weighted_f1(counts: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """Return the weighted F1 of confusion counts.

    Parameters
    ----------
    counts : numpy.ndarray
        int64, shape (resamples, cells): how often each pair of true and predicted tag occurs.
    rows, columns : numpy.ndarray
        int64, shape (cells,): the true and the predicted tag of each pair.
    size : int
        Number of tags.

    Returns
    -------
    numpy.ndarray
        float64, shape (resamples,). F1 of a tag is 2 TP / (true + predicted), 0 where it neither occurs nor is
        predicted.
    """
    is_row, is_column = np.eye(size)[rows], np.eye(size)[columns]  # (cells, tags)
    drawn = counts.astype(np.float64)
    right, occurs, predicted = drawn @ (is_row * is_column), drawn @ is_row, drawn @ is_column
    total = occurs + predicted
    f1 = np.divide(2 * right, total, out=np.zeros_like(total), where=total > 0)
    weighted: np.ndarray = (f1 * occurs).sum(axis=1) / occurs.sum(axis=1)
    return weighted
