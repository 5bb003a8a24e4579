"""A picture of a million points, in a few milliseconds: which class of rows has most points in each pixel, how densely.

A picture is a byte per pixel, an index into 256 colours: less than half a megabyte for 880 x 520 goes to the browser,
whatever the number of points, and another theme is another list of colours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MOST_CLASSES = 10
"""Most classes of rows that a picture tells apart."""
LEVELS = 20
"""Steps of density of each class, and of the rows behind."""
# Up to so many points a dot has that radius, in pixels, and at least that level: more of them would cover each other,
# and their number would not show.
_DOTS = ((3_000, 3, 14), (20_000, 2, 9), (150_000, 1, 4))
_MARGIN = 0.03


class Window(msgspec.Struct, frozen=True):
    """A part of the plane: its left, right, lower and upper end."""

    left: float
    right: float
    bottom: float
    top: float


def window_of(points: NDArray[np.float32]) -> Window:
    """Return what shows all points, with a margin; float32 [n, 2], those that are not finite lie nowhere."""
    placed = points[np.isfinite(points).all(axis=1)]
    if not len(placed):
        return Window(0.0, 1.0, 0.0, 1.0)
    (left, bottom), (right, top) = placed.min(axis=0).tolist(), placed.max(axis=0).tolist()
    across, up = (right - left or 1.0) * _MARGIN, (top - bottom or 1.0) * _MARGIN
    return Window(left - across, right + across, bottom - up, top + up)


def rasterise(
    points: NDArray[np.float32],
    classes: NDArray[np.int8],
    window: Window,
    width: int,
    height: int,
) -> NDArray[np.uint8]:
    """Draw points.

    Parameters
    ----------
    points : numpy.ndarray
        float32 [n, 2].
    classes : numpy.ndarray
        int8 [n]: 0 to `MOST_CLASSES` - 1; -1 for a row that is only behind the others.
    window : Window
        What is seen.
    width, height : int
        Of the picture, in pixels.

    Returns
    -------
    numpy.ndarray
        uint8 [height, width], the lowest row first: 0 where nothing is; 1 to `LEVELS` for the density of the rows
        behind; above, `LEVELS` values for each class, that of the class with most points in the pixel.
    """
    across = (points[:, 0] - window.left) * (width / (window.right - window.left))
    up = (points[:, 1] - window.bottom) * (height / (window.top - window.bottom))
    # Comparisons with NaN are false.
    seen = np.flatnonzero((across >= 0) & (across < width) & (up >= 0) & (up < height))
    column, row = across[seen].astype(np.int32), up[seen].astype(np.int32)
    kind = classes[seen]
    radius, least = next(((radius, least) for most, radius, least in _DOTS if len(seen) <= most), (0, 0))
    front = kind >= 0
    picture = np.zeros(width * height, np.uint8)
    pixels, _, counts = _count(column[~front], row[~front], None, radius, width, height)
    picture[pixels] = 1 + _level(counts, least)
    pixels, best, counts = _count(column[front], row[front], kind[front], radius, width, height)
    picture[pixels] = 1 + LEVELS * (1 + best) + _level(counts, least)
    return picture.reshape(height, width)


def _count(
    column: NDArray[np.int32],
    row: NDArray[np.int32],
    kind: NDArray[np.int8] | None,
    radius: int,
    width: int,
    height: int,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Count the dots that cover each pixel.

    Returns
    -------
    tuple of numpy.ndarray
        Three of int64 [pixels that are covered]: which pixel, the class with most dots there, how many dots there are.
    """
    if radius:
        # All dots are spread over their pixels first: counting is what takes long, and is then done once.
        offsets = np.array(_disc(radius), np.int32)
        column, row = (np.add.outer(offsets[:, axis], middle).ravel() for axis, middle in enumerate((column, row)))
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        column, row = column[inside], row[inside]
        kind = None if kind is None else np.tile(kind, len(offsets))[inside]
    place = row * np.int32(width) + column
    counts = np.bincount(place, minlength=width * height)
    pixels = np.flatnonzero(counts)
    best: NDArray[np.intp] = np.zeros(len(pixels), np.intp)
    if kind is not None and len(kind):
        # Only covered pixels and classes that occur: of few rows there are few.
        number = np.zeros(width * height, np.int32)
        number[pixels] = np.arange(len(pixels), dtype=np.int32)
        names = np.flatnonzero(np.bincount(kind))
        slot = np.zeros(MOST_CLASSES, np.int32)
        slot[names] = np.arange(len(names), dtype=np.int32) * len(pixels)
        both = number[place]
        both += slot[kind]
        best = names[np.bincount(both, minlength=len(names) * len(pixels)).reshape(len(names), -1).argmax(axis=0)]
    return pixels, best, counts[pixels]


def nearest(points: NDArray[np.float32], x: float, y: float, reach: tuple[float, float]) -> int | None:
    """Return the position of the point nearest to a place.

    Parameters
    ----------
    points : numpy.ndarray
        float32 [n, 2].
    x, y : float
        The place.
    reach : tuple of float
        How far it may be, across and up, both more than 0; distances are measured in these units.

    Returns
    -------
    int or None
        None if no point is so near.
    """
    if not len(points):
        return None
    distance = ((points[:, 0] - x) / reach[0]) ** 2 + ((points[:, 1] - y) / reach[1]) ** 2
    distance[np.isnan(distance)] = np.inf
    place = int(distance.argmin())
    return place if distance[place] <= 1 else None


def _disc(radius: int) -> Sequence[tuple[int, int]]:
    """Return the pixels of a dot around its middle."""
    reach = range(-radius, radius + 1)
    return [(x, y) for x in reach for y in reach if x * x + y * y <= radius * radius + radius / 2]


def _level(counts: NDArray[np.integer], least: int) -> NDArray[np.int64]:
    """Return the step of density of each pixel, from `least` to `LEVELS` - 1, by the logarithm of its count."""
    most = int(counts.max(initial=0))
    if most <= 1:
        return np.full(counts.shape, LEVELS - 1, np.int64)
    share = np.log(np.maximum(counts, 1)) / np.log(most)
    levels: NDArray[np.int64] = np.rint(least + share * (LEVELS - 1 - least)).astype(np.int64)
    return levels
