"""How Compare writes its figures: changes with a sign, p-values, runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dashboard.text import plain_text

if TYPE_CHECKING:
    from dashboard.evaluation.history import RunPoint
    from engine.evaluation.comparison import Delta

LEVEL = 0.05
MORE, NOT_MORE = "the difference is more than chance", "the difference is not more than chance"


def signed(value: float, digits: int = 3) -> str:
    """Write a change with its sign; one that rounds to nothing has none.

    Examples
    --------
    >>> signed(0.0123), signed(-0.5, 2), signed(-0.0001)
    ('+0.012', '−0.50', '0.000')
    """
    text = f"{abs(value):.{digits}f}"
    if not float(text):
        return text
    return ("+" if value > 0 else "−") + text


def interval(delta: Delta) -> str:
    """Write the 95 % interval of a change."""
    return f"95 %: {signed(delta.low)} to {signed(delta.high)}"


def p_value(p: float) -> str:
    """Write a p-value.

    Examples
    --------
    >>> p_value(0.04567), p_value(1e-9), p_value(0.9999)
    ('p = 0.046', 'p < 0.001', 'p = 1.000')
    """
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def rows_of(count: int, noun: str = "example") -> str:
    """Write a number of things.

    Examples
    --------
    >>> rows_of(1), rows_of(1200)
    ('1 example', '1,200 examples')
    """
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def point_name(point: RunPoint, order: str) -> str:
    """Name a run by what the runs are ordered by: its day, its git tag or the version of its data."""
    name = {"git tag": point.git_tag or "no tag", "version": point.version}.get(order, point.created[:10])
    return plain_text(name, 24)
