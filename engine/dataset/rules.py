"""Rules that the columns and rows of a file must keep; whoever breaks one is reported by row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from engine.dataset.problems import quoted

if TYPE_CHECKING:
    import pandas as pd

    from engine.dataset.fields import Fields
    from engine.dataset.problems import ProblemList
    from engine.dataset.reading import RawTable


def fields_make_sense(fields: Fields, labelled: bool, problems: ProblemList) -> bool:
    """Report columns that are named for two purposes."""
    if not fields.text:
        problems.add("fields", "no text column is named", "name at least one (--text NAME)")
    for name in dict.fromkeys(name for name in fields.text if fields.text.count(name) > 1):
        problems.add("fields", "the text column is named twice", "name it once", column=name)
    if labelled and fields.label in fields.text:
        message = "the column is named as text and as label, so the model would read the answer"
        problems.add("fields", message, "name another column for one of them", column=fields.label)
    if labelled and fields.label == fields.id:
        message = "the column is named as id and as label"
        problems.add("fields", message, "name another column for one of them", column=fields.label)
    return not problems.fatal


def check_lengths(raw: RawTable, limit: int, problems: ProblemList) -> None:
    """Report cells with more than `limit` characters."""
    for name, values in raw.columns.items():
        # The length in bytes is known without looking at the text, and is never less than that in characters.
        if pc.max(pc.binary_length(values)).as_py() <= limit:
            continue
        lengths = pc.utf8_length(values).to_numpy()
        for position in np.flatnonzero(lengths > limit):
            message = f"the cell has {lengths[position]:,} characters and the limit is {limit:,}"
            problems.add(
                "long-cell",
                message,
                "shorten it, or raise the setting data.max_cell_characters",
                row=int(raw.lines[position]),
                column=name,
                spreadsheet_row=int(raw.records[position]),
            )


def check_ids(ids: pd.Series, blank: np.ndarray, raw: RawTable, name: str, problems: ProblemList) -> None:
    """Report ids that are empty or there twice."""
    used = ids[~blank]
    first: dict[str, int] = {}
    doubles = used.duplicated(keep=False)
    empty = used.str.strip().eq("")
    for position in np.flatnonzero(~blank)[(doubles | empty).to_numpy(bool)].tolist():
        value = ids.iloc[position]
        row, record = int(raw.lines[position]), int(raw.records[position])
        if not value.strip():
            remedy = "give the row an id of its own"
            problems.add("empty-id", "the id is empty", remedy, row=row, column=name, spreadsheet_row=record)
        elif value in first:
            message = f"the id {quoted(value)} is also on line {first[value]}"
            remedy = "give each row an id of its own, or delete one of them"
            problems.add("duplicate-id", message, remedy, row=row, column=name, spreadsheet_row=record)
        else:
            first[value] = row


def check_tags(tags: pd.Series, name: str, minimum: int, problems: ProblemList) -> None:
    """Report too few tags, and far too many."""
    different = tags.nunique()
    if different < minimum and not problems.fatal:
        message = f"all {len(tags):,} rows have the tag {quoted(tags.iloc[0])}"
        problems.add("one-tag", message, f"at least {minimum} different tags are needed", column=name)
    elif different > 200 and different > len(tags) / 5:
        message = f"there are {different:,} different tags in {len(tags):,} rows"
        problems.add("many-tags", message, "check that this is the label column", column=name, fatal=False)
