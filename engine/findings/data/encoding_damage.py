"""Texts that a wrong encoding or a careless export has damaged."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

# What is lost for ever is worst, what cleaning mends by itself least.
KINDS = {"lost characters": 1.0, "wrong encoding": 0.9, "control characters": 0.5, "HTML entities": 0.2}


@finding(
    "encoding-damage",
    "data",
    "Encoding damage",
    advice="Export the rows again as UTF-8; where that is not possible, mend the texts by hand.",
    harm=0.5,
)
def encoding_damage(context: Context) -> Result:
    """Look for U+FFFD, mojibake (by ftfy's heuristic), control characters and HTML entities in the raw texts."""
    rows, scores, notes = [], [], []
    counts = dict.fromkeys(KINDS, 0)
    for row, text in enumerate(context.raw):
        damage = _damage(text)
        if damage:
            rows.append(row)
            scores.append(max(KINDS[kind] for kind in damage))
            notes.append(", ".join(damage))
            for kind in damage:
                counts[kind] += 1
    shown = ", ".join(f"{kind} in {count:,}" for kind, count in counts.items() if count)
    return Result(
        f"{counted(len(rows), 'text')} of {len(context):,} {'is' if len(rows) == 1 else 'are'} damaged"
        + (f": {shown}." if shown else "."),
        rows_frame(np.array(rows, np.int64), np.array(scores), note=notes),
        [{"damage": kind, "rows": count} for kind, count in counts.items()],
    )


def _damage(text: str) -> list[str]:
    found = []
    if not text.isascii():
        from ftfy.badness import is_bad

        if "\ufffd" in text:
            found.append("lost characters")
        if is_bad(text.replace("\ufffd", "")):
            found.append("wrong encoding")
    if not text.isprintable() and _CONTROL.search(text):
        found.append("control characters")
    if "&" in text and _ENTITY.search(text):
        found.append("HTML entities")
    return found
