"""From a labelled CSV to a run bundle: the one path by which a run of our own comes to be.

Everything is computed before anything is kept: an error, or a kill at any moment, leaves no run behind.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.dataset.fields import Fields
from engine.pipeline.filling import torch_filler
from engine.pipeline.progress import silent
from engine.pipeline.rows import TRAIN, Splitting, rows_to_learn
from engine.pipeline.run import TrainResult, write_run
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from config.settings import Settings
    from engine.pipeline.progress import Progress


__all__ = ["STAGES", "TrainRequest", "TrainResult", "train"]

STAGES = ("Load", "Train", "Export", "Check parity", "Evaluate", "Write")

_TEXTS_TO_COMPARE = 500


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
    report = progress or silent
    report("Load", 0.0)
    parent = store.open(request.parent) if request.parent else None
    splitting = Splitting(
        request.accepted, request.min_count, request.seed, request.validation_share, request.test_share
    )
    rows = rows_to_learn(
        request.data,
        request.fields,
        splitting,
        holdout=request.holdout,
        parent=parent,
        max_cell_characters=request.max_cell_characters,
        version=request.version,
    )
    report("Load", 1.0)

    # Only now: loading torch takes seconds, and a mistake in the data is told without it.
    from engine.training.trainer import train_model

    model = train_model(
        request.model,
        *rows.part(TRAIN),
        len(rows.labels),
        validation=rows.validation,
        seed=request.seed,
        max_tokens=request.max_tokens,
        options=request.options,
        progress=lambda _stage, share: report("Train", share),
    )
    report("Train", 1.0)

    fill = torch_filler(
        model.module,
        model.tokenizer,
        [model.tokenizer.encode(text) for text in rows.held_out[:_TEXTS_TO_COMPARE]],
        report,
        vocabulary_size=model.tokenizer.vocabulary_size,
    )
    training = {
        "seed": request.seed,
        "accepted": list(request.accepted),
        "min_count": request.min_count,
        "validation_share": request.validation_share,
        "test_share": request.test_share,
        "holdout": request.holdout.name if request.holdout else None,
    }
    return write_run(
        store=store,
        model=request.model,
        rows=rows,
        fields=request.fields,
        fill=fill,
        parameters={"training": training, "model": model.parameters, "options": model.options},
        parent=request.parent,
        progress=report,
    )
