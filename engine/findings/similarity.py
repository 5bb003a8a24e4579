"""How alike texts are: TF-IDF features, latent semantic vectors, nearest neighbours and near-duplicate pairs."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from engine.findings.contract import FindingError
from engine.findings.neighbours import nearest
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NEIGHBOURS = 10
NEAR_DUPLICATE = 0.6
"""Cosine from which two texts are near-duplicates: about two thirds of their words and letters are the same."""

DIMENSIONS = 100
MOST_SEARCHED = 150_000
"""Neighbours are searched among this many texts at most; the time grows with texts x searched texts."""

_PAIRS_AT_ONCE = 20_000


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """Words and word pairs of texts.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix
        Float32, shape (texts, terms): TF-IDF with sublinear counts, rows of length 1 or 0.
    names : numpy.ndarray
        Object, shape (terms,).
    """

    matrix: scipy.sparse.csr_matrix
    names: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest texts: `positions` int32 and `similarities` float32, shape (texts, k), and how many were `searched`."""

    positions: np.ndarray
    similarities: np.ndarray
    searched: int


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Near-duplicate texts: `first` < `second` int64 and `similarity` float32, each of shape (pairs,)."""

    first: np.ndarray
    second: np.ndarray
    similarity: np.ndarray


def words(texts: Sequence[str]) -> Words:
    """Count words and word pairs that at least two texts have (or one, in a small or motley file)."""
    try:
        vectorizer = TfidfVectorizer(
            analyzer=_words_and_pairs, sublinear_tf=True, min_df=2, dtype=np.float32, lowercase=False
        )
        matrix = vectorizer.fit_transform(texts)
    except ValueError:
        try:
            vectorizer = TfidfVectorizer(
                analyzer=_words_and_pairs, sublinear_tf=True, dtype=np.float32, lowercase=False
            )
            matrix = vectorizer.fit_transform(texts)
        except ValueError:
            raise FindingError("The texts have no words to compare; fill the text columns.") from None
    return Words(matrix, vectorizer.get_feature_names_out())


def _words_and_pairs(text: str) -> list[str]:
    found = words_of(text)
    return found + [f"{one} {other}" for one, other in itertools.pairwise(found)]


def features(texts: Sequence[str], word_matrix: scipy.sparse.csr_matrix) -> scipy.sparse.csr_matrix:
    """Join words and word pairs with the character 3- and 4-grams inside words; rows of length 1 or 0."""
    try:
        letters = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True, min_df=2, dtype=np.float32
        ).fit_transform(texts)
    except ValueError:  # no n-gram is in two texts
        return word_matrix
    return normalize(scipy.sparse.hstack([word_matrix, letters], format="csr", dtype=np.float32), copy=False)


def vectors(word_matrix: scipy.sparse.csr_matrix, seed: int) -> np.ndarray:
    """Project texts by latent semantic analysis (Deerwester et al., 1990): float32, rows of length 1 or 0."""
    dimensions = min(DIMENSIONS, min(word_matrix.shape) - 1)
    if dimensions < 1:
        raise FindingError("There are too few different texts or words to compare; add rows.")
    projected = TruncatedSVD(dimensions, n_iter=4, random_state=seed).fit_transform(word_matrix)
    return np.asarray(normalize(projected), np.float32)


def neighbours(points: np.ndarray, seed: int, progress: Callable[[float], None]) -> Neighbours:
    """Find the nearest neighbours of each point, among a seeded sample where there are very many."""
    reference = np.arange(len(points))
    if len(points) > MOST_SEARCHED:
        reference = np.sort(np.random.default_rng(seed).choice(len(points), MOST_SEARCHED, replace=False))
    positions, similarities = nearest(points, NEIGHBOURS, reference, progress)
    return Neighbours(positions, similarities, len(reference))


def cosines(matrix: scipy.sparse.csr_matrix, found: Neighbours, progress: Callable[[float], None]) -> np.ndarray:
    """Return the cosine of each text's features with those of each neighbour: float32, shape (texts, k), in [0, 1]."""
    count, k = found.positions.shape
    result = np.zeros(count * k, np.float32)
    one, other = np.repeat(np.arange(count), k), found.positions.ravel()
    for start in range(0, len(result), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        result[part] = np.asarray(matrix[one[part]].multiply(matrix[other[part]]).sum(axis=1)).ravel()
        progress(min(1.0, (start + _PAIRS_AT_ONCE) / len(result)))
    return np.clip(result, 0, 1).reshape(count, k)


def near_duplicates(found: Neighbours, cosine: np.ndarray) -> Pairs:
    """Keep the pairs of neighbours with a cosine of at least `NEAR_DUPLICATE`.

    Parameters
    ----------
    found : Neighbours
        A text has at most `NEIGHBOURS` near-duplicates of its own, and more through those of others.
    cosine : numpy.ndarray
        Float32, shape (texts, k): that of each pair.
    """
    one, column = np.nonzero(cosine >= NEAR_DUPLICATE)
    other = found.positions[one, column].astype(np.int64)
    keys, place = np.unique(np.minimum(one, other) * len(cosine) + np.maximum(one, other), return_index=True)
    return Pairs(keys // max(1, len(cosine)), keys % max(1, len(cosine)), cosine[one, column][place])
