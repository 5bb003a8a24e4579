"""The rows of a run, as its model sees them: loaded, their tags mapped, split and cleaned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.dataset.cleaning import DEFAULT_STEPS, clean
from engine.dataset.fields import OTHER
from engine.dataset.loading import load_table
from engine.dataset.snapshot import Dataset
from engine.dataset.splits import SPLITS, split_rows
from engine.dataset.tags import map_tags, require_tags
from engine.errors import DataError, TrainingError
from engine.evaluation.slices import slice_masks
from engine.evaluation.slices_file import all_slices
from engine.runs.predictions import read_predictions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from engine.dataset.fields import Fields
    from engine.runs.bundle import Bundle

TRAIN, VALIDATION, TEST = SPLITS
_TAGS_SHOWN = 20


@dataclass(frozen=True)
class Rows:
    """A data set's rows as a model sees them; every array has one element per row.

    Attributes
    ----------
    dataset
        Where they come from.
    texts
        Cleaned.
    tags
        After mapping; each is one of `labels`.
    split
        `train`, `validation` or `test`.
    labels
        Tags in the order of the model's outputs.
    mapped
        How many rows of each tag became `other`.
    """

    dataset: Dataset
    texts: np.ndarray
    tags: np.ndarray
    split: np.ndarray
    labels: tuple[str, ...]
    mapped: dict[str, int]

    def part(self, name: str) -> tuple[list[str], np.ndarray]:
        """Texts and label indices (int64) of a split."""
        index = {label: position for position, label in enumerate(self.labels)}
        chosen = self.split == name
        targets = np.array([index[tag] for tag in self.tags[chosen]], dtype=np.int64)
        return list(self.texts[chosen]), targets

    @property
    def validation(self) -> tuple[list[str], np.ndarray] | None:
        """Texts and label indices of the validation rows; None where there are none."""
        texts, targets = self.part(VALIDATION)
        return (texts, targets) if texts else None

    @property
    def held_out(self) -> np.ndarray:
        """Texts that the model was not fitted on, object[rows]."""
        unseen: np.ndarray = self.texts[self.split != TRAIN]
        return unseen


@dataclass(frozen=True)
class Splitting:
    """How rows are mapped and split where a model is trained here; the settings' `training` section."""

    accepted: tuple[str, ...] = ()
    min_count: int = 5
    seed: int = 0
    validation_share: float = 0.15
    test_share: float = 0.15


def rows_to_learn(
    data: Path,
    fields: Fields,
    splitting: Splitting,
    *,
    holdout: Path | None = None,
    parent: Bundle | None = None,
    cleaning: Sequence[str] = DEFAULT_STEPS,
    max_cell_characters: int = 100_000,
    version: str = "",
) -> Rows:
    """Load rows to train a model on and to judge it.

    Parameters
    ----------
    data
        A labelled CSV.
    fields
        Its columns.
    splitting
        Which tags are kept and which share of the rows is held out.
    holdout
        A second CSV with the same columns: its rows are judged on, and no other.
    parent
        A run whose rows keep their split.
    cleaning
        The steps that the texts go through.
    max_cell_characters
        A longer cell is refused.
    version
        A name for this version of the data.

    Raises
    ------
    engine.errors.DataError
        The file cannot be used.
    engine.errors.TrainingError
        No row is held out to judge on.
    """
    table = load_table(data, fields, max_cell_characters=max_cell_characters)
    extra = None
    if holdout:
        extra = load_table(holdout, fields, max_cell_characters=max_cell_characters, minimum_tags=1)
    dataset = Dataset.from_table(table, name=data.stem, holdout=extra, version=version or None)
    frame = dataset.frame
    tags, mapped = map_tags(frame["tag"], splitting.accepted, splitting.min_count)
    slice_masks(frame.assign(split=""), all_slices())  # a slice that fails is told before the model is trained
    require_tags(tags, frame["tag"], splitting.accepted, splitting.min_count)
    split = split_rows(
        frame["id"].to_list(),
        tags.to_list(),
        seed=splitting.seed,
        validation_share=splitting.validation_share,
        test_share=0.0 if extra is not None else splitting.test_share,
        previous=_splits_of(parent, frame["id"]) if parent else None,
        holdout=set(frame.loc[frame["holdout"], "id"]),
    )
    if not (split == TEST).any():
        raise TrainingError(
            f"{data}: no row is held out to judge the model on; raise `training.test_share` or give --holdout."
        )
    return Rows(
        dataset,
        cleaned_texts(frame, cleaning),
        tags.to_numpy(dtype=object),
        split,
        tuple(sorted(set(tags))),
        mapped,
    )


def load_rows(
    data: Path,
    fields: Fields,
    labels: Sequence[str],
    *,
    cleaning: Sequence[str] = DEFAULT_STEPS,
    max_cell_characters: int = 100_000,
    version: str = "",
) -> Rows:
    """Load rows to judge a finished model on: all of them are `test`.

    Parameters
    ----------
    data
        A labelled CSV.
    fields
        Its columns.
    labels
        The model's tags, in the order of its outputs. Rows with another tag count as `other` where the model has it.
    cleaning
        The steps that its texts go through.
    max_cell_characters
        A longer cell is refused.
    version
        A name for this version of the data.

    Raises
    ------
    engine.errors.DataError
        The file cannot be used, or has tags that the model does not know.
    """
    table = load_table(data, fields, max_cell_characters=max_cell_characters, minimum_tags=1)
    dataset = Dataset.from_table(table, name=data.stem, version=version or None)
    return rows_to_judge(dataset, labels, where=str(data), cleaning=cleaning)


def rows_to_judge(
    dataset: Dataset, labels: Sequence[str], *, where: str, cleaning: Sequence[str] = DEFAULT_STEPS
) -> Rows:
    """Make all rows of a data set rows to judge a finished model on; see `load_rows`.

    Parameters
    ----------
    where
        What to call the data in an error.
    """
    frame = dataset.frame
    known = set(labels)
    foreign = frame.loc[~frame["tag"].isin(known), "tag"].value_counts()
    mapped = {str(tag): int(count) for tag, count in sorted(foreign.items(), key=lambda item: (-item[1], item[0]))}
    if mapped and OTHER not in known:
        raise DataError(
            f"{where}: the model does not know the {'tag' if len(mapped) == 1 else 'tags'} {_shown(list(mapped))}; its "
            f"tags are {_shown(labels)}: correct those of the file, or name the model's outputs as the file does."
        )
    slice_masks(frame.assign(split=TEST), all_slices())
    tags = frame["tag"].where(frame["tag"].isin(known), OTHER).to_numpy(dtype=object)
    split = np.full(len(frame), TEST, dtype=object)
    return Rows(dataset, cleaned_texts(frame, cleaning), tags, split, tuple(labels), mapped)


def cleaned_texts(frame: pd.DataFrame, steps: Sequence[str]) -> np.ndarray:
    """Clean the raw texts of a data set's frame; object[rows]."""
    return np.array([clean(text, steps) for text in frame["text"]], dtype=object)


def _shown(tags: Sequence[str]) -> str:
    more = f" and {len(tags) - _TAGS_SHOWN} more" if len(tags) > _TAGS_SHOWN else ""
    return ", ".join(repr(tag) for tag in tags[:_TAGS_SHOWN]) + more


def _splits_of(parent: Bundle, ids: pd.Series) -> dict[str, str]:
    frame = read_predictions(parent)
    if not ids.isin(frame["id"]).any():
        raise DataError(
            f"Run {parent.run_id} has no row in common with this data, so it cannot be its parent; leave out --parent."
        )
    return dict(zip(frame["id"], frame["split"], strict=True))
