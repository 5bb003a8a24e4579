"""From a labelled CSV to a run bundle: the one path by which a run of our own comes to be.

Everything is computed before anything is kept: an error, or a kill at any moment, leaves no run behind.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from config.settings import Settings, get_settings
from config.slices import SLICES
from engine.dataset.cleaning import DEFAULT_STEPS, PREPROCESSING_VERSION, clean
from engine.dataset.fields import Fields
from engine.dataset.loading import load_table
from engine.dataset.snapshot import Dataset, save_dataset
from engine.dataset.splits import SPLITS, split_rows
from engine.dataset.tags import map_tags, require_tags
from engine.disk import encode_json
from engine.errors import DataError, TrainingError
from engine.evaluation.slices import slice_masks
from engine.pipeline.judge import judge
from engine.pipeline.provenance import environment, slices_digest, source
from engine.runs.bundle import (
    MODEL_NAME,
    PERFORMANCE_NAME,
    PREDICTIONS_NAME,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    Bundle,
    seal,
)
from engine.runs.manifest import SCHEMA_VERSION, DatasetReference, Manifest, TokenizerReference
from engine.runs.predictions import predictions_frame, read_predictions, write_predictions
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from engine.training.trainer import TrainedModel

    Progress = Callable[[str, float], None]

TRAIN, VALIDATION, TEST = SPLITS
STAGES = ("Load", "Train", "Export", "Check parity", "Evaluate", "Write")


@dataclass(frozen=True)
class TrainRequest:
    """What to train on and how.

    Parameters
    ----------
    data
        The labelled CSV.
    fields
        Its columns.
    holdout
        A second CSV with the same columns, judged on instead of a share of `data`.
    model
        `ngram` or `cnn`.
    accepted
        Tags to keep; empty keeps all. The others become `other`, as do tags with fewer than `min_count` rows.
    parent
        A run whose rows keep their split; its id is noted in the new run.
    version
        A name for this version of the data, such as `corrected`.
    """

    data: Path
    fields: Fields
    holdout: Path | None = None
    model: str = "ngram"
    accepted: tuple[str, ...] = ()
    min_count: int = 5
    seed: int = 0
    validation_share: float = 0.15
    test_share: float = 0.15
    max_tokens: int = 512
    max_cell_characters: int = 100_000
    parent: str | None = None
    version: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_settings(cls, settings: Settings, data: Path, **overrides: Any) -> TrainRequest:
        """Make a request of the settings; an override that is None leaves the setting."""
        given = {key: value for key, value in overrides.items() if value is not None}
        fields = Fields(
            text=given.pop("text", settings.data.text),
            label=given.pop("label", settings.data.label),
            id=given.pop("id", settings.data.id),
            created=given.pop("created", settings.data.created),
        )
        defaults = {
            **settings.training.model_dump(),
            "holdout": settings.resolve(settings.training.holdout) if settings.training.holdout else None,
            "max_cell_characters": settings.data.max_cell_characters,
            "version": settings.data.version,
        }
        return cls(data=data, fields=fields, **{**defaults, **given})


@dataclass(frozen=True)
class TrainResult:
    """What came of it: the run's manifest, its performance and the rows that were left out (id, row, reason)."""

    manifest: Manifest
    performance: dict[str, Any]
    left_out: pd.DataFrame


@dataclass(frozen=True)
class _Rows:
    """The data set's rows as the model sees them; every array has one element per row."""

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


def train(request: TrainRequest, store: RunStore | None = None, progress: Progress | None = None) -> TrainResult:
    """Train a model and write its run.

    Parameters
    ----------
    request
        What to train on and how.
    store
        Where the run goes; the store of the settings where it is None.
    progress
        Called with a stage of `STAGES` and the share of it done, 0 to 1.

    Returns
    -------
    TrainResult

    Raises
    ------
    engine.errors.TagscopeError
        The data, the settings or the model cannot be used; nothing was written.
    """
    store = store or open_store()
    report = progress or _silent
    report("Load", 0.0)
    parent = store.open(request.parent) if request.parent else None
    rows = _load(request, parent)
    report("Load", 1.0)

    # Only now: loading torch takes seconds, and a mistake in the data is told without it.
    from engine.export.exporter import export_onnx
    from engine.export.parity import check_parity
    from engine.training.trainer import save_weights, train_model

    model = train_model(
        request.model,
        *rows.part(TRAIN),
        len(rows.labels),
        validation=_validation(rows),
        seed=request.seed,
        max_tokens=request.max_tokens,
        options=request.options,
        progress=lambda _stage, share: report("Train", share),
    )
    report("Train", 1.0)

    run_id = store.allocate()
    with store.writing(run_id) as folder:
        report("Export", 0.0)
        exported = export_onnx(
            model.module,
            folder / MODEL_NAME,
            max_tokens=request.max_tokens,
            vocabulary_size=model.tokenizer.vocabulary_size,
        )
        model.tokenizer.save(folder / TOKENIZER_NAME)
        save_weights(model, folder / WEIGHTS_NAME)
        report("Export", 1.0)

        report("Check parity", 0.0)
        held_out = [model.tokenizer.encode(text) for text in rows.texts[rows.split != TRAIN][:500]]
        parity = check_parity(
            model.module,
            (folder / MODEL_NAME).read_bytes(),
            vocabulary_size=model.tokenizer.vocabulary_size,
            max_tokens=request.max_tokens,
            texts_ids=held_out,
        )
        report("Check parity", 1.0)

        manifest = seal(folder, _manifest(run_id, request, rows, model, {"opset": exported.opset, **asdict(parity)}))
        performance, probabilities = _evaluate(Bundle(folder), rows, report)
        frame = predictions_frame(
            rows.dataset.frame["id"].to_list(), list(rows.split), list(rows.tags), probabilities, rows.labels
        )
        write_predictions(folder / PREDICTIONS_NAME, frame)
        (folder / PERFORMANCE_NAME).write_bytes(encode_json(performance))
        report("Write", 0.0)
        manifest = seal(folder, manifest)
        save_dataset(rows.dataset, get_settings().datasets_dir)
    report("Write", 1.0)
    return TrainResult(manifest, performance, rows.dataset.left_out)


def _load(request: TrainRequest, parent: Bundle | None) -> _Rows:
    limit = request.max_cell_characters
    table = load_table(request.data, request.fields, max_cell_characters=limit)
    holdout = None
    if request.holdout:
        holdout = load_table(request.holdout, request.fields, max_cell_characters=limit, minimum_tags=1)
    dataset = Dataset.from_table(table, name=request.data.stem, holdout=holdout, version=request.version or None)
    frame = dataset.frame
    tags, mapped = map_tags(frame["tag"], request.accepted, request.min_count)
    slice_masks(frame, SLICES)  # a slice that fails is told before the model is trained
    require_tags(tags, frame["tag"], request.accepted, request.min_count)
    labels = tuple(sorted(set(tags)))
    split = split_rows(
        frame["id"].to_list(),
        tags.to_list(),
        seed=request.seed,
        validation_share=request.validation_share,
        test_share=0.0 if holdout is not None else request.test_share,
        previous=_splits_of(parent, frame["id"]) if parent else None,
        holdout=set(frame.loc[frame["holdout"], "id"]),
    )
    if not (split == TEST).any():
        raise TrainingError(
            f"{request.data}: no row is held out to judge the model on; raise `training.test_share` or give --holdout."
        )
    texts = np.array([clean(text) for text in frame["text"]], dtype=object)
    return _Rows(dataset, texts, tags.to_numpy(dtype=object), split, labels, mapped)


def _splits_of(parent: Bundle, ids: pd.Series) -> dict[str, str]:
    frame = read_predictions(parent)
    if not ids.isin(frame["id"]).any():
        raise DataError(
            f"Run {parent.run_id} has no row in common with this data, so it cannot be its parent; leave out --parent."
        )
    return dict(zip(frame["id"], frame["split"], strict=True))


def _validation(rows: _Rows) -> tuple[list[str], np.ndarray] | None:
    texts, targets = rows.part(VALIDATION)
    return (texts, targets) if texts else None


def _evaluate(bundle: Bundle, rows: _Rows, report: Progress) -> tuple[dict[str, Any], np.ndarray]:
    """Judge the run through the ONNX model that will be served; probabilities are those of all rows."""
    # Imported here: the module-level import would make `engine.pipeline.train --help` load ONNX Runtime.
    from engine.inference.model import ServedModel

    probabilities = ServedModel(bundle).probabilities(
        list(rows.texts), progress=lambda share: report("Evaluate", share)
    )
    test = rows.split == TEST
    predicted = np.asarray(rows.labels, dtype=object)[probabilities[test].argmax(axis=1)]
    frame = rows.dataset.frame.loc[test, ["id", "text"]].assign(tag=rows.tags[test]).reset_index(drop=True)
    return {**judge(frame, predicted, rows.labels), "split": TEST}, probabilities


def _manifest(run_id: str, request: TrainRequest, rows: _Rows, model: TrainedModel, parity: dict[str, Any]) -> Manifest:
    dataset = rows.dataset
    settings = {
        "seed": request.seed,
        "accepted": list(request.accepted),
        "min_count": request.min_count,
        "validation_share": request.validation_share,
        "test_share": request.test_share,
        "holdout": request.holdout.name if request.holdout else None,
    }
    return Manifest(
        schema_version=SCHEMA_VERSION,
        run_id=run_id,
        task="text-classification",
        created=datetime.now(UTC).isoformat(timespec="milliseconds"),
        model=request.model,
        labels=rows.labels,
        text_fields=request.fields.text,
        label_field=request.fields.label,
        cleaning=DEFAULT_STEPS,
        preprocessing_version=PREPROCESSING_VERSION,
        tokenizer=TokenizerReference(model.tokenizer.format, request.max_tokens),
        dataset=DatasetReference(
            dataset.digest, dataset.version, dataset.name, len(dataset.frame), len(dataset.left_out)
        ),
        slices_digest=slices_digest(SLICES),
        parameters={"training": settings, "model": model.parameters, "options": model.options},
        parts=("model", "tokenizer", "weights", "performance", "predictions"),
        parent_run=request.parent,
        mapped_tags=rows.mapped,
        parity=parity,
        source=source(),
        environment=environment(),
    )


def _silent(_stage: str, _share: float) -> None:
    return None
