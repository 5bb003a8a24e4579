"""Probabilities lie between 0 and 1: what rounding has moved beyond is set right, what is wrong is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

ROUNDING = 1e-6
"""How far floats that were divided by their sum can lie beyond 0 and 1."""


def bounded(
    values: np.ndarray,
    what: str = "probability",
    *,
    run: str = "",
    ids: Sequence[str] | np.ndarray | None = None,
    labels: Sequence[str] | None = None,
) -> np.ndarray:
    """Return probabilities that lie between 0 and 1.

    Parameters
    ----------
    values : numpy.ndarray
        float, shape (n,) or (n, labels). Returned as they are if none of them lies beyond.
    what : str, optional
        What they are, for the sentence.
    run, ids, labels : optional
        Where they are known: whose they are, and the names of rows and columns, for the sentence.

    Returns
    -------
    numpy.ndarray
        Of the same type; what lies beyond by at most `ROUNDING` is 0 or 1.

    Raises
    ------
    DataError
        One is missing (NaN), or lies further beyond; the first such row is named.

    Examples
    --------
    >>> bounded(np.array([1.0000002, 0.5])).tolist()
    [1.0, 0.5]
    """
    if not values.size:
        return values
    lowest, highest = values.min(), values.max()
    # A comparison is also false for NaN.
    if lowest >= -ROUNDING and highest <= 1 + ROUNDING:
        return values if lowest >= 0 and highest <= 1 else np.clip(values, 0.0, 1.0)
    wrong = ~((values >= -ROUNDING) & (values <= 1 + ROUNDING))
    place = np.unravel_index(int(wrong.argmax()), values.shape)
    row, value = int(place[0]), float(values[place])
    where = f"row {row + 1:,}" if ids is None else f"the row {str(ids[row])!r}"
    whose = f"{what} of {labels[int(place[1])]!r}" if labels is not None and len(place) > 1 else what
    subject = f"Run {run}: the {whose}" if run else f"A {whose}"
    if np.isnan(value):
        raise DataError(f"{subject} is missing (NaN) in {where}; leave such rows out before judging.")
    raise DataError(f"{subject} is {values[place]:.9g} in {where}; probabilities lie between 0 and 1.")
