"""Words that held-out rows have and training rows lack, or the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.findings.drift import word_drift
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context
    from engine.findings.contract import Result


@finding(
    "word-drift-between-splits",
    "data",
    "Drift of words between splits",
    advice="Split at random, or say beside the figures that the test rows are of another kind.",
    harm=0.3,
    needs=("words",),
)
def word_drift_between_splits(context: Context) -> Result:
    """Compare the words of training rows with those of all held-out rows."""
    return word_drift(
        context,
        context.splits == "train",
        context.held_out,
        ("train", "held_out"),
        "between splits",
    )
