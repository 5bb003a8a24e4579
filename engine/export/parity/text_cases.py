"""Token ids to compare text classifiers with: random ones at many shapes, and real texts in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session

INPUT, OUTPUT = "input_ids", "logits"
_SEED = 20_240_229
_BATCH = 32
# A forward pass at the largest shape stays at or below so many tokens.
_MOST_TOKENS = 8_192
# Prime sizes, and sizes on either side of each other; nothing here divides what engines work in.
_SHAPES = ((7, 13), (31, 5), (3, 17), (13, 7), (5, 29), (2, 3), (11, 11), (3, 2))
_FEWEST_SHAPES = 12
_LONGEST_RANDOM_TEXT = 64


def shape_grid(max_tokens: int, *, batch: int = _BATCH, most_tokens: int = _MOST_TOKENS) -> list[tuple[int, int]]:
    """Choose the (batch, sequence) at which models are compared.

    (1, 1), (1, longest), (batch, 1), prime sizes, (2, longest) and the maximum, at least 12 of them, all different.

    Parameters
    ----------
    max_tokens
        Longest sequence.
    batch
        Largest batch.
    most_tokens
        Batch times sequence stays at or below it, where the batch can give way.
    """
    wanted = [(1, 1), (1, max_tokens), (batch, 1), *_SHAPES, (2, max_tokens), (batch, max_tokens)]
    found: dict[tuple[int, int], None] = {}
    for rows, sequence in wanted:
        length = min(sequence, max_tokens)
        found[max(1, min(rows, batch, most_tokens // length)), length] = None
    # Short models, or small batches, have fewer shapes of that list: more rows, of one token, then beyond the batch.
    rows = 2
    while len(found) < _FEWEST_SHAPES:
        found[rows, min(max_tokens, 2)] = None
        rows += 1
    return list(found)


def grid_cases(
    vocabulary_size: int,
    max_tokens: int,
    *,
    pad_id: int = 0,
    shapes: Sequence[tuple[int, int]] | None = None,
) -> list[dict[str, NDArray[Any]]]:
    """Make random ids at each shape; every other row ends early, none is padding alone.

    Parameters
    ----------
    vocabulary_size
        Every id is below it.
    max_tokens
        Longest sequence.
    pad_id
        The id that fills up a row.
    shapes
        Those of `shape_grid` where it is None.
    """
    chance = np.random.default_rng(_SEED)
    known = _known_ids(vocabulary_size, pad_id)
    cases: list[dict[str, NDArray[Any]]] = []
    for rows, length in shape_grid(max_tokens) if shapes is None else shapes:
        ids = chance.choice(known, size=(rows, length))
        # Empty texts never reach a session, so no row is one.
        ends = chance.integers(1, length + 1, size=rows)
        ends[::2] = length
        ids[np.arange(length) >= ends[:, None]] = pad_id
        cases.append({INPUT: ids})
    return cases


def text_cases(
    texts_ids: Sequence[Sequence[int]], pad_id: int = 0, *, batch: int = _BATCH
) -> list[dict[str, NDArray[Any]]]:
    """Put texts together in batches, in their order, each padded to its longest.

    Parameters
    ----------
    texts_ids
        Token ids; no text is empty.
    pad_id
        The id that fills up a row.
    batch
        Texts of one batch; the last may have fewer.
    """
    return [{INPUT: padded(texts_ids[start : start + batch], pad_id)} for start in range(0, len(texts_ids), batch)]


def answer_texts(
    session: Session, texts_ids: Sequence[Sequence[int]], *, pad_id: int = 0, batch: int = _BATCH
) -> NDArray[Any]:
    """Ask a session for the logits of texts, in batches in their order.

    Parameters
    ----------
    session
        Of a text classifier: `input_ids` -> `logits`.
    texts_ids
        Token ids; at least one text, none empty.
    pad_id
        The id that fills up a row.
    batch
        Texts of one batch.

    Raises
    ------
    engine.errors.BackendError
        The session cannot run them.
    """
    return np.concatenate([session.run(case)[OUTPUT] for case in text_cases(texts_ids, pad_id, batch=batch)])


def random_texts(vocabulary_size: int, max_tokens: int, pad_id: int = 0) -> list[list[int]]:
    """Make texts of random ids and lengths.

    Parameters
    ----------
    vocabulary_size
        Every id is below it.
    max_tokens
        Longest sequence.
    pad_id
        The id that fills up a row, not in a text.
    """
    chance = np.random.default_rng(_SEED + 1)
    known = _known_ids(vocabulary_size, pad_id)
    lengths = chance.integers(1, min(max_tokens, _LONGEST_RANDOM_TEXT) + 1, size=_BATCH)
    return [chance.choice(known, size=int(length)).tolist() for length in lengths]


def padded(
    texts: Sequence[Sequence[int]], pad_id: int, *, extra: int = 0, limit: int | None = None
) -> NDArray[np.int64]:
    """Fill texts up to one length.

    Parameters
    ----------
    texts
        Token ids; at least one text.
    pad_id
        The id that fills up a row.
    extra
        Columns that no text needs.
    limit
        Columns at most, though not below the longest text.
    """
    longest = max(map(len, texts))
    # A text of the greatest length leaves no room for more.
    width = longest + extra if limit is None else max(longest, min(longest + extra, limit))
    ids = np.full((len(texts), width), pad_id, dtype=np.int64)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = text
    return ids


def _known_ids(vocabulary_size: int, pad_id: int) -> NDArray[np.int64]:
    known = np.arange(vocabulary_size, dtype=np.int64)
    return np.delete(known, np.flatnonzero(known == pad_id))
