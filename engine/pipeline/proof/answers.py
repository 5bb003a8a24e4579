"""Answers of a session to tokenized texts: each alone, or among others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.export.parity.text_cases import INPUT, OUTPUT, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session

_SEED = 20_240_229
# Sizes of the batches that texts are mixed into; 5 leaves a rest in whatever an engine blocks by.
_MIXED = (32, 8, 5)
_PADDED_TOKENS = 16_384
_BASELINE_ROWS = 32


def answer(session: Session, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits of a batch, float32 [texts, labels]."""
    return np.asarray(session.run({INPUT: ids})[OUTPUT], dtype=np.float32)


def answers_alone(session: Session, ids: Sequence[Sequence[int]], pad_id: int, callers: int = 1) -> NDArray[np.float32]:
    """Logits of texts that are answered one by one, by so many threads side by side; float32 [texts, labels]."""
    return _answers(session, ids, [[number] for number in range(len(ids))], pad_id, callers)


def answers_mixed(session: Session, ids: Sequence[Sequence[int]], pad_id: int, callers: int = 1) -> NDArray[np.float32]:
    """Logits of texts among others of any length, in batches of 32, 8 and 5; float32 [texts, labels]."""
    order = np.random.default_rng(_SEED).permutation(len(ids)).tolist()
    longest = max((len(row) for row in ids), default=1)
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        size = min(_MIXED[len(batches) % len(_MIXED)], max(1, _PADDED_TOKENS // longest))
        batches.append(order[start : start + size])
        start += size
    return _answers(session, ids, batches, pad_id, callers)


def answers_sorted(
    session: Session, ids: Sequence[Sequence[int]], pad_id: int, progress: Callable[[float], None] | None = None
) -> NDArray[np.float32]:
    """Logits of texts in batches of like length, as cheap as it gets: for the baseline; float32 [texts, labels]."""
    order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
    batches: list[list[int]] = []
    for number in order:
        room = max(1, min(_BASELINE_ROWS, _PADDED_TOKENS // len(ids[number])))
        if not batches or len(batches[-1]) >= room:
            batches.append([])
        batches[-1].append(number)
    return _answers(session, ids, batches, pad_id, 1, progress)


def _answers(
    session: Session,
    ids: Sequence[Sequence[int]],
    batches: Sequence[Sequence[int]],
    pad_id: int,
    callers: int,
    progress: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    def run(batch: Sequence[int]) -> NDArray[np.float32]:
        return answer(session, padded([ids[number] for number in batch], pad_id))

    result: NDArray[np.float32] | None = None
    done = 0
    with ThreadPoolExecutor(callers) as pool:
        found: Iterable[Any] = pool.map(run, batches) if callers > 1 else map(run, batches)
        for batch, logits in zip(batches, found, strict=True):
            if result is None:
                result = np.empty((len(ids), logits.shape[1]), dtype=np.float32)
            result[list(batch)] = logits
            done += len(batch)
            if progress:
                progress(done / len(ids))
    return np.empty((0, 0), dtype=np.float32) if result is None else result
