"""Drift of tags and words between parts of the data: periods of time, or splits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.findings.contract import Result, counted, rows_frame
from engine.findings.statistics import SIGNIFICANCE, association, critical, proportions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.findings.context import Context

LEAST_EFFECT = 0.1
"""Cramér's V below this is called negligible (Cohen, 1988), however sure it is that it is not chance."""

LEAST_CHANGE = 0.02
"""A word whose share of the rows changed by less is not worth a word."""

MOST_PERIODS = 8
ROWS_PER_PERIOD = 50
_WORDS_TOLD = 50
_LEAST_ROWS = 10


def periods(dates: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Cut time into periods with about as many rows each.

    Parameters
    ----------
    dates : numpy.ndarray
        Datetime64, shape (n,).

    Returns
    -------
    part : numpy.ndarray
        Int64, shape (n,): the period of each row, -1 without a date.
    names : list of str
        From when to when, in days.
    """
    known = ~np.isnat(dates)
    number = int(np.clip(known.sum() // ROWS_PER_PERIOD, 2, MOST_PERIODS))
    moments = dates[known].astype("datetime64[us]").astype(np.int64)
    edges = np.unique(np.quantile(moments, np.linspace(0, 1, number + 1)[1:-1], method="higher"))
    edges = edges[edges > moments.min()]
    part = np.full(len(dates), -1, np.int64)
    part[known] = np.searchsorted(edges, moments, side="right")
    days = dates.astype("datetime64[D]")
    names = [f"{days[part == one].min()} to {days[part == one].max()}" for one in range(len(edges) + 1)]
    return part, names


def tag_drift(context: Context, part: np.ndarray, names: Sequence[str], among: str) -> Result:
    """Compare the shares of tags between parts.

    It is drift if the chi-squared test says so at `SIGNIFICANCE` and Cramér's V is at least `LEAST_EFFECT`. Then the
    rows are affected whose tag is more frequent in their part than elsewhere, by more than chance among all tags and
    parts; their score is the share of such rows that is too many.
    """
    known = part >= 0
    counts = np.zeros((len(context.tag_names), len(names)), np.int64)
    np.add.at(counts, (context.tags[known], part[known]), 1)
    there = counts.sum(axis=1) > 0
    tested = association(counts[there]) if there.sum() > 1 and len(names) > 1 else None
    drifted = tested is not None and tested.p < SIGNIFICANCE and tested.effect >= LEAST_EFFECT
    if tested is None or not drifted:
        told = "" if tested is None else f" (p = {tested.p:.2g}, Cramér's V = {tested.effect:.2f})"
        return Result(f"The shares of tags do not differ {among} beyond chance and a negligible size{told}.", _none())
    residuals, expected = np.zeros(counts.shape), np.zeros(counts.shape)
    residuals[there], expected[there] = tested.residuals, tested.expected
    cells = np.argwhere(np.abs(residuals) > critical(int(there.sum()) * len(names)))
    sizes = counts.sum(axis=0)
    table: list[dict[str, Any]] = [
        {
            "tag": context.tag_names[tag],
            "part": names[one],
            "rows": int(counts[tag, one]),
            "share": counts[tag, one] / sizes[one],
            "usual_share": counts[tag].sum() / sizes.sum(),
            "residual": float(residuals[tag, one]),
        }
        for tag, one in cells
    ]
    table.sort(key=lambda entry: -abs(entry["residual"]))
    excess = np.where(residuals > critical(int(there.sum()) * len(names)), 1 - expected / np.maximum(counts, 1), 0)
    score = np.where(known, excess[context.tags, part], 0)
    rows = np.flatnonzero(score > 0)
    sentence = f"The shares of tags differ {among} (Cramér's V = {tested.effect:.2f}, p = {tested.p:.2g})."
    if not table:
        sentence += " No single tag stands out."
    else:
        most = table[0]
        sentence += (
            f" Most of all {most['tag']}: {most['share']:.1%} in {most['part']}, {most['usual_share']:.1%} in all rows."
        )
    note = [f"{context.tag_names[context.tags[row]]} is too frequent in {names[part[row]]}" for row in rows]
    return Result(sentence, rows_frame(rows, score[rows], note=note), table, noteworthy=True)


def word_drift(context: Context, earlier: np.ndarray, later: np.ndarray, names: tuple[str, str], among: str) -> Result:
    """Compare in how many rows of two parts each word stands.

    A word drifts if its two proportions differ by more than chance among all words of `_LEAST_ROWS` rows and more, and
    by at least `LEAST_CHANGE`. The rows of the later part that have a word which became frequent are affected; their
    score is the largest change among their words, relative to how often the word is used.

    Parameters
    ----------
    context : Context
        The rows.
    earlier, later : numpy.ndarray
        Bool, shape (n,).
    names : tuple of str
        What the two are called.
    among : str
        Between what they are compared, for the sentence.
    """
    group, _ = context.distinct
    single = np.flatnonzero([" " not in name for name in context.words.names])
    used = context.words.matrix[:, single].sign()
    weights = [np.bincount(group[part], minlength=used.shape[0]) for part in (earlier, later)]
    first, second = (np.asarray(used.T @ weight).ravel() for weight in weights)
    frequent = np.flatnonzero(first + second >= _LEAST_ROWS)
    before, after = int(earlier.sum()), int(later.sum())
    if not before or not after or not len(frequent):
        return Result(f"There are too few rows to compare words {among}.", _none())
    first, second, used = first[frequent], second[frequent], used[:, frequent]
    words = context.words.names[single[frequent]]
    z = proportions(first, before, second, after)
    change = second / after - first / before
    drifting = (np.abs(z) > critical(len(frequent))) & (np.abs(change) >= LEAST_CHANGE)
    told = np.flatnonzero(drifting)[np.argsort(-np.abs(z[drifting]))]
    table = [
        {"word": words[word], names[0]: first[word] / before, names[1]: second[word] / after, "z": float(z[word])}
        for word in told[:_WORDS_TOLD]
    ]
    if not len(told):
        return Result(f"No word became more or less frequent {among} beyond chance.", _none())
    relative = np.where(drifting & (change > 0), change / (first / before + second / after), 0)
    highest = used.multiply(relative).tocsr().max(axis=1).toarray().ravel()
    score = np.where(later, highest[group], 0)
    rows = np.flatnonzero(score > 0)
    best = used.multiply(relative).tocsr().argmax(axis=1)
    best = np.asarray(best).ravel()[group[rows]]
    shown = ", ".join(f'"{entry["word"]}" ({entry[names[0]]:.1%} -> {entry[names[1]]:.1%})' for entry in table[:3])
    return Result(
        f"{counted(len(told), 'word')} of {len(words):,} became more or less frequent {among}: {shown}.",
        rows_frame(rows, np.clip(score[rows], 0, 1), note=[f'has "{words[word]}"' for word in best]),
        table,
        noteworthy=True,
    )


def _none() -> Any:
    return rows_frame(np.empty(0, np.int32), np.empty(0))
