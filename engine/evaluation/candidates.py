"""Candidates: the conditions from which weak slices are made, and the rows that meet each of them.

They are chosen by texts, tags and dates alone and never by what a model got wrong: so their number is known before, and
what is found among them can be corrected for it. They can be kept per data set and asked about any run.
"""

from __future__ import annotations

import dataclasses
import datetime
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np
import pandas as pd
from scipy import sparse

from engine.dataset.problems import quoted
from engine.evaluation.neighbourhoods import neighbourhoods
from engine.evaluation.term_counts import TermCounts, of_texts

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEAST_ROWS = 15
"""A slice has as many rows, at least."""

PAIRED_TERMS = 300
"""Words that stand in slices of two conditions: the most frequent ones that at most a quarter of the rows has."""

_PAIRED_SHARE = 0.25
_LENGTHS = (0.1, 0.35, 0.65, 0.9)
_MOST_PERIODS = 16
_PERIOD_NAMES = {"M": "{0:%B %Y}", "Q": "quarter {0.quarter} of {0.year}", "Y": "{0.year}"}

Kind = Literal["term", "length", "period", "tag", "neighbourhood"]


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the rows of a slice have in common.

    Parameters
    ----------
    kind : str
        ``term``: they have a word. ``length``: so many words. ``period``: a date in it. ``tag``: the true tag.
        ``neighbourhood``: their text is alike.
    phrase : str
        In words, to go after "rows": ``with the word "image"``.
    value : str
        The word, the tag, or the name of the period or neighbourhood.
    least, most : int, optional
        Of a length, both ends included.
    first, last : datetime.date, optional
        Of a period, both ends included, in UTC.
    """

    kind: Kind
    phrase: str
    value: str = ""
    least: int | None = None
    most: int | None = None
    first: datetime.date | None = None
    last: datetime.date | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Candidates:
    """Conditions and the rows of each.

    Parameters
    ----------
    conditions : tuple of Condition
        c of them; each is met by at least `least_rows` rows, and not met by as many.
    matrix : scipy.sparse.csc_matrix
        float32 [n, c], 1 where a row meets a condition.
    paired : numpy.ndarray
        int64: which of them also stand in slices of two conditions.
    least_rows : int
        Of a slice.
    """

    conditions: tuple[Condition, ...]
    matrix: sparse.csc_matrix
    paired: NDArray[np.int64]
    least_rows: int = LEAST_ROWS

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.matrix.shape[0])

    def mask(self, places: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return the rows that meet all of some conditions; bool [n]."""
        met = np.asarray(self.matrix[:, list(places)].sum(axis=1)).ravel()
        return np.asarray(met == len(places))


def candidates_of(
    texts: ArrayLike | TermCounts,
    tags: ArrayLike,
    created: ArrayLike | None = None,
    *,
    least_rows: int = LEAST_ROWS,
    paired_terms: int = PAIRED_TERMS,
    seed: int = 0,
) -> Candidates:
    """Make the conditions that rows can be cut by.

    Parameters
    ----------
    texts : array-like of str, shape (n,), or TermCounts
        The texts, or their words where these are known already.
    tags : array-like of str, shape (n,)
        The true tags; None where there is none.
    created : array-like of datetime64, shape (n,), optional
        In UTC; NaT where there is no date.
    least_rows : int, optional
        Conditions that fewer rows meet, or that all but fewer meet, are left out.
    paired_terms : int, optional
        How many words stand in slices of two conditions.
    seed : int, optional
        Of the neighbourhoods.

    Returns
    -------
    Candidates
        In the order of the kinds above; terms by frequency.

    Raises
    ------
    ValueError
        If the numbers of texts, tags and dates differ.
    """
    terms = texts if isinstance(texts, TermCounts) else of_texts(texts)
    n = terms.rows
    if len(np.asarray(tags, object)) != n or (created is not None and len(np.asarray(created)) != n):
        raise ValueError(f"{n} texts and another number of tags or dates")
    frequencies = terms.frequencies
    enough = np.flatnonzero((frequencies >= least_rows) & (n - frequencies >= least_rows))
    enough = enough[np.argsort(-frequencies[enough], kind="stable")]
    words = [Condition("term", f"with the word {quoted(str(word))}", str(word)) for word in terms.words[enough]]
    paired = np.flatnonzero(frequencies[enough] <= _PAIRED_SHARE * n)[:paired_terms]
    classes = [_lengths(terms.lengths), _periods(created, n), _tags(tags), _neighbourhoods(terms, seed)]
    columns = [sparse.csc_matrix(terms.counts[:, enough], copy=True)]
    columns[0].data[:] = 1
    conditions = words
    for codes, names in classes:
        sizes = np.bincount(codes[codes >= 0], minlength=len(names))
        kept = np.flatnonzero((sizes >= least_rows) & (n - sizes >= least_rows))
        columns.append(_one_hot(codes, len(names))[:, kept])
        paired = np.concatenate([paired, len(conditions) + np.arange(len(kept))])
        conditions = conditions + [names[place] for place in kept]
    matrix = sparse.hstack(columns, format="csc", dtype=np.float32)
    return Candidates(tuple(conditions), matrix, paired.astype(np.int64), least_rows)


def _one_hot(codes: NDArray[np.int64], count: int) -> sparse.csc_matrix:
    """Return a column per code; a row of the code -1 is in none."""
    rows = np.flatnonzero(codes >= 0)
    return sparse.csc_matrix((np.ones(len(rows), np.float32), (rows, codes[rows])), shape=(len(codes), count))


def _lengths(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[Condition]]:
    """Return the class of each length, cut where a tenth, a third, two thirds and nine tenths are shorter."""
    if not len(lengths):
        return lengths, []
    edges = np.unique(np.quantile(lengths, _LENGTHS, method="lower"))
    names = []
    for place, (low, high) in enumerate(zip([-1, *edges.tolist()], [*edges.tolist(), None], strict=True)):
        least, most = (None if place == 0 else int(low) + 1), None if high is None else int(high)
        names.append(Condition("length", _length_phrase(least, most), "", least, most))
    return np.searchsorted(edges, lengths, side="left").astype(np.int64), names


def _length_phrase(least: int | None, most: int | None) -> str:
    if least is None:
        return f"of at most {most:,} words"
    if most is None:
        return f"of at least {least:,} words"
    return f"of {least:,} to {most:,} words" if least < most else f"of {least:,} words"


def _periods(created: ArrayLike | None, n: int) -> tuple[NDArray[np.int64], list[Condition]]:
    """Return the period of each date: months, quarters or years, the finest that are not too many."""
    dates = None if created is None else pd.Series(pd.Series(created).to_numpy("datetime64[us]"))
    if dates is None or dates.isna().all():
        return np.full(n, -1, np.int64), []
    for unit in "MQY":
        codes, different = pd.factorize(dates.dt.to_period(unit), sort=True)
        if len(different) <= _MOST_PERIODS:
            break
    names = []
    for period in different:
        name = _PERIOD_NAMES[unit].format(period)
        first, last = period.start_time.date(), period.end_time.date()
        names.append(Condition("period", f"from {name}", name, first=first, last=last))
    return codes.astype(np.int64), names


def _tags(tags: ArrayLike) -> tuple[NDArray[np.int64], list[Condition]]:
    """Return the number of each tag."""
    codes, different = pd.factorize(np.asarray(tags, object), sort=True)
    return codes.astype(np.int64), [Condition("tag", f"with the tag {quoted(str(tag))}", str(tag)) for tag in different]


def _neighbourhoods(terms: TermCounts, seed: int) -> tuple[NDArray[np.int64], list[Condition]]:
    """Return the neighbourhood of each text."""
    found = neighbourhoods(terms, seed=seed)
    if found is None:
        return np.full(terms.rows, -1, np.int64), []
    return found.codes, [Condition("neighbourhood", f"about {name}", name) for name in found.names]
