"""Filling the folder of a run whose model is a torch module: exported, saved, and compared with what it was made of."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.pipeline.run import FilledModel
from engine.runs.bundle import MODEL_NAME, TOKENIZER_NAME, WEIGHTS_NAME
from engine.runs.manifest import TokenizerReference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import nn

    from engine.pipeline.progress import Progress
    from engine.runs.tokenizer import Tokenizer


def torch_filler(
    module: nn.Module,
    tokenizer: Tokenizer,
    texts_ids: Sequence[Sequence[int]],
    report: Progress,
    *,
    vocabulary_size: int,
    pad_id: int = 0,
    exporting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Callable[[Path], FilledModel]:
    """Return what `write_run` calls to fill the folder.

    Parameters
    ----------
    module
        int64 [batch, sequence] -> float32 logits [batch, labels].
    tokenizer
        Makes the ids that the module takes.
    texts_ids
        Token ids of real texts to compare the answers on.
    report
        Told of the stages `Export` and `Check parity`.
    vocabulary_size
        Every id that the module takes is below it.
    pad_id
        The id that fills up a batch.
    exporting
        Entered around the export alone.
    """
    from engine.export.exporter import export_classifier
    from engine.export.parity.classifiers import check_parity
    from engine.training.trainer import save_module

    limits: dict[str, Any] = {
        "vocabulary_size": vocabulary_size,
        "max_tokens": tokenizer.max_tokens,
        "pad_id": pad_id,
    }

    def fill(folder: Path) -> FilledModel:
        report("Export", 0.0)
        with exporting():
            exported = export_classifier(module, folder / MODEL_NAME, **limits)
        tokenizer.save(folder / TOKENIZER_NAME)
        save_module(module, folder / WEIGHTS_NAME)
        report("Export", 1.0)

        report("Check parity", 0.0)
        parity = check_parity(module, (folder / MODEL_NAME).read_bytes(), texts_ids=texts_ids, **limits)
        report("Check parity", 1.0)
        return FilledModel(
            TokenizerReference(tokenizer.format, tokenizer.max_tokens, pad_id),
            {"opset": exported.opset, **asdict(parity)},
        )

    return fill
