"""Held-out rows that the model has seen in training, or nearly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.duplicates import partners
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "split-leakage",
    "data",
    "Leakage between splits",
    advice="Delete the copy in training, so that the figures are those of new texts.",
    harm=0.9,
    needs=("cosines",),
)
def split_leakage(context: Context) -> Result:
    """Score each held-out row by how alike its most similar training row is."""
    training, out = context.splits == "train", context.held_out
    found = partners(context, lambda one, other: out[one] & training[other])
    held = int(out.sum())
    note = [
        f"{share:.0%} alike; a {context.splits[row]} row that training has"
        for row, share in zip(found.rows, found.similarity, strict=True)
    ]
    share = len(found.rows) / held
    return Result(
        f"{counted(len(found.rows), 'row')} of {held:,} held out ({share:.1%}) have a duplicate or near-duplicate in "
        "the training split." + context.sample_remark(),
        rows_frame(found.rows, found.similarity, other_id=context.ids[found.other], note=note),
    )
