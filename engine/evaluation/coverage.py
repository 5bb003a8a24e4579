"""Coverage: at each threshold of confidence, how many rows are answered, how many rightly, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.errors import DataError
from engine.evaluation.estimates import Estimate, proportions

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class AtThreshold(msgspec.Struct, frozen=True):
    """What is answered where the confidence is `threshold` or more, and the rest is rejected.

    Parameters
    ----------
    threshold : float
        Above 1 where everything is rejected.
    coverage : Estimate
        Share of the rows that are answered.
    precision : Estimate
        Share of the answers that are right.
    answered, wrong, rejected : int
        Numbers of rows; `wrong` ones are answered.
    """

    threshold: float
    coverage: Estimate
    precision: Estimate
    answered: int
    wrong: int
    rejected: int

    def cost(self, wrong: float, rejected: float) -> float:
        """Return the cost of a row on average, with these costs of a wrong answer and of a rejected row."""
        rows = self.answered + self.rejected
        return (self.wrong * wrong + self.rejected * rejected) / rows if rows else 0.0


class Coverage:
    """Coverage and precision for every threshold of confidence.

    A threshold works as in the predictor: a row whose highest probability is below it is not answered (its answer is
    `other`), one that equals it is.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
        Probability of the predicted tag, 0 to 1. float32 is kept as it is, so that a threshold compares as it does in
        the predictor.
    right : array-like of bool, shape (n,)
        Whether the prediction is right.

    Raises
    ------
    DataError
        If the lengths differ, or a confidence is missing (NaN) or not between 0 and 1.

    Examples
    --------
    >>> curve = Coverage([0.9, 0.8, 0.6, 0.4], [True, True, False, True])
    >>> at = curve.at([0.7])[0]
    >>> at.coverage.value, at.precision.value, at.rejected
    (0.5, 1.0, 2)
    >>> curve.cheapest(wrong=10, rejected=1).threshold
    0.8
    """

    def __init__(self, confidence: ArrayLike, right: ArrayLike) -> None:
        confidence, right = checked_confidence(confidence, right)
        order = np.argsort(confidence, kind="stable")
        self._confidence = confidence[order].astype(np.float64)
        # wrong_from[i]: how many of the answers from the i-th lowest confidence upwards are wrong.
        self._wrong_from = np.append((~right[order])[::-1].cumsum()[::-1], 0)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._confidence)

    def at(self, thresholds: ArrayLike) -> list[AtThreshold]:
        """Return what is answered at each threshold, by Wilson intervals; array-like of float, shape (k,)."""
        values = np.asarray(thresholds, np.float64)
        if values.ndim != 1 or np.isnan(values).any():
            raise DataError("The thresholds must be a row of numbers, none of them missing (NaN).")
        rejected = np.searchsorted(self._confidence, values, side="left")
        wrong = self._wrong_from[rejected]
        answered = self.rows - rejected
        coverage = proportions(answered, np.full(len(values), self.rows))
        precision = proportions(answered - wrong, answered)
        return [
            AtThreshold(*row)
            for row in zip(
                values.tolist(), coverage, precision, answered.tolist(), wrong.tolist(), rejected.tolist(), strict=True
            )
        ]

    def cheapest(self, wrong: float, rejected: float) -> AtThreshold:
        """Return the threshold of least cost; of several the one that answers most.

        Parameters
        ----------
        wrong, rejected : float
            What a wrong answer and a rejected row cost. Only their ratio matters.

        Returns
        -------
        AtThreshold
            At 0, at a confidence that occurs, or above all of them (nothing is answered). It was chosen on these rows,
            so other rows will cost a little more.

        Raises
        ------
        DataError
            If a cost is negative or no finite number.
        """
        if not all(np.isfinite(cost) and cost >= 0 for cost in (wrong, rejected)):
            raise DataError(f"The costs {wrong:g} and {rejected:g} must be finite numbers, 0 or more.")
        # Equal confidences are answered or rejected together: only where a new one begins can a threshold lie.
        starts = np.flatnonzero(np.diff(self._confidence, prepend=-1.0) > 0)
        starts = np.append(starts, self.rows)
        costs = self._wrong_from[starts] * float(wrong) + starts * float(rejected)
        start = int(starts[int(costs.argmin())])
        if start == 0:
            threshold = 0.0
        elif start < self.rows:
            threshold = float(self._confidence[start])
        else:
            threshold = float(np.nextafter(self._confidence[-1], 2.0))
        return self.at([threshold])[0]


def checked_confidence(confidence: ArrayLike, right: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return confidences (floats, shape (n,)) and whether each answer is right (bool, shape (n,)).

    Raises
    ------
    DataError
        If the lengths differ, a confidence is missing (NaN) or not between 0 and 1, or `right` holds no truth values.
    """
    values, truths = np.asarray(confidence), np.asarray(right)
    if values.ndim != 1 or values.shape != truths.shape:
        raise DataError(
            f"There are {values.size:,} confidences for {truths.size:,} answers; give one number for each of them."
        )
    if not len(values):
        return np.zeros(0), np.zeros(0, bool)
    if values.dtype.kind not in "fiu" or truths.dtype != bool:
        raise DataError("Confidences must be numbers, and whether an answer is right must be True or False.")
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    missing = np.isnan(values)
    if missing.any():
        raise DataError(
            f"The confidence is missing (NaN) in row {int(missing.argmax()) + 1:,}; leave such rows out before judging."
        )
    if values.min() < 0 or values.max() > 1:
        bad = float(values.min() if values.min() < 0 else values.max())
        raise DataError(f"A confidence is {bad:g}; probabilities lie between 0 and 1.")
    return values, truths
