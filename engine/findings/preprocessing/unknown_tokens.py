"""Texts of which the run's tokenizer does not know the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

NOTABLE = 0.5


@finding(
    "unknown-tokens",
    "preprocessing",
    "Words out of vocabulary",
    advice="Train again with rows like these among the training rows.",
    harm=0.4,
    needs=("tokens",),
)
def unknown_tokens(context: Context) -> Result:
    """Score each row by the share of its tokens that are unknown; from `NOTABLE` on it is affected.

    The table has the most frequent unknown words.
    """
    counts = context.tokens
    share = counts.unknown / np.maximum(counts.kept, 1)
    rows = np.flatnonzero(counts.unknown)
    affected = share[rows] >= NOTABLE
    unknown, kept = int(counts.unknown.sum()), max(1, int(counts.kept.sum()))
    note = [f"{counts.unknown[row]:,} of {counted(int(counts.kept[row]), 'token')} unknown" for row in rows]
    return Result(
        f"{unknown:,} of {kept:,} tokens ({unknown / kept:.1%}) are unknown to the run; "
        f"{counted(int(affected.sum()), 'row')} of {len(context):,} consist of unknown words by half or more.",
        rows_frame(rows, share[rows], affected=affected, note=note),
        [{"word": word, "times": times} for word, times in counts.unknown_words],
        noteworthy=unknown > 0,
    )
