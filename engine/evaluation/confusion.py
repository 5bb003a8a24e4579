"""Confusion: which tags are taken for each other, and an order in which such tags stand together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage, optimal_leaf_ordering
from scipy.spatial.distance import squareform

from engine.errors import DataError

if TYPE_CHECKING:
    from engine.evaluation.counts import Counts

# The best order of the leaves takes the cube of their number: 0.1 s for so many tags.
_MOST_BEST_ORDER = 300


class Confusion(msgspec.Struct, frozen=True):
    """Rows of one tag that were answered with another one.

    Parameters
    ----------
    true, predicted : int
        Positions among the tags; `predicted` is their number where the answer is none of them.
    rows : int
        How many.
    share : float
        Of all rows of the tag `true`.
    """

    true: int
    predicted: int
    rows: int
    share: float


def confused_order(cells: np.ndarray) -> np.ndarray:
    """Order tags so that those which are taken for each other stand together.

    Parameters
    ----------
    cells : numpy.ndarray
        int64, shape (tags, tags + 1) or (tags, tags): rows are true tags, columns predicted ones, as
        `engine.evaluation.counts.Counts` has them. A last column of answers that are none of the tags is not looked at.

    Returns
    -------
    numpy.ndarray
        int64, shape (tags,): positions of the tags, each once.

    Raises
    ------
    DataError
        If the counts have another shape, or a negative one is among them.

    Notes
    -----
    Two tags are as near as the share of the rows of both that is taken for the other one. They are clustered by average
    linkage, and of the orders that a tree of clusters allows the one is taken in which neighbours are nearest
    (Bar-Joseph et al. 2001). Tags that are confused with none come after all others, in the order in which they were
    given.

    References
    ----------
    Bar-Joseph, Z., Gifford, D. K. and Jaakkola, T. S. (2001), "Fast optimal leaf ordering for hierarchical clustering",
    Bioinformatics 17, S22-S29.

    Examples
    --------
    >>> confused_order(np.array([[9, 0, 5], [0, 9, 0], [4, 0, 9]])).tolist()
    [0, 2, 1]
    """
    cells = np.asarray(cells)
    size = len(cells)
    if cells.ndim != 2 or cells.shape[1] not in (size, size + 1) or (cells.size and cells.min() < 0):
        raise DataError("Confusion counts must be a square of numbers, 0 or more: true tags by predicted ones.")
    support = cells.sum(axis=1)
    between = cells[:, :size].astype(np.float64)
    np.fill_diagonal(between, 0.0)
    between += between.T
    both = support[:, None] + support[None, :]
    near = np.divide(between, both, out=np.zeros_like(between), where=both > 0)
    some = np.flatnonzero(near.any(axis=1))
    rest = np.flatnonzero(~near.any(axis=1))
    if len(some) < 3:
        return np.append(some, rest)
    apart = squareform(1.0 - near[np.ix_(some, some)], checks=False)
    tree = linkage(apart, "average")
    if len(some) <= _MOST_BEST_ORDER:
        tree = optimal_leaf_ordering(tree, apart)
    order = leaves_list(tree).astype(np.int64)
    # A line of neighbours may be read from either end: what was given first comes first.
    if order[0] > order[-1]:
        order = order[::-1]
    return np.append(some[order], rest)


def top_confusions(counts: Counts, most: int | None = None) -> list[Confusion]:
    """List what is confused, the most frequent first; of equally frequent ones that with the greater share.

    Parameters
    ----------
    counts : Counts
        Of the rows to be judged.
    most : int, optional
        How many are listed; by default all.

    Returns
    -------
    list of Confusion
        Those with rows.

    Examples
    --------
    >>> from engine.evaluation.counts import count
    >>> top_confusions(count([0, 0, 0, 1], [0, 1, 1, 2], ("a", "b")))[0]
    Confusion(true=0, predicted=1, rows=2, share=0.6666666666666666)
    """
    cells = counts.cells.copy()
    np.fill_diagonal(cells, 0)
    support = counts.support
    true, predicted = np.nonzero(cells)
    rows = cells[true, predicted]
    shares = rows / support[true]
    order = np.lexsort((predicted, true, -shares, -rows))[:most]
    return [Confusion(int(true[at]), int(predicted[at]), int(rows[at]), float(shares[at])) for at in order.tolist()]
