"""Histograms of the lengths of texts, in words or in tokens."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from engine.exploration.filter import FilterError, Lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.exploration.explorer import Explorer
    from engine.exploration.filter import Filter
    from engine.exploration.selection import Selection

MOST_BINS = 40
_LONG_TAIL = 0.995


@dataclasses.dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers of rows by length.

    Parameters
    ----------
    column : str
        ``words`` or ``tokens``.
    leasts : tuple of int
        The least length of each bin, from 0; the last bin has no end.
    counts : numpy.ndarray
        int64 [bins].
    longest : int
        The greatest length in the selection; 0 if it is empty.
    limit : int or None
        Longer texts are cut by the model.
    cut : int
        How many rows are longer.
    filter : Filter
        Of the selection.
    """

    column: str
    leasts: tuple[int, ...]
    counts: NDArray[np.int64]
    longest: int
    limit: int | None
    cut: int
    filter: Filter

    def filter_of(self, place: int) -> Filter:
        """Return the filter of the rows in a bin."""
        most = self.leasts[place + 1] - 1 if place + 1 < len(self.leasts) else None
        return self._with(Lengths(self.leasts[place], most))

    @property
    def cut_filter(self) -> Filter:
        """The filter of the rows that are cut.

        Raises
        ------
        FilterError
            If no limit is known.
        """
        if self.limit is None:
            raise FilterError(f"Nothing is known of a limit of {self.column}; choose a run of this data set.")
        return self._with(Lengths(self.limit + 1))

    def _with(self, lengths: Lengths) -> Filter:
        return self.filter.change(**{self.column: lengths.within(getattr(self.filter, self.column))})


def count_lengths(explorer: Explorer, selection: Selection, column: str = "words") -> Histogram:
    """Count the rows of a selection by length.

    The bins depend on all rows of the table, so that they stay where they are when the filter changes: equal ones up
    to the length that 99.5 % of the rows do not exceed, then one for the rest.

    Parameters
    ----------
    explorer : Explorer
        Knows the lengths of n rows.
    selection : Selection
        Of them.
    column : str, optional
        ``words`` or ``tokens``.

    Raises
    ------
    FilterError
        If the lengths are not known.
    """
    table = explorer.table
    lengths = explorer.words().lengths if column == "words" else table.tokens if column == "tokens" else None
    if lengths is None:
        raise FilterError(f"Nothing is known of {column}; choose a run of this data set.")
    limit = table.token_limit if column == "tokens" else None
    common = np.sort(lengths)[int(_LONG_TAIL * (len(lengths) - 1))] if len(lengths) else 0
    width = _nice_width(int(common) + 1)
    leasts = np.arange(0, int(common) + 1, width)
    if len(lengths) and int(lengths.max()) >= leasts[-1] + width:
        leasts = np.append(leasts, leasts[-1] + width)
    chosen = selection.of(lengths)
    places = np.minimum(chosen // np.int32(width), np.int32(len(leasts) - 1))
    counts = np.bincount(places, minlength=len(leasts))
    cut = 0 if limit is None else int(np.count_nonzero(chosen > limit))
    longest = int(chosen.max()) if len(chosen) else 0
    return Histogram(column, tuple(leasts.tolist()), counts, longest, limit, cut, selection.filter)


def _nice_width(span: int) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50 ... with which few enough bins cover a span."""
    power = 1
    while True:
        for digit in (1, 2, 5):
            if span <= digit * power * MOST_BINS:
                return digit * power
        power *= 10
