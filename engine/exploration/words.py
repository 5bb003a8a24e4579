"""The words of all texts as one long row of numbers, and the way back from a word to its rows.

In: the texts. Out: `Words`. The row of numbers finds phrases, counts terms and makes the vectors of the map; the way
back (an inverted index) finds words and beginnings of words in a millisecond, where reading all numbers takes 18 to 60.
A million texts of 27 words take about 110 MB for each.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from engine.exploration.progress import unheard
from engine.runs.tokenizer import words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from engine.exploration.query import Phrase

END = 0
"""Stands after the last word of each row, so that every row has a number and no phrase goes from row to row."""

_ROWS_AT_ONCE = 50_000
_NUMBERS_AT_ONCE = 1 << 20
# `words_of` for ASCII: letters in lower case, digits, and a space for everything else.
_ASCII_WORDS = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))


@dataclasses.dataclass(frozen=True, eq=False)
class Words:
    """The words of n texts.

    Parameters
    ----------
    vocabulary : pyarrow.LargeStringArray
        The different words, sorted by code point: words with a common beginning stand together.
    codes : numpy.ndarray
        uint16 or uint32: for each text its words in their order, word i of the vocabulary as i + 1, then `END`.
    starts : numpy.ndarray
        int64 [n + 1]: where each text begins in `codes`; last, their length.
    occurrences : numpy.ndarray
        int32 or int64: for each code the rows in which it stands, ascending, one entry for each time.
    first : numpy.ndarray
        int64 [words + 2]: where the rows of each code begin in `occurrences`; last, their length.
    """

    vocabulary: pa.LargeStringArray
    codes: NDArray[np.unsignedinteger[Any]]
    starts: NDArray[np.int64]
    occurrences: NDArray[np.signedinteger[Any]]
    first: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Number of texts."""
        return len(self.starts) - 1

    @functools.cached_property
    def lengths(self) -> NDArray[np.int32]:
        """How many words each text has; int32 [n]."""
        return (np.diff(self.starts) - 1).astype(np.int32)

    @functools.cached_property
    def counts(self) -> NDArray[np.int64]:
        """How often each code occurs; int64 [words + 1], of which the first is that of `END`."""
        return np.diff(self.first)

    def word(self, code: int) -> str:
        """Return the word of a code."""
        return str(self.vocabulary[int(code) - 1].as_py())

    def rows_with(self, phrase: Phrase) -> NDArray[np.bool_]:
        """Find the texts in which words follow each other.

        Parameters
        ----------
        phrase : Phrase
            The words, in lower case.

        Returns
        -------
        numpy.ndarray
            bool [n].
        """
        found = np.zeros(self.rows, bool)
        last = len(phrase.words) - 1
        ranges = [self._range(word, prefix=phrase.prefix and place == last) for place, word in enumerate(phrase.words)]
        if any(low == high for low, high in ranges):
            return found
        if not last:
            low, high = ranges[0]
            found[self.occurrences[self.first[low] : self.first[high]]] = True
            return found
        # The rarest word leaves the fewest places at which the others have to be looked for.
        rarest = min(range(len(ranges)), key=lambda place: int(np.diff(self.first[[*ranges[place]]])[0]))
        places = self._places(*ranges[rarest]) - rarest
        # None goes past the end: `END` stands there, and is no word.
        places = places[places >= 0]
        for place, (low, high) in enumerate(ranges):
            if place != rarest:
                codes = self.codes[places + place]
                places = places[(codes >= low) & (codes < high)]
        found[np.searchsorted(self.starts, places, side="right") - 1] = True
        return found

    def _range(self, word: str, *, prefix: bool) -> tuple[int, int]:
        """Return the codes of a word, or of all words that start so: from the first to before the second."""
        # A lone surrogate is in no text, for no text can be stored with one.
        word = word.encode("utf-8", "replace").decode()
        words = range(len(self.vocabulary))
        low = bisect.bisect_left(words, word, key=lambda code: self.word(code + 1))
        if prefix:
            high = bisect.bisect_right(words, word, lo=low, key=lambda code: self.word(code + 1)[: len(word)])
        else:
            high = low + int(low < len(words) and self.word(low + 1) == word)
        return low + 1, high + 1

    def _places(self, low: int, high: int) -> NDArray[np.int64]:
        """Return where codes from `low` to before `high` stand."""
        places = []
        for start in range(0, len(self.codes), _NUMBERS_AT_ONCE):
            block = self.codes[start : start + _NUMBERS_AT_ONCE]
            hits = block == low if high == low + 1 else (block >= low) & (block < high)
            places.append(np.flatnonzero(hits) + start)
        return np.concatenate(places) if places else np.zeros(0, np.int64)


def read_words(texts: pa.LargeStringArray, progress: Callable[[float], None] = unheard) -> Words:
    """Split texts into words and number them.

    Rows of ASCII are split by Arrow, which lets other threads work meanwhile; the others by Python, ten times slower.

    Parameters
    ----------
    texts : pyarrow.LargeStringArray
        One text per row; a missing one has no words.
    progress : callable, optional
        Called with the share done, 0 to 1; what it raises ends the work.

    Returns
    -------
    Words
        In the order of the texts.
    """
    numbers: dict[str, int] = {}
    codes: list[NDArray[np.uint32]] = []
    counts: list[NDArray[np.int64]] = []
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        progress(0.9 * start / len(texts))
        part, lengths = _numbered(texts[start : start + _ROWS_AT_ONCE].fill_null(""), numbers)
        codes.append(part)
        counts.append(lengths)
    starts = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.concatenate([np.zeros(0, np.int64), *counts]), out=starts[1:])
    vocabulary = pa.array(list(numbers), pa.large_string())
    numbers.clear()
    order = pc.sort_indices(vocabulary).to_numpy()
    kind = np.uint16 if len(order) < np.iinfo(np.uint16).max else np.uint32
    rank = np.zeros(len(order) + 1, kind)
    rank[order + 1] = np.arange(1, len(order) + 1, dtype=kind)
    every = np.empty(starts[-1], kind)
    position = 0
    for number in range(len(codes)):
        every[position : position + len(codes[number])] = rank[codes[number]]
        position += len(codes[number])
        codes[number] = np.zeros(0, np.uint32)  # both ways of numbering together would take twice the memory
    progress(0.95)
    occurrences, first = _inverted(every, starts, len(order) + 1)
    words = Words(vocabulary.take(pa.array(order)), every, starts, occurrences, first)
    progress(1.0)
    return words


def _inverted(
    codes: NDArray[np.unsignedinteger[Any]], starts: NDArray[np.int64], width: int
) -> tuple[NDArray[np.signedinteger[Any]], NDArray[np.int64]]:
    """Return the rows of each code, all in one array, and where those of each code begin."""
    # What turns a sparse matrix from rows to columns is a sort by counting, 20 times as fast as one by comparing.
    shape = (len(starts) - 1, width)
    columns = sparse.csr_matrix((np.ones(len(codes), np.int8), codes, starts), shape=shape).tocsc()
    return columns.indices, columns.indptr.astype(np.int64)


def _numbered(texts: pa.LargeStringArray, numbers: dict[str, int]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return codes (1 and more by first occurrence, 0 after each row) and how many there are for each row."""
    plain = pc.string_is_ascii(texts)
    simple = plain.to_numpy(zero_copy_only=False)
    lengths = np.empty(len(texts), np.int64)
    words, lengths[simple] = _split_ascii(texts.filter(plain))
    others = [words_of(text) for text in texts.filter(pc.invert(plain)).to_pylist()]
    lengths[~simple] = [len(found) for found in others]
    lengths += 1
    codes = np.zeros(lengths.sum(), np.uint32)
    inside = np.ones(len(codes), bool)
    inside[np.cumsum(lengths) - 1] = False
    in_simple = np.repeat(simple, lengths)
    encoded = words.dictionary_encode()
    known = _codes_of(encoded.dictionary.to_pylist(), numbers)
    codes[inside & in_simple] = known[encoded.indices.to_numpy()]
    codes[inside & ~in_simple] = _codes_of(chain.from_iterable(others), numbers)
    return codes, lengths


def _split_ascii(texts: pa.LargeStringArray) -> tuple[pa.LargeStringArray, NDArray[np.int64]]:
    """Return the words of ASCII texts, all in one array, and how many each text has."""
    if not len(texts):
        return texts, np.zeros(0, np.int64)
    _, offsets, content = texts.buffers()
    places = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    letters = b"" if content is None else content.slice(places[0], places[-1] - places[0]).to_pybytes()
    spaced = pa.LargeStringArray.from_buffers(
        len(texts), pa.py_buffer(places - places[0]), pa.py_buffer(letters.translate(_ASCII_WORDS))
    )
    split = pc.ascii_split_whitespace(spaced)
    words = split.flatten()
    # White space at an end gives an empty piece there.
    real = pc.not_equal(words, "").to_numpy(zero_copy_only=False)
    before = np.zeros(len(real) + 1, np.int64)
    np.cumsum(real, out=before[1:])
    return words.filter(pa.array(real)), np.diff(before[split.offsets.to_numpy()])


def _codes_of(words: Any, numbers: dict[str, int]) -> NDArray[np.uint32]:
    """Return the numbers of words; a new word gets the next one."""
    return np.array([numbers.setdefault(word, len(numbers) + 1) for word in words], np.uint32)
