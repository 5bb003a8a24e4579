"""Answers: what a run said of the rows that it was judged on, and what must be known to compare it with another."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import DataError
from engine.evaluation.counts import tag_codes, tag_set

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True, eq=False)
class Answers:
    """A run's answers to the n rows that it was judged on; made by `Answers.of`.

    Parameters
    ----------
    run : str
        What to call the run in a sentence.
    ids : numpy.ndarray
        object of str, shape (n,), all different.
    true, predicted : numpy.ndarray
        int64, shape (n,): positions in `tags`.
    tags : tuple of str
        The model's tags in the order of its outputs, then others that occur.
    model_tags : int
        How many of `tags` the model can give.
    probabilities : numpy.ndarray or None
        float32, shape (n, model_tags); None where nobody knows them, or nobody asked.
    texts : numpy.ndarray or None
        uint64, shape (n,): a hash of the text of each row; None where the data set is not here.
    seen : numpy.ndarray or None
        bool, shape (n,): whether the run was trained on a row, under another id, with the same text; None where nobody
        knows.
    trained : numpy.ndarray or None
        object of str: ids of the rows that it was trained on; None where nobody knows them.
    dataset, version : str
        Digest of its data set, and what people call that version.
    labelled : str
        When its labels were made, as far as known: ISO 8601 in UTC, so that later ones sort after earlier ones.
    created, git_tag : str
        When the run was made, likewise, and the tag of its commit; empty if there is none.
    remarks : tuple of str
        Sentences on what is unusual about its answers.
    """

    run: str
    ids: np.ndarray
    true: np.ndarray
    predicted: np.ndarray
    tags: tuple[str, ...]
    model_tags: int
    probabilities: np.ndarray | None = None
    texts: np.ndarray | None = None
    seen: np.ndarray | None = None
    trained: np.ndarray | None = None
    dataset: str = ""
    version: str = ""
    labelled: str = ""
    created: str = ""
    git_tag: str = ""
    remarks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        run: str,
        ids: ArrayLike,
        true: ArrayLike,
        predicted: ArrayLike,
        labels: Sequence[str],
        *,
        probabilities: np.ndarray | None = None,
        texts: np.ndarray | None = None,
        trained: ArrayLike | None = None,
        trained_texts: np.ndarray | None = None,
        dataset: str = "",
        version: str = "",
        labelled: str = "",
        created: str = "",
        git_tag: str = "",
        remarks: tuple[str, ...] = (),
    ) -> Answers:
        """Make answers of tags as words.

        Parameters
        ----------
        run, probabilities, texts, dataset, version, labelled, created, git_tag, remarks
            As for the class.
        ids, true, predicted : array-like of str, shape (n,)
            Id, true tag and predicted tag of each row.
        labels : sequence of str
            The model's tags in the order of its outputs.
        trained : array-like of str, optional
            Ids of the rows that it was trained on.
        trained_texts : numpy.ndarray, optional
            uint64: the hashes of their texts.

        Raises
        ------
        DataError
            If an id is there twice, a tag is missing, or a probability is no number.
        ValueError
            If the lengths differ.
        """
        names = np.asarray(ids, dtype=object)
        known, said = np.asarray(true, dtype=object), np.asarray(predicted, dtype=object)
        if not len(names) == len(known) == len(said):
            raise ValueError(f"{len(names)} ids, {len(known)} true tags and {len(said)} predicted ones")
        if len(set(names)) != len(names):
            raise DataError(f"Run {run}: an id has two predictions, so rows cannot be told apart; predict them again.")
        if probabilities is not None:
            if probabilities.shape != (len(names), len(labels)):
                raise ValueError(f"probabilities {probabilities.shape} for {len(names)} rows, {len(labels)} tags")
            if not np.isfinite(probabilities.sum(dtype=np.float64)):
                row = names[np.flatnonzero(~np.isfinite(probabilities).all(axis=1))[0]]
                raise DataError(f"Run {run}: a probability of the row {row!r} is no number; predict it again.")
        # Told of the run, for several are looked at together.
        what = [f"{kind} tags of run {run}" for kind in ("true", "predicted")]
        codes = [tag_codes(values, labels, name) for values, name in zip((known, said), what, strict=True)]
        strange = [values[code == len(labels)] for values, code in zip((known, said), codes, strict=True)]
        tags = tuple(labels)
        if len(strange[0]) or len(strange[1]):
            tags = tag_set(labels, [*strange[0], *strange[1]])
            codes = [tag_codes(values, tags, name) for values, name in zip((known, said), what, strict=True)]
        return cls(
            run,
            names,
            codes[0],
            codes[1],
            tags,
            len(labels),
            probabilities,
            texts,
            None if texts is None or trained_texts is None else np.isin(texts, trained_texts),
            None if trained is None else np.asarray(trained, dtype=object),
            dataset,
            version,
            labelled,
            created,
            git_tag,
            remarks,
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags that the model can give."""
        return self.tags[: self.model_tags]
