"""Vectors of texts: few numbers per row, so that rows about the same thing point the same way.

In: the words of the texts, or the embeddings of an encoder. Out: float32 [n, at most 64], each row of length 1, or 0
where there is nothing to go by.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from engine.errors import DataError
from engine.exploration.progress import part, unheard

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.exploration.words import Words

WIDTH = 64
"""Most numbers per row."""

_FITTED_ROWS = 20_000
_FEATURES = 30_000
_ROWS_AT_ONCE = 20_000


@dataclasses.dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors that an encoder made of the texts of a data set.

    Parameters
    ----------
    vectors : numpy.ndarray
        float16 or float32 [n, d]; it may be mapped from a file, and is read a block of rows at a time.
    digest : str
        Of the vectors, or of everything that decides on them; not empty.
    name : str
        What people call the encoder.
    """

    vectors: NDArray[np.floating[Any]]
    digest: str
    name: str


def word_source(words: Words, width: int) -> str:
    """Say in words what `word_vectors` makes `width` numbers per row of: all rows and words, or a part of them."""
    known = int(np.count_nonzero(words.counts[1:] > 1))
    source = f"TF-IDF of {f'the {_FEATURES:,} most frequent words' if known > _FEATURES else 'words'}"
    source += f", {width} main directions"
    return source + (f" found from {_FITTED_ROWS:,} rows drawn at random" if words.rows > _FITTED_ROWS else "")


def embedding_source(embeddings: Embeddings, width: int) -> str:
    """Say in words what `shorter_vectors` makes `width` numbers per row of."""
    rows, given = embeddings.vectors.shape
    source = f"the embeddings of {embeddings.name}"
    if given <= WIDTH:
        return source
    source += f", {width} main directions of {given:,}"
    return source + (f" found from {_FITTED_ROWS:,} rows drawn at random" if rows > _FITTED_ROWS else "")


def word_vectors(words: Words, progress: Callable[[float], None] = unheard) -> NDArray[np.float32]:
    """Make vectors from words: TF-IDF, then the directions in which it varies most (latent semantic analysis).

    Words that occur once are left out; of the others the 30,000 most frequent count. Directions are found from 20,000
    rows, drawn at random with a fixed seed, and all rows are projected on them.

    Parameters
    ----------
    words : Words
        Of n rows.
    progress : callable, optional
        Called with the share done.

    Returns
    -------
    numpy.ndarray
        float32 [n, width], width at most 64.
    """
    counts = words.counts[1:]
    known = np.flatnonzero(counts > 1)
    known = np.sort(known[np.argsort(-counts[known], kind="stable")[:_FEATURES]])
    if len(known) < 2 or words.rows < 2:
        return np.zeros((words.rows, 2), np.float32)
    feature = np.full(len(counts) + 1, -1, np.int32)
    feature[known + 1] = np.arange(len(known), dtype=np.int32)
    sample = _sample(words.rows, _FITTED_ROWS)
    weights = TfidfTransformer(sublinear_tf=True)
    fitted = weights.fit_transform(_counted(words, feature, sample, len(known)))
    directions = _directions(fitted)
    result = np.empty((words.rows, directions.shape[1]), np.float32)
    listen = part(progress, 0.3, 1)
    for start in range(0, words.rows, _ROWS_AT_ONCE):
        listen(start / words.rows)
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, words.rows))
        result[rows] = _of_length_one(weights.transform(_counted(words, feature, rows, len(known))) @ directions)
    progress(1.0)
    return result


def shorter_vectors(embeddings: Embeddings, progress: Callable[[float], None] = unheard) -> NDArray[np.float32]:
    """Make an encoder's vectors shorter, keeping their angles as well as 64 numbers can; parameters as there.

    Raises
    ------
    DataError
        If they are no matrix of finite numbers.
    """
    vectors = embeddings.vectors
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise DataError(f"The embeddings of {embeddings.name} are no table of numbers; compute them again.")
    directions = None
    if vectors.shape[1] > WIDTH:
        directions = _directions(_finite(vectors[_sample(len(vectors), _FITTED_ROWS)], embeddings))
    width = vectors.shape[1] if directions is None else directions.shape[1]
    result = np.empty((len(vectors), width), np.float32)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        progress(start / len(vectors))
        block = _of_length_one(_finite(vectors[start : start + _ROWS_AT_ONCE], embeddings))
        result[start : start + len(block)] = block if directions is None else _of_length_one(block @ directions)
    progress(1.0)
    return result


def _finite(block: NDArray[np.floating[Any]], embeddings: Embeddings) -> NDArray[np.float32]:
    """Return a block of vectors, or say that they cannot be used."""
    numbers = np.asarray(block, np.float32)
    if not np.isfinite(numbers).all():
        raise DataError(f"The embeddings of {embeddings.name} have numbers that are not finite; compute them again.")
    return numbers


def _sample(rows: int, most: int) -> NDArray[np.int64]:
    """Return which rows are looked at, in ascending order: all, or `most` of them."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False, shuffle=False))


def _counted(words: Words, feature: NDArray[np.int32], rows: NDArray[np.int64], width: int) -> Any:
    """Return how often each feature occurs in some rows; sparse float32 [rows, width]."""
    starts, ends = words.starts[rows], words.starts[rows + 1]
    lengths = ends - starts
    first = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=first[1:])
    places = np.arange(first[-1]) + np.repeat(starts - first[:-1], lengths)
    columns = feature[words.codes[places]]
    known = columns >= 0
    before = np.zeros(len(columns) + 1, np.int64)
    np.cumsum(known, out=before[1:])
    ones = np.ones(before[-1], np.float32)
    matrix = sparse.csr_matrix((ones, columns[known], before[first]), shape=(len(rows), width))
    matrix.sum_duplicates()
    return matrix


def _directions(fitted: Any) -> NDArray[np.float32]:
    """Return the directions in which rows vary most; float32 [features, directions]."""
    width = min(WIDTH, *fitted.shape)
    with np.errstate(invalid="ignore"):  # where all rows are the same, their variance is 0, which nobody asked for
        svd = TruncatedSVD(width, n_iter=4, random_state=0).fit(fitted)
    return np.ascontiguousarray(svd.components_.T, np.float32)


def _of_length_one(vectors: Any) -> NDArray[np.float32]:
    """Return vectors of length 1; those of (nearly) no length become 0."""
    block = np.asarray(vectors, np.float32)
    lengths = np.linalg.norm(block, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = np.divide(block, lengths, out=np.zeros_like(block), where=lengths > 1e-6)
    return scaled
