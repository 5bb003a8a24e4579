"""Words that came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.drift import word_drift
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context
    from engine.findings.contract import Result


@finding(
    "word-drift-over-time",
    "data",
    "Drift of words over time",
    advice="Label rows with the new words and train again.",
    harm=0.2,
    needs=("words",),
)
def word_drift_over_time(context: Context) -> Result:
    """Compare the words of the earlier half of the rows with those of the later half."""
    known = ~np.isnat(context.dates)
    middle = np.sort(context.dates[known])[known.sum() // 2]
    if middle == context.dates[known].min():
        later = known & (context.dates > middle)
    else:
        later = known & (context.dates >= middle)
    since = f"since {middle.astype('datetime64[D]')}"
    return word_drift(context, known & ~later, later, ("before", "after"), since)
