"""What is kept of a run's probabilities: five per row instead of all, and the figures that need all of them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from engine.evaluation.ranking import Ranking

if TYPE_CHECKING:
    from engine.evaluation.estimates import Estimate

MOST_TOP = 5
_ROWS_AT_ONCE = 20_000


@dataclasses.dataclass(frozen=True, eq=False)
class Chances:
    """Of n rows; 34 bytes per row, where all probabilities of 50 tags are 200.

    Parameters
    ----------
    top_codes : numpy.ndarray
        int16, shape (n, k): the k most probable tags, the best first; of equal ones the first in the order of the tags.
    top : numpy.ndarray
        float32, shape (n, k): their probabilities.
    truth : numpy.ndarray
        float32, shape (n,): probability of the true tag; 0 where the model does not know the tag.
    ranks : numpy.ndarray
        int16, shape (n,): place of the true tag among them, from 0, as `engine.evaluation.ranking.Ranking` has it.
    log_loss : Estimate
        With its interval.
    accuracy_at : tuple of Estimate
        Share of rows whose true tag is among the 1, 2, ... k most probable.
    """

    top_codes: np.ndarray
    top: np.ndarray
    truth: np.ndarray
    ranks: np.ndarray
    log_loss: Estimate
    accuracy_at: tuple[Estimate, ...]


def chances_of(probabilities: np.ndarray, true: np.ndarray) -> Chances:
    """Summarise probabilities.

    Parameters
    ----------
    probabilities : numpy.ndarray
        float32, shape (n, m).
    true : numpy.ndarray
        int64, shape (n,): columns of the true tags; m and more for one that the model does not know.

    Raises
    ------
    engine.errors.DataError
        A probability is missing or not between 0 and 1.
    """
    rows, size = probabilities.shape
    ranking = Ranking(probabilities, true)
    k = min(MOST_TOP, size)
    codes, top = np.empty((rows, k), np.int16), np.empty((rows, k), np.float32)
    for start in range(0, rows, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        rest = probabilities[part].copy()
        every = np.arange(len(rest))
        for place in range(k):
            best = rest.argmax(axis=1)
            codes[part, place], top[part, place] = best, rest[every, best]
            rest[every, best] = -1.0
    truth = np.zeros(rows, np.float32)
    known = np.flatnonzero(true < size)
    truth[known] = probabilities[known, true[known]]
    return Chances(
        codes,
        top,
        truth,
        ranking.ranks.astype(np.int16),
        ranking.log_loss(),
        tuple(ranking.top(place + 1) for place in range(k)),
    )
