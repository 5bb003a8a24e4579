"""The two figures that stand for many times."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def median_and_p95(seen: Sequence[float]) -> dict[str, float]:
    """Return median and 95th percentile, which is one of the values."""
    ordered = sorted(seen)
    return {
        "median": round(statistics.median(ordered), 1),
        "p95": round(ordered[min(len(ordered) - 1, -(-95 * len(ordered) // 100) - 1)], 1),
    }
