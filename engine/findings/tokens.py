"""What a run's tokenizer makes of texts: tokens kept, tokens cut off, tokens it does not know."""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from engine.runs.tokenizer import UNKNOWN_ID, SubwordTokenizer, WordTokenizer, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.runs.tokenizer import Tokenizer

_AT_ONCE = 2_000
_WORDS_TOLD = 50


@dataclasses.dataclass(frozen=True, eq=False)
class TokenCounts:
    """Tokens of each text before cutting, how many of those kept are unknown, and where texts are cut.

    Parameters
    ----------
    total, kept, unknown : numpy.ndarray
        Int64, shape (n,); special tokens count, too.
    limit : int
        Tokens that a model sees at most.
    unknown_words : tuple
        The most frequent unknown tokens, as they stand in the texts, and how often.
    """

    total: np.ndarray
    kept: np.ndarray
    unknown: np.ndarray
    limit: int
    unknown_words: tuple[tuple[str, int], ...] = ()


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str], progress: Callable[[float], None]) -> TokenCounts:
    """Count the tokens of cleaned texts."""
    counts = np.zeros((3, len(texts)), np.int64)
    unknown: collections.Counter[str] = collections.Counter()
    read = _subwords if isinstance(tokenizer, SubwordTokenizer) else _words
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        for offset, row in enumerate(read(tokenizer, part, unknown)):
            counts[:, start + offset] = row
        progress(min(1.0, (start + _AT_ONCE) / len(texts)))
    most = sorted(unknown.items(), key=lambda entry: (-entry[1], entry[0]))[:_WORDS_TOLD]
    return TokenCounts(counts[0], counts[1], counts[2], tokenizer.max_tokens, tuple(most))


def _words(tokenizer: Tokenizer, texts: Sequence[str], unknown: collections.Counter[str]) -> list[tuple[int, int, int]]:
    rows = []
    for text in texts:
        ids = tokenizer.encode(text)
        words = words_of(text) if isinstance(tokenizer, WordTokenizer) else []
        # One id stands for a text without words.
        unknown.update(word for word, number in zip(words, ids, strict=False) if number == UNKNOWN_ID)
        rows.append((max(len(words), len(ids)), len(ids), ids.count(UNKNOWN_ID)))
    return rows


def _subwords(
    tokenizer: Tokenizer, texts: Sequence[str], unknown: collections.Counter[str]
) -> list[tuple[int, int, int]]:
    assert isinstance(tokenizer, SubwordTokenizer)
    number = tokenizer.tokenizer.token_to_id(getattr(tokenizer.tokenizer.model, "unk_token", None) or "")
    rows = []
    for text, encoding in zip(texts, tokenizer.tokenizer.encode_batch(list(texts)), strict=True):
        whole = len(encoding.ids) + sum(len(more.ids) for more in encoding.overflowing)
        missed = [] if number is None else [at for at, one in enumerate(encoding.ids) if one == number]
        unknown.update(
            text[slice(*encoding.offsets[at])] for at in missed if encoding.offsets[at][0] < encoding.offsets[at][1]
        )
        rows.append((whole, len(encoding.ids), len(missed)))
    return rows
