"""Term counts: which words each text has, as one sparse matrix.

The words are those of `engine.runs.tokenizer.words_of`, as for the models and for the dashboard's search, so that the
rows of a word here are the rows that a search for it finds.
"""

from __future__ import annotations

import dataclasses
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray


@dataclasses.dataclass(frozen=True, eq=False)
class TermCounts:
    """How often each word stands in each of n texts.

    Parameters
    ----------
    words : numpy.ndarray
        object [w], of str: the different words, in lower case, sorted.
    counts : scipy.sparse.csc_matrix
        float32 [n, w]. `engine.exploration.words.Words` has the same by rows of each word, without reading texts again:
        see `of_occurrences`.
    """

    words: NDArray[Any]
    counts: sparse.csc_matrix

    @classmethod
    def of(cls, texts: Iterable[str]) -> TermCounts:
        """Count the words of texts; 200,000 of 27 words take about two seconds."""
        found = list(map(words_of, texts))
        lengths = np.fromiter(map(len, found), np.int64, len(found))
        # Sorted, so that nothing depends on the order of the rows.
        codes, words = pd.factorize(np.fromiter(chain.from_iterable(found), object, int(lengths.sum())), sort=True)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        counts = sparse.csr_matrix((np.ones(len(codes), np.float32), codes, starts), shape=(len(found), len(words)))
        return cls(np.asarray(words, object), _summed(counts.tocsc()))

    @classmethod
    def of_occurrences(
        cls, words: Iterable[str], occurrences: NDArray[Any], starts: NDArray[Any], rows: int
    ) -> TermCounts:
        """Take counts from an inverted index.

        Parameters
        ----------
        words : iterable of str
            Sorted; w words.
        occurrences : numpy.ndarray
            Int: for each word the rows in which it stands, one entry for each time.
        starts : numpy.ndarray
            Int [w + 1]: where those of each word begin, and the end.
        rows : int
            Number of texts.
        """
        names = np.array(list(words), object)
        places = occurrences[starts[0] : starts[-1]]
        counts = sparse.csc_matrix(
            (np.ones(len(places), np.float32), places, starts - starts[0]), shape=(rows, len(names))
        )
        return cls(names, _summed(counts))

    @property
    def rows(self) -> int:
        """Number of texts."""
        return int(self.counts.shape[0])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many words each text has; int64 [n]."""
        return np.bincount(self.counts.indices, weights=self.counts.data, minlength=self.rows).astype(np.int64)

    @property
    def frequencies(self) -> NDArray[np.int64]:
        """How many texts have each word; int64 [w]."""
        return np.asarray(np.diff(self.counts.indptr), np.int64)


def _summed(counts: sparse.csc_matrix) -> sparse.csc_matrix:
    """Return the matrix with one entry per word and text."""
    counts.sum_duplicates()
    return counts


def of_texts(texts: ArrayLike) -> TermCounts:
    """Count the words of an array of texts; a missing one has none."""
    return TermCounts.of("" if text is None or text != text else str(text) for text in np.asarray(texts, object))
