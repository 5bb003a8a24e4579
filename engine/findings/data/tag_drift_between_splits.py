"""Tags that are more frequent in one split than in another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.drift import tag_drift
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context
    from engine.findings.contract import Result


@finding(
    "tag-drift-between-splits",
    "data",
    "Drift of tags between splits",
    advice="Split by tag, or say beside the figures that the test rows are another mix.",
    harm=0.5,
)
def tag_drift_between_splits(context: Context) -> Result:
    """Compare the shares of tags between splits."""
    names = context.split_names
    part = np.array([names.index(split) if split else -1 for split in context.splits], np.int64)
    return tag_drift(context, part, names, "between splits")
