"""Rows that are like no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import FindingError, Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

NEAREST = 3
DEVIATIONS = 3.5


@finding(
    "outliers",
    "labelling",
    "Rows far from everything",
    advice="Check that they belong here at all; if they do, label more rows like them.",
    harm=0.3,
    needs=("cosines",),
)
def outliers(context: Context) -> Result:
    """Score each row by one minus its mean cosine with its `NEAREST` most similar neighbours.

    It is affected if the logarithm of that cosine lies more than `DEVIATIONS` robust standard deviations below the
    median (the modified z-score of Iglewicz and Hoaglin, 1993), or if no other row has one of its words.
    """
    group, first = context.distinct
    found = context.neighbours
    if not found.positions.shape[1]:
        raise FindingError("There is only one text, so it has no neighbours; add rows.")
    cosine = np.sort(context.cosines, axis=1)[:, -NEAREST:].mean(axis=1)
    nearest = found.positions[np.arange(len(first)), context.cosines.argmax(axis=1)]
    alone = cosine <= 0
    logarithm = np.log(np.maximum(cosine, 1e-6))
    usual = float(np.median(logarithm))
    deviation = 1.4826 * float(np.median(np.abs(logarithm - usual)))
    far = (alone | (logarithm < usual - DEVIATIONS * max(deviation, 1e-6)))[group]
    scores = np.clip(1 - cosine, 0, 1)[group]
    note = [f"cosine with its nearest rows {1 - score:.2f}, usual is {np.exp(usual):.2f}" for score in scores]
    return Result(
        f"{counted(int(far.sum()), 'row')} of {len(group):,} {'is' if far.sum() == 1 else 'are'} unlike every other "
        f"row: {int(alone[group].sum()):,} of them share no word with another." + context.sample_remark(),
        rows_frame(
            np.arange(len(group)),
            scores,
            affected=far,
            note=note,
            other_id=context.ids[first[nearest[group]]],
        ),
    )
