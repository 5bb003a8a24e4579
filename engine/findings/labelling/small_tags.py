"""Tags with too few rows to learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

ENOUGH = 20
"""With fewer rows the usual test share holds three at most, and one row more or less right moves recall by a third."""


@finding(
    "small-tags",
    "labelling",
    "Tags too small to learn",
    advice="Label more rows of these tags, or give their rows a wider tag.",
    harm=0.5,
)
def small_tags(context: Context) -> Result:
    """List the tags with fewer than `ENOUGH` rows; the fewer, the higher the score."""
    sizes = np.bincount(context.tags, minlength=len(context.tag_names))
    rows = np.flatnonzero(sizes[context.tags] < ENOUGH)
    small = np.flatnonzero(sizes < ENOUGH)
    table = [{"tag": context.tag_names[tag], "rows": int(sizes[tag])} for tag in small[np.argsort(sizes[small])]]
    own = sizes[context.tags[rows]]
    return Result(
        f"{counted(len(small), 'tag')} of {len(sizes):,} {'has' if len(small) == 1 else 'have'} fewer than {ENOUGH} "
        f"rows, {counted(len(rows), 'row')} together.",
        rows_frame(rows, 1 - own / ENOUGH, note=[f"its tag has {counted(int(size), 'row')}" for size in own]),
        table,
    )
