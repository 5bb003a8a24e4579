"""Rows over time by tag, in days, weeks, months, quarters or years, whichever the span asks for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from engine.exploration.filter import Dates
from engine.exploration.table import FIRST_DAY, LAST_DAY, NO_DAY

if TYPE_CHECKING:
    import datetime

    from numpy.typing import NDArray

    from engine.exploration.filter import Filter
    from engine.exploration.selection import Selection
    from engine.exploration.table import Table

MOST_BINS = 60
"""A finer unit is not chosen if it would take more bins; beyond years there is none, so there may be more of those."""

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclasses.dataclass(frozen=True, eq=False)
class Timeline:
    """Numbers of rows by time and tag.

    Parameters
    ----------
    unit : str
        ``day``, ``week`` (from Monday), ``month``, ``quarter`` or ``year``; UTC.
    firsts, lasts : tuple of datetime.date
        The first and the last day of each bin; together they cover the span without a gap.
    tags : tuple of str
        All tags of the table.
    counts : numpy.ndarray
        int64 [tags, bins].
    totals : numpy.ndarray
        int64 [bins]: with the rows that have no tag.
    undated : int
        How many selected rows have no date.
    filter : Filter
        Of the selection.
    """

    unit: str
    firsts: tuple[datetime.date, ...]
    lasts: tuple[datetime.date, ...]
    tags: tuple[str, ...]
    counts: NDArray[np.int64]
    totals: NDArray[np.int64]
    undated: int
    filter: Filter

    def filter_of(self, tag: str | None, place: int) -> Filter:
        """Return the filter of the rows in a bin: those of a tag, or with None of all that are counted."""
        created = Dates(self.firsts[place], self.lasts[place]).within(self.filter.created)
        return self.filter.change(created=created, **({} if tag is None else {"tags": (tag,)}))

    @property
    def undated_filter(self) -> Filter:
        """The filter of the rows without date."""
        return self.filter.change(missing=tuple(dict.fromkeys([*self.filter.missing, "created"])))


def count_over_time(table: Table, selection: Selection) -> Timeline:
    """Count the rows of a selection by time and tag.

    Parameters
    ----------
    table : Table
        n rows.
    selection : Selection
        Of them; its first and last date decide on the unit.
    """
    tag = selection.of(table.tag.codes)
    days = selection.of(table.days)
    dated = days != NO_DAY
    undated = len(days) - int(np.count_nonzero(dated))
    if undated == len(days):
        empty = np.zeros((len(table.tag.names), 0), np.int64)
        return Timeline("day", (), (), table.tag.names, empty, empty.sum(axis=0), undated, selection.filter)
    if undated:
        tag, days = tag[dated], days[dated]
    start, end = int(days.min()), int(days.max())
    unit, edges = _bins(start, end)
    firsts = edges[:-1]
    # Which bin each day of the span is in: a look-up is ten times as fast as a search for every row.
    bin_of_day = np.searchsorted(firsts, np.arange(start, end + 1), side="right") - 1
    both = bin_of_day.astype(np.int32)[days - start]
    both += (tag + 1) * np.int32(len(firsts))
    counts = np.bincount(both, minlength=(len(table.tag.names) + 1) * len(firsts)).reshape(-1, len(firsts))
    starts = firsts.astype("datetime64[D]").tolist()
    lasts = (edges[1:] - 1).astype("datetime64[D]").tolist()
    return Timeline(
        unit, tuple(starts), tuple(lasts), table.tag.names, counts[1:], counts.sum(axis=0), undated, selection.filter
    )


def _bins(start: int, end: int) -> tuple[str, NDArray[np.int64]]:
    """Return the finest unit with few enough bins, and the first day of each, and of the one after, since 1970."""
    for unit in ("day", "week", "month", "quarter", "year"):
        edges = _edges(unit, start, end)
        if len(edges) <= MOST_BINS + 1:
            break
    # What is no date: a week may begin in the year 0.
    return unit, np.clip(edges, FIRST_DAY, LAST_DAY + 1)


def _edges(unit: str, start: int, end: int) -> NDArray[np.int64]:
    """Return the first days of the bins of a unit that cover a span of days, and of the bin after it."""
    if unit == "day":
        return np.arange(start, end + 2)
    if unit == "week":
        monday = start - (start + 3) % 7  # 1970-01-01 was a Thursday
        return np.arange(monday, end + 8, 7)[: (end - monday) // 7 + 2]
    step = _MONTHS[unit]
    months = np.array([start, end]).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    first = months[0] - months[0] % step
    last = months[1] - months[1] % step
    return np.arange(first, last + step + 1, step).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
