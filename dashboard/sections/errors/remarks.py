"""What the findings say of rows: of one for its details, of all for a file."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from dashboard.samples import Samples
    from engine.findings.contract import Finding


class Remark(msgspec.Struct, frozen=True):
    """What one finding says of a row: its title, the tag that it proposes, its note, and another row that it names."""

    title: str
    proposed: str = ""
    note: str = ""
    other_id: str = ""


def remarks_of(samples: Samples, place: int) -> tuple[Remark, ...]:
    """Return what is said of the row at a position of the data set, the worst first; reads files."""
    remarks = []
    for item, rows in _rows(samples, np.array([place])):
        for row in rows.itertuples():
            remarks.append(Remark(item.title, _text(row.proposed_tag), _text(row.note), _text(row.other_id)))
    return tuple(remarks)


def proposals(samples: Samples, places: np.ndarray) -> tuple[dict[int, str], dict[int, str]]:
    """Return the proposed tag and the note of rows, by position in the data set; only where there is one.

    The tag is that of the worst finding that proposes one; the notes of several findings stand together, each after
    its finding's title.

    Parameters
    ----------
    samples
        The data set, with its findings.
    places
        int64, shape (m,): the rows that count.
    """
    tags: dict[int, str] = {}
    notes: dict[int, str] = {}
    for item, rows in _rows(samples, places):
        columns = zip(rows["position"].tolist(), rows["proposed_tag"].tolist(), rows["note"].tolist(), strict=True)
        for place, tag, note in columns:
            if _text(tag):
                tags.setdefault(place, _text(tag))
            said = f"{item.title}: {_text(note)}" if _text(note) else item.title
            notes[place] = f"{notes[place]} | {said}" if place in notes else said
    return tags, notes


def _rows(samples: Samples, places: np.ndarray) -> Iterator[tuple[Finding, pd.DataFrame]]:
    """Return, by finding, what it says of those of the rows that it affects."""
    found = samples.findings.value
    if found is None:
        return
    masks = samples.explorer.table.findings
    for item in found.items:
        if item.kind not in masks or not masks[item.kind].rows[places].any():
            continue
        # A damaged file is said where the findings are listed.
        with contextlib.suppress(TagscopeError):
            rows = found.source.rows(item.kind)
            wanted = np.zeros(len(masks[item.kind].rows), bool)
            wanted[places] = True
            yield item, rows[rows["affected"] & wanted[rows["position"].to_numpy()]]


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value)
