"""Why the run gave its answer: the words of one example, each with what it adds, asked of the engine as one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from dashboard.text import sentence_of
from engine.errors import RunNotFoundError, TagscopeError
from engine.inference.occlusion import occlude

if TYPE_CHECKING:
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.evaluation.example import Example

NO_MODEL = (
    "This run was made from predictions and has no model, so nobody knows why it answered so; choose another run."
)
NO_TEXT = "The text is not here, as the data set is not; copy it into data/datasets."
NO_WORD = "This text has no word that could be left out."


class Piece(msgspec.Struct, frozen=True):
    """A part of the text: a word with what it adds to the probability of the answer, or what stands between words."""

    text: str
    weight: float | None = None


class Why(msgspec.Struct, frozen=True):
    """What leaving out each word does; `sentence` says why nobody knows, and the rest is empty then.

    Parameters
    ----------
    tag : str
        What the model answers now.
    chance : float
        With this probability.
    pieces : tuple of Piece
        The text, in order; weights are those of `tag`.
    words : dict
        By tag (the answer, then the true one if that is another): word and what it adds, the strongest first.
    remark : str
        What was not looked at, or is unusual.
    seconds : float
        How long the model took.
    """

    tag: str = ""
    chance: float = 0.0
    pieces: tuple[Piece, ...] = ()
    words: dict[str, tuple[tuple[str, float], ...]] = {}
    remark: str = ""
    seconds: float = 0.0
    sentence: str = ""


def explain(evaluation: Evaluation, example: Example) -> Why:
    """Ask the engine; runs in a thread: some milliseconds with a cheap model, seconds with a large one."""
    from engine.client.predictor import get_predictor
    from engine.inference.prediction import Prediction

    if example.text is None:
        return Why(sentence=NO_TEXT)
    found = occlude(example.text)
    if not found.words:
        return Why(sentence=NO_WORD)
    try:
        if not evaluation.manifest.model_digest:
            return Why(sentence=NO_MODEL)
        answers = get_predictor().predict(found.texts, evaluation.run_id, errors="return")
    except RunNotFoundError as error:
        return Why(sentence=f"The engine does not have this run: {sentence_of(error)}")
    except TagscopeError as error:
        return Why(sentence=sentence_of(error))
    whole = answers[0]
    if not isinstance(whole, Prediction):
        return Why(sentence=whole.error)
    chances = [answer.probabilities if isinstance(answer, Prediction) else None for answer in answers]
    tag = whole.predicted_tag
    weights = {one: found.importance(one, chances) for one in dict.fromkeys((tag, example.true))}
    remarks = [found.remark]
    if tag != example.predicted:
        remarks.append(f"Asked now, the model answers {tag}; when the run was judged it answered {example.predicted}.")
    if example.true not in evaluation.labels:
        remarks.append(f"The model does not know the true tag {example.true}.")
    return Why(
        tag,
        whole.probabilities.get(tag, 0.0),
        _pieces(found.text, [one.spans for one in found.words], weights[tag]),
        {
            one: _strongest([word.word for word in found.words], values)
            for one, values in weights.items()
            if one in evaluation.labels
        },
        " ".join(remark for remark in remarks if remark),
        whole.seconds,
    )


def _pieces(text: str, words: list[tuple[tuple[int, int], ...]], weights: list[float | None]) -> tuple[Piece, ...]:
    # No two begin at the same place, so weights are never compared.
    places = sorted((*span, weight) for spans, weight in zip(words, weights, strict=True) for span in spans)
    pieces, end = [], 0
    for start, stop, weight in places:
        if text[end:start]:
            pieces.append(Piece(text[end:start]))
        pieces.append(Piece(text[start:stop], weight))
        end = stop
    return (*pieces, *([Piece(text[end:])] if text[end:] else []))


def _strongest(words: list[str], weights: list[float | None]) -> tuple[tuple[str, float], ...]:
    known = [(word, weight) for word, weight in zip(words, weights, strict=True) if weight is not None]
    return tuple(sorted(known, key=lambda one: -abs(one[1])))
