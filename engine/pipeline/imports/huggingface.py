"""`tagscope import hf`: a local Hugging Face directory becomes a run.

An encoder gets a classification head, trained here on its frozen embeddings; a fine-tuned sequence classifier is
taken as it is and judged.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from engine.dataset.cleaning import DEFAULT_STEPS
from engine.errors import TrainingError
from engine.pipeline.filling import torch_filler
from engine.pipeline.imports.request import CLEANING, TRAINED_ELSEWHERE
from engine.pipeline.imports.row_embeddings import STAGE, embed_rows, embedding_cache
from engine.pipeline.progress import silent
from engine.pipeline.rows import TRAIN, Rows, Splitting, load_rows, rows_to_learn
from engine.pipeline.run import FilledModel, TrainResult, write_run
from engine.runs.store import RunStore, open_store
from engine.runs.tokenizer import SubwordTokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from engine.dataset.fields import Fields
    from engine.pipeline.progress import Progress
    from engine.runs.tokenizer import Tokenizer
    from engine.training.pretrained import Pretrained


STAGES = ("Load", "Embed", "Train", "Export", "Check parity", "Evaluate", "Write", STAGE)
# An encoder has read addresses in its pretraining and makes something of them: on the lesson's folds weighted F1 is
# 0.925 with them and 0.923 without. Markup tells it nothing.
ENCODER_CLEANING = tuple(step for step in DEFAULT_STEPS if step != "urls")
_TEXTS_TO_COMPARE = 100


def import_huggingface(
    directory: Path,
    *,
    data: Path,
    fields: Fields,
    splitting: Splitting | None = None,
    holdout: Path | None = None,
    labels: Sequence[str] = (),
    max_tokens: int | None = None,
    max_cell_characters: int = 100_000,
    version: str = "",
    encoder_options: Sequence[str] = (),
    store: RunStore | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Make a run of a local Hugging Face directory.

    Parameters
    ----------
    directory
        Holds `config.json`, `model.safetensors` and a tokenizer. Nothing is fetched, and nothing in it is run.
    data
        A labelled CSV: an encoder's head is trained on it, and the run is judged on it.
    fields
        Its columns.
    splitting
        For an encoder: which tags are kept and which share of the rows is held out.
    holdout
        For an encoder: a second CSV with the same columns, judged on instead of a share of `data`.
    labels
        For a classifier: its tags, in the order of its outputs; those of its `config.json` where they are not given.
    max_tokens
        Texts are cut after so many tokens; where the model's authors cut them if it is None.
    max_cell_characters
        A longer cell is refused.
    version
        A name for this version of the data.
    encoder_options
        Names of what a person asked for that only an encoder heeds: a classifier refuses to ignore it.
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
        The directory or the data cannot be used; nothing was written.
    """
    # Only here: loading torch takes seconds, and only this command needs `transformers`.
    from engine.training.pretrained import read_pretrained

    store = store or open_store()
    report = progress or silent
    report("Load", 0.0)
    pretrained = read_pretrained(directory)
    if pretrained.is_classifier:
        unheeded = [*encoder_options, *(["--holdout"] if holdout is not None else [])]
        if unheeded:
            raise TrainingError(
                f"{directory}: this classifier is trained already, so every row is judged on with the tags that it "
                f"has; leave out {', '.join(unheeded)}."
            )
        tags = _tags(pretrained, labels)
        rows = load_rows(
            data,
            fields,
            tags,
            cleaning=CLEANING,
            max_cell_characters=max_cell_characters,
            version=version,
        )
        return _write_classifier(pretrained, rows, fields, max_tokens, store, report)
    if labels:
        raise TrainingError(
            f"{directory}: this is an encoder, whose head learns the tags of the data; leave out --labels."
        )
    splitting = splitting or Splitting()
    rows = rows_to_learn(
        data,
        fields,
        splitting,
        holdout=holdout,
        cleaning=ENCODER_CLEANING,
        max_cell_characters=max_cell_characters,
        version=version,
    )
    training = {**asdict(splitting), "accepted": list(splitting.accepted), "holdout": holdout.name if holdout else None}
    return _train_encoder(pretrained, rows, fields, training, max_tokens, store, report)


def _train_encoder(
    pretrained: Pretrained,
    rows: Rows,
    fields: Fields,
    training: dict[str, Any],
    max_tokens: int | None,
    store: RunStore,
    report: Progress,
) -> TrainResult:
    from engine.training.head import train_head

    report("Load", 1.0)
    stages = {"embed": "Embed", "fit": "Train"}
    model = train_head(
        pretrained,
        *rows.part(TRAIN),
        len(rows.labels),
        cache=embedding_cache(),
        validation=rows.validation,
        seed=training["seed"],
        max_tokens=max_tokens,
        progress=lambda stage, share: report(stages[stage], share),
    )
    result = write_run(
        store=store,
        model=model.name,
        rows=rows,
        fields=fields,
        fill=_filler(pretrained, model.module, model.tokenizer, rows, report),
        parameters={
            "source": _source(pretrained),
            "training": training,
            "model": model.parameters,
            "options": model.options,
            "history": model.history,
        },
        cleaning=ENCODER_CLEANING,
        progress=report,
    )
    return _with_embeddings(result, pretrained, model.module, model.tokenizer, rows, store, report)


def _write_classifier(
    pretrained: Pretrained,
    rows: Rows,
    fields: Fields,
    max_tokens: int | None,
    store: RunStore,
    report: Progress,
) -> TrainResult:
    from engine.training.encoder import SequenceClassifier
    from engine.training.head import checked_max_tokens

    tokenizer = SubwordTokenizer(pretrained.tokenizer, checked_max_tokens(pretrained, max_tokens))
    module = SequenceClassifier(pretrained.config, pretrained.pad_id)
    module.model.load_state_dict(pretrained.model.state_dict())
    module.eval()
    report("Load", 1.0)
    result = write_run(
        store=store,
        model="sequence-classifier",
        rows=rows,
        fields=fields,
        fill=_filler(pretrained, module, tokenizer, rows, report),
        parameters={
            "source": _source(pretrained),
            "training": TRAINED_ELSEWHERE,
            "model": module.config,
        },
        cleaning=CLEANING,
        progress=report,
    )
    return _with_embeddings(result, pretrained, module, tokenizer, rows, store, report)


def _with_embeddings(
    result: TrainResult,
    pretrained: Pretrained,
    module: Any,
    tokenizer: Tokenizer,
    rows: Rows,
    store: RunStore,
    report: Progress,
) -> TrainResult:
    remark = embed_rows(store.open(result.manifest.run_id), pretrained, module, tokenizer, rows, report)
    return replace(result, remarks=(remark,)) if remark else result


def _filler(
    pretrained: Pretrained, module: nn.Module, tokenizer: Tokenizer, rows: Rows, report: Progress
) -> Callable[[Path], FilledModel]:
    return torch_filler(
        module,
        tokenizer,
        [tokenizer.encode(text) for text in rows.held_out[:_TEXTS_TO_COMPARE]],
        report,
        vocabulary_size=min(tokenizer.vocabulary_size, pretrained.vocabulary_size),
        pad_id=pretrained.pad_id,
    )


def _tags(pretrained: Pretrained, given: Sequence[str]) -> tuple[str, ...]:
    tags = tuple(given) or pretrained.outputs
    count = pretrained.num_outputs
    if not tags:
        raise TrainingError(
            f"{pretrained.name}: the classifier only numbers its {count} outputs; name them in their order with "
            "--labels."
        )
    if len(tags) != count:
        raise TrainingError(
            f"{pretrained.name}: the classifier has {count} outputs, but {len(tags)} labels were given; give one for "
            "each, in their order."
        )
    wrong = next((tag for tag in tags if not tag or tags.count(tag) > 1), None)
    if wrong is not None:
        what = "stands twice" if wrong else "is empty"
        raise TrainingError(
            f"{pretrained.name}: the label {wrong!r} {what}; name each output of the classifier once, with --labels."
        )
    return tags


def _source(pretrained: Pretrained) -> dict[str, Any]:
    return {"format": "huggingface", "name": pretrained.name, "digest": pretrained.digest}
