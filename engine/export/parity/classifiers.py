"""Does a text classifier's ONNX model answer as its torch module does? Asked at many shapes, alone and in batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import BackendError, BundleError, ExportError
from engine.export.parity.comparison import compare
from engine.export.parity.invariance import batch_invariance
from engine.export.parity.text_cases import INPUT, OUTPUT, grid_cases, random_texts, text_cases
from engine.export.parity.torch_backend import TorchBackend

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from engine.backends.protocol import Backend, Session
    from engine.export.parity.comparison import Comparison

TOLERANCE = 1e-4


@dataclass(frozen=True)
class ParityReport:
    """How far the ONNX file is from the torch module.

    Attributes
    ----------
    difference
        Largest absolute difference of a logit, divided by `scale`.
    scale
        Largest absolute logit of the torch module.
    mates
        Largest absolute difference between the logits of a text alone and among others, divided by the largest logit.
    flips
        Texts whose first tag differs between torch and ONNX.
    mate_flips
        Texts whose first tag changes with the texts they are batched with.
    texts
        Number of rows compared.
    shapes
        (batch, sequence) of what was compared.
    """

    difference: float
    scale: float
    mates: float
    flips: int
    mate_flips: int
    texts: int
    shapes: tuple[tuple[int, int], ...]


def check_parity(
    module: nn.Module,
    model_bytes: bytes,
    backend: Backend | None = None,
    *,
    vocabulary_size: int,
    max_tokens: int,
    texts_ids: Sequence[Sequence[int]] = (),
    pad_id: int = 0,
) -> ParityReport:
    """Compare an ONNX model with the torch module it was made of.

    Random ids are compared at the shapes of `shape_grid`, some rows padded; then real texts, in batches and each
    alone.

    Parameters
    ----------
    module
        int64 [batch, sequence] -> float32 [batch, labels].
    model_bytes
        The ONNX model.
    backend
        Opens the model; ONNX Runtime as it is served by default.
    vocabulary_size
        Every id is below it.
    max_tokens
        Longest sequence.
    texts_ids
        Token ids of real texts, not padded; a few dozen are enough.
    pad_id
        The id that fills up a batch.

    Raises
    ------
    engine.errors.ExportError
        The model cannot be opened or run, or `difference` or `mates` exceeds 1e-4.
    """
    try:
        found = _TopOne((backend or OnnxRuntimeBackend()).open(model_bytes, name="The exported model"))
    except (BundleError, BackendError) as error:
        raise ExportError(str(error)) from None
    baseline = TorchBackend(module, (INPUT,), (OUTPUT,))
    expected = _TopOne(baseline.open(threads=torch.get_num_threads()))
    texts = [list(row[:max_tokens]) for row in texts_ids if len(row)]
    cases = grid_cases(vocabulary_size, max_tokens, pad_id=pad_id) + text_cases(texts, pad_id)

    comparison = compare(expected, found, cases)
    comparison.require(TOLERANCE)
    if not texts:
        texts = random_texts(vocabulary_size, max_tokens, pad_id)
    try:
        invariance = batch_invariance(found.session, texts, pad_id=pad_id, max_tokens=max_tokens)
    except BackendError as error:
        raise ExportError(str(error)) from None
    if not invariance.difference <= TOLERANCE:
        raise ExportError(
            f"The ONNX model's answer to a text changes by {invariance.difference:.1e} of the largest logit with the "
            "texts it is batched with: padding is not masked in the model; multiply by a mask of the padding wherever "
            "it sums over a text."
        )
    return ParityReport(
        difference=comparison.difference,
        scale=comparison.scale,
        mates=invariance.difference,
        flips=int((expected.first != found.first).sum()),
        mate_flips=invariance.flips,
        texts=len(expected.first),
        shapes=_shapes(comparison),
    )


class _TopOne:
    """A session that remembers the first tag of every row it answered."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._firsts: list[NDArray[Any]] = []

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        answer = self.session.run(feeds)
        if OUTPUT not in answer or answer[OUTPUT].ndim != 2:
            raise BackendError(
                f"The model has no {OUTPUT} [batch, labels] but {', '.join(answer)}; name its output {OUTPUT}."
            )
        self._firsts.append(answer[OUTPUT].argmax(1))
        return answer

    @property
    def first(self) -> NDArray[Any]:
        return np.concatenate(self._firsts)


def _shapes(comparison: Comparison) -> tuple[tuple[int, int], ...]:
    return tuple((case.shapes[INPUT][0], case.shapes[INPUT][1]) for case in comparison.cases)
