"""Rows that the model is judged on and has seen before, or nearly: in training, or while it was tuned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.dataset.splits import SPLITS
from engine.findings.contract import Result, counted, rows_frame
from engine.findings.duplicates import partners
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "split-leakage",
    "data",
    "Leakage between splits",
    advice="Delete the copy in the split that comes first, so that the figures are those of new texts.",
    harm=0.9,
    needs=("cosines",),
)
def split_leakage(context: Context) -> Result:
    """Score each held-out row by how alike the most similar row of an earlier split is: training, then validation."""
    splits = context.splits
    order = np.array([SPLITS.index(split) if split else -1 for split in splits], np.int64)
    found = partners(context, lambda one, other: (order[other] >= 0) & (order[other] < order[one]))
    held = int(context.held_out.sum())
    note = [
        f"{share:.0%} alike; a {splits[row]} row that {splits[other]} has"
        for row, other, share in zip(found.rows, found.other, found.similarity, strict=True)
    ]
    share = len(found.rows) / held
    tuned = int((splits[found.other] != SPLITS[0]).sum())
    validation = f"; the most similar one of {tuned:,} is in validation" if tuned else ""
    return Result(
        f"{counted(len(found.rows), 'row')} of {held:,} held out ({share:.1%}) have a duplicate or near-duplicate in "
        f"an earlier split{validation}." + context.sample_remark(),
        rows_frame(found.rows, found.similarity, other_id=context.ids[found.other], note=note),
    )
