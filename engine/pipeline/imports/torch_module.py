"""`tagscope import torch`: somebody's own torch module, with its weights as safetensors, becomes a run."""

from __future__ import annotations

import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.errors import BackendError, ExportError
from engine.pipeline.filling import torch_filler
from engine.pipeline.imports.request import CLEANING, TRAINED_ELSEWHERE, ImportRequest, read_parts
from engine.pipeline.progress import silent
from engine.pipeline.run import TrainResult, write_run
from engine.runs.bundle import file_digest
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from engine.pipeline.progress import Progress


STAGES = ("Load", "Export", "Check parity", "Evaluate", "Write")
# The name under which `engine.training.trainer.build_module` builds it again.
MODEL = "torch"
_TEXTS_TRIED = 8
_SUM_TOLERANCE = 1e-3
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def import_torch(
    reference: str,
    weights: Path,
    request: ImportRequest,
    *,
    store: RunStore | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Make a run of a torch module.

    Parameters
    ----------
    reference
        `MODULE:FACTORY`, see `engine.training.factory`: called without arguments it gives an `nn.Module` that takes
        ids, int64 [batch, sequence], and answers with logits, float32 [batch, labels]. Its code is run.
    weights
        A safetensors file.
    request
        Its labels, its tokenizer, and what it is judged on.
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
        A file or the module cannot be used, or the exported model answers otherwise; nothing was written.
    """
    report = progress or silent
    report("Load", 0.0)
    parts = read_parts(request)
    tokenizer = parts.tokenizer.tokenizer

    # Only now: loading torch takes seconds, and a mistake in the files is told without it.
    from engine.training.factory import current_folder_importable, load_foreign_weights, make_module

    module = make_module(reference)
    load_foreign_weights(module, weights)
    words, pad_id = tokenizer.vocabulary_size, parts.tokenizer.pad_id
    _check_takes_ids(module, reference, words, pad_id)
    _check_answers(module, reference, len(parts.labels), parts.texts_ids[:_TEXTS_TRIED])
    report("Load", 1.0)

    fill = torch_filler(
        module,
        tokenizer,
        parts.texts_ids,
        report,
        vocabulary_size=words,
        pad_id=pad_id,
        exporting=current_folder_importable,
    )
    return write_run(
        store=store or open_store(),
        model=MODEL,
        rows=parts.rows,
        fields=request.fields,
        fill=fill,
        parameters={
            "source": {"format": "torch", "name": reference, "weights": weights.name, "digest": file_digest(weights)},
            "training": TRAINED_ELSEWHERE,
            "model": {"reference": reference},
        },
        cleaning=CLEANING,
        progress=report,
    )


def _check_takes_ids(module: nn.Module, reference: str, words: int, pad_id: int) -> None:
    """Tell a module that takes more than ids, and a tokenizer that is not its own, from one that just fails."""
    try:
        parameters = inspect.signature(module.forward).parameters
    except (TypeError, ValueError):
        # A compiled module may not tell; then it is only tried.
        parameters = MappingProxyType({})
    asked = [
        name
        for name, parameter in parameters.items()
        if parameter.default is parameter.empty and parameter.kind not in _ANY_NUMBER
    ]
    if len(asked) > 1:
        raise ExportError(
            f"{reference}: the module's forward asks for {', '.join(asked)}, and it is given ids alone; compute the "
            f"rest from the ids in it, such as a mask by `ids != {pad_id}`."
        )
    ids = [token for token in range(words) if token != pad_id]
    _answer(module, reference, [ids[0], ids[0]])
    for tried, remedy in (
        ([ids[0], ids[-1]], f"the tokenizer's last id, {ids[-1]}; give the tokenizer that it was trained with"),
        ([ids[0], pad_id], f"the id that pads, {pad_id}; name the one that it was trained with by --pad-id"),
    ):
        try:
            _answer(module, reference, tried)
        except ExportError:
            raise ExportError(f"{reference}: the module fails at {remedy}.") from None


def _check_answers(module: nn.Module, reference: str, labels: int, texts_ids: list[list[int]]) -> None:
    """Refuse a module that is no classifier of these labels before it is exported, which takes long."""
    import numpy as np

    found = np.stack([_answer(module, reference, ids, labels) for ids in texts_ids])
    if not np.isfinite(found).all():
        raise ExportError(
            f"{reference}: the module answers with what is no number (NaN or infinity), so its weights are damaged; "
            "save them again."
        )
    if found.min() >= 0 and np.abs(found.sum(axis=1) - 1).max() < _SUM_TOLERANCE:
        raise ExportError(
            f"{reference}: the module's answers are probabilities already (each row sums to 1); return the logits, as "
            "they are before its softmax."
        )


def _answer(module: nn.Module, reference: str, ids: list[int], labels: int | None = None) -> NDArray[np.float32]:
    """Return the logits of a text; it is given twice, as a batch that needs no padding."""
    import numpy as np

    from engine.export.parity.torch_backend import TorchBackend

    try:
        batch = np.array([ids, ids], dtype=np.int64)
        answer = TorchBackend(module).open(name=reference).run({"input_ids": batch})["logits"]
    except BackendError as error:
        # What the backend says last is for whoever chose the input.
        said = str(error).rpartition("; ")[0]
        raise ExportError(f"{said}; its forward must take ids, int64 [batch, sequence], of any size.") from None
    if answer.ndim != 2 or len(answer) != 2 or answer.dtype != np.float32:
        raise ExportError(
            f"{reference}: for 2 texts the module answers with {answer.dtype} {list(answer.shape)}; it must take ids "
            "[batch, sequence] and return logits, float32 [batch, labels]."
        )
    if labels is not None and answer.shape[1] != labels:
        raise ExportError(
            f"{reference}: the module answers with {answer.shape[1]} columns, and {labels} labels are named; give "
            "--labels with one label per column, in their order."
        )
    row: NDArray[np.float32] = answer[0]
    return row
