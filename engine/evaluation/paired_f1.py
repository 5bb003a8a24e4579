"""F1 of two runs on the same rows: how it changes overall and per tag, with intervals from drawing counts."""

from __future__ import annotations

import dataclasses

import numpy as np

from engine.evaluation.intervals import Z

# Draws above which the bootstrap of all cells would take longer than a person waits.
_MOST_DRAWS = 2_000_000
_ADDED = 1.0
_ENDS = (0.025, 0.975)


@dataclasses.dataclass(frozen=True, eq=False)
class TagChanges:
    """Both runs' F1 of each tag, and on how many rows they differ about it; arrays of shape (tags,).

    Parameters
    ----------
    before, after, low, high : numpy.ndarray
        float64: F1 of each run, and the 95 % interval of their difference.
    support : numpy.ndarray
        int64: rows that have the tag.
    improved, regressed : numpy.ndarray
        int64: rows of which only the later and only the earlier run knows whether they have the tag.
    """

    before: np.ndarray
    after: np.ndarray
    low: np.ndarray
    high: np.ndarray
    support: np.ndarray
    improved: np.ndarray
    regressed: np.ndarray


def tag_f1_changes(
    true: np.ndarray, before: np.ndarray, after: np.ndarray, size: int, rng: np.random.Generator, resamples: int
) -> TagChanges:
    """Return how the F1 of each tag changes, by a paired bootstrap of its eight counts.

    What a row says about a tag is whether it has it and whether each run says so. Drawing rows with replacement and
    counting these is drawing the eight counts from a multinomial distribution. Half a row is added to each of the four
    counts in which the runs differ, so that few rows do not claim certainty.

    Parameters
    ----------
    true, before, after : numpy.ndarray
        int64, shape (n,): codes below `size`, or `size` for a tag that is not looked at.
    size : int
        Number of tags.
    rng : numpy.random.Generator
        Draws.
    resamples : int
        How often.

    Returns
    -------
    TagChanges
        Each change is within its interval, which is -1 to 1 for a tag that no row has and no run says.
    """
    n = len(true)

    def count(codes: np.ndarray) -> np.ndarray:
        return np.bincount(codes, minlength=size + 1)[:size]

    support, said = count(true), (count(before), count(after))
    hits, both_said = (count(true[before == true]), count(true[after == true])), count(before[before == after])
    both_hit = count(true[(before == true) & (after == true)])
    only_hit = [one - both_hit for one in hits]
    both_false = both_said - both_hit
    only_false = [one - hit - both_false for one, hit in zip(said, hits, strict=True)]
    # Of each tag: found by both, the one, the other, none; falsely said by both, the one, the other; all other rows.
    cells = [both_hit, *only_hit, support - both_hit - only_hit[0] - only_hit[1], both_false, *only_false]
    counted = np.stack([*cells, n - sum(cells)], axis=1)
    f1 = _tag_f1(counted)
    low, high = np.full(size, -1.0), np.full(size, 1.0)
    there = np.flatnonzero(counted[:, :7].any(axis=1))
    if len(there):
        smoothed = counted[there] + np.array([0, 0.5, 0.5, 0, 0, 0.5, 0.5, 0])
        shares = smoothed / smoothed.sum(axis=1, keepdims=True)
        drawn = _tag_f1(rng.multinomial(n, shares, size=(resamples, len(there))))
        low[there], high[there] = np.quantile(drawn[1] - drawn[0], _ENDS, axis=0)
    change = f1[1] - f1[0]
    return TagChanges(
        *f1,
        np.minimum(low, change),
        np.maximum(high, change),
        support,
        only_hit[1] + only_false[0],
        only_hit[0] + only_false[1],
    )


def _tag_f1(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both runs' F1 from the eight counts of each tag, the last axis; 0 where a tag neither is nor is said."""
    both, one, other, none, false, one_false, other_false = (cells[..., at] for at in range(7))
    support = both + one + other + none
    return (
        _ratio(2.0 * (both + one), support + both + one + false + one_false),
        _ratio(2.0 * (both + other), support + both + other + false + other_false),
    )


def overall_f1_changes(
    true: np.ndarray, before: np.ndarray, after: np.ndarray, size: int, rng: np.random.Generator, resamples: int
) -> tuple[dict[str, tuple[float, float, float, float]], str]:
    """Return how the weighted and the macro F1 change.

    Parameters
    ----------
    true, before, after, size, rng, resamples
        As for `tag_f1_changes`.

    Returns
    -------
    figures : dict of str to tuple of float
        ``"weighted F1"`` and ``"macro F1"``, the latter over the tags that a row has or a run says: before, after, and
        the ends of the 95 % interval of their difference, which is within it; 0, 0, -1 and 1 without rows.
    method : str
        ``"bootstrap"``: the counts of each (true, before, after) are drawn, one row being added that only the one and
        one that only the other run gets right, so that few rows do not claim certainty; ``"its limit"``: there are so
        many different ones that this would take seconds; with so many rows the change is as good as normal, with the
        variance of the infinitesimal jackknife.

    References
    ----------
    Efron, B. (1982), "The jackknife, the bootstrap and other resampling plans", chapter 6.
    """
    names = ("weighted F1", "macro F1")
    n, width = len(true), size + 1
    if not n or not size:
        return dict.fromkeys(names, (0.0, 0.0, -1.0, 1.0)), "bootstrap"
    counts = np.bincount((true * width + before) * width + after, minlength=width**3)
    cells = np.flatnonzero(counts)
    counts = counts[cells]
    rows, columns = cells // width**2, (cells // width % width, cells % width)
    sums = [_counted(counts, rows, column, width) for column in columns]
    # As in `averages`, a tag that no row has and no run says does not spoil the macro average.
    there = np.unique(np.concatenate([rows, *columns]))
    tags = int((there < size).sum())
    was, now = (f1_averages(one, tags) for one in sums)
    if len(cells) * resamples <= _MOST_DRAWS:
        method = "bootstrap"
        shares, true_tags, answers = _smoothed(counts, rows, columns, size)
        drawn = rng.multinomial(n, shares, size=resamples)
        drawn_figures = [f1_averages(drawn_sums(drawn, true_tags, answer, width), tags) for answer in answers]
        ends = [np.quantile(later - earlier, _ENDS) for earlier, later in zip(*drawn_figures, strict=True)]
    else:
        method, ends = "its limit", []
        influences = [_influence(one, rows, column, tags) for one, column in zip(sums, columns, strict=True)]
        for at, (earlier, later) in enumerate(zip(*influences, strict=True)):
            moved = later - earlier
            half = Z * np.sqrt((counts * (moved - (counts * moved).sum() / n) ** 2).sum())
            ends.append(now[at] - was[at] + np.array([-half, half]))
    figures = {}
    for name, one, other, (low, high) in zip(names, was, now, ends, strict=True):
        change = float(other[0] - one[0])
        bounds = max(-1.0, min(float(low), change)), min(1.0, max(float(high), change))
        figures[name] = (float(one[0]), float(other[0]), *bounds)
    return figures, method


def _smoothed(
    counts: np.ndarray, rows: np.ndarray, columns: tuple[np.ndarray, np.ndarray], size: int
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Add a row that only the one and a row that only the other run gets right, shared among the tags that occur.

    Returns the shares of all kinds of rows, their true tags and both answers.
    """
    there = np.unique(rows[rows < size])
    if not len(there):
        return counts / counts.sum(), rows, columns
    missed = np.full(len(there), size)
    shares = np.concatenate([counts, np.full(2 * len(there), _ADDED / len(there))])
    answers = (np.concatenate([columns[0], there, missed]), np.concatenate([columns[1], missed, there]))
    return shares / shares.sum(), np.concatenate([rows, there, there]), answers


def _counted(counts: np.ndarray, rows: np.ndarray, columns: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    """Return how often each tag is right, occurs and is said: float64, shape (1, tags) each."""
    right = counts * (rows == columns)
    # The last one stands for the tags that are not looked at.
    return tuple(
        np.bincount(codes, weights, width)[None, :-1]
        for codes, weights in ((rows, right), (rows, counts), (columns, counts))
    )


def drawn_sums(counts: np.ndarray, rows: np.ndarray, columns: np.ndarray, width: int) -> tuple[np.ndarray, ...]:
    """Return what `_counted` does for counts of shape (resamples, cells): float64, shape (resamples, tags) each."""
    is_row, is_column = np.eye(width)[rows], np.eye(width)[columns]
    drawn = counts.astype(np.float64)
    return tuple((drawn @ part)[:, :-1] for part in (is_row * is_column, is_row, is_column))


def f1_averages(sums: tuple[np.ndarray, ...], tags: int) -> tuple[np.ndarray, np.ndarray]:
    """Return weighted and macro F1 of each resample, the latter over so many tags; float64, shape (resamples,) each."""
    right, occurs, said = sums
    f1 = _ratio(2 * right, occurs + said)
    weighted = (f1 * occurs).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return weighted, f1.sum(axis=1) / max(tags, 1)


def _influence(sums: tuple[np.ndarray, ...], rows: np.ndarray, columns: np.ndarray, tags: int) -> list[np.ndarray]:
    """Return by how much one more row of each cell moves weighted and macro F1."""
    right, occurs, said = (one[0] for one in sums)
    total = occurs + said
    f1, per_hit, per_row = _ratio(2 * right, total), _ratio(np.full(len(occurs), 2.0), total), _ratio(np.ones(1), total)
    moved = []
    # A row of a tag that is not looked at has no weight, so n is not what it is shared among.
    among, size = max(occurs.sum(), 1.0), len(occurs)
    own_weighted = (f1 - (f1 * occurs).sum() / among) / among
    for weight, own in ((occurs / among, own_weighted), (np.full(size, 1 / max(tags, 1)), np.zeros(size))):
        # The tag that is none of those looked at moves nothing.
        hit, said_one, has = (
            np.append(part, 0.0) for part in (weight * per_hit, -weight * f1 * per_row, own - weight * f1 * per_row)
        )
        moved.append(has[rows] + said_one[columns] + np.where(rows == columns, hit[rows], 0.0))
    return moved


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divide; 0 where there is nothing to divide by."""
    shape = np.broadcast_shapes(numerator.shape, denominator.shape)
    result: np.ndarray = np.divide(numerator, denominator, out=np.zeros(shape), where=denominator > 0)
    return result
