"""Tags that became more or less frequent with time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.findings.drift import periods, tag_drift
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context
    from engine.findings.contract import Result


@finding(
    "tag-drift-over-time",
    "data",
    "Drift of tags over time",
    advice="Judge on the newest rows, and train again when the mix of tags has changed.",
    harm=0.3,
)
def tag_drift_over_time(context: Context) -> Result:
    """Compare the shares of tags between periods with about as many rows each."""
    return tag_drift(context, *periods(context.dates), "over time")
