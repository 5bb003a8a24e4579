"""Rows with the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "exact-duplicates",
    "data",
    "Exact duplicates",
    advice="Keep one row of each text.",
    harm=0.6,
    needs=("cleaned",),
)
def exact_duplicates(context: Context) -> Result:
    """List the rows whose text, cleaned and without case, stands in an earlier row, and that earlier row."""
    group, first = context.distinct
    sizes = np.bincount(group)
    rows = np.flatnonzero(sizes[group] > 1)
    original = rows == first[group[rows]]
    # Of each text one row is to be kept, so it is not as bad as its copies.
    other = np.where(original, _second(group)[group[rows]], first[group[rows]])
    note = [f"the same text is in {size:,} rows" for size in sizes[group[rows]]]
    copies = int((~original).sum())
    return Result(
        f"{counted(copies, 'row')} repeat{'s' if copies == 1 else ''} the text of an earlier one; "
        f"{counted(int((sizes > 1).sum()), 'text')} of {len(first):,} stand in several rows.",
        rows_frame(rows, np.where(original, 0.5, 1.0), other_id=context.ids[other], note=note),
    )


def _second(group: np.ndarray) -> np.ndarray:
    """Return the second row of each text; the first where there is no other."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    starts = np.cumsum(sizes) - sizes
    return np.asarray(order[starts + (sizes > 1)])
