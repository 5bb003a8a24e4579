"""The map of the texts: a point in the plane for each row, and its nearest neighbours."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.exploration.filter import FilterError
from engine.exploration.polygon import PointIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from engine.exploration.categories import Categories


PLACE = "map"
"""What a row lacks that lies nowhere, among the names of `Filter.missing`."""


class MapInfo(msgspec.Struct, frozen=True):
    """How a map was made.

    Parameters
    ----------
    key : str
        32 hexadecimal digits: of the data set, the embeddings and the way of drawing.
    method : str
        In words, for the page.
    rows : int
        How many rows the data set has.
    placed : int
        How many of them have a point; the others have no word that another row has, too.
    anchors : int
        How many rows were laid out by themselves; the others stand beside the most similar of these.
    seconds : float
        How long it took.
    """

    key: str
    method: str
    rows: int
    placed: int
    anchors: int
    seconds: float


class Neighbour(msgspec.Struct, frozen=True):
    """A row near another one.

    Parameters
    ----------
    position : int
        In the table.
    similarity : float
        Cosine of the angle between the vectors of both, in [-1, 1].
    tag : str or None
        Of the row.
    """

    position: int
    similarity: float
    tag: str | None


class TextMap:
    """Points and vectors of n rows; never changed, shared by all visitors.

    Parameters
    ----------
    points : numpy.ndarray
        float32 [n, 2]; NaN for a row that lies nowhere.
    vectors : numpy.ndarray
        float32 [n, d], each of length 1, or 0.
    info : MapInfo
        How both were made.
    """

    def __init__(self, points: NDArray[np.float32], vectors: NDArray[np.float32], info: MapInfo) -> None:
        self.points = points
        self.vectors = vectors
        self.info = info

    @functools.cached_property
    def _index(self) -> PointIndex:
        return PointIndex(self.points)

    def inside(self, polygon: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
        """Return which rows lie inside a polygon, as `PointIndex.inside` does; bool [n]."""
        return self._index.inside(polygon)

    def nowhere(self) -> NDArray[np.bool_]:
        """Return which rows have no point; bool [n]."""
        return np.asarray(~np.isfinite(self.points).all(axis=1))

    def points_in(self, polygon: Sequence[Sequence[float]]) -> NDArray[np.int32]:
        """Return the positions of the rows inside a polygon; int32, ascending."""
        return np.flatnonzero(self.inside(polygon)).astype(np.int32)

    def neighbours(self, position: int, count: int = 10, tags: Categories | None = None) -> list[Neighbour]:
        """Return the rows most similar to a row, out of all rows.

        Parameters
        ----------
        position : int
            Of the row, in the table.
        count : int, optional
            How many to return at most; rows without vector are nobody's neighbours.
        tags : Categories, optional
            The tags of the rows.

        Returns
        -------
        list of Neighbour
            The most similar first, of equal ones the first in the table; without the row itself.

        Raises
        ------
        FilterError
            If there is no such row.
        """
        if not 0 <= position < len(self.vectors):
            raise FilterError(f"There is no row {position:,}; the data set has {len(self.vectors):,}.")
        own = np.asarray(self.vectors[position])
        if not own.any() or count <= 0:
            return []
        similar = self.vectors @ own
        similar[position] = -np.inf
        most = min(count, len(similar))
        limit = np.partition(similar, len(similar) - most)[len(similar) - most]
        near = np.flatnonzero(similar >= limit)
        near = near[np.argsort(-similar[near], kind="stable")]
        near = near[self.vectors[near].any(axis=1) & np.isfinite(similar[near])][:most]
        return [Neighbour(row, float(min(similar[row], 1.0)), _tag(tags, row)) for row in near.tolist()]


def _tag(tags: Categories | None, row: int) -> str | None:
    """Return the tag of a row."""
    return None if tags is None else (*tags.names, None)[tags.codes[row]]
