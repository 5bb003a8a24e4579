"""Bars: how many rows of a selection have each tag, split, outcome, finding, or nothing in a column.

In: an `Explorer` and a `Selection`. Out: bars, each with the filter that selects exactly its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.dataset.splits import SPLITS
from engine.exploration.conditions import CATEGORY_OF
from engine.exploration.filter import Filter

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.exploration.selection import Selection
    from engine.exploration.table import Table

_FIELD = {column: field for field, column in CATEGORY_OF.items()}


class Bar(msgspec.Struct, frozen=True):
    """A number of rows, and the way to them.

    Parameters
    ----------
    label : str
        What they have in common.
    count : int
        How many there are.
    filter : Filter
        Selects exactly these rows.
    """

    label: str
    count: int
    filter: Filter


class SplitBar(msgspec.Struct, frozen=True):
    """A bar with its parts.

    Parameters
    ----------
    label, count, filter
        As for `Bar`.
    parts : tuple of Bar
        The same rows by split, in the order of `engine.dataset.splits.SPLITS` as far as there are any; rows without
        split are in none.
    """

    label: str
    count: int
    filter: Filter
    parts: tuple[Bar, ...] = ()


def count_values(table: Table, selection: Selection, column: str = "tag") -> list[Bar]:
    """Count the values of a column.

    Parameters
    ----------
    table : Table
        n rows.
    selection : Selection
        Of them.
    column : str, optional
        ``tag``, ``split``, ``outcome`` or ``predicted``.

    Returns
    -------
    list of Bar
        The most frequent first. What no selected row has is left out; so are rows without value (`count_missing`).

    Raises
    ------
    FilterError
        If the column is not known for these rows.
    """
    category = table.category(column)
    counts = np.bincount(selection.of(category.codes) + 1, minlength=len(category.names) + 1)[1:]
    order = np.argsort(-counts, kind="stable")
    return [
        Bar(
            category.names[code],
            int(counts[code]),
            selection.filter.change(**{_FIELD[column]: (category.names[code],)}),
        )
        for code in order.tolist()
        if counts[code]
    ]


def count_tags(table: Table, selection: Selection) -> list[SplitBar]:
    """Count tags and, where splits are known, the splits within each; parameters as for `count_values`."""
    bars = count_values(table, selection)
    if "split" not in table.categories:
        return [SplitBar(bar.label, bar.count, bar.filter) for bar in bars]
    split = table.category("split")
    width = len(split.names) + 1
    both = (selection.of(table.tag.codes) + 1) * width + selection.of(split.codes) + 1
    counts = np.bincount(both, minlength=(len(table.tag.names) + 1) * width).reshape(-1, width)[1:, 1:]
    known = SPLITS
    order = sorted(range(len(split.names)), key=lambda code: _place(split.names[code], known))
    result = []
    for bar in bars:
        own = counts[table.tag.names.index(bar.label)]
        parts = tuple(
            Bar(split.names[code], int(own[code]), bar.filter.change(splits=(split.names[code],)))
            for code in order
            if own[code]
        )
        result.append(SplitBar(bar.label, bar.count, bar.filter, parts))
    return result


def _place(name: str, known: tuple[str, ...]) -> tuple[int, str]:
    """Return where a split stands: the known ones first."""
    return (known.index(name) if name in known else len(known), name)


def count_missing(table: Table, selection: Selection, masks: Callable[[Filter], Selection]) -> list[Bar]:
    """Count the rows with nothing in a column, for each column in which that can be.

    Parameters
    ----------
    table : Table
        n rows.
    selection : Selection
        Of them.
    masks : callable
        Returns the selection of a filter, such as `Explorer.select`, which keeps it.

    Returns
    -------
    list of Bar
        One per column, in their order; also those with 0 rows.
    """
    bars = []
    for name in table.may_be_missing:
        lacking = masks(Filter(missing=(name,))).mask
        missing = tuple(dict.fromkeys([*selection.filter.missing, name]))
        count = int(np.count_nonzero(lacking & selection.mask))
        bars.append(Bar(name, count, selection.filter.change(missing=missing)))
    return bars


def count_findings(table: Table, selection: Selection) -> list[Bar]:
    """Count the rows of each finding, the most frequent first; parameters as for `count_values`.

    A filter has room for one finding: where it names one, that one alone is counted.
    """
    chosen = selection.filter.finding
    bars = [
        Bar(name, int(np.count_nonzero(found.rows & selection.mask)), selection.filter.change(finding=name))
        for name, found in table.findings.items()
        if chosen in (None, name)
    ]
    return sorted(bars, key=lambda bar: -bar.count)
