"""For each row the most similar other one, among the same and the nearly same texts, that fulfils a condition."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.findings.context import Context

_ROWS_OF_A_TEXT = 20  # a text that stands there 10,000 times would have 100 million pairs


@dataclasses.dataclass(frozen=True, eq=False)
class Partners:
    """Rows and their partners: `rows` and `other` int64, `similarity` float32 (1 for the same text), shape (m,)."""

    rows: np.ndarray
    other: np.ndarray
    similarity: np.ndarray


def partners(
    context: Context,
    condition: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    same: bool = True,
    near: bool = True,
) -> Partners:
    """Find the best partner of each row.

    Parameters
    ----------
    context : Context
        The rows.
    condition : callable
        Takes two int64 arrays of positions, rows and candidates, and returns which pairs count: bool.
    same, near : bool, optional
        Look among rows with the same cleaned text, and among near-duplicates.

    Returns
    -------
    Partners
        Only rows that have a partner, by position; of equally similar ones the first in the file. A row is compared
        with the first rows of each tag and split that share a text, not with each of thousands.
    """
    group, _ = context.distinct
    members = _members(context, group)
    counts = np.bincount(group[members])
    starts = np.concatenate([[0], np.cumsum(counts)])
    links = []
    if same:
        everyone = np.arange(len(group))
        links.append((everyone, group, np.ones(len(group), np.float32)))
    if near:
        pairs = context.pairs
        for mine, theirs in ((pairs.first, pairs.second), (pairs.second, pairs.first)):
            # Each row of the one text looks at the other text.
            by_text = np.argsort(group, kind="stable")
            sizes = np.bincount(group)
            begin = np.concatenate([[0], np.cumsum(sizes)])
            which = np.repeat(np.arange(len(mine)), sizes[mine])
            rows = by_text[_ranges(begin[mine], sizes[mine])]
            links.append((rows, theirs[which], pairs.similarity[which]))
    rows, others, similarity = [], [], []
    for looking, texts, alike in links:
        which = np.repeat(np.arange(len(looking)), counts[texts])
        candidates = members[_ranges(starts[texts], counts[texts])]
        keep = (looking[which] != candidates) & condition(looking[which], candidates)
        rows.append(looking[which][keep])
        others.append(candidates[keep])
        similarity.append(alike[which][keep])
    return _best(np.concatenate(rows), np.concatenate(others), np.concatenate(similarity))


def _members(context: Context, group: np.ndarray) -> np.ndarray:
    """Return the rows to compare with, sorted by text: of each text the first two of each tag and split."""
    frame = context.dataset.frame
    tags = frame["tag"].fillna("").to_numpy(object)
    splits = context.splits if context.has_splits else np.zeros(len(group), np.int64)
    keys = pd.DataFrame({"group": group, "tag": tags, "split": splits})
    rows = np.flatnonzero((keys.groupby(["group", "tag", "split"], sort=False).cumcount() < 2).to_numpy())
    rows = rows[np.argsort(group[rows], kind="stable")]
    sorted_groups = group[rows]
    begin = np.searchsorted(sorted_groups, sorted_groups)
    return np.asarray(rows[np.arange(len(rows)) - begin < _ROWS_OF_A_TEXT])


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return ``start .. start + length - 1`` of each pair, one after the other."""
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths))


def _best(rows: np.ndarray, others: np.ndarray, similarity: np.ndarray) -> Partners:
    order = np.lexsort((others, -similarity, rows))
    rows, others, similarity = rows[order], others[order], similarity[order]
    first = np.concatenate([[True], rows[1:] != rows[:-1]]) if len(rows) else np.zeros(0, bool)
    return Partners(rows[first], others[first], similarity[first])
