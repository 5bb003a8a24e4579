"""The training examples most similar to an example: what the model may have learnt its answer from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.dataset.splits import SPLITS

if TYPE_CHECKING:
    from dashboard.evaluation.evaluation import Evaluation
    from dashboard.samples import Samples

NEIGHBOURS = 5
TRAIN = SPLITS[0]
NO_TRAINING = "This run does not say which rows it was trained on, so similar ones cannot be named."
NOT_PLACED = "No word of this text is in another row, so nothing is similar to it."


class Near(msgspec.Struct, frozen=True):
    """A similar training example; `similarity` is the cosine between both."""

    id: str
    tag: str
    text: str
    similarity: float


class NearTraining(msgspec.Struct, frozen=True):
    """The most similar ones first, and by what they are so; `sentence` says why there are none."""

    near: tuple[Near, ...] = ()
    method: str = ""
    sentence: str = ""


def near_training(evaluation: Evaluation, samples: Samples, place: int, count: int = NEIGHBOURS) -> NearTraining:
    """Return the training rows most similar to a row; 0.1 s for a million rows, so it belongs in a thread.

    Parameters
    ----------
    evaluation
        Of the run.
    samples
        Its data set, with the map of its texts drawn.
    place
        Position of the row in the data set.
    count
        How many, at most.
    """
    text_map, explorer = samples.map.value, samples.explorer
    if evaluation.answers.trained is None or "split" not in explorer.table.categories or text_map is None:
        return NearTraining(sentence=NO_TRAINING)
    splits = explorer.table.category("split")
    if TRAIN not in splits.names:
        return NearTraining(sentence=NO_TRAINING)
    trained = np.asarray(splits.codes == splits.names.index(TRAIN))
    found = nearest(text_map.vectors, place, trained, count)
    if not found:
        return NearTraining(sentence=NOT_PLACED)
    rows = explorer.rows([row for row, _ in found], ["id", "tag", "text"])
    told = zip(rows["id"], rows["tag"], rows["text"], found, strict=True)
    # What follows the last semicolon is how the points were laid out; every row is compared with all others.
    method = text_map.info.method.rsplit("; ", 1)[0]
    return NearTraining(
        tuple(Near(str(id), str(tag), str(text), cosine) for id, tag, text, (_, cosine) in told), method
    )


def nearest(vectors: np.ndarray, row: int, among: np.ndarray, count: int) -> list[tuple[int, float]]:
    """Return the rows that point most nearly the same way.

    Parameters
    ----------
    vectors : numpy.ndarray
        float32, shape (n, d), each of length 1, or 0.
    row : int
        Whose neighbours are meant; it is none of them.
    among : numpy.ndarray
        bool, shape (n,): the rows that count.
    count : int
        How many, at most.

    Returns
    -------
    list of tuple
        Row and cosine, the most similar first, of equal ones the first row. Rows without a vector are nobody's
        neighbours, and a cosine of 0 or less is no similarity.
    """
    own = np.asarray(vectors[row])
    similar = np.asarray(vectors @ own)
    similar = np.where(among & np.isfinite(similar), similar, -np.inf)
    similar[row] = -np.inf
    most = min(count, len(similar))
    limit = np.partition(similar, len(similar) - most)[len(similar) - most]
    near = np.flatnonzero((similar >= limit) & (similar > 0))
    near = near[np.argsort(-similar[near], kind="stable")][:most]
    return [(place, float(min(similar[place], 1.0))) for place in near.tolist()]
