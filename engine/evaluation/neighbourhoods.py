"""Neighbourhoods: texts that speak of the same, by k-means (Lloyd, 1982) on latent semantic vectors of TF-IDF."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from engine.evaluation.term_counts import TermCounts

DIMENSIONS = 50
MOST = 20
ROWS_EACH = 60
"""So many rows there are for each neighbourhood, at least."""

_MOST_WORDS = 30_000
_MOST_FITTED = 20_000
_NAMED_BY = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbourhoods:
    """Which neighbourhood each of n texts is in.

    Parameters
    ----------
    codes : numpy.ndarray
        int64 [n]: the number of the neighbourhood, from 0.
    names : tuple of str
        The words that tell each of them from the others.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]


def neighbourhoods(terms: TermCounts, *, seed: int = 0) -> Neighbourhoods | None:
    """Divide texts into neighbourhoods.

    Vectors and centres are found on at most 20,000 texts; the others go to the nearest centre. The answer does not
    depend on the order of the rows.

    Parameters
    ----------
    terms : TermCounts
        The words of n texts.
    seed : int, optional
        The same seed gives the same neighbourhoods.

    Returns
    -------
    Neighbourhoods or None
        None where the rows or their words are too few to be divided.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import normalize

    count = min(MOST, terms.rows // ROWS_EACH)
    common = np.flatnonzero(terms.frequencies >= 2)
    common = np.sort(common[np.argsort(-terms.frequencies[common], kind="stable")[:_MOST_WORDS]])
    dimensions = min(DIMENSIONS, terms.rows - 1, len(common) - 1)
    if count < 2 or dimensions < 1:
        return None
    weights = _weights(terms, common)
    keys = _keys(weights, seed)
    if len(np.unique(keys)) < 2:
        return None
    fitted = np.argsort(keys, kind="stable")[:_MOST_FITTED]
    projection = TruncatedSVD(dimensions, n_iter=4, random_state=seed).fit(weights[fitted])
    points = normalize(projection.transform(weights))
    count = min(count, len(np.unique(points[fitted].round(6), axis=0)))
    if count < 2:
        return None
    found = KMeans(count, n_init=3, random_state=seed).fit(points[fitted])
    codes = found.predict(points).astype(np.int64)
    return Neighbourhoods(codes, _names(weights, codes, count, terms.words[common]))


def _weights(terms: TermCounts, words: NDArray[np.int64]) -> sparse.csr_matrix:
    """Return TF-IDF of some words, sublinear in the counts; rows of length 1 or 0."""
    from sklearn.feature_extraction.text import TfidfTransformer

    return TfidfTransformer(sublinear_tf=True).fit_transform(terms.counts[:, words].tocsr())


def _keys(weights: sparse.csr_matrix, seed: int) -> NDArray[np.float64]:
    """Return a number per row that hangs on its words alone, by which rows are in an order as good as random."""
    numbers = np.random.default_rng(seed).random(weights.shape[1])
    return np.asarray(weights @ numbers * 1e6 % 1.0)


def _names(weights: sparse.csr_matrix, codes: NDArray[np.int64], count: int, words: NDArray[Any]) -> tuple[str, ...]:
    """Name each neighbourhood by the words whose mean weight in it exceeds that elsewhere the most."""
    from scipy import sparse

    inside = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))), shape=(count, len(codes)))
    sums = np.asarray((inside @ weights).todense())
    sizes = np.bincount(codes, minlength=count)[:, None]
    elsewhere = (sums.sum(axis=0, keepdims=True) - sums) / np.maximum(len(codes) - sizes, 1)
    best = np.argsort(elsewhere - sums / np.maximum(sizes, 1), axis=1, kind="stable")[:, :_NAMED_BY]
    return tuple(", ".join(str(words[place]) for place in row) for row in best)
