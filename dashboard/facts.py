"""What is said about a data set at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from engine.dataset.snapshot import Dataset


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


def facts_of(dataset: Dataset) -> Facts:
    """Count what there is to say about a data set."""
    created = dataset.frame["created"].dropna() if "created" in dataset.frame else None
    return Facts(
        name=dataset.name,
        num_rows=len(dataset.frame),
        num_left_out=len(dataset.left_out),
        tags={str(tag): int(count) for tag, count in dataset.frame["tag"].value_counts().items()},
        first=f"{created.min():%Y-%m-%d}" if created is not None and len(created) else "",
        last=f"{created.max():%Y-%m-%d}" if created is not None and len(created) else "",
    )
