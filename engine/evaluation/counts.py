"""Confusion counts: how often each pair of true and predicted tag occurs, which is all that most metrics need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.errors import DataError
from engine.evaluation.metrics import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each pair of true and predicted tag occurs.

    Parameters
    ----------
    tags : tuple of str
        The tags that count.
    cells : numpy.ndarray
        int64, shape (tags, tags + 1): rows are true tags, columns predicted ones. The last column holds the rows
        whose answer is none of the tags: rejected by a threshold, or a tag that nobody asked about.
    """

    tags: tuple[str, ...]
    cells: np.ndarray

    @property
    def rows(self) -> int:
        """Number of rows counted."""
        return int(self.cells.sum())

    @property
    def support(self) -> np.ndarray:
        """Rows of each tag, int64[tags]."""
        support: np.ndarray = self.cells.sum(axis=1)
        return support

    @property
    def predicted(self) -> np.ndarray:
        """How often each tag was the answer, int64[tags]."""
        predicted: np.ndarray = self.cells[:, :-1].sum(axis=0)
        return predicted

    @property
    def right(self) -> np.ndarray:
        """Rows of each tag that were answered right, int64[tags]."""
        return np.diagonal(self.cells).copy()

    @property
    def occurs(self) -> np.ndarray:
        """Whether each tag is true or predicted anywhere, bool[tags]."""
        occurs: np.ndarray = (self.support + self.predicted) > 0
        return occurs


def tag_set(labels: Sequence[str], true: Iterable[str]) -> tuple[str, ...]:
    """Return the tags that count: the model's, then the true ones that it does not know, sorted.

    The model cannot get the latter right, and that counts. Answers outside both count as none of the tags.

    Examples
    --------
    >>> tag_set(["b", "a"], ["z", "a", "y"])
    ('b', 'a', 'y', 'z')
    """
    return (*labels, *sorted(set(true) - set(labels)))


def tag_codes(values: ArrayLike, tags: Sequence[str], what: str) -> np.ndarray:
    """Return the position of each value in `tags`.

    Parameters
    ----------
    values : array-like of str, shape (n,)
        Tags.
    tags : sequence of str
        Without repetition.
    what : str
        What the values are, for the sentence of an error: ``"predicted tags"``.

    Returns
    -------
    numpy.ndarray
        int64, shape (n,); ``len(tags)`` for a value that is not among them.

    Raises
    ------
    DataError
        If a value is missing.
    """
    index = pd.Index(np.asarray(values, dtype=object))
    missing = np.asarray(index.isna())
    if missing.any():
        raise DataError(
            f"The {what} are missing in {_number(int(missing.sum()), 'row')}, the first of them row "
            f"{int(missing.argmax()) + 1:,}; leave these rows out before judging."
        )
    return encode(index, tags)


def count(true: ArrayLike, predicted: ArrayLike, tags: Sequence[str]) -> Counts:
    """Count codes.

    Parameters
    ----------
    true, predicted : array-like of int, shape (n,)
        Positions in `tags`; `predicted` may be ``len(tags)`` for an answer that is none of them.
    tags : sequence of str
        The tags that count.

    Returns
    -------
    Counts
        Of all n rows.

    Raises
    ------
    DataError
        If the lengths differ, or a code is missing (NaN), no whole number or no position in `tags`.
    """
    return count_slices(true, predicted, tags, {"": None})[""]


def count_slices(
    true: ArrayLike, predicted: ArrayLike, tags: Sequence[str], slices: Mapping[str, np.ndarray | None]
) -> dict[str, Counts]:
    """Count the codes of each slice.

    Parameters
    ----------
    true, predicted : array-like of int, shape (n,)
        As for `count`.
    tags : sequence of str
        The tags that count.
    slices : mapping of str to numpy.ndarray or None
        Name to mask, bool, shape (n,); None for all rows.

    Returns
    -------
    dict of str to Counts
        By the names of `slices`.

    Raises
    ------
    DataError
        As `count`, or if a mask is not one truth value per row (the slice is named).
    """
    size = len(tags)
    rows = _codes(true, size - 1, "true")
    columns = _codes(predicted, size, "predicted")
    if len(rows) != len(columns):
        raise DataError(
            f"There are {len(rows):,} true tags and {len(columns):,} predicted ones; give one of each per row."
        )
    places = rows * (size + 1) + columns
    found = {}
    for name, mask in slices.items():
        chosen = places
        if mask is not None:
            if mask.shape != places.shape or mask.dtype != bool:
                raise DataError(
                    f'The mask of the slice "{name}" must be one True or False for each of {len(places):,} rows.'
                )
            chosen = places[mask]
        cells = np.bincount(chosen, minlength=size * (size + 1)).astype(np.int64)
        found[name] = Counts(tuple(tags), cells.reshape(size, size + 1))
    return found


def count_tags(true: ArrayLike, predicted: ArrayLike, labels: Sequence[str]) -> Counts:
    """Count tags given by name.

    Parameters
    ----------
    true, predicted : array-like of str, shape (n,)
        The tags.
    labels : sequence of str
        The tags of the model; see `tag_set` for what becomes of others.

    Returns
    -------
    Counts
        Of all n rows.

    Raises
    ------
    DataError
        If the lengths differ or a tag is missing.

    Examples
    --------
    >>> count_tags(["a", "a", "new"], ["a", "b", "a"], ["a", "b"]).cells
    array([[1, 1, 0, 0],
           [0, 0, 0, 0],
           [1, 0, 0, 0]])
    """
    true_codes, predicted_codes, tags = coded(true, predicted, labels)
    return count(true_codes, predicted_codes, tags)


def coded(
    true: ArrayLike, predicted: ArrayLike, labels: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the codes of true and of predicted tags, int64, shape (n,), and the tags that they are positions in.

    Raises
    ------
    DataError
        If a tag is missing.
    """
    true_codes = tag_codes(true, labels, "true tags")
    unknown = true_codes == len(labels)
    tags = tuple(labels)
    if unknown.any():
        tags = tag_set(labels, np.asarray(true, dtype=object)[unknown])
        true_codes = tag_codes(true, tags, "true tags")
    return true_codes, tag_codes(predicted, tags, "predicted tags"), tags


def _codes(values: ArrayLike, highest: int, what: str) -> np.ndarray:
    """Check codes and return them as int64."""
    codes = np.asarray(values)
    if codes.ndim != 1:
        raise DataError(
            f"The codes of the {what} tags must be one number per row, not an array of {codes.ndim} dimensions."
        )
    if not len(codes):
        return np.zeros(0, np.int64)
    if codes.dtype.kind == "f" and np.isnan(codes).any():
        row = int(np.isnan(codes).argmax()) + 1
        raise DataError(
            f"The code of the {what} tag is missing (NaN) in row {row:,}; leave such rows out before judging."
        )
    if codes.dtype.kind not in "iu":
        raise DataError(f"The codes of the {what} tags must be whole numbers, not {codes.dtype}.")
    lowest, largest = int(codes.min()), int(codes.max())
    if lowest < 0 or largest > highest:
        bad = lowest if lowest < 0 else largest
        raise DataError(f"The {what} tag {bad} is no position among the tags: give whole numbers from 0 to {highest}.")
    return codes.astype(np.int64, copy=False)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
