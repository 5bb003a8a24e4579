"""Texts that are the same, or nearly, and have different tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.duplicates import partners
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "conflicting-labels",
    "labelling",
    "Duplicates with different tags",
    advice="Decide on one tag for each pair, or delete one of the two rows.",
    harm=1.0,
    needs=("cosines",),
)
def conflicting_labels(context: Context) -> Result:
    """Score each row by how alike its nearest duplicate with another tag is."""
    tags = context.tags
    found = partners(context, lambda one, other: tags[one] != tags[other])
    names = context.tag_names
    note = [
        f"{share:.0%} alike; its tag is {names[tags[other]]}"
        for other, share in zip(found.other, found.similarity, strict=True)
    ]
    return Result(
        f"{counted(len(found.rows), 'row')} have a duplicate or near-duplicate with another tag."
        + context.sample_remark(),
        rows_frame(
            found.rows,
            found.similarity,
            other_id=context.ids[found.other],
            note=note,
            proposed_tag=names[tags[found.other]] if len(found.rows) else np.empty(0, object),
        ),
    )
