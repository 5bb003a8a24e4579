"""The grid of shapes: random ids from one token to the longest text, as the baseline and another session answer them.

A run's own texts may all be short. What overflows only in a long one, as sums do in half precision, shows here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engine.errors import ExportError
from engine.export.parity.text_cases import INPUT, grid_cases
from engine.pipeline.proof.answers import answer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from engine.backends.protocol import Session
    from engine.runs.bundle import Bundle


class Grid:
    """What the baseline answers at each shape.

    Parameters
    ----------
    bundle
        The run, for its vocabulary and longest text.
    baseline
        Whose answers are right.

    Attributes
    ----------
    shapes
        (batch, sequence) of each case.
    scale
        The largest absolute logit of the baseline.
    """

    def __init__(self, bundle: Bundle, baseline: Session) -> None:
        reference = bundle.manifest.tokenizer
        cases = grid_cases(bundle.tokenizer().vocabulary_size, reference.max_tokens, pad_id=reference.pad_id)
        self._ids: list[NDArray[np.int64]] = [case[INPUT] for case in cases]
        self._right = [answer(baseline, ids) for ids in self._ids]
        self.shapes = tuple((len(ids), ids.shape[1]) for ids in self._ids)
        self.scale = max(float(np.abs(logits).max()) for logits in self._right)

    def difference(self, session: Session, most_tokens: float = float("inf")) -> float:
        """Largest absolute difference of a logit, at the shapes of at most so many tokens.

        Raises
        ------
        engine.errors.BackendError
            The session cannot run a shape.
        engine.errors.ExportError
            It answers in another shape than the baseline.
        """
        pairs = zip(self._ids, self._right, strict=True)
        return max(
            difference_of(right, answer(session, ids), ids.shape) for ids, right in pairs if ids.size <= most_tokens
        )


def difference_of(right: NDArray[np.float32], found: NDArray[np.float32], shape: tuple[int, ...]) -> float:
    """Largest absolute difference of two answers to one input; infinite where one is not a number.

    Raises
    ------
    engine.errors.ExportError
        The answers have different shapes.
    """
    from engine.export.parity.comparison import distance

    if found.shape != right.shape:
        raise ExportError(
            f"At {shape} it answers with {found.shape} logits and the baseline with {right.shape}; export it again."
        )
    return distance(right, found)
