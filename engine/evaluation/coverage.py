"""Coverage: at each threshold of confidence, how many rows are answered, how many rightly, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from engine.errors import DataError
from engine.evaluation.estimates import Estimate, proportions
from engine.evaluation.probabilities import bounded

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


Below = Literal["rejected", "other"]
"""What becomes of a row whose confidence is below the threshold: it gets no answer, or the answer `other`."""


class AtThreshold(msgspec.Struct, frozen=True):
    """What becomes of the rows at a threshold: those of this confidence or more keep their answer.

    Parameters
    ----------
    threshold : float
        Above 1 where no row keeps its answer.
    coverage : Estimate
        Share of the rows that keep their answer.
    precision : Estimate
        Share of the answers that are right, those among them that are `other` because of the threshold.
    answered, wrong, rejected : int
        Numbers of rows; `wrong` ones are answered. Nothing is rejected where rows below it are answered `other`.
    others, others_wrong : int
        Rows that are answered `other` because they are below, and those of them that have another tag; they are
        among `answered` and `wrong`.
    """

    threshold: float
    coverage: Estimate
    precision: Estimate
    answered: int
    wrong: int
    rejected: int
    others: int = 0
    others_wrong: int = 0

    @property
    def below(self) -> int:
        """How many rows do not keep their answer."""
        return self.rejected + self.others

    def cost(self, wrong: float, rejected: float) -> float:
        """Return the cost of a row on average, with these costs of a wrong answer and of a rejected row."""
        rows = self.answered + self.rejected
        return (self.wrong * wrong + self.rejected * rejected) / rows if rows else 0.0


class Coverage:
    """Coverage and precision for every threshold of confidence.

    A threshold works as in the predictor: a row whose highest probability is below it does not keep its answer, one
    that equals it does. The predictor then answers `other`, which is right where that is the true tag; whoever has a
    model without this tag takes such a row for rejected.

    Parameters
    ----------
    confidence : array-like of float, shape (n,)
        Probability of the predicted tag, 0 to 1. float32 is kept as it is, so that a threshold compares as it does in
        the predictor.
    right : array-like of bool, shape (n,)
        Whether the prediction is right.
    other : array-like of bool, shape (n,), optional
        Whether the true tag is `other`, where the model has that tag.

    Raises
    ------
    DataError
        If the lengths differ, or a confidence is missing (NaN) or not between 0 and 1.

    Examples
    --------
    >>> curve = Coverage([0.9, 0.8, 0.6, 0.4], [True, True, False, True], [False, False, True, False])
    >>> at = curve.at([0.7])[0]
    >>> at.coverage.value, at.precision.value, at.rejected
    (0.5, 1.0, 2)
    >>> curve.cheapest(wrong=10, rejected=1).threshold
    0.8
    >>> at = curve.at([0.7], "other")[0]
    >>> at.precision.value, at.wrong, at.others, at.rejected
    (0.75, 1, 2, 0)
    """

    def __init__(self, confidence: ArrayLike, right: ArrayLike, other: ArrayLike | None = None) -> None:
        confidence, right = checked_confidence(confidence, right)
        order = np.argsort(confidence, kind="stable")
        self._confidence = confidence[order].astype(np.float64)
        # wrong_from[i]: how many of the answers from the i-th lowest confidence upwards are wrong.
        self._wrong_from = np.append((~right[order])[::-1].cumsum(dtype=np.int32)[::-1], np.int32(0))
        # wrong_below[i]: how many of the i rows of lowest confidence are not `other`.
        self._wrong_below: np.ndarray | None = None
        if other is not None:
            others = np.asarray(other)
            if others.shape != right.shape or (len(others) and others.dtype != bool):
                raise DataError("Whether a true tag is `other` must be True or False, for each of the answers.")
            others = others.astype(bool)
            self._wrong_below = np.append(np.int32(0), (~others[order]).cumsum(dtype=np.int32))

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self._confidence)

    @property
    def knows_other(self) -> bool:
        """Whether a row below the threshold can be answered `other`."""
        return self._wrong_below is not None

    def at(self, thresholds: ArrayLike, below: Below = "rejected") -> list[AtThreshold]:
        """Return what becomes of the rows at each threshold, by Wilson intervals.

        Parameters
        ----------
        thresholds : array-like of float, shape (k,)
        below : {"rejected", "other"}
            What becomes of the rows below it.

        Raises
        ------
        DataError
            If a threshold is missing (NaN), or the model has no tag `other` to answer.
        """
        values = np.asarray(thresholds, np.float64)
        if values.ndim != 1 or np.isnan(values).any():
            raise DataError("The thresholds must be a row of numbers, none of them missing (NaN).")
        # Not int32: a sum or a product of counts must not overflow.
        under = np.searchsorted(self._confidence, values, side="left").astype(np.int64)
        others_wrong = self._others_wrong(under, below)
        others = under if below == "other" else np.zeros_like(under)
        rejected = under - others
        wrong = self._wrong_from[under] + others_wrong
        answered = self.rows - rejected
        coverage = proportions(self.rows - under, np.full(len(values), self.rows))
        precision = proportions(answered - wrong, answered)
        counts = (one.tolist() for one in (answered, wrong, rejected, others, others_wrong))
        return [AtThreshold(*row) for row in zip(values.tolist(), coverage, precision, *counts, strict=True)]

    def cheapest(self, wrong: float, rejected: float, below: Below = "rejected") -> AtThreshold:
        """Return the threshold of least cost; of several the one at which most rows keep their answer.

        Parameters
        ----------
        wrong, rejected : float
            What a wrong answer and a rejected row cost. Only their ratio matters.
        below : {"rejected", "other"}
            As for `at`. Where nothing is rejected, the cheapest threshold is that of the fewest wrong answers.

        Returns
        -------
        AtThreshold
            At 0, at a confidence that occurs, or above all of them (no row keeps its answer). It was chosen on these
            rows, so other rows will cost a little more.

        Raises
        ------
        DataError
            If a cost is negative or no finite number, or the model has no tag `other` to answer.
        """
        if not all(np.isfinite(cost) and cost >= 0 for cost in (wrong, rejected)):
            raise DataError(f"The costs {wrong:g} and {rejected:g} must be finite numbers, 0 or more.")
        # Equal confidences are above or below together: only where a new one begins can a threshold lie.
        starts = np.flatnonzero(np.diff(self._confidence, prepend=-1.0) > 0)
        starts = np.append(starts, self.rows)
        mistakes = self._wrong_from[starts] + self._others_wrong(starts, below)
        costs = mistakes * float(wrong) + (starts * float(rejected) if below == "rejected" else 0.0)
        start = int(starts[int(costs.argmin())])
        if start == 0:
            threshold = 0.0
        elif start < self.rows:
            threshold = float(self._confidence[start])
        else:
            threshold = float(np.nextafter(self._confidence[-1], 2.0))
        return self.at([threshold], below)[0]

    def _others_wrong(self, under: np.ndarray, below: Below) -> np.ndarray:
        """Return how many of so many rows of lowest confidence are wrong as `other`: int64, like `under`."""
        if below == "rejected":
            return np.zeros(len(under), np.int64)
        if self._wrong_below is None:
            raise DataError("The model has no tag `other`, so a row below the threshold is rejected.")
        return np.asarray(self._wrong_below[under], np.int64)


def checked_confidence(confidence: ArrayLike, right: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return confidences (floats, shape (n,)) and whether each answer is right (bool, shape (n,)).

    Raises
    ------
    DataError
        If the lengths differ, a confidence is missing (NaN) or not between 0 and 1 (but for rounding, which is set
        right), or `right` holds no truth values.
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
    return bounded(values, "confidence"), truths
