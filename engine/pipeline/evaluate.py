"""Judge a run on another labelled file, through the ONNX model that serves."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from config.settings import get_settings
from engine.dataset.fields import OTHER, Fields
from engine.dataset.loading import load_table
from engine.dataset.snapshot import open_dataset
from engine.dataset.splits import SPLITS
from engine.errors import DataError, TagscopeError
from engine.inference.model import ServedModel
from engine.pipeline.judge import judge
from engine.runs.predictions import read_predictions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from engine.runs.bundle import Bundle

TRAIN = SPLITS[0]


@dataclass(frozen=True)
class Evaluation:
    """A run's performance on a file.

    `trained_on` counts the rows whose text was in the run's training split: their share makes the figures too good;
    None where the run's data set is not here to compare with.
    `mapped` counts rows per tag that the run does not know and that were judged as `other`.
    """

    performance: dict[str, Any]
    trained_on: int | None
    mapped: dict[str, int]
    left_out: pd.DataFrame


def evaluate(
    bundle: Bundle,
    data: Path,
    *,
    text: tuple[str, ...] = (),
    label: str = "",
    id_column: str | None = "id",
    max_cell_characters: int = 100_000,
    progress: Callable[[float], None] | None = None,
) -> Evaluation:
    """Judge a run on another labelled file.

    Parameters
    ----------
    bundle
        The run.
    data
        A labelled CSV.
    text, label
        Its columns; those the run was trained with where they are empty.
    id_column
        Column of the ids.
    max_cell_characters
        A longer cell is refused.
    progress
        Called with the share done, 0 to 1.

    Returns
    -------
    Evaluation

    Raises
    ------
    engine.errors.DataError
        The file cannot be used, or has tags that the run does not know while the run has no `other`.
    engine.errors.BundleError
        The run has no model.
    """
    manifest = bundle.manifest
    fields = Fields(text=text or manifest.text_fields, label=label or manifest.label_field, id=id_column, created=None)
    table = load_table(data, fields, max_cell_characters=max_cell_characters, minimum_tags=1)
    model = ServedModel(bundle)
    known = set(bundle.labels)
    unknown = table.frame.loc[~table.frame["tag"].isin(known), "tag"]
    foreign = {str(tag): int(count) for tag, count in unknown.value_counts().items()}
    if foreign and OTHER not in known:
        names = ", ".join(f"{tag!r}" for tag in list(foreign)[:5])
        raise DataError(
            f"{data}: tags {names} are unknown to run {bundle.run_id}, whose tags are {', '.join(bundle.labels)}; "
            "correct them, or evaluate a run that was trained with them."
        )
    frame = table.frame.assign(tag=table.frame["tag"].where(table.frame["tag"].isin(known), OTHER))
    probabilities = model.probabilities([model.clean(text) for text in frame["text"]], progress)
    predicted = np.asarray(bundle.labels, dtype=object)[probabilities.argmax(axis=1)]
    trained_on: int | None = None
    # A bundle is portable: its data set may have stayed behind.
    with contextlib.suppress(TagscopeError):
        trained_on = int(frame["text"].isin(_training_texts(bundle)).sum())
    return Evaluation(
        judge(frame.assign(split=SPLITS[-1]), predicted, bundle.labels), trained_on, foreign, table.left_out
    )


def _training_texts(bundle: Bundle) -> set[str]:
    """Texts, not ids: two unrelated files may number their rows alike."""
    predictions = read_predictions(bundle)
    rows = open_dataset(get_settings().datasets_dir, bundle.manifest.dataset.digest).frame
    trained = set(predictions.loc[predictions["split"] == TRAIN, "id"])
    return set(rows.loc[rows["id"].isin(trained), "text"])
