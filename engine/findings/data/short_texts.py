"""Texts with hardly a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from engine.findings.context import Context

ENOUGH_WORDS = 4


@finding(
    "short-texts",
    "data",
    "Empty or very short texts",
    advice="Fill in what is missing, or delete the row.",
    harm=0.4,
    needs=("cleaned",),
)
def short_texts(context: Context) -> Result:
    """List the texts with fewer than `ENOUGH_WORDS` words after cleaning; the fewer, the higher the score."""
    lengths = np.array([len(words_of(text)) for text in context.cleaned], np.int64)
    rows = np.flatnonzero(lengths < ENOUGH_WORDS)
    table = [
        {"field": name, "empty_rows": int(context.dataset.frame[column].fillna("").str.strip().eq("").sum())}
        for name, column in zip(context.dataset.fields.text, context.dataset.fields.text_columns, strict=True)
    ]
    empty = int((lengths == 0).sum())
    fields = ", ".join(f"{entry['field']} in {entry['empty_rows']:,}" for entry in table if entry["empty_rows"])
    return Result(
        f"{counted(len(rows), 'text')} of {len(context):,} {'has' if len(rows) == 1 else 'have'} fewer than "
        f"{ENOUGH_WORDS} words, {empty:,} of them none" + (f"; empty fields: {fields}." if fields else "."),
        rows_frame(
            rows, 1 - lengths[rows] / ENOUGH_WORDS, note=[counted(int(length), "word") for length in lengths[rows]]
        ),
        table,
        noteworthy=bool(fields),
    )
