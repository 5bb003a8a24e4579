"""A selection: the rows that a filter leaves."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.exploration.filter import Filter

_Kind = TypeVar("_Kind", bound=np.generic)


@dataclasses.dataclass(frozen=True, eq=False)
class Selection:
    """Rows of a table; who asks for the same filter gets the same selection, as long as somebody holds it.

    Parameters
    ----------
    filter : Filter
        What selected them.
    mask : numpy.ndarray
        bool [n], read only: whether each row is selected.
    """

    filter: Filter
    mask: NDArray[np.bool_]

    @functools.cached_property
    def count(self) -> int:
        """How many rows are selected."""
        return int(np.count_nonzero(self.mask))

    def __len__(self) -> int:
        return self.count

    @property
    def positions(self) -> NDArray[np.int32]:
        """Where they stand in the table; int32, ascending. Found anew each time, as it takes four times the mask."""
        return np.flatnonzero(self.mask).astype(np.int32)

    def of(self, column: NDArray[_Kind]) -> NDArray[_Kind]:
        """Return the values of a column for the selected rows, without a copy where these are all."""
        chosen: NDArray[Any] = column if self.count == len(self.mask) else column[self.mask]
        return chosen
