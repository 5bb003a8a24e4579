"""Whether the answer to a text depends on the texts it is batched with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.export.parity.comparison import distance, magnitude
from engine.export.parity.text_cases import INPUT, OUTPUT, padded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session

_SEED = 20_240_301
_MATES = 13
_EXTRA_PADDING = 3


@dataclass(frozen=True)
class Composition:
    """How answers change in one way of putting texts together.

    Attributes
    ----------
    name
        The way, in words.
    difference
        Largest change of a logit against the text alone, divided by the largest logit.
    flips
        Texts whose first tag changes.
    """

    name: str
    difference: float
    flips: int


@dataclass(frozen=True)
class BatchInvariance:
    """How the answer to a text depends on the texts it is batched with.

    Attributes
    ----------
    difference
        Largest change of a logit against the text alone, divided by `scale`.
    scale
        Largest absolute logit of the texts alone.
    flips
        Texts whose first tag changes in at least one composition.
    texts
        Number of texts.
    compositions
        Each way of putting them together.
    """

    difference: float
    scale: float
    flips: int
    texts: int
    compositions: tuple[Composition, ...]


def count_flips(expected: NDArray[Any], found: NDArray[Any]) -> int:
    """Count the rows whose first tag differs.

    Parameters
    ----------
    expected, found
        Logits [rows, labels] of the same texts.
    """
    return int((expected.argmax(1) != found.argmax(1)).sum())


def batch_invariance(
    session: Session,
    texts_ids: Sequence[Sequence[int]],
    *,
    pad_id: int = 0,
    max_tokens: int | None = None,
    batch: int = _MATES,
    alone: NDArray[Any] | None = None,
    progress: Callable[[float], None] | None = None,
) -> BatchInvariance:
    """Measure how far the answer to a text changes with the texts it is batched with.

    Each text's answer alone is compared with its answer among its neighbours and padding that none of them needs, among
    others in random order, and after the longest text.

    Parameters
    ----------
    session
        Of a text classifier: `input_ids` -> `logits`.
    texts_ids
        Token ids; at least one text, none empty.
    pad_id
        The id that fills up a row.
    max_tokens
        Longest sequence; the longest text where it is None.
    batch
        Texts of one batch, at least 2.
    alone
        Logits of each text alone, where they are known.
    progress
        Called with the share done.

    Raises
    ------
    engine.errors.BackendError
        The session cannot run them.
    """
    report = progress or _silent
    texts = [list(row) for row in texts_ids]
    longest = max(map(len, texts))
    limit = max(longest, max_tokens or 0)
    ways: Mapping[str, Callable[[list[int]], NDArray[np.int64]]] = {
        "neighbours, with more padding": lambda part: padded(
            [texts[number] for number in part], pad_id, extra=_EXTRA_PADDING, limit=limit
        ),
        "random others": lambda part: padded([texts[number] for number in part], pad_id),
        "the longest text first": lambda part: padded(
            [texts[int(np.argmax([len(row) for row in texts]))], *(texts[number] for number in part)], pad_id
        ),
    }
    if alone is None:
        rows = []
        for number, row in enumerate(texts):
            rows.append(session.run({INPUT: padded([row], pad_id)})[OUTPUT])
            report((number + 1) / len(texts) / 2)
        alone = np.concatenate(rows)
    first = alone.argmax(1)
    scale = magnitude(alone)

    orders = (list(range(len(texts))), np.random.default_rng(_SEED).permutation(len(texts)).tolist())
    flipped = np.zeros(len(texts), dtype=bool)
    found = []
    for place, (name, put_together) in enumerate(ways.items()):
        order = orders[min(place, 1)]
        together = np.empty_like(alone)
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            together[part] = session.run({INPUT: put_together(part)})[OUTPUT][-len(part) :]
        changed = together.argmax(1) != first
        flipped |= changed
        found.append(Composition(name, distance(alone, together) / (scale or 1.0), int(changed.sum())))
        report(0.5 + (place + 1) / len(ways) / 2)
    return BatchInvariance(
        difference=max(way.difference for way in found),
        scale=scale,
        flips=int(flipped.sum()),
        texts=len(texts),
        compositions=tuple(found),
    )


def _silent(_share: float) -> None:
    """Report nothing."""
