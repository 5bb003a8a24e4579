"""A data set as the Data section shows it: facts about it, and the rows that a filter leaves."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import pandas as pd

    from engine.dataset.snapshot import Dataset

TEXT_PREFIX = "text_"
CELL_LIMIT = 600
_FILTERS_KEPT = 64


class Facts(msgspec.Struct, frozen=True):
    """What is said about a data set at a glance.

    `tags` counts the rows by tag, most frequent first; `first` and `last` are days as YYYY-MM-DD, empty where no
    row has a date.
    """

    name: str
    num_rows: int
    num_left_out: int
    tags: dict[str, int]
    first: str = ""
    last: str = ""


class Samples:
    """One data set, ready to be shown; made once per process and shared by its visitors.

    Parameters
    ----------
    dataset
        The data set.
    splits
        Split by id, where a run is there to name it.

    Raises
    ------
    KeyError
        The data set's frame lacks one of its own columns.
    """

    def __init__(self, dataset: Dataset, splits: pd.Series | None = None) -> None:
        frame = dataset.frame
        self.digest = dataset.digest
        self.titles = _titles(dataset)
        self.facts = _facts(dataset)
        self.left_out = dataset.left_out
        self.has_dates = bool(self.facts.first)
        self.has_splits = splits is not None
        self._shown = _shown(dataset, splits)
        self._tags = frame["tag"].astype("str")
        self._texts = frame["text"].str.casefold()
        # One visitor's filter is often the next one's: kept per process, by the filter and never by a frame.
        self.rows = functools.lru_cache(maxsize=_FILTERS_KEPT)(self._rows)

    def _rows(self, tag: str, text: str) -> pd.DataFrame:
        """Rows with a tag that contain a text; empty means any. See `rows`, which remembers the answers."""
        mask = None
        if tag:
            mask = self._tags == tag
        if text:
            contains = self._texts.str.contains(text.casefold(), regex=False)
            mask = contains if mask is None else mask & contains
        return self._shown if mask is None else self._shown[mask.fillna(False).astype(bool)]


def _facts(dataset: Dataset) -> Facts:
    created = dataset.frame["created"].dropna() if "created" in dataset.frame else None
    return Facts(
        name=dataset.name,
        num_rows=len(dataset.frame),
        num_left_out=len(dataset.left_out),
        tags={str(tag): int(count) for tag, count in dataset.frame["tag"].value_counts().items()},
        first=f"{created.min():%Y-%m-%d}" if created is not None and len(created) else "",
        last=f"{created.max():%Y-%m-%d}" if created is not None and len(created) else "",
    )


def _shown(dataset: Dataset, splits: pd.Series | None) -> pd.DataFrame:
    """Columns of the table, long cells cut: the browser never gets a cell of 100,000 characters."""
    import pandas as pd

    frame = dataset.frame
    columns = {"id": _sortable(frame["id"])}
    if "created" in frame and frame["created"].notna().any():
        columns["created"] = frame["created"]
    for position, column in enumerate(dataset.fields.text_columns):
        columns[f"{TEXT_PREFIX}{position}"] = _cut(frame[column])
    columns["tag"] = _cut(frame["tag"].astype("str"))
    if splits is not None:
        columns["split"] = frame["id"].map(splits)
    return pd.DataFrame(columns).reset_index(drop=True)


def _titles(dataset: Dataset) -> dict[str, str]:
    """Title by column of the table; columns have names of their own, as a file's header may hold anything."""
    titles = {"id": "ID", "created": "Created", "tag": "Tag", "split": "Split"}
    for position, name in enumerate(dataset.fields.text):
        titles[f"{TEXT_PREFIX}{position}"] = name[:1].upper() + name[1:]
    return titles


def _sortable(ids: pd.Series) -> pd.Series:
    # Ids such as 7 and 12 sort as numbers, as a person expects; 007 and 1e5 stay the texts that they are.
    if len(ids) and ids.str.fullmatch(r"0|[1-9]\d{0,14}").all():
        return ids.astype("int64")
    return _cut(ids)


def _cut(values: pd.Series) -> pd.Series:
    long = values.str.len() > CELL_LIMIT
    if not long.any():
        return values
    shortened = values.str.slice(0, CELL_LIMIT) + "… (" + values.str.len().map("{:,}".format) + " characters)"
    return values.where(~long, shortened)
