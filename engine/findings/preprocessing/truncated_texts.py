"""Texts that are longer than a model sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context


@finding(
    "truncated-texts",
    "preprocessing",
    "Texts cut off",
    advice="Raise training.max_tokens, or put what matters at the beginning.",
    harm=0.3,
    needs=("tokens",),
)
def truncated_texts(context: Context) -> Result:
    """Score each text that is cut by the share of its tokens that the model does not see."""
    counts = context.tokens
    rows = np.flatnonzero(counts.total > counts.kept)
    lost = 1 - counts.kept[rows] / counts.total[rows]
    note = [f"{counts.total[row]:,} tokens, {counts.kept[row]:,} kept" for row in rows]
    return Result(
        f"{counted(len(rows), 'text')} of {len(context):,} {'is' if len(rows) == 1 else 'are'} cut at "
        f"{counted(counts.limit, 'token')}; {counted(int((counts.total - counts.kept).sum()), 'token')} are not seen.",
        rows_frame(rows, lost, note=note),
    )
