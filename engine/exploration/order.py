"""Order: in which order the rows of a table stand by a column. Computed once per column, 4 bytes per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.exploration.table import NO_DAY

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Order:
    """The rows by one column: texts by their letters whatever their case, numbers by size.

    Equal rows keep the order of the table, turned round where the order is. Rows without value come last either way.

    Parameters
    ----------
    values : array of numbers, or pyarrow.LargeStringArray
        One per row; n.
    present : numpy.ndarray, optional
        bool [n]: which rows have a value; by default all that are neither null nor NaN.
    """

    def __init__(self, values: Any, present: NDArray[np.bool_] | None = None) -> None:
        column = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_large_string(column.type):
            column = _comparable(column)
        if pa.types.is_floating(column.type):
            present = ~np.isnan(column.to_numpy(zero_copy_only=False)) if present is None else present
        if present is not None:
            column = pc.if_else(pa.array(present), column, pa.scalar(None, column.type))
        # Arrow's sort is stable and puts nulls at the end.
        self._order = pc.sort_indices(column).to_numpy().astype(np.int32)
        self._present = len(column) - column.null_count

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return int(self._order.nbytes)

    def sorted(self, mask: NDArray[np.bool_], *, ascending: bool) -> NDArray[np.int32]:
        """Return the positions of the rows in a mask (bool [n]), sorted; int32."""
        with_value, without = self._order[: self._present], self._order[self._present :]
        if not ascending:
            with_value = with_value[::-1]
        chosen = [rows[mask[rows]] for rows in (with_value, without)]
        return np.concatenate(chosen)


def _comparable(column: pa.LargeStringArray) -> pa.Array:
    """Return numbers for texts that are all whole numbers, as ids often are; lower case for others."""
    if len(column) and pc.all(pc.match_substring_regex(column, r"^[0-9]{1,18}$")).as_py():
        return pc.cast(column, pa.int64())
    return pc.utf8_lower(column)


def order_of_days(created: NDArray[np.int64], days: NDArray[np.int32]) -> Order:
    """Return the order of dates, rows without one last."""
    return Order(created, days != NO_DAY)
