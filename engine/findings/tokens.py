"""What a run's tokenizer makes of texts: tokens kept, tokens cut off, tokens it does not know."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from engine.runs.tokenizer import UNKNOWN_ID, SubwordTokenizer, WordTokenizer, words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.runs.tokenizer import Tokenizer

_AT_ONCE = 2_000


@dataclasses.dataclass(frozen=True, eq=False)
class TokenCounts:
    """Tokens of each text before cutting, how many of those kept are unknown, and where texts are cut.

    Parameters
    ----------
    total, kept, unknown : numpy.ndarray
        Int64, shape (n,); special tokens count, too.
    limit : int
        Tokens that a model sees at most.
    """

    total: np.ndarray
    kept: np.ndarray
    unknown: np.ndarray
    limit: int


def count_tokens(tokenizer: Tokenizer, texts: Sequence[str], progress: Callable[[float], None]) -> TokenCounts:
    """Count the tokens of cleaned texts."""
    counts = np.zeros((3, len(texts)), np.int64)
    for start in range(0, len(texts), _AT_ONCE):
        part = texts[start : start + _AT_ONCE]
        for offset, row in enumerate(_subwords(tokenizer, part) if _is_subword(tokenizer) else _words(tokenizer, part)):
            counts[:, start + offset] = row
        progress(min(1.0, (start + _AT_ONCE) / len(texts)))
    return TokenCounts(counts[0], counts[1], counts[2], tokenizer.max_tokens)


def _is_subword(tokenizer: Tokenizer) -> bool:
    return isinstance(tokenizer, SubwordTokenizer)


def _words(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[int, int, int]]:
    rows = []
    for text in texts:
        ids = tokenizer.encode(text)
        whole = len(words_of(text)) if isinstance(tokenizer, WordTokenizer) else len(ids)
        rows.append((max(whole, len(ids)), len(ids), ids.count(UNKNOWN_ID)))
    return rows


def _subwords(tokenizer: Tokenizer, texts: Sequence[str]) -> list[tuple[int, int, int]]:
    assert isinstance(tokenizer, SubwordTokenizer)
    unknown = tokenizer.tokenizer.token_to_id(getattr(tokenizer.tokenizer.model, "unk_token", None) or "")
    rows = []
    for encoding in tokenizer.tokenizer.encode_batch(list(texts)):
        whole = len(encoding.ids) + sum(len(more.ids) for more in encoding.overflowing)
        rows.append((whole, len(encoding.ids), 0 if unknown is None else encoding.ids.count(unknown)))
    return rows
