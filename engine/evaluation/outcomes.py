"""Outcomes: what became of each example, by itself and by tag; every figure leads to its rows through these."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from engine.errors import DataError
from engine.evaluation.probabilities import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

TagKind = Literal["tp", "fp", "fn"]
"""By tag: true positive, false positive, false negative."""
Kind = Literal["correct", "wrong", "confidently wrong", "nearly right"]
"""Whatever the tag. Nearly right: wrong, and the true tag comes second."""

CONFIDENT = 0.9


@dataclasses.dataclass(frozen=True, eq=False)
class Outcomes:
    """What became of n examples; made by `outcomes`.

    Parameters
    ----------
    true, predicted : numpy.ndarray
        int64, shape (n,): positions in `tags`; ``len(tags)`` for a tag that is not among them.
    tags : tuple of str
        The tags that are looked at.
    correct : numpy.ndarray
        bool, shape (n,).
    confidence : numpy.ndarray or None
        float32, shape (n,): the probability of the predicted tag, 0 where it is not one of the model's; None where
        nobody knows the probabilities. Then `confidently_wrong` and `nearly_right` are None, too.
    confidently_wrong, nearly_right : numpy.ndarray or None
        bool, shape (n,).
    """

    true: np.ndarray
    predicted: np.ndarray
    tags: tuple[str, ...]
    correct: np.ndarray
    confidence: np.ndarray | None = None
    confidently_wrong: np.ndarray | None = None
    nearly_right: np.ndarray | None = None

    def mask(self, kind: Kind) -> np.ndarray:
        """Return which examples are of a kind: bool, shape (n,).

        Raises
        ------
        DataError
            If the kind needs probabilities and there are none.
        ValueError
            If there is no such kind.
        """
        if kind == "correct":
            return self.correct
        if kind == "wrong":
            return np.asarray(~self.correct)
        if kind not in get_args(Kind):
            raise ValueError(f"no kind {kind!r}; there are {get_args(Kind)}")
        mask = self.confidently_wrong if kind == "confidently wrong" else self.nearly_right
        if mask is None:
            raise DataError(
                f"Which answers are {kind} cannot be said, because this run has no probabilities; import its "
                "predictions with a column of probabilities per tag."
            )
        return mask

    def rows(self, kind: TagKind, tag: str) -> np.ndarray:
        """Return the positions of a tag's true positives, false positives or false negatives: int64, ascending.

        Raises
        ------
        DataError
            If the tag is not one of `tags`.
        ValueError
            If there is no such kind.
        """
        code = self._code(tag)
        if kind == "tp":
            found = self.correct & (self.true == code)
        elif kind == "fp":
            found = ~self.correct & (self.predicted == code)
        elif kind == "fn":
            found = ~self.correct & (self.true == code)
        else:
            raise ValueError(f"no kind {kind!r}; there are {get_args(TagKind)}")
        return np.flatnonzero(found)

    def cell(self, true: str, predicted: str) -> np.ndarray:
        """Return the positions behind one cell of the confusion matrix: int64, ascending.

        Raises
        ------
        DataError
            If one of the two is not one of `tags`.
        """
        return np.flatnonzero((self.true == self._code(true)) & (self.predicted == self._code(predicted)))

    def counts(self) -> np.ndarray:
        """Return the numbers of TP, FP and FN of each tag: int64, shape (tags, 3)."""
        size = len(self.tags) + 1
        wrong = ~self.correct
        columns = (self.true[self.correct], self.predicted[wrong], self.true[wrong])
        return np.stack([np.bincount(codes, minlength=size)[:-1] for codes in columns], axis=1)

    def _code(self, tag: str) -> int:
        try:
            return self.tags.index(tag)
        except ValueError:
            shown = ", ".join(self.tags[:10]) + (", ..." if len(self.tags) > 10 else "")
            raise DataError(f"There is no tag {tag!r}; choose one of {shown}.") from None


def outcomes(
    true: np.ndarray,
    predicted: np.ndarray,
    tags: Sequence[str],
    probabilities: np.ndarray | None = None,
    *,
    confident: float = CONFIDENT,
) -> Outcomes:
    """Say what became of each example.

    Parameters
    ----------
    true, predicted : numpy.ndarray
        int, shape (n,): positions in `tags`, as `engine.evaluation.metrics.encode` gives them; ``len(tags)`` for a tag
        that is not among them, which is never right.
    tags : sequence of str
        The model's tags, first those with a column in `probabilities`.
    probabilities : numpy.ndarray, optional
        float, shape (n, m) with m at most ``len(tags)``.
    confident : float, optional
        A wrong answer with at least this probability is confidently wrong.

    Returns
    -------
    Outcomes

    Raises
    ------
    DataError
        If a probability is missing or not between 0 and 1 (but for rounding).
    ValueError
        If the shapes or codes do not belong together.

    Examples
    --------
    >>> import numpy as np
    >>> answered = np.array([[0.6, 0.3, 0.1], [0.95, 0.05, 0.0]])
    >>> found = outcomes(np.array([1, 2]), np.array([0, 0]), ["a", "b", "c"], answered)
    >>> found.nearly_right.tolist(), found.confidently_wrong.tolist()
    ([True, False], [False, True])
    """
    tags = tuple(tags)
    true, predicted = _codes(true, len(tags)), _codes(predicted, len(tags))
    if len(true) != len(predicted):
        raise ValueError(f"{len(true)} true tags and {len(predicted)} predicted ones")
    correct = (true == predicted) & (true < len(tags))
    if probabilities is None:
        return Outcomes(true, predicted, tags, correct)
    if probabilities.ndim != 2 or probabilities.shape[0] != len(true) or probabilities.shape[1] > len(tags):
        raise ValueError(f"probabilities of shape {probabilities.shape} for {len(true)} rows and {len(tags)} tags")
    probabilities = bounded(probabilities)
    columns = probabilities.shape[1]
    known = predicted < columns
    confidence = np.zeros(len(true), dtype=np.float32)
    confidence[known] = probabilities[np.flatnonzero(known), predicted[known]]
    # Rounding to float32 must not move an answer over the threshold.
    confidently_wrong = ~correct & (confidence >= np.float32(confident))
    return Outcomes(
        true, predicted, tags, correct, confidence, confidently_wrong, _second(true, predicted, correct, probabilities)
    )


def _second(true: np.ndarray, predicted: np.ndarray, correct: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return where the true tag is the best of those that were not given; of equal ones the first counts as better."""
    columns = probabilities.shape[1]
    result = np.zeros(len(true), dtype=bool)
    # Most answers are right, or of a tag without a column: only the rest is copied.
    rows = np.flatnonzero(~correct & (true < columns))
    rest = probabilities[rows].copy()
    given = predicted[rows]
    known = given < columns
    rest[np.flatnonzero(known), given[known]] = -1.0
    # A tag that has no chance at all comes nowhere.
    if columns:
        result[rows] = (rest.argmax(axis=1) == true[rows]) & (rest.max(axis=1) > 0)
    return result


def _codes(codes: np.ndarray, size: int) -> np.ndarray:
    """Return codes as int64, checked."""
    codes = np.asarray(codes)
    if codes.ndim != 1 or (codes.size and codes.dtype.kind not in "iu"):
        raise ValueError("tags are given as one row of whole numbers; `encode` makes them")
    if codes.size and not (codes.min() >= 0 and codes.max() <= size):
        raise ValueError(f"codes lie between {codes.min()} and {codes.max()}, and there are {size} tags")
    return codes.astype(np.int64, copy=False)
