"""What each step of cleaning took away, and where most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.dataset.cleaning import STEPS, is_plain
from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings.context import Context

NOTABLE = 0.2


@finding(
    "cleaning-steps",
    "preprocessing",
    "What cleaning removed",
    advice="Look at the rows that lost most: if what is gone tells tags apart, leave out that step.",
    harm=0.2,
    needs=("cleaned",),
)
def cleaning_steps(context: Context) -> Result:
    """Score each row by the share of its characters that cleaning removed; from `NOTABLE` on it is affected."""
    steps = context.options.cleaning
    removed = np.zeros((len(context), len(steps)), np.int64)
    changed = np.zeros((len(context), len(steps)), bool)
    for row, text in enumerate(context.raw):
        if not is_plain(text):
            _trace(text, context.cleaned[row], steps, removed[row], changed[row])
    lengths = np.array([max(1, len(text)) for text in context.raw])
    lost = np.clip(lengths - np.array([len(text) for text in context.cleaned]), 0, None) / lengths
    rows = np.flatnonzero(changed.any(axis=1))
    table: list[dict[str, Any]] = []
    for index, step in enumerate(steps):
        touched = np.flatnonzero(changed[:, index])
        most = int(removed[:, index].argmax()) if len(touched) else -1
        table.append(
            {
                "step": step,
                "rows": len(touched),
                "characters": int(removed[:, index].sum()),
                "most_id": context.ids[most] if most >= 0 else "",
                "most_characters": int(removed[most, index]) if most >= 0 else 0,
            }
        )
    total = int(removed.sum())
    told = ", ".join(
        f"{entry['step']} {counted(entry['characters'], 'character')} in {counted(entry['rows'], 'row')}"
        for entry in table
        if entry["rows"]
    )
    note = [
        ", ".join(f"{step} -{count}" for step, count in zip(steps, removed[row], strict=True) if count) or "rewritten"
        for row in rows
    ]
    notable = lost[rows] >= NOTABLE
    return Result(
        f"Cleaning changed {counted(len(rows), 'row')} of {len(context):,} and removed {counted(total, 'character')}"
        + (f" ({told}); {counted(int(notable.sum()), 'row')} lost {NOTABLE:.0%} or more." if told else "."),
        rows_frame(rows, lost[rows], affected=notable, note=note),
        table,
        noteworthy=bool(len(rows)),
    )


def _trace(text: str, end: str, steps: Sequence[str], removed: np.ndarray, changed: np.ndarray) -> None:
    """Repeat the steps as `clean` does and note what each one took away; a step may also add, which is not counted."""
    before = None
    while text not in (before, end):
        before = text
        for index, step in enumerate(steps):
            after = STEPS[step](text)
            if after != text:
                changed[index] = True
                removed[index] += max(0, len(text) - len(after))
            text = after
