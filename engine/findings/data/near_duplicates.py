"""Rows with nearly the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.duplicates import partners
from engine.findings.registry import finding
from engine.findings.similarity import NEAR_DUPLICATE

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "near-duplicates",
    "data",
    "Near-duplicates",
    advice="Keep one row of each pair, unless the small difference matters.",
    harm=0.4,
    needs=("cosines",),
)
def near_duplicates(context: Context) -> Result:
    """Score each row by the cosine of its words, word pairs and letters with the most similar other text.

    Pairs are looked for among each text's nearest neighbours by topic, and kept from a cosine of `NEAR_DUPLICATE`.
    """
    found = partners(context, lambda one, other: np.ones(len(one), bool), same=False)
    note = [f"{share:.0%} alike" for share in found.similarity]
    return Result(
        f"{counted(len(found.rows), 'row')} of {len(context):,} have a near-duplicate: "
        f"{counted(len(context.pairs.first), 'pair')} of different texts are at least {NEAR_DUPLICATE:.0%} alike."
        + context.sample_remark(),
        rows_frame(found.rows, found.similarity, other_id=context.ids[found.other], note=note),
    )
