"""`tagscope import onnx`: an ONNX text classifier from elsewhere becomes a run."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from engine.errors import DataError
from engine.pipeline.imports.request import CLEANING, TRAINED_ELSEWHERE, ImportRequest, read_parts
from engine.pipeline.progress import silent
from engine.pipeline.run import FilledModel, TrainResult, write_run
from engine.runs.bundle import MODEL_NAME, TOKENIZER_NAME
from engine.runs.store import RunStore, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from engine.pipeline.progress import Progress


STAGES = ("Load", "Rewrite", "Check parity", "Evaluate", "Write")


def import_onnx(
    model: Path,
    request: ImportRequest,
    *,
    output: str | None = None,
    probabilities: bool = False,
    store: RunStore | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Make a run of an ONNX file.

    The graph may take `input_ids`, an attention mask and token types, and answer with logits or probabilities; it is
    rewritten to take ids alone and to answer with logits (`engine.export.foreign.adoption`), then tried at many sizes.

    Parameters
    ----------
    model
        The file.
    request
        Its labels, its tokenizer, and what it is judged on.
    output
        The output to take, where the file has several that fit.
    probabilities
        Whether the output is probabilities, also where no Softmax at its end shows it.
    store
        Where the run goes; the store of the settings where it is None.
    progress
        Called with a stage of `STAGES` and the share of it done, 0 to 1.

    Returns
    -------
    TrainResult
        What is unusual about the model stands in its manifest under `parameters`, `source`, `remarks`.

    Raises
    ------
    engine.errors.TagscopeError
        A file cannot be used, or the model does not answer as it should; nothing was written.
    """
    report = progress or silent
    report("Load", 0.0)
    content = read_bytes(model)
    parts = read_parts(request)
    report("Load", 1.0)

    # Only now: loading onnx takes a second, and a mistake in the files beside it is told without it.
    from engine.export.foreign.adoption import adopt
    from engine.export.foreign.trial import try_adopted

    report("Rewrite", 0.0)
    adopted = adopt(
        content,
        where=str(model),
        labels=len(parts.labels),
        pad_id=parts.tokenizer.pad_id,
        output=output,
        probabilities=probabilities,
    )
    report("Rewrite", 1.0)
    report("Check parity", 0.0)
    trial = try_adopted(
        adopted,
        where=str(model),
        labels=len(parts.labels),
        pad_id=parts.tokenizer.pad_id,
        vocabulary_size=parts.tokenizer.tokenizer.vocabulary_size,
        max_tokens=parts.tokenizer.tokenizer.max_tokens,
        texts_ids=parts.texts_ids,
    )
    report("Check parity", 1.0)

    def fill(folder: Path) -> FilledModel:
        (folder / MODEL_NAME).write_bytes(adopted.content)
        parts.tokenizer.tokenizer.save(folder / TOKENIZER_NAME)
        return FilledModel(
            parts.tokenizer.reference, {"opset": adopted.opset, **trial.record()}, parts=("model", "tokenizer")
        )

    parameters = {
        "source": {
            "format": "onnx",
            "name": model.name,
            "digest": hashlib.sha256(content).hexdigest(),
            "inputs": list(adopted.inputs),
            "output": adopted.output,
            "fixed": list(adopted.fixed),
            "changes": list(adopted.changes),
            "remarks": list(trial.remarks),
        },
        "training": TRAINED_ELSEWHERE,
        "model": {},
    }
    return write_run(
        store=store or open_store(),
        model="onnx",
        rows=parts.rows,
        fields=request.fields,
        fill=fill,
        parameters=parameters,
        cleaning=CLEANING,
        progress=report,
    )


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises
    ------
    engine.errors.DataError
        It is not there, or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: the file cannot be read ({error.strerror}); check the name and the folder you are in."
        ) from None
