"""Points inside a polygon, a million of them in a few milliseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.exploration.filter import FilterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_IDLE_SHARE = 1e-4
# No hand draws more, and the work grows with the square of their number.
_MOST_LOOKED_AT = 1_000


class PointIndex:
    """Points of the plane, sorted by their height.

    An edge of a polygon then concerns one slice of them, so a point is looked at once for each edge that passes beside
    it (twice, for a simple shape) and not once for each edge.

    Parameters
    ----------
    points : numpy.ndarray
        float32 [n, 2]; a point that is not finite lies nowhere.
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        self._rows = len(points)
        placed = np.flatnonzero(np.isfinite(points).all(axis=1))
        self._order = placed[np.argsort(points[placed, 1], kind="stable")].astype(np.int32)
        self._x = np.ascontiguousarray(points[self._order, 0])
        self._y = np.ascontiguousarray(points[self._order, 1])

    def inside(self, polygon: Sequence[Sequence[float]]) -> NDArray[np.bool_]:
        """Return which points lie inside a polygon.

        By the even-odd rule: a point is inside if a ray from it to the right crosses the edges an odd number of times.
        Of the points on the edges, those on the left and the lower ones are inside, so that polygons with a common
        edge share no point.

        Parameters
        ----------
        polygon : sequence of (float, float)
            Its corners in order; the last one is joined to the first.

        Returns
        -------
        numpy.ndarray
            bool [n].

        Raises
        ------
        FilterError
            If a corner is not two finite numbers.
        """
        try:
            corners = np.asarray(polygon, np.float64)
        except ValueError:
            corners = np.zeros(0)
        if corners.ndim != 2 or corners.shape[1:] != (2,) or not np.isfinite(corners).all():
            raise FilterError("The polygon has a corner that is not two numbers; draw it again.")
        odd = np.zeros(len(self._order), bool)
        for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if y > next_y:  # upwards, so that an edge cuts the same points whichever way round it is drawn
                x, y, next_x, next_y = next_x, next_y, x, y
            below, above = np.searchsorted(self._y, (y, next_y))
            if below == above:
                continue
            edge = x + (self._y[below:above].astype(np.float64) - y) * ((next_x - x) / (next_y - y))
            odd[below:above] ^= self._x[below:above] < edge
        mask = np.zeros(self._rows, bool)
        mask[self._order[odd]] = True
        return mask


def simplified(polygon: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Return a polygon of fewer corners that is nearly the same: again and again the corner that matters least leaves.

    How much a corner matters is the area between it and its neighbours (Visvalingam and Whyatt 1993). Corners that
    matter less than a ten-thousandth of the box around the polygon leave in any case: a straight line drawn by hand
    has one for each movement of the mouse. Of very many corners every second, third ... is looked at.

    Parameters
    ----------
    polygon : sequence of (float, float)
        Its corners in order.
    most : int
        How many may stay, at least 3.
    """
    thinned = polygon[:: max(1, -(-len(polygon) // _MOST_LOOKED_AT))]
    corners = np.asarray(list(dict.fromkeys(thinned)), np.float64).reshape(-1, 2)
    if len(corners) <= 3:
        return [(float(x), float(y)) for x, y in corners.tolist()]
    # Twice a triangle's area, as below.
    idle = 2 * _IDLE_SHARE * float(np.prod(np.ptp(corners, axis=0)))
    while len(corners) > 3:
        before, after = np.roll(corners, 1, axis=0) - corners, np.roll(corners, -1, axis=0) - corners
        areas = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
        least = int(areas.argmin())
        if len(corners) <= most and areas[least] > idle:
            break
        corners = np.delete(corners, least, axis=0)
    return [(float(x), float(y)) for x, y in corners.tolist()]
