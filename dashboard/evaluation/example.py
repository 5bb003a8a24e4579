"""Examples as a page of cards or a row of a table shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.errors import TagscopeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dashboard.evaluation.evaluation import Evaluation


class Example(msgspec.Struct, frozen=True):
    """One example as a card shows it; texts are from people.

    `row` is its position in the evaluation, `place` that in the data set (-1 without one), `text` None without a data
    set, `confidence` None without probabilities. `top` holds the most probable tags with their probabilities.
    """

    row: int
    place: int
    id: str
    text: str | None
    true: str
    predicted: str
    correct: bool
    confidence: float | None = None
    top: tuple[tuple[str, float], ...] = ()


def examples_of(evaluation: Evaluation, rows: Iterable[int]) -> list[Example]:
    """Return examples by their positions, as for one page; without probabilities where they cannot be used."""
    chosen = np.asarray(list(rows), dtype=np.int64)
    try:
        chances, confidence = evaluation.chances, evaluation.outcomes.confidence
    except TagscopeError:
        chances = confidence = None
    found = []
    for row, text in zip(chosen.tolist(), evaluation.texts(chosen), strict=True):
        top: tuple[tuple[str, float], ...] = ()
        if chances is not None:
            pairs = zip(chances.top_codes[row].tolist(), chances.top[row].tolist(), strict=True)
            top = tuple((evaluation.labels[code], share) for code, share in pairs)
        found.append(
            Example(
                row,
                -1 if evaluation.places is None else int(evaluation.places[row]),
                str(evaluation.ids[row]),
                text,
                evaluation.tags[evaluation.true[row]],
                evaluation.answer(row),
                bool(evaluation.correct[row]),
                None if confidence is None else float(confidence[row]),
                top,
            )
        )
    return found
