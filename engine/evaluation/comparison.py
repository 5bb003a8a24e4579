"""Comparison of two runs on the same rows: what changed overall, per tag and per slice, how sure that is, and where."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.evaluation.paired import Change
from engine.evaluation.paired_f1 import overall_f1_changes, tag_f1_changes
from engine.evaluation.significance import corrected, mcnemar, paired_interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.evaluation.significance import Correction

RESAMPLES = 1000
LEVEL = 0.05


class Delta(Change, frozen=True, kw_only=True):
    """How one figure changed, and whether more than by chance.

    Parameters
    ----------
    name : str
        A tag, a slice, or ``accuracy``, ``weighted F1``, ``macro F1``.
    improved, regressed : int
        Rows that only the later and only the earlier run gets right. For a tag, right means to know whether a row has
        this tag.
    p : float or None
        McNemar's exact test of these two; None for the two overall F1, which have no such test.
    corrected : float or None
        `p`, corrected for the number of tags or slices that were looked at.
    significant : bool
        Whether `corrected` is at most the level; without it, whether the interval leaves out zero.
    explained_by : str
        The slice whose rows make this one significant: without them it is not. Empty if it is so by itself.
    """

    name: str
    improved: int
    regressed: int
    p: float | None = None
    corrected: float | None = None
    significant: bool = False
    explained_by: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """What changed from one run to another; made by `compare`.

    Parameters
    ----------
    overall : tuple of Delta
        Accuracy, weighted F1 and macro F1.
    tags : tuple of Delta
        F1 of each tag, in the order of the tags.
    slices : tuple of Delta
        Micro F1 of each slice (its share of right answers), in the order of the slices.
    improved, regressed : numpy.ndarray
        int64: positions of the rows that only the later and only the earlier run gets right, those first whose true tag
        won or lost most probability, where probabilities were given.
    both_right, both_wrong : int
        How many other rows there are of each kind.
    method : str
        How the intervals of the overall F1 were found: ``"bootstrap"`` or ``"its limit"``.
    """

    overall: tuple[Delta, ...]
    tags: tuple[Delta, ...]
    slices: tuple[Delta, ...]
    improved: np.ndarray
    regressed: np.ndarray
    both_right: int
    both_wrong: int
    method: str


def compare(
    true: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    tags: Sequence[str],
    slices: Mapping[str, np.ndarray] | None = None,
    *,
    truth_before: np.ndarray | None = None,
    truth_after: np.ndarray | None = None,
    correction: Correction = "holm",
    level: float = LEVEL,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare the answers of two runs to the same n rows.

    Rows are compared in pairs, so what both runs get right or wrong alike cancels. Counts are drawn and never rows:
    the cost hardly depends on n.

    Parameters
    ----------
    true, before, after : numpy.ndarray
        int, shape (n,): positions in `tags`; ``len(tags)`` for a tag that is not among them, which is never right.
    tags : sequence of str
        The tags of both runs.
    slices : mapping of str to numpy.ndarray, optional
        Name to mask, bool, shape (n,).
    truth_before, truth_after : numpy.ndarray, optional
        float, shape (n,): the probability that each run gives the true tag; both or none.
    correction : str, optional
        Over the tags and, apart from them, over the slices: see `engine.evaluation.significance.corrected`.
    level : float, optional
        A change is significant where its corrected p-value is at most this.
    seed, resamples : int, optional
        The same seed gives the same intervals.

    Returns
    -------
    Comparison
        Every change is within its 95 % interval. Without rows the interval is -1 to 1, for then nothing is known.

    Raises
    ------
    ValueError
        If the arrays do not belong together.

    Notes
    -----
    Accuracy and slices have the interval of `paired_interval`. The F1 of a tag has the percentile interval of a paired
    bootstrap of its eight counts (has the row the tag? does each run say so?), half a row being added to each of the
    four in which the runs differ, so that few rows do not claim certainty. The overall F1 have that of all counts of
    (true, before, after), a row being added that only the one and a row that only the other run gets right; where that
    would be more than two million draws there are thousands of different ones, and the limit of the bootstrap is taken
    instead: normal, with the variance of the infinitesimal jackknife.
    """
    tags = tuple(tags)
    n, size = len(true), len(tags)
    masks = {name: np.asarray(mask, dtype=bool) for name, mask in (slices or {}).items()}
    for values in (before, after, truth_before, truth_after, *masks.values()):
        if values is not None and values.shape != (n,):
            raise ValueError(f"{values.shape} values for {n} rows")
    for codes in (true, before, after):
        if n and not (codes.min() >= 0 and codes.max() <= size):
            raise ValueError(f"codes lie between {codes.min()} and {codes.max()}, and there are {size} tags")
    true, before, after = (np.asarray(codes, dtype=np.int64) for codes in (true, before, after))
    known = true < size
    right = (known & (before == true), known & (after == true))
    up, down = ~right[0] & right[1], right[0] & ~right[1]
    rng = np.random.default_rng(seed)
    f1s, method = overall_f1_changes(true, before, after, size, rng, resamples)
    counts = _Counts(n, int(right[0].sum()), int(right[1].sum()), int(up.sum()), int(down.sum()))
    accuracy = _deltas(("accuracy",), [counts], "holm", level)
    overall = [
        Delta(
            was,
            now,
            # Where no row differs the limit of the bootstrap claims certainty; the accuracy knows better.
            *((accuracy[0].low, accuracy[0].high) if low == high else (low, high)),
            n,
            name=name,
            improved=counts.up,
            regressed=counts.down,
            significant=bool(low < high and (low > 0 or high < 0)),
        )
        for name, (was, now, low, high) in f1s.items()
    ]
    return Comparison(
        (*accuracy, *overall),
        _tag_deltas(true, before, after, tags, rng, resamples, correction, level),
        _slice_deltas(masks, right, up, down, correction, level),
        _ordered(np.flatnonzero(up), truth_before, truth_after, 1.0),
        _ordered(np.flatnonzero(down), truth_before, truth_after, -1.0),
        int((right[0] & right[1]).sum()),
        n - int((right[0] | right[1]).sum()),
        method,
    )


@dataclasses.dataclass(frozen=True)
class _Counts:
    """Of how many rows the runs get how many right, and how many only the one of them."""

    rows: int
    before: int
    after: int
    up: int
    down: int


def _deltas(names: Sequence[str], counts: Sequence[_Counts], correction: Correction, level: float) -> tuple[Delta, ...]:
    """Return the changes of shares of right answers."""
    if not names:
        return ()
    rows, up, down = (np.array([getattr(one, key) for one in counts]) for key in ("rows", "up", "down"))
    lows, highs = paired_interval(up, down, rows)
    p = mcnemar(up, down)
    adjusted = corrected(p, correction)
    return tuple(
        Delta(
            one.before / max(one.rows, 1),
            one.after / max(one.rows, 1),
            float(lows[at]),
            float(highs[at]),
            one.rows,
            name=names[at],
            improved=one.up,
            regressed=one.down,
            p=float(p[at]),
            corrected=float(adjusted[at]),
            significant=bool(adjusted[at] <= level),
        )
        for at, one in enumerate(counts)
    )


def _slice_deltas(
    masks: Mapping[str, np.ndarray],
    right: tuple[np.ndarray, np.ndarray],
    up: np.ndarray,
    down: np.ndarray,
    correction: Correction,
    level: float,
) -> tuple[Delta, ...]:
    counts = [
        _Counts(*(int(np.count_nonzero(part)) for part in (mask, *(mask & of for of in (*right, up, down)))))
        for mask in masks.values()
    ]
    deltas = _deltas(tuple(masks), counts, correction, level)
    # First the one that surely changed most: of a slice and a wider one around it that is the slice.
    flagged = sorted(
        (at for at, one in enumerate(deltas) if one.significant),
        key=lambda at: -min(abs(deltas[at].low), abs(deltas[at].high)),
    )
    if len(flagged) < 2:
        return deltas
    # Slices overlap: one that did not change looks as if it had where it shares rows with one that did.
    differ = up | down
    better = up[differ]
    inside = {at: mask[differ] for at, mask in enumerate(masks.values()) if at in flagged}
    left = np.ones(len(better), dtype=bool)
    explained: dict[int, str] = {}
    while flagged:
        first, *rest = flagged
        left &= ~inside[first]
        flagged = []
        for at in rest:
            remaining = inside[at] & left
            lost = remaining.sum() < inside[at].sum()
            p = mcnemar((remaining & better).sum(), (remaining & ~better).sum())
            if lost and p * len(rest) > level:
                explained[at] = deltas[first].name
            else:
                flagged.append(at)
    return tuple(_explained(one, explained.get(at, "")) for at, one in enumerate(deltas))


def _explained(delta: Delta, by: str) -> Delta:
    if not by:
        return delta
    return msgspec.structs.replace(delta, explained_by=by)


def _tag_deltas(
    true: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    tags: Sequence[str],
    rng: np.random.Generator,
    resamples: int,
    correction: Correction,
    level: float,
) -> tuple[Delta, ...]:
    if not tags:
        return ()
    found = tag_f1_changes(true, before, after, len(tags), rng, resamples)
    p = mcnemar(found.improved, found.regressed)
    adjusted = corrected(p, correction)
    return tuple(
        Delta(
            float(found.before[at]),
            float(found.after[at]),
            float(found.low[at]),
            float(found.high[at]),
            int(found.support[at]),
            name=tags[at],
            improved=int(found.improved[at]),
            regressed=int(found.regressed[at]),
            p=float(p[at]),
            corrected=float(adjusted[at]),
            significant=bool(adjusted[at] <= level),
        )
        for at in range(len(tags))
    )


def _ordered(rows: np.ndarray, before: np.ndarray | None, after: np.ndarray | None, sign: float) -> np.ndarray:
    """Return rows with those first whose true tag's probability moved most."""
    if before is None or after is None:
        return rows
    return np.asarray(rows[np.argsort(-sign * (after[rows] - before[rows]), kind="stable")])
