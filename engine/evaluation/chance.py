"""Chance: how probable it is that a slice has as many errors by it, and that a model is right as often by it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import special

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def excess(
    errors: NDArray[np.float64], rows: NDArray[np.float64], expected: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probability of as many errors or more, where only so many are expected.

    The errors are taken for binomial with the mean of the rows' rates. Rows drawn without replacement, and rows with
    different rates, vary less (Hoeffding, 1956 and 1963), so the true probability is smaller: few rows need no
    approximation.

    Parameters
    ----------
    errors, rows, expected : numpy.ndarray
        float64 [slices]: whole numbers of errors and rows, and the sum of the rows' rates.

    Returns
    -------
    numpy.ndarray
        float64 [slices], in [0, 1]; 1 where there are no more errors than expected.
    """
    rate = np.clip(expected / np.maximum(rows, 1), 0, 1)
    # The incomplete beta function is the binomial tail, also for arrays of millions.
    tail = special.betainc(np.maximum(errors, 1), np.maximum(rows - errors, 0) + 1, rate)
    return np.where(errors > expected, tail, 1.0)


def guessing(true: ArrayLike, predicted: ArrayLike) -> float:
    """Return the probability of as many right answers or more, if the answers were dealt to the rows at random.

    Parameters
    ----------
    true, predicted : array-like, shape (n,)
        The tags.

    Returns
    -------
    float
        By the normal approximation, as for Cohen's kappa (Fleiss, Cohen and Everitt, 1969); 1 where nothing could be
        other than it is.
    """
    codes, names = pd.factorize(np.concatenate([np.asarray(true, object), np.asarray(predicted, object)]))
    n = len(codes) // 2
    if n < 2:
        return 1.0
    first, second = codes[:n], codes[n:]
    one, other = (np.bincount(part, minlength=len(names)) / n for part in (first, second))
    both = one * other
    variance = (both * (1 - one) * (1 - other)).sum() + both.sum() ** 2 - (both**2).sum()
    if variance <= 1e-12:
        return 1.0
    z = (float((first == second).mean()) - float(both.sum())) / math.sqrt(variance / (n - 1))
    return float(special.ndtr(-z))
