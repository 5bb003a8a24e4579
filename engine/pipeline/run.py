"""Writing a run, whatever its model came from: filled, judged through what serves, sealed, published whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from config.settings import get_settings
from engine.dataset.cleaning import DEFAULT_STEPS, PREPROCESSING_VERSION
from engine.dataset.snapshot import save_dataset
from engine.disk import encode_json
from engine.evaluation.slices_file import all_slices
from engine.pipeline.judge import judge
from engine.pipeline.progress import silent
from engine.pipeline.provenance import environment, slices_digest, source
from engine.pipeline.rows import TEST
from engine.runs.bundle import PERFORMANCE_NAME, PREDICTIONS_NAME, Bundle, seal
from engine.runs.manifest import NO_TOKENIZER, SCHEMA_VERSION, DatasetReference, Manifest, TokenizerReference
from engine.runs.predictions import predictions_frame, write_predictions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd

    from engine.dataset.fields import Fields
    from engine.evaluation.declared_slices import SliceDefinition
    from engine.pipeline.progress import Progress
    from engine.pipeline.rows import Rows
    from engine.runs.store import RunStore


# What `write_run` reports; `Export` and `Check parity` are the filler's.
STAGES = ("Export", "Check parity", "Evaluate", "Write")


@dataclass(frozen=True)
class FilledModel:
    """What was put into the folder of a run that has a model.

    Attributes
    ----------
    tokenizer
        Format of the `tokenizer.json` there, where texts are cut, and what pads.
    parity
        How far `model.onnx` is from what it was made of; fit for JSON.
    parts
        `model`, `tokenizer` and, where there is a `model.safetensors`, `weights`.
    """

    tokenizer: TokenizerReference
    parity: dict[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ("model", "tokenizer", "weights")


@dataclass(frozen=True)
class TrainResult:
    """What came of it: the run's manifest, its performance and the rows that were left out (id, row, reason).

    `remarks` are sentences about what a person should know that is no part of the run.
    """

    manifest: Manifest
    performance: dict[str, Any]
    left_out: pd.DataFrame
    remarks: tuple[str, ...] = ()


def write_run(
    *,
    store: RunStore,
    model: str,
    rows: Rows,
    fields: Fields,
    fill: Callable[[Path], FilledModel] | None,
    parameters: dict[str, Any],
    cleaning: tuple[str, ...] = DEFAULT_STEPS,
    predictions: pd.DataFrame | None = None,
    parent: str | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Write a run: its model and tokenizer, what it answers for each row, and how good that is.

    Parameters
    ----------
    store
        Where the run goes.
    model
        The kind of model, such as `ngram`; for people and for `engine.training.trainer.build_module`.
    rows
        What it is judged on (those of the split `test`), and what else it answers.
    fields
        The data's columns, as they were asked for.
    fill
        Puts `model.onnx`, `tokenizer.json` and `model.safetensors` into the folder that it is called with. None
        makes a run without a model: then `predictions` are given.
    parameters
        How the model came to be; fit for JSON. `parameters["model"]` builds the module again.
    cleaning
        The steps that `rows.texts` went through.
    predictions
        Of a run without a model, a row for each of `rows` in their order: columns as
        `engine.runs.predictions.predictions_frame` makes them, the probabilities left out where nobody knows them.
    parent
        Id of the run whose rows kept their split.
    progress
        Called with a stage of `STAGES` and the share of it done, 0 to 1.

    Raises
    ------
    engine.errors.TagscopeError
        Something cannot be used or written; no run is left behind.
    """
    report = progress or silent
    if (fill is None) is (predictions is None):
        raise ValueError("a run has a model or predictions that were given, one of the two")
    slices = all_slices()  # read once: figures and digest are of the same definitions
    run_id = store.allocate()
    with store.writing(run_id) as folder:
        filled = fill(folder) if fill else FilledModel(NO_TOKENIZER, parts=())
        dataset = rows.dataset
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            run_id=run_id,
            task="text-classification",
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            model=model,
            labels=rows.labels,
            text_fields=fields.text,
            label_field=fields.label,
            cleaning=cleaning,
            preprocessing_version=PREPROCESSING_VERSION,
            tokenizer=filled.tokenizer,
            dataset=DatasetReference(
                dataset.digest, dataset.version, dataset.name, len(dataset.frame), len(dataset.left_out)
            ),
            slices_digest=slices_digest(slices),
            parameters=parameters,
            parts=(*filled.parts, "performance", "predictions"),
            parent_run=parent,
            mapped_tags=rows.mapped,
            parity=filled.parity,
            source=source(),
            environment=environment(),
        )
        if predictions is None:
            manifest = seal(folder, manifest)
            predictions = _answers(Bundle(folder), rows, report)
        performance = _performance(rows, predictions, slices)
        report("Evaluate", 1.0)
        report("Write", 0.0)
        write_predictions(folder / PREDICTIONS_NAME, predictions)
        (folder / PERFORMANCE_NAME).write_bytes(encode_json(performance))
        manifest = seal(folder, manifest)
        save_dataset(dataset, get_settings().datasets_dir)
    report("Write", 1.0)
    return TrainResult(manifest, performance, dataset.left_out)


def _answers(bundle: Bundle, rows: Rows, report: Progress) -> pd.DataFrame:
    """Let the run answer all rows, through the ONNX model that will be served."""
    # Imported here: the module-level import would make `engine.pipeline.train --help` load ONNX Runtime.
    from engine.inference.model import ServedModel

    probabilities = ServedModel(bundle).probabilities(
        list(rows.texts), progress=lambda share: report("Evaluate", share)
    )
    ids = rows.dataset.frame["id"].to_list()
    return predictions_frame(ids, list(rows.split), list(rows.tags), probabilities, rows.labels)


def _performance(rows: Rows, predictions: pd.DataFrame, slices: Mapping[str, SliceDefinition]) -> dict[str, Any]:
    test = np.asarray(rows.split == TEST)
    predicted = predictions["predicted_tag"].to_numpy(dtype=object)[test]
    frame = rows.dataset.frame.loc[test, ["id", "text", "created"]].assign(tag=rows.tags[test], split=TEST)
    frame = frame.reset_index(drop=True)
    return {**judge(frame, predicted, rows.labels, slices), "split": TEST}
