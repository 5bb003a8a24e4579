"""Pictures of points: every point that is seen is drawn, in the class that has most of them there."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from engine.exploration.raster import LEVELS, MOST_CLASSES, Window, nearest, rasterise, window_of

UNIT = Window(0.0, 1.0, 0.0, 1.0)


def classes_of(picture: np.ndarray) -> np.ndarray:
    """The class of each pixel: -2 for nothing, -1 for rows behind."""
    return np.where(picture == 0, -2, (picture.astype(int) - 1) // LEVELS - 1)


def many(points: list[tuple[float, float]], times: int = 60_000) -> np.ndarray:
    """So many points that each is one pixel: all but the first few stand at the very first place."""
    found = np.full((max(times, 160_000), 2), points[0], np.float32)
    found[: len(points)] = points
    return found


def test_a_pixel_has_the_class_with_most_points_in_it() -> None:
    points = many([(0.05, 0.05)])
    classes = np.zeros(len(points), np.int8)
    classes[: len(points) // 3] = 1
    points[:5], classes[:5] = (0.55, 0.95), (2, 2, 3, -1, -1)
    points[5], classes[5] = (0.95, 0.05), -1
    found = classes_of(rasterise(points, classes, UNIT, 10, 10))
    # The lowest row comes first.
    assert (found[0, 0], found[9, 5], found[0, 9]) == (0, 2, -1)
    assert (found != -2).sum() == 3


def test_dense_pixels_are_stronger_than_sparse_ones() -> None:
    points = many([(0.05, 0.05)])
    points[0] = (0.95, 0.95)
    picture = rasterise(points, np.zeros(len(points), np.int8), UNIT, 10, 10)
    assert picture[0, 0] == 2 * LEVELS
    assert picture[9, 9] == LEVELS + 1


def test_few_points_are_dots_that_can_be_seen() -> None:
    picture = rasterise(np.array([[0.5, 0.5]], np.float32), np.zeros(1, np.int8), UNIT, 100, 100)
    rows, columns = np.nonzero(picture)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (47, 53, 47, 53)
    # At the edge a dot is cut and does not come in again on the other side.
    edge = rasterise(np.array([[0.999, 0.5]], np.float32), np.zeros(1, np.int8), UNIT, 100, 100)
    assert not edge[:, :50].any()


@given(
    st.lists(
        st.tuples(st.floats(-2, 2, width=32) | st.just(float("nan")), st.floats(-2, 2, width=32), st.integers(-1, 9)),
        min_size=1,
        max_size=40,
    )
)
def test_each_point_is_in_the_picture_or_outside_of_the_window(rows: list[tuple[float, float, int]]) -> None:
    points = np.array([row[:2] for row in rows], np.float32)
    classes = np.array([row[2] for row in rows], np.int8)
    window = Window(-1.0, 1.0, -1.0, 1.0)
    picture = rasterise(points, classes, window, 50, 40)
    assert picture.max(initial=0) < 1 + LEVELS * (MOST_CLASSES + 1)
    inside = [(x, y) for x, y in points.tolist() if -1 <= x < 1 and -1 <= y < 1]
    assert bool(picture.any()) is bool(inside)
    for x, y in inside:
        column = int((np.float32(x) + np.float32(1)) * np.float32(25))
        row = int((np.float32(y) + np.float32(1)) * np.float32(20))
        if column < 50 and row < 40:
            assert picture[row, column] > 0


def test_the_window_shows_all_points() -> None:
    points = np.array([[0, 5], [np.nan, 100], [10, -5]], np.float32)
    window = window_of(points)
    assert window.left < 0 < 10 < window.right
    assert window.bottom < -5 < 5 < window.top
    for lonely in (points[:0], points[:1], points[1:2]):
        alone = window_of(lonely)
        assert alone.left < alone.right
        assert alone.bottom < alone.top


def test_the_nearest_point_within_reach() -> None:
    points = np.array([[0, 0], [np.nan, 0], [1, 1]], np.float32)
    assert nearest(points, 0.9, 1.05, (0.2, 0.2)) == 2
    assert nearest(points, 0.5, 0.5, (0.2, 0.2)) is None
    # Across and up may be measured differently.
    assert nearest(points, 0.0, 0.9, (0.1, 1.0)) == 0
    assert nearest(points[:0], 0.0, 0.0, (1.0, 1.0)) is None
    assert nearest(points[1:2], 0.0, 0.0, (1.0, 1.0)) is None
