"""Weak slices: parts of the data, of one or two conditions, where a model errs more often than chance explains.

What is usual is told by the true tags: a word that stands mostly with a difficult tag is not weak for that. So the
errors of a slice are compared with what its rows would have at the error rates of their tags; only a slice that is a
tag is compared with the other tags. The probability of that by chance is corrected for all slices that were looked at
(Bonferroni; slices of one and of two conditions have half of the permitted error each, for the latter are far more).

A model that is no better than guessing is weak everywhere: nothing is said of its slices.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from engine.evaluation.chance import excess, guessing
from engine.evaluation.effect import Effect, difference, ratio, standardised

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from engine.evaluation.candidates import Candidates, Condition

ALPHA = 0.05
"""Probability that anything is reported where nothing is weak."""

# Predictions out of fold hang on each other: on random labels 13 of 100 models had less than 0.05 here, and 2 less than
# 0.001, while what a model has learnt is far below.
_GUESSING = 0.001
_SAME = 0.8
_SUBSET = 0.9
_MOST_COMPARED = 2_000


@dataclasses.dataclass(frozen=True, eq=False)
class WeakSlice:
    """A part of the data where the model errs more often.

    Parameters
    ----------
    conditions : tuple of Condition
        One or two; its rows meet all of them.
    positions : numpy.ndarray
        int64, ascending: the rows, as places in the arrays that were given.
    errors : int
        How many of them are wrong.
    usual : float
        The error rate of the other rows, at the tags of these (of all other rows for a slice that is a tag).
    difference, ratio : Effect
        Error rate here less, and by, `usual`; 95 % intervals of this slice alone.
    p : float
        Probability of so many errors by chance, corrected for all slices that were looked at.
    also : tuple of tuple of Condition
        Other conditions of which the same was found, of nearly the same rows.
    sentence : str
        All of it in words.
    """

    conditions: tuple[Condition, ...]
    positions: NDArray[np.int64]
    errors: int
    usual: float
    difference: Effect
    ratio: Effect
    p: float
    also: tuple[tuple[Condition, ...], ...]
    sentence: str

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.positions)

    @property
    def error_rate(self) -> float:
        """Share of its rows that are wrong."""
        return self.errors / self.rows


@dataclasses.dataclass(frozen=True, eq=False)
class WeakSlices:
    """What was found.

    Parameters
    ----------
    found : tuple of WeakSlice
        The most striking first: by excess of the error rate times the root of the number of rows.
    looked_at : int
        How many slices were looked at.
    rows : int
        On how many rows.
    sentence : str
        How many were found among how many, or why none could be.
    """

    found: tuple[WeakSlice, ...]
    looked_at: int
    rows: int
    sentence: str


def weak_slices(
    candidates: Candidates,
    true: ArrayLike,
    predicted: ArrayLike,
    *,
    judged: NDArray[np.bool_] | None = None,
    alpha: float = ALPHA,
    most: int = 20,
) -> WeakSlices:
    """Find the slices where a model errs more often than elsewhere.

    After the first one, each further one must have more errors than usual, too, among the rows that are in none before
    it: so nothing is told twice.

    Parameters
    ----------
    candidates : Candidates
        Of n rows; see `engine.evaluation.candidates.candidates_of`.
    true, predicted : array-like of str, shape (n,)
        The tags. Where rows have none, `judged` leaves them out.
    judged : numpy.ndarray, optional
        bool [n]: the rows that count, such as those of the test split; by default all.
    alpha : float, optional
        Probability that anything is reported where nothing is weak.
    most : int, optional
        How many are reported.

    Returns
    -------
    WeakSlices
        Independent of the order of the rows.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or a row that counts has no tag.

    Examples
    --------
    >>> import numpy as np
    >>> from engine.evaluation.candidates import candidates_of
    >>> texts = np.array(["a cat", "a dog"] * 100, object)
    >>> true = np.array(["x", "x", "y", "y"] * 50, object)
    >>> wrong = np.where(true == "x", "y", "x")
    >>> predicted = np.where(texts == "a cat", np.where(np.arange(200) % 8 < 4, wrong, true), true)
    >>> print(weak_slices(candidates_of(texts, true), true, predicted).found[0].conditions[0].phrase)
    with the word "cat"
    """
    rows = np.ones(candidates.rows, bool) if judged is None else np.asarray(judged, bool)
    tags, answers = np.asarray(true, object), np.asarray(predicted, object)
    if not len(rows) == len(tags) == len(answers) == candidates.rows:
        raise ValueError(f"{candidates.rows} rows, {len(tags)} true and {len(answers)} predicted tags")
    places = np.flatnonzero(rows)
    tags, answers = tags[rows], answers[rows]
    if pd.isna(tags).any():
        raise ValueError("rows without tag cannot be judged")
    if not len(places):
        return WeakSlices((), 0, 0, "There are no rows to judge, so no slice can be weak.")
    codes = pd.factorize(tags, sort=True)[0].astype(np.int64)
    search = _Search(candidates, rows, codes, np.asarray(tags != answers, bool))
    of = f"slices of at least {candidates.least_rows:,} rows were looked at"
    if guessing(tags, answers) > _GUESSING:
        why = "The model is not surely better than guessing on these rows, so no slice is weaker than the rest."
        return WeakSlices((), search.looked_at, len(places), why)
    found = tuple(search.describe(*choice, places) for choice in search.choose(alpha, most))
    what = "none has more errors than chance explains"
    if found:
        what = f"{len(found)} {'has' if len(found) == 1 else 'have'} more errors than chance explains"
    sentence = f"{search.looked_at:,} {of} among {len(places):,} rows; {what}."
    return WeakSlices(found, search.looked_at, len(places), sentence)


class _Search:
    """The counts of all slices of one question.

    Parameters
    ----------
    candidates : Candidates
        Of n rows.
    rows : numpy.ndarray
        bool [n]: m of them count.
    codes : numpy.ndarray
        int64 [m]: their tags.
    wrong : numpy.ndarray
        bool [m]: which of them are wrong.
    """

    def __init__(
        self, candidates: Candidates, rows: NDArray[np.bool_], codes: NDArray[np.int64], wrong: NDArray[np.bool_]
    ) -> None:
        self._conditions = candidates.conditions
        self._codes, self._wrong = codes, wrong
        self._least = candidates.least_rows
        self._is_tag = np.array([condition.kind == "tag" for condition in candidates.conditions], bool)
        matrix = candidates.matrix if rows.all() else candidates.matrix.tocsr()[rows].tocsc()
        self._matrix = matrix.astype(np.float64)
        every = np.ones(len(codes), bool)
        sizes, errors, expected = self._singles(self._matrix, self._is_tag, every)
        usable = (sizes >= self._least) & (len(codes) - sizes >= self._least)
        singles = np.flatnonzero(usable)
        paired = candidates.paired[usable[candidates.paired]]
        first, second, pairs = self._pairs(paired, sizes)
        self._first, self._second = np.concatenate([singles, first]), np.concatenate([singles, second])
        self._counts = np.concatenate([np.stack([sizes, errors, expected])[:, singles], pairs], axis=1)
        # Half of the permitted error for each number of conditions.
        self._tests = np.repeat([2.0 * len(singles), 2.0 * len(first)], [len(singles), len(first)])
        self.looked_at = len(self._first)

    def _rates(self, counted: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
        """Return the error rate of each row's tag, and that of all rows, by the rows that count."""
        codes, wrong = self._codes[counted], self._wrong[counted]
        size = int(self._codes.max()) + 1
        by_tag = np.bincount(codes, wrong, size) / np.maximum(np.bincount(codes, minlength=size), 1)
        return by_tag[self._codes], float(wrong.mean()) if len(wrong) else 0.0

    def _singles(
        self, matrix: sparse.csc_matrix, is_tag: NDArray[np.bool_], counted: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return rows, errors and expected errors of the columns of a matrix; float64 [3, columns]."""
        rates, rate = self._rates(counted)
        values = np.stack([np.ones(len(rates)), self._wrong, rates], axis=1) * counted[:, None]
        sizes, errors, expected = (matrix.T @ values).T
        return np.stack([sizes, errors, np.where(is_tag, sizes * rate, expected)])

    def _pairs(
        self, paired: NDArray[np.int64], sizes: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return the pairs that are large enough and really a part of both, and their counts; float64 [3, pairs]."""
        matrix = self._matrix[:, paired].tocsr()
        rates, _ = self._rates(np.ones(len(self._codes), bool))
        together = (matrix.T @ matrix).toarray()
        limit = _SUBSET * np.minimum.outer(sizes[paired], sizes[paired])
        first, second = np.nonzero(np.triu((together >= self._least) & (together <= limit), 1))
        wrong = matrix[self._wrong]
        weighted = sparse.diags_array(rates) @ matrix
        tables = (together, (wrong.T @ wrong).toarray(), (matrix.T @ weighted).toarray())
        return paired[first], paired[second], np.stack([table[first, second] for table in tables])

    def choose(self, alpha: float, most: int) -> list[tuple[tuple[int, ...], float, list[tuple[int, ...]]]]:
        """Return the conditions of each weak slice, its corrected probability, and the conditions of what is merged."""
        sizes, errors, expected = self._counts
        corrected = np.minimum(1.0, excess(errors, sizes, expected) * self._tests)
        weak = np.flatnonzero(corrected < alpha)
        strength = (errors - expected) / np.sqrt(np.maximum(sizes, 1))
        # Rounded, so that what is equal stays in its order whatever the order of the rows.
        weak = weak[np.argsort(-strength[weak].round(9), kind="stable")][:_MOST_COMPARED]
        first, second = self._first[weak], self._second[weak]
        single = first == second
        matrix = self._matrix[:, first].multiply(self._matrix[:, second]).tocsc()
        is_tag = single & self._is_tag[first]
        left = np.ones(len(weak), bool)
        uncovered = np.ones(len(self._codes), bool)
        chosen: list[tuple[tuple[int, ...], float, list[tuple[int, ...]]]] = []
        while left.any() and len(chosen) < most:
            pick = int(np.argmax(left))
            rows = matrix[:, [pick]].toarray().ravel()
            common = matrix.T @ rows
            alike = left & (common >= _SAME * (sizes[weak] + rows.sum() - common))
            # Of nearly the same rows, the simplest words.
            simplest = np.flatnonzero(alike & single)
            pick = int(simplest[0]) if len(simplest) else pick
            uncovered &= matrix[:, [pick]].toarray().ravel() == 0
            others = [place for place in np.flatnonzero(alike).tolist() if place != pick]
            names = [self._name(first[place], second[place]) for place in (pick, *others)]
            chosen.append((names[0], float(corrected[weak[pick]]), names[1:]))
            rest_sizes, rest_errors, rest_expected = self._singles(matrix, is_tag, uncovered)
            again = excess(rest_errors, rest_sizes, rest_expected) * self._tests[weak]
            left &= ~alike & (rest_sizes >= self._least) & (again < alpha)
        return chosen

    @staticmethod
    def _name(first: int, second: int) -> tuple[int, ...]:
        return (int(first),) if first == second else (int(first), int(second))

    def describe(
        self, name: tuple[int, ...], p: float, merged: list[tuple[int, ...]], places: NDArray[np.int64]
    ) -> WeakSlice:
        """Describe a slice; `places` int64 [m] are the rows that count."""
        met = np.asarray(self._matrix[:, list(name)].sum(axis=1)).ravel() == len(name)
        is_tag = len(name) == 1 and bool(self._is_tag[name[0]])
        strata = np.zeros_like(self._codes) if is_tag else self._codes
        size = int(strata.max()) + 1
        inside, outside = (np.bincount(strata[part], minlength=size) for part in (met, ~met))
        events, n = standardised(inside, outside, np.bincount(strata[~met & self._wrong], minlength=size))
        rows, errors = int(met.sum()), int(self._wrong[met].sum())
        conditions = tuple(self._conditions[place] for place in name)
        also = tuple(tuple(self._conditions[place] for place in other) for other in merged)
        effects = difference(errors, rows, events, n), ratio(errors, rows, events, n)
        usual = events / n if n else 0.0
        compared = "of the other rows" if is_tag else "of other rows with these tags"
        sentence = _sentence(conditions, rows, errors, usual, compared, effects, p, self.looked_at)
        return WeakSlice(conditions, places[met], errors, usual, *effects, p, also, sentence)


def _sentence(
    conditions: tuple[Condition, ...],
    rows: int,
    errors: int,
    usual: float,
    compared: str,
    effects: tuple[Effect, Effect],
    p: float,
    looked_at: int,
) -> str:
    """Say what a weak slice is."""
    more, times = effects
    often = ""
    if np.isfinite(times.high):
        often = f", {times.value:.1f} times as often ({times.low:.1f} to {times.high:.1f})"
    chance = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    return (
        f"Of {rows:,} rows {' and '.join(condition.phrase for condition in conditions)}, {errors:,} are wrong "
        f"({errors / rows:.0%}), against {usual:.0%} {compared}: {100 * more.value:.0f} points more (95 % interval "
        f"{100 * more.low:.0f} to {100 * more.high:.0f}){often}; {chance}, corrected for {looked_at:,} slices."
    )
