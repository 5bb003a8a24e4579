"""Rows that differ in the file and are the same for the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "merged-rows",
    "preprocessing",
    "Different rows that cleaning made identical",
    advice="Where their tags differ, keep what tells them apart: leave out the step that removes it.",
    harm=0.5,
    needs=("cleaned",),
)
def merged_rows(context: Context) -> Result:
    """List rows with the same cleaned text and another raw text; with another tag, too, the score is 1, else 0.5."""
    frame = pd.DataFrame({"text": context.cleaned, "raw": context.raw}, dtype=object)
    frame["tag"] = context.dataset.frame["tag"].fillna("").to_numpy(object)
    groups = frame.groupby("text", sort=False)
    merged = groups["raw"].transform("nunique").to_numpy() > 1
    conflict = merged & (groups["tag"].transform("nunique").to_numpy() > 1)
    first = frame.index.to_series().groupby(frame["text"], sort=False).transform("first").to_numpy()
    last = frame.index.to_series().groupby(frame["text"], sort=False).transform("last").to_numpy()
    rows = np.flatnonzero(merged)
    other = np.where(first[rows] == rows, last[rows], first[rows])
    return Result(
        f"{counted(len(rows), 'row')} of {len(context):,} differ in the file but not after cleaning; "
        f"{int(conflict.sum()):,} of them have different tags.",
        rows_frame(
            rows,
            np.where(conflict[rows], 1.0, 0.5),
            other_id=context.ids[other],
            note=["the tags differ" if conflict[row] else "the same tag" for row in rows],
        ),
    )
