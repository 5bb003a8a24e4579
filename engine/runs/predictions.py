"""`predictions.parquet`: what a run answered for each row of its data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.runs.bundle import Bundle

PROBABILITY_PREFIX = "probability:"
_COLUMNS = ("id", "split", "tag", "predicted_tag")


def predictions_frame(
    ids: Sequence[str],
    splits: Sequence[str],
    tags: Sequence[str],
    probabilities: np.ndarray,
    labels: Sequence[str],
) -> pd.DataFrame:
    """Put predictions into the bundle's form.

    Parameters
    ----------
    ids, splits, tags
        One per row; `tags` are the true ones.
    probabilities
        Float array, rows x labels.
    labels
        Tags in the order of the columns of `probabilities`.

    Returns
    -------
    pandas.DataFrame
        Columns id, split, tag, predicted_tag and `probability:<tag>` (float32) per label.
    """
    best = np.asarray(labels, dtype=object)[probabilities.argmax(axis=1)] if len(probabilities) else []
    frame = pd.DataFrame({"id": ids, "split": splits, "tag": tags, "predicted_tag": best}, dtype="str")
    columns = {
        f"{PROBABILITY_PREFIX}{label}": probabilities[:, index].astype(np.float32) for index, label in enumerate(labels)
    }
    return pd.concat([frame, pd.DataFrame(columns, index=frame.index)], axis=1)


def write_predictions(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame made by `predictions_frame` as zstd-compressed Parquet."""
    frame.to_parquet(path, index=False, compression="zstd")


def read_predictions(bundle: Bundle, *, probabilities: bool = True) -> pd.DataFrame:
    """Read a run's predictions.

    Parameters
    ----------
    bundle
        The run.
    probabilities
        Whether their columns are read as well; with many tags they are most of the file.

    Returns
    -------
    pandas.DataFrame
        As `predictions_frame`.

    Raises
    ------
    engine.errors.BundleError
        The run has none, the file lacks a column, or a probability is no number.
    """
    path = bundle.predictions_path()
    try:
        if probabilities:
            frame = pd.read_parquet(path)
        else:
            there = set(pq.read_schema(path).names)
            frame = pd.read_parquet(path, columns=[name for name in _COLUMNS if name in there])
    except (OSError, pa.ArrowException) as error:
        raise BundleError(f"{path}: cannot be read ({error}); restore the run or train it again.") from None
    missing = [column for column in _COLUMNS if column not in frame]
    if missing:
        raise BundleError(f"{path}: column {missing[0]} is missing; restore the run or train it again.")
    for column in frame.columns[frame.columns.str.startswith(PROBABILITY_PREFIX)]:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            raise BundleError(f"{path}: column {column} does not hold numbers; restore the run or train it again.")
    return frame


def probability_matrix(frame: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Return the probabilities of a predictions frame: float32, rows x labels, columns in the order of `labels`."""
    return frame[[f"{PROBABILITY_PREFIX}{label}" for label in labels]].to_numpy(dtype=np.float32)


def read_probabilities(bundle: Bundle, ids: np.ndarray) -> np.ndarray | None:
    """Read the probabilities of some rows, and nothing else of the predictions.

    Parameters
    ----------
    bundle
        A run whose predictions were read before, so that its columns are known to be there.
    ids : numpy.ndarray
        object of str, shape (n,).

    Returns
    -------
    numpy.ndarray or None
        float32, shape (n, labels); None where the run has none.

    Raises
    ------
    engine.errors.BundleError
        They cannot be read.
    """
    path = bundle.predictions_path()
    names = [f"{PROBABILITY_PREFIX}{label}" for label in bundle.labels]
    try:
        if names[0] not in pq.read_schema(path).names:
            return None
        table = pq.read_table(path, columns=["id", *names])
        known = pc.cast(table["id"], pa.large_string()).combine_chunks()
        rows = pc.index_in(pa.array(ids, pa.large_string()), value_set=known).to_numpy(zero_copy_only=False)
        matrix = np.empty((len(ids), len(names)), np.float32)
        for place, name in enumerate(names):
            matrix[:, place] = table[name].to_numpy()[rows]
    except (OSError, pa.ArrowException, ValueError, TypeError, IndexError) as error:
        raise BundleError(f"{path}: cannot be read ({error}); restore the run or train it again.") from None
    return matrix
