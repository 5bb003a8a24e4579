"""Rows, or text fields, of which cleaning left nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.dataset.cleaning import clean, is_plain
from engine.findings.contract import Result, counted, rows_frame
from engine.findings.registry import finding

if TYPE_CHECKING:
    from engine.findings.context import Context

_LISTED = 100


@finding(
    "emptied-rows",
    "preprocessing",
    "Emptied by cleaning",
    advice="Write a text for these rows, or leave out the step that empties them.",
    harm=0.5,
)
def emptied_rows(context: Context) -> Result:
    """List rows with a field that is empty only after cleaning, and in the table the rows that loading left out.

    Rows without any text are no part of a data set any more; they stand in `Dataset.left_out`.
    """
    dataset, steps = context.dataset, context.options.cleaning
    emptied = np.zeros(len(context), np.int64)
    names: list[list[str]] = [[] for _ in range(len(context))]
    for name, column in zip(dataset.fields.text, dataset.fields.text_columns, strict=True):
        for row, text in enumerate(dataset.frame[column].tolist()):
            if text and not text.isspace() and not is_plain(text) and not clean(text, steps):
                emptied[row] += 1
                names[row].append(name)
    rows = np.flatnonzero(emptied)
    out = dataset.left_out[dataset.left_out["reason"].str.startswith("no text")]
    table = [
        {"id": entry.id, "row": int(str(entry.row)), "reason": entry.reason} for entry in out.head(_LISTED).itertuples()
    ]
    return Result(
        f"{counted(len(rows), 'row')} of {len(context):,} lost a whole text field by cleaning; "
        f"{counted(len(out), 'row')} without any text {'was' if len(out) == 1 else 'were'} left out.",
        rows_frame(
            rows,
            emptied[rows] / len(dataset.fields.text),
            note=[f"nothing is left of {', '.join(names[row])}" for row in rows],
        ),
        table,
        noteworthy=bool(len(out)),
    )
