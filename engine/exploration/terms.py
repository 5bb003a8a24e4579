"""Terms that characterise a tag: class-based TF-IDF of its rows against other rows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.exploration.filter import Filter, FilterError
from engine.exploration.query import Phrase, with_word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.exploration.explorer import Explorer
    from engine.exploration.selection import Selection
    from engine.exploration.words import Words

_BLOCK = 1 << 20


class Term(msgspec.Struct, frozen=True):
    """A word that is more frequent in a tag than elsewhere.

    Parameters
    ----------
    word : str
        Lower case.
    score : float
        How much it tells, above 0.
    share, other_share : float
        Its share of all words, in the tag and in what it is compared with.
    rows : int
        How many of the tag's rows have it.
    filter : Filter
        Selects exactly these rows.
    """

    word: str
    score: float
    share: float
    other_share: float
    rows: int
    filter: Filter


def characteristic_terms(
    explorer: Explorer, selection: Selection, tag: str, other: str | None = None, *, count: int = 20
) -> list[Term]:
    """Return the words by which the rows of a tag differ from other rows.

    The weight of word t in class c is that of class-based TF-IDF (M. Grootendorst, "BERTopic: Neural topic modeling
    with a class-based TF-IDF procedure", 2022, arXiv:2203.05794)::

        W(t, c) = tf(t, c) * log(1 + A / f(t))

    where tf is the share of t among the words of c, f how often t occurs in both classes, and A the mean number of
    words of a class. The score is W(t, tag) - W(t, other): words that are as frequent in both, such as "the", cancel
    out, so no list of stop words is needed, in any language.

    Parameters
    ----------
    explorer : Explorer
        Of n rows.
    selection : Selection
        Of them; rows outside do not count.
    tag : str
        The first class.
    other : str, optional
        The second one; by default all other rows of the selection.
    count : int, optional
        Most terms to return.

    Returns
    -------
    list of Term
        The most telling first; those with a positive score only.

    Raises
    ------
    FilterError
        If the data has no such tag, or both are the same.
    """
    if tag == other:
        raise FilterError(f"A tag cannot be compared with itself ({tag}); choose two, or one and the rest.")
    tags = explorer.table.tag
    own_rows = tags.among((tag,), "tag") & selection.mask
    other_rows = selection.mask & (~own_rows if other is None else tags.among((other,), "tag"))
    words = explorer.words()
    own, rest = _counts(words, own_rows), _counts(words, other_rows)
    totals = own.sum(), rest.sum()
    if not totals[0]:
        return []
    share = own / totals[0]
    other_share = rest / max(totals[1], 1)
    occurrences = np.maximum(own + rest, 1)
    scores = (share - other_share) * np.log1p(sum(totals) / 2 / occurrences)
    best = np.argsort(-scores, kind="stable")[: max(count, 0)]
    result = []
    for place in best[scores[best] > 0].tolist():
        word = words.word(place + 1)
        rows = int(np.count_nonzero(words.rows_with(Phrase((word,))) & own_rows))
        change = selection.filter.change(tags=(tag,), text=with_word(selection.filter.text, word))
        result.append(Term(word, float(scores[place]), float(share[place]), float(other_share[place]), rows, change))
    return result


def _counts(words: Words, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how often each word occurs in some rows; int64 [words]."""
    total = np.zeros(len(words.vocabulary) + 1, np.int64)
    lengths = np.diff(words.starts)
    # In blocks of rows of about a million numbers, so that what lies between stays small.
    edges = np.unique(np.searchsorted(words.starts, np.arange(0, len(words.codes) + _BLOCK, _BLOCK)))
    edges = np.minimum(edges, words.rows)
    for start, end in itertools.pairwise(edges):
        chosen = np.repeat(rows[start:end], lengths[start:end])
        codes = words.codes[words.starts[start] : words.starts[end]]
        total += np.bincount(codes[chosen], minlength=len(total))
    return total[1:]
