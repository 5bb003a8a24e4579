"""Significance of changes between two runs on the same rows: McNemar's test, its correction over many, intervals."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Correction = Literal["holm", "benjamini-hochberg"]


def mcnemar(improved: ArrayLike, regressed: ArrayLike, *, mid_p: bool = False) -> np.ndarray:
    """Return the p-values of McNemar's test, two-sided, from the binomial distribution.

    Only rows on which the two runs differ say anything: with no difference each is as likely to be an improvement as a
    regression.

    Parameters
    ----------
    improved, regressed : array-like of int
        How many rows only the one and only the other run gets right; one test per element.
    mid_p : bool, optional
        Count half of the probability of what was seen. It finds more where few rows differ, but keeps to its level on
        the average only; the exact test keeps to it for any number of rows.

    Returns
    -------
    numpy.ndarray
        float64, in (0, 1]; 1 where no row differs.

    Raises
    ------
    ValueError
        If a count is negative.

    References
    ----------
    McNemar, Q. (1947), Psychometrika 12, 153-157. Fagerland, M. W., Lydersen, S. and Laake, P. (2013), "The McNemar
    test for binary matched-pairs data: mid-p and asymptotic are better than exact conditional", BMC Medical Research
    Methodology 13, 91.

    Examples
    --------
    >>> mcnemar([1, 0], [9, 0]).round(4).tolist()
    [0.0215, 1.0]
    """
    from scipy.special import bdtr, gammaln

    better, worse = np.asarray(improved, dtype=np.int64), np.asarray(regressed, dtype=np.int64)
    if (better < 0).any() or (worse < 0).any():
        raise ValueError("counts of rows are not negative")
    fewer, total = np.minimum(better, worse), better + worse
    p = 2 * bdtr(fewer.astype(np.float64), total, 0.5)
    if mid_p:
        at = gammaln(total + 1.0) - gammaln(fewer + 1.0) - gammaln(total - fewer + 1.0) - total * np.log(2.0)
        p = p - np.exp(at)
        p = np.where(better == worse, 1.0, p)
    result: np.ndarray = np.clip(p, np.finfo(np.float64).tiny, 1.0)
    return result


def corrected(p: ArrayLike, correction: Correction = "holm") -> np.ndarray:
    """Return p-values corrected for how many there are.

    Parameters
    ----------
    p : array-like of float, shape (m,)
        Between 0 and 1.
    correction : str, optional
        ``"holm"``: among all, the chance of a single false alarm stays below the level, whatever their dependence.
        ``"benjamini-hochberg"``: the expected share of false alarms among the alarms does, for tests that are
        independent or positively dependent; it finds more.

    Returns
    -------
    numpy.ndarray
        float64, shape (m,).

    Raises
    ------
    ValueError
        If a value is none, or there is no such correction.

    References
    ----------
    Holm, S. (1979), Scandinavian Journal of Statistics 6, 65-70. Benjamini, Y. and Hochberg, Y. (1995), JRSS B 57,
    289-300.

    Examples
    --------
    >>> corrected([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    >>> corrected([0.01, 0.04, 0.03], "benjamini-hochberg").round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    values = np.asarray(p, dtype=np.float64)
    # A comparison is also false for NaN.
    if values.ndim != 1 or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("p-values are one row of numbers from 0 to 1")
    count = len(values)
    order = np.argsort(values, kind="stable")
    ranks = np.arange(count)
    if correction == "holm":
        stepped = np.maximum.accumulate(values[order] * (count - ranks))
    elif correction == "benjamini-hochberg":
        stepped = np.minimum.accumulate((values[order] * count / (ranks + 1))[::-1])[::-1]
    else:
        raise ValueError(f"no correction {correction!r}; there are holm and benjamini-hochberg")
    result = np.empty(count)
    result[order] = np.minimum(stepped, 1.0)
    return result


def paired_interval(
    improved: ArrayLike, regressed: ArrayLike, rows: ArrayLike, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of a change of accuracy, by Bonett and Price: Wald's, one row added to both differences.

    Unlike a bootstrap it does not claim certainty where no row, or only a few, differ.

    Parameters
    ----------
    improved, regressed, rows : array-like of int
        How many rows only the later and only the earlier run gets right, of how many; one interval per element.
    confidence : float, optional
        Between 0 and 1.

    Returns
    -------
    low, high : numpy.ndarray
        float64 within [-1, 1], the change ``(improved - regressed) / rows`` between them; -1 and 1 without rows.

    Raises
    ------
    ValueError
        If the numbers make no proportion.

    References
    ----------
    Bonett, D. G. and Price, R. M. (2012), "Adjusted Wald confidence interval for a difference of binomial proportions
    based on paired data", Journal of Educational and Behavioral Statistics 37, 479-488.
    """
    better, worse, n = (np.asarray(values, dtype=np.float64) for values in (improved, regressed, rows))
    if not ((better >= 0) & (worse >= 0) & (better + worse <= n)).all() or not 0 < confidence < 1:
        raise ValueError("no proportions: improved and regressed rows are among the rows")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    up, down = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    centre = up - down
    half = z * np.sqrt(np.maximum(up + down - centre**2, 0) / (n + 2))
    change = (better - worse) / np.maximum(n, 1)
    low, high = np.maximum(-1, np.minimum(centre - half, change)), np.minimum(1, np.maximum(centre + half, change))
    return np.where(n > 0, low, -1.0), np.where(n > 0, high, 1.0)
