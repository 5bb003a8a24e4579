from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exploration.filter import FilterError
from engine.exploration.polygon import PointIndex, simplified

GRID = st.tuples(st.integers(-4, 4), st.integers(-4, 4))
POLYGON = st.lists(GRID, min_size=3, max_size=8)


def naive(point, polygon) -> bool:
    """Count the edges that a ray to the right crosses, in exact numbers."""
    x, y = map(Fraction, point)
    crossed = 0
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (ay <= y) != (by <= y):
            crossed += ax + (y - ay) * Fraction(bx - ax) / (by - ay) > x
    return crossed % 2 == 1


@given(st.lists(GRID, max_size=30), POLYGON)
def test_inside_is_what_exact_ray_casting_says(points, polygon) -> None:
    index = PointIndex(np.array(points, np.float32).reshape(-1, 2))
    # Where an edge meets a point on the grid exactly, division must not have moved it.
    certain = [all_certain(point, polygon) for point in points]
    found = index.inside(polygon).tolist()
    assert [f for f, sure in zip(found, certain, strict=True) if sure] == [
        naive(point, polygon) for point, sure in zip(points, certain, strict=True) if sure
    ]


def all_certain(point, polygon) -> bool:
    """Tell whether the point is on no edge whose slope a float cannot hold."""
    x, y = map(Fraction, point)
    for (ax, ay), (bx, by) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        if (ay <= y) != (by <= y):
            slope = Fraction(bx - ax) / (by - ay)
            if ax + (y - ay) * slope == x and Fraction(float(slope)) != slope:
                return False
    return True


@given(st.lists(st.tuples(*[st.floats(-2, 2, width=32)] * 2), max_size=40), GRID)
def test_neighbouring_polygons_share_no_point_and_leave_none(points, middle) -> None:
    index = PointIndex(np.array(points, np.float32).reshape(-1, 2))
    corners = [(-9, -9), (9, -9), (9, 9), (-9, 9)]
    parts = [index.inside([corners[i], corners[(i + 1) % 4], middle]) for i in range(4)]
    assert np.array_equal(np.sum(parts, axis=0), np.ones(len(points)))


@given(POLYGON, st.integers(0, 7))
def test_neither_the_first_corner_nor_the_direction_matters(polygon, turn: int) -> None:
    grid = np.stack(np.meshgrid(*[np.linspace(-4.5, 4.5, 12)] * 2), -1).reshape(-1, 2).astype(np.float32)
    index = PointIndex(grid)
    turned = polygon[turn % len(polygon) :] + polygon[: turn % len(polygon)]
    assert np.array_equal(index.inside(polygon), index.inside(turned))
    assert np.array_equal(index.inside(polygon), index.inside(polygon[::-1]))


def test_points_that_lie_nowhere_are_in_no_polygon() -> None:
    index = PointIndex(np.array([[np.nan, 0], [0, 0], [np.inf, 0]], np.float32))
    assert index.inside([(-1, -1), (1, -1), (1, 1), (-1, 1)]).tolist() == [False, True, False]


@pytest.mark.parametrize("polygon", [[(0, 0), (1, np.nan), (1, 1)], [(0, 0, 0)] * 3, [0, 1, 2], [(0, 0), (1,)]])
def test_a_corner_that_is_none(polygon) -> None:
    with pytest.raises(FilterError, match="corner that is not two numbers"):
        PointIndex(np.zeros((1, 2), np.float32)).inside(polygon)


def test_a_drawn_shape_keeps_its_form_with_fewer_corners() -> None:
    angles = np.linspace(0, 2 * np.pi, 700, endpoint=False)
    drawn = [(float(x), float(y)) for x, y in zip(np.cos(angles), np.sin(angles), strict=True)]
    fewer = simplified(drawn, 40)
    assert len(fewer) == 40
    assert set(fewer) <= set(drawn)
    grid = np.random.default_rng(0).uniform(-1.2, 1.2, (20_000, 2)).astype(np.float32)
    index = PointIndex(grid)
    assert np.mean(index.inside(drawn) != index.inside(fewer)) < 0.01


def test_corners_that_matter_stay() -> None:
    corners = [(0.0, 0.0), (9.0, 0.0), (9.0, 9.0), (0.0, 9.0)]
    edge = [(float(x), 0.0) for x in range(1, 9)]
    assert simplified([corners[0], *edge, *corners[1:]], 4) == corners
    # A line that a hand drew straight needs no corners, however many there may be.
    assert simplified([corners[0], *edge, *corners[1:]], 40) == corners
    assert simplified([*corners, corners[0]], 40) == corners
    assert simplified([(1.0, 1.0)] * 5, 40) == [(1.0, 1.0)]


def test_a_forged_shape_of_very_many_corners_costs_what_a_drawn_one_does() -> None:
    angles = np.linspace(0, 2 * np.pi, 300_000, endpoint=False)
    fewer = simplified(list(zip(np.cos(angles).tolist(), np.sin(angles).tolist(), strict=True)), 40)
    x, y = np.array(fewer).T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert len(fewer) == 40
    assert area == pytest.approx(np.pi, rel=0.01)
