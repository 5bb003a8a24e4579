"""What a run answered: its predictions read against its data set, and the slices of the rows it was judged on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine.dataset.splits import SPLITS
from engine.errors import BundleError
from engine.evaluation.answers import Answers
from engine.evaluation.slices import slice_masks
from engine.evaluation.slices_file import all_slices
from engine.runs.predictions import PROBABILITY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from engine.dataset.snapshot import Dataset
    from engine.evaluation.declared_slices import SliceDefinition
    from engine.runs.bundle import Bundle

TRAIN, TEST = SPLITS[0], SPLITS[-1]
_COLUMNS = ("id", "split", "tag", "predicted_tag")
_REMEDY = "restore the run or train it again"


def read_answers(
    bundle: Bundle, dataset: Dataset | None = None, *, labelled: str = "", probabilities: bool = False
) -> Answers:
    """Read what a run answered to the rows that it was judged on.

    Parameters
    ----------
    bundle
        The run.
    dataset
        Its data set, where it is here: then its texts can be compared with those of another run.
    labelled
        When the labels were made; when the run was made where it is empty.
    probabilities
        Whether to read them, too: 40 MB for 200,000 rows of 50 tags.

    Raises
    ------
    engine.errors.BundleError
        The run has no predictions, they are damaged, or none of them is of use.
    """
    manifest = bundle.manifest
    path = bundle.predictions_path()
    remarks: list[str] = []
    frame = _read(path, manifest.labels, probabilities)
    if frame["id"].duplicated().any():
        name = frame.loc[frame["id"].duplicated(), "id"].iloc[0]
        raise BundleError(f"{path}: the id {name!r} has two predictions; {_REMEDY}.")
    places = None
    if dataset is not None:
        index = pd.Index(dataset.frame["id"].to_numpy(object))
        places = index.get_indexer(pd.Index(frame["id"].to_numpy(object)))
        frame, places = _known(bundle, frame, places, remarks)
    training = frame["split"].eq(TRAIN).to_numpy(bool)
    judged = frame["split"].eq(TEST).to_numpy(bool)
    judged = judged & _complete(bundle, frame, judged, remarks)
    if not judged.any():
        raise BundleError(
            f"{path}: no row of the split {TEST!r} has a true and a predicted tag, so run {bundle.run_id} was judged "
            f"on nothing; {_REMEDY}."
        )
    hashes = None
    if dataset is not None and places is not None:
        hashes = pd.util.hash_array(dataset.frame["text"].to_numpy(object), categorize=False)[places]
    elsewhere = _trained_elsewhere(manifest.parameters)
    rows = frame[judged]
    unknown = int((~rows["predicted_tag"].isin(manifest.labels)).sum())
    if unknown:
        remarks.append(
            f"Run {bundle.run_id} gives {unknown:,} {'row' if unknown == 1 else 'rows'} a tag that its run.json does "
            "not list, which counts as wrong."
        )
    columns = [name for name in rows.columns if name.startswith(PROBABILITY_PREFIX)]
    matrix = rows[columns].to_numpy(np.float32) if columns else None
    if matrix is not None and not np.isfinite(matrix.sum(dtype=np.float64)):
        name = rows["id"].iloc[int(np.flatnonzero(~np.isfinite(matrix).all(axis=1))[0])]
        raise BundleError(f"{path}: a probability of the row {name!r} is no number; {_REMEDY}.")
    return Answers.of(
        bundle.run_id,
        rows["id"].to_numpy(object),
        rows["tag"].to_numpy(object),
        rows["predicted_tag"].to_numpy(object),
        manifest.labels,
        probabilities=matrix,
        texts=None if hashes is None else hashes[judged],
        trained=None if elsewhere else frame.loc[training, "id"].to_numpy(object),
        trained_texts=None if hashes is None or elsewhere else hashes[training],
        dataset=manifest.dataset.digest,
        version=manifest.dataset.version,
        labelled=labelled or manifest.created,
        created=manifest.created,
        git_tag=manifest.source.tag or "",
        remarks=tuple(remarks),
    )


def _read(path: Path, labels: tuple[str, ...], probabilities: bool) -> pd.DataFrame:
    """Read the columns that are needed; a run may have no probabilities, but not those of some tags only."""
    try:
        names = pq.read_schema(path).names
        missing = [column for column in _COLUMNS if column not in names]
        chances = [f"{PROBABILITY_PREFIX}{label}" for label in labels]
        if any(name.startswith(PROBABILITY_PREFIX) for name in names):
            missing += [column for column in chances if column not in names]
        else:
            chances = []
        if missing:
            raise BundleError(f"{path}: column {missing[0]} is missing; {_REMEDY}.")
        table = pq.read_table(path, columns=[*_COLUMNS, *(chances if probabilities else ())])
        frame: pd.DataFrame = table.to_pandas()
        return frame.astype(dict.fromkeys(_COLUMNS, "str"))
    except (OSError, pa.ArrowException, ValueError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); {_REMEDY}.") from None


def _known(
    bundle: Bundle, frame: pd.DataFrame, places: np.ndarray, remarks: list[str]
) -> tuple[pd.DataFrame, np.ndarray]:
    """Leave out predictions for ids that the data set does not have."""
    strangers = places < 0
    count = int(strangers.sum())
    if count == len(frame):
        raise BundleError(
            f"{bundle.predictions_path()}: none of its {count:,} ids is in the data set "
            f"{bundle.manifest.dataset.digest}, so nobody knows which texts were answered; {_REMEDY}."
        )
    if count:
        remarks.append(
            f"Run {bundle.run_id} has {count:,} {'prediction' if count == 1 else 'predictions'} for ids that its data "
            f"set does not have, such as {frame['id'].to_numpy(object)[strangers][0]!r}; left out."
        )
    return frame[~strangers], places[~strangers]


def _complete(bundle: Bundle, frame: pd.DataFrame, judged: np.ndarray, remarks: list[str]) -> np.ndarray:
    """Return which rows have a true and a predicted tag."""
    complete = frame["tag"].notna().to_numpy(bool) & frame["predicted_tag"].notna().to_numpy(bool)
    if count := int((judged & ~complete).sum()):
        remarks.append(
            f"Run {bundle.run_id} has {count:,} {'row' if count == 1 else 'rows'} to be judged on without a true or a "
            "predicted tag; left out."
        )
    return complete


def _trained_elsewhere(parameters: dict[str, Any]) -> bool:
    # The manifest may have come from anywhere, too.
    training = parameters.get("training")
    return isinstance(training, dict) and training.get("trained_elsewhere") is True


def slices_of(
    answers: Answers, dataset: Dataset, slices: Mapping[str, SliceDefinition] | None = None
) -> dict[str, np.ndarray]:
    """Find the slices of the rows that a run was judged on.

    Parameters
    ----------
    answers
        Of the run.
    dataset
        Its data set, which has all of its ids.
    slices
        Name to slice; those of the configuration by default. They are computed anew, so it does not matter by which
        definitions the run was once judged.

    Returns
    -------
    dict of str to numpy.ndarray
        Name to mask, bool, shape (n,): the rows of `answers`.

    Raises
    ------
    engine.errors.TagscopeError
        A slice fails; it is named.
    """
    places = pd.Index(dataset.frame["id"].to_numpy(object)).get_indexer(pd.Index(answers.ids))
    frame = dataset.frame.iloc[places][["text", "created"]].reset_index(drop=True)
    tags = pd.Series(np.asarray(answers.tags, dtype=object)[answers.true], dtype="str")
    return slice_masks(frame.assign(tag=tags, split=TEST), all_slices() if slices is None else slices)
