"""TF-IDF features of tokenized texts as sparse matrices: words, character n-grams of words, word pairs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from engine.runs.tokenizer import FIRST_WORD_ID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from engine.training.options import NgramOptions

_FEWEST_BUCKETS = 1_021
_BUCKETS_PER_PAIR = 3
_MULTIPLIERS_TRIED = 16
_TEXTS_FOR_IDF = 5_000


@dataclass(frozen=True)
class PairTable:
    """Which word pairs are known, and the slot of each.

    Attributes
    ----------
    buckets
        Prime number of slots.
    multipliers
        Of the hash, see `engine.training.ngram.NgramClassifier`.
    keys
        int64 [buckets]: ``a * vocabulary_size + b`` of the pair in the slot, -1 where it is free.
    """

    buckets: int
    multipliers: tuple[int, int]
    keys: NDArray[np.int64]


@dataclass(frozen=True)
class Features:
    """What the fit needs of the training texts; all values float64.

    Attributes
    ----------
    words
        CSR [texts, vocabulary_size]: occurrences of a word, divided by the norm of the text's TF-IDF vector.
    pairs
        CSR [texts, buckets]: the same of word pairs.
    word_idf
        [vocabulary_size]; 0 for padding and unknown.
    grams
        CSR [vocabulary_size, grams]: occurrences of a character n-gram in a word, times the n-gram's idf.
    pair_idf
        [buckets]; 0 for free slots.
    pair_table
        The known pairs.
    """

    words: sparse.csr_matrix
    pairs: sparse.csr_matrix
    word_idf: NDArray[np.float64]
    grams: sparse.csr_matrix
    pair_idf: NDArray[np.float64]
    pair_table: PairTable

    @property
    def word_norms(self) -> NDArray[np.float64]:
        """Squared norm that one occurrence of each word adds, [vocabulary_size]."""
        return squared_norms(self.word_idf, self.grams)


def squared_norms(word_idf: NDArray[np.float64], grams: sparse.csr_matrix) -> NDArray[np.float64]:
    """Squared norm that one occurrence of each word adds: its own idf and those of its character n-grams."""
    norms: NDArray[np.float64] = word_idf**2 + np.asarray(grams.multiply(grams).sum(axis=1)).ravel()
    return norms


def smooth_idf(texts_with: NDArray[np.float64], texts: int) -> NDArray[np.float64]:
    """Inverse document frequency, ``ln((1 + n) / (1 + df)) + 1``, as scikit-learn's `TfidfTransformer` has it."""
    idf: NDArray[np.float64] = np.log((1.0 + texts) / (1.0 + texts_with)) + 1.0
    return idf


def make_features(ids: Sequence[Sequence[int]], words: Sequence[str], options: NgramOptions) -> Features:
    """Count, weigh and normalise.

    Parameters
    ----------
    ids
        Token ids of each text, not padded.
    words
        The words of ids 2, 3, ...
    options
        Which pairs and n-grams count.
    """
    size = len(words) + FIRST_WORD_ID
    lengths = np.fromiter((len(row) for row in ids), np.int64, len(ids))
    flat = np.fromiter((i for row in ids for i in row), np.int64, int(lengths.sum()))
    rows = np.repeat(np.arange(len(ids)), lengths)

    known = flat >= FIRST_WORD_ID
    counts = count_matrix(rows[known], flat[known], (len(ids), size))
    word_texts = np.bincount(counts.indices, minlength=size).astype(np.float64)
    word_idf = smooth_idf(word_texts, len(ids))
    word_idf[:FIRST_WORD_ID] = 0.0

    grams = gram_matrix(words, counts, options)

    # Neighbours in the flat list that belong to one text, both known.
    beside = known[:-1] & known[1:] & (rows[:-1] == rows[1:])
    keys = (flat[:-1] * size + flat[1:])[beside]
    key_rows = rows[:-1][beside]
    pair_table = choose_pairs(keys, key_rows, size, options)
    slots, inside = look_up(pair_table, keys, size)
    pair_counts = count_matrix(key_rows[inside], slots[inside], (len(ids), pair_table.buckets))
    pair_texts = np.bincount(pair_counts.indices, minlength=pair_table.buckets).astype(np.float64)
    pair_idf = np.where(pair_table.keys >= 0, smooth_idf(pair_texts, len(ids)), 0.0)

    norms = counts @ squared_norms(word_idf, grams) + pair_counts @ pair_idf**2
    scale = sparse.diags(1.0 / np.sqrt(np.maximum(norms, 1e-6)))
    return Features((scale @ counts).tocsr(), (scale @ pair_counts).tocsr(), word_idf, grams, pair_idf, pair_table)


def count_matrix(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> sparse.csr_matrix:
    """Occurrences as a CSR matrix, float64, entries of a row in rising column order."""
    matrix = sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix


def grams_of(word: str, shortest: int, longest: int) -> list[str]:
    """Character n-grams of a word with a space on either side, as scikit-learn's `char_wb` analyser has them."""
    if longest <= 0:
        return []
    bounded = f" {word} "
    return [
        bounded[start : start + length]
        for length in range(shortest, min(longest, len(bounded)) + 1)
        for start in range(len(bounded) - length + 1)
    ]


def gram_matrix(words: Sequence[str], counts: sparse.csr_matrix, options: NgramOptions) -> sparse.csr_matrix:
    """Character n-grams of each word, weighted by their idf; CSR [vocabulary_size, grams].

    An n-gram that only one word has is kept where there is room: it gives long, rare words more weight (measured:
    F1 0.897 with, 0.893 without, on the lesson's data).

    Parameters
    ----------
    words
        The words of ids 2, 3, ...
    counts
        CSR [texts, vocabulary_size]: occurrences of words. Of a large file some thousand texts, evenly spaced,
        tell in what share of them an n-gram stands: all of them would cost more than the fit.
    options
        Which n-grams count, and how many at most: those of the most words.
    """
    shortest, longest = options.gram_lengths
    spelled = [grams_of(word, shortest, longest) for word in words]
    in_words: Counter[str] = Counter()
    for found in spelled:
        in_words.update(set(found))
    ordered = sorted(in_words, key=lambda gram: (-in_words[gram], gram))
    column = {gram: number for number, gram in enumerate(ordered[: options.max_grams])}
    entries = [(row, column[gram]) for row, found in enumerate(spelled) for gram in found if gram in column]
    at = np.array(entries, dtype=np.int64).reshape(-1, 2)
    matrix = count_matrix(at[:, 0] + FIRST_WORD_ID, at[:, 1], (counts.shape[1], len(column)))
    sample = counts[:: -(-counts.shape[0] // _TEXTS_FOR_IDF)]
    texts_with = np.bincount((sample @ matrix).indices, minlength=len(column)).astype(np.float64)
    return (matrix @ sparse.diags(smooth_idf(texts_with, sample.shape[0]))).tocsr()


def choose_pairs(keys: NDArray[np.int64], rows: NDArray[np.int64], size: int, options: NgramOptions) -> PairTable:
    """Choose the pairs that have weights and give each a slot; where two want one slot the rarer loses it.

    Parameters
    ----------
    keys
        ``a * size + b`` of every pair of every text.
    rows
        The text of each.
    size
        Number of token ids.
    options
        How often a pair must be seen, and how many are kept.
    """
    # Each (pair, text) once, so that a pair's count is its number of texts.
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    first = np.ones(len(keys), dtype=bool)
    first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    distinct, texts = np.unique(keys[first], return_counts=True)
    often = texts >= options.min_bigram_texts
    distinct, texts = distinct[often], texts[often]
    order = np.lexsort((distinct, -texts))[: options.max_bigrams]
    distinct, texts = distinct[order], texts[order]

    buckets = next_prime(max(_FEWEST_BUCKETS, _BUCKETS_PER_PAIR * len(distinct)))
    best: PairTable | None = None
    most = -1
    for attempt in range(1, _MULTIPLIERS_TRIED + 1):
        multipliers = (1 + attempt * 2_654_435_761 % (buckets - 1), 1 + attempt * 2_246_822_519 % (buckets - 1))
        slots = slots_of(distinct, size, buckets, multipliers)
        # `unique` keeps the first, that is the most frequent, pair of a slot.
        taken, winners = np.unique(slots, return_index=True)
        kept = int(texts[winners].sum())
        if kept > most:
            most = kept
            table = np.full(buckets, -1, dtype=np.int64)
            table[taken] = distinct[winners]
            best = PairTable(buckets, multipliers, table)
    assert best is not None
    return best


def slots_of(keys: NDArray[np.int64], size: int, buckets: int, multipliers: tuple[int, int]) -> NDArray[np.int64]:
    """Slot of each pair key; the arithmetic of `NgramClassifier.pair_slots`."""
    return (keys // size * multipliers[0] + keys % size * multipliers[1]) % buckets


def look_up(table: PairTable, keys: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Slots of pair keys, and which of the pairs are known."""
    slots = slots_of(keys, size, table.buckets, table.multipliers)
    return slots, table.keys[slots] == keys


def next_prime(at_least: int) -> int:
    """Smallest prime that is not below a number."""
    number = max(at_least, 2)
    while any(number % divisor == 0 for divisor in range(2, int(number**0.5) + 1)):
        number += 1
    return number
