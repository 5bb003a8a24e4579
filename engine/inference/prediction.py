"""What a caller gets for a text: a prediction, or the sentence that says why there is none."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Literal

import msgspec

from engine.dataset.fields import OTHER
from engine.errors import DataError, DeadlineError, InferenceError, TagscopeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from engine.inference.call import Call

SHOWN_CHARACTERS = 200
"""How much of a refused text is given back: it may be refused for its length."""


class Prediction(msgspec.Struct, frozen=True):
    """Answer for one text.

    `probabilities` maps tags to probabilities, highest first, cut to `top_k` where that was asked for. `seconds` is
    the time of the whole call, shared by its texts. `below_threshold` says that no tag was probable enough, so that
    the predicted tag is `other`.
    """

    input_text: str
    predicted_tag: str
    probabilities: dict[str, float]
    run_id: str
    model: str
    model_digest: str
    cached: bool
    seconds: float
    below_threshold: bool = False


RefusalKind = Literal["data", "deadline", "failed"]
REFUSALS: dict[RefusalKind, type[TagscopeError]] = {
    "data": DataError,
    "deadline": DeadlineError,
    "failed": InferenceError,
}
"""Kinds of refusal: the text cannot be answered as it is, it waited too long, or it could not be computed."""


class Refusal(msgspec.Struct, frozen=True):
    """A text that has no answer: its first 200 characters, one sentence that says why and what to do, and its kind.

    `kind` is one of `REFUSALS`.
    """

    input_text: str
    error: str
    kind: RefusalKind = "data"


def ranked(
    row: NDArray[np.float32], labels: Sequence[str], top_k: int | None = None, threshold: float = 0.0
) -> tuple[str, dict[str, float], bool]:
    """Turn probabilities into what people read.

    Parameters
    ----------
    row
        Probabilities, float32[labels].
    labels
        Tags in the order of the row.
    top_k
        How many probabilities to keep; all where it is None.
    threshold
        Where the highest probability is below this (0 to 1), the tag is `other`.

    Returns
    -------
    tuple
        The predicted tag, the probabilities by tag with the highest first, and whether the tag is `other` because of
        the threshold.
    """
    # Ties keep the labels' order, as `argmax` does. Lists are faster than numpy on the few labels of a text.
    found = sorted(zip(row.tolist(), labels, strict=True), key=itemgetter(0), reverse=True)
    below = found[0][0] < threshold
    return OTHER if below else found[0][1], {label: chance for chance, label in found[:top_k]}, below


def check_options(top_k: int | None, threshold: float) -> None:
    """Refuse options that have no meaning.

    Raises
    ------
    engine.errors.DataError
        `top_k` is below 1, or `threshold` is not between 0 and 1.
    """
    if top_k is not None and top_k < 1:
        raise DataError(f"`top_k` is {top_k}; give at least 1, or leave it out for all tags.")
    # Written so that NaN is refused too.
    if not 0 <= threshold <= 1:
        raise DataError(f"`threshold` is {threshold}; give a probability from 0 to 1.")


def kind_of(error: TagscopeError | None) -> RefusalKind:
    """Return the kind of refusal that an error is, see `REFUSALS`."""
    return next((kind for kind, errors in REFUSALS.items() if isinstance(error, errors)), "failed")


def answers(call: Call, top_k: int | None = None, threshold: float = 0.0) -> list[Prediction | Refusal]:
    """Return what became of each text of a call that is done.

    Parameters
    ----------
    call
        From `Predictor.ask`, done.
    top_k, threshold
        As `ranked`.
    """
    model, found = call.model, list[Prediction | Refusal]()
    for text, row, error, cached in zip(call.texts, call.rows, call.errors, call.cached, strict=True):
        if row is None:
            found.append(Refusal(str(text)[:SHOWN_CHARACTERS], str(error), kind_of(error)))
            continue
        tag, probabilities, below = ranked(row, model.labels, top_k, threshold)
        found.append(
            Prediction(
                text,
                tag,
                probabilities,
                model.run_id,
                model.model_name,
                model.model_digest,
                cached,
                call.seconds,
                below,
            )
        )
    return found
