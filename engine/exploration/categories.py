"""A column with few different values, one small number per row."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from engine.dataset.problems import listed, quoted
from engine.exploration.filter import FilterError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

NONE = -1
"""The code of a row without value."""


@dataclasses.dataclass(frozen=True, eq=False)
class Categories:
    """Values of n rows, out of a few.

    Parameters
    ----------
    names : tuple of str
        The different values, sorted.
    codes : numpy.ndarray
        int32 [n]: the place in `names`, or `NONE`.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, values: Any) -> Categories:
        """Make it of strings: a pandas series, an array or a list; None and NaN are no value."""
        encoded = strings(values).dictionary_encode()
        names = encoded.dictionary.to_pylist()
        order = sorted(range(len(names)), key=names.__getitem__)
        rank = np.full(len(names) + 1, NONE, np.int32)
        rank[order] = np.arange(len(names), dtype=np.int32)
        # The last entry of `rank` is for rows without value.
        places = pc.fill_null(encoded.indices, len(names)).to_numpy(zero_copy_only=False)
        return cls(tuple(names[place] for place in order), rank[places])

    def __len__(self) -> int:
        return len(self.codes)

    def among(self, names: Sequence[str], what: str) -> NDArray[np.bool_]:
        """Return which rows have one of these values; bool [n].

        Parameters
        ----------
        names : sequence of str
            The values.
        what : str
            What the column is called, for the message.

        Raises
        ------
        FilterError
            If no row has such a value, which is what an old link may ask for.
        """
        wanted = np.zeros(len(self.names) + 1, bool)  # its last entry is the one for -1
        for name in names:
            if name not in self.names:
                raise FilterError(f"The data has no {what} {quoted(name)}; choose one of {listed(self.names)}.")
            wanted[self.names.index(name)] = True
        found: NDArray[np.bool_] = wanted[self.codes]
        return found


def strings(values: Any) -> pa.LargeStringArray:
    """Return a column of strings as one Arrow array, without a copy where it is one already."""
    array = pa.array(values, pa.large_string(), from_pandas=True)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
