"""Does the ONNX file answer as the torch module does? Asked at many shapes, with the options that are served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from engine.errors import BundleError, ExportError
from engine.runs.session import open_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnxruntime as ort
    from numpy.typing import NDArray
    from torch import nn

TOLERANCE = 1e-4
_SEED = 20_240_229
_BATCH = 32
_MATES = 13
# A forward pass at the largest shape stays below so many tokens.
_MOST_TOKENS = 65_536


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
        Largest absolute difference between the logits of a text alone and among others, divided by `scale`.
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
    session_factory: Callable[[bytes], ort.InferenceSession] | None = None,
    *,
    vocabulary_size: int,
    max_tokens: int,
    texts_ids: Sequence[Sequence[int]] = (),
) -> ParityReport:
    """Compare an ONNX model with the torch module it was made of.

    Random ids are compared at (1, 1), (1, longest), (batch, 1), prime sizes and (2, longest), some rows
    padded; then real texts, in batches and each alone.

    Parameters
    ----------
    module
        int64 [batch, sequence] -> float32 [batch, labels].
    model_bytes
        The ONNX model.
    session_factory
        Opens a session of the bytes; the served one by default.
    vocabulary_size
        Every id is below it; 0 pads.
    max_tokens
        Longest sequence.
    texts_ids
        Token ids of real texts, not padded; a few dozen are enough.

    Raises
    ------
    engine.errors.ExportError
        The session cannot be made or run, or `difference` or `mates` exceeds 1e-4.
    """
    session = _session(model_bytes, session_factory)
    texts = [list(row[:max_tokens]) for row in texts_ids if len(row)]
    cases = _random_cases(vocabulary_size, max_tokens)
    cases += [_padded(texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]

    module.eval()
    shapes: list[tuple[int, int]] = []
    expected: list[NDArray[np.float32]] = []
    found: list[NDArray[np.float32]] = []
    for ids in cases:
        shapes.append((ids.shape[0], ids.shape[1]))
        with torch.no_grad():
            expected.append(module(torch.from_numpy(ids)).numpy())
        found.append(_answer(session, ids))
        if found[-1].shape != expected[-1].shape:
            raise ExportError(
                f"At {shapes[-1]} the ONNX model answers with shape {found[-1].shape}, torch with "
                f"{expected[-1].shape}; export the model again."
            )
    wanted, answered = np.concatenate(expected), np.concatenate(found)
    scale = float(np.abs(wanted).max())
    unit = scale if scale > 0 else 1.0
    # `not (x <= limit)` also catches NaN.
    differences = [float(np.abs(a - b).max()) / unit for a, b in zip(expected, found, strict=True)]
    worst = int(np.argmax(differences))
    if not max(differences) <= TOLERANCE:
        raise ExportError(
            f"The ONNX model differs from torch by {differences[worst]:.1e} of the largest logit at (batch, sequence) "
            f"= {shapes[worst]}, more than {TOLERANCE:.0e}; it is not used: export the model again."
        )
    together, alone = _with_and_without_mates(session, texts or _random_texts(vocabulary_size, max_tokens))
    mates = float(np.abs(together - alone).max()) / unit
    if not mates <= TOLERANCE:
        raise ExportError(
            f"The ONNX model's answer to a text changes by {mates:.1e} of the largest logit with the texts it is "
            "batched with; padding is not masked in the model."
        )
    return ParityReport(
        difference=max(differences),
        scale=scale,
        mates=mates,
        flips=int((wanted.argmax(1) != answered.argmax(1)).sum()),
        mate_flips=int((together.argmax(1) != alone.argmax(1)).sum()),
        texts=len(wanted),
        shapes=tuple(shapes),
    )


def _session(model_bytes: bytes, factory: Callable[[bytes], ort.InferenceSession] | None) -> ort.InferenceSession:
    try:
        return factory(model_bytes) if factory else open_session(model_bytes, "The exported model")
    except BundleError as error:
        raise ExportError(str(error)) from None


def _answer(session: ort.InferenceSession, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    try:
        logits: Any = session.run(["logits"], {"input_ids": ids})[0]
    except (states.Fail, states.InvalidArgument, states.RuntimeException, ValueError) as error:
        reason = str(error).splitlines()[0][:300]
        raise ExportError(
            f"The ONNX model fails at (batch, sequence) = {ids.shape} ({reason}); export the model again."
        ) from None
    return np.asarray(logits, dtype=np.float32)


def _random_cases(vocabulary_size: int, max_tokens: int) -> list[NDArray[np.int64]]:
    chance = np.random.default_rng(_SEED)
    wanted = [(1, 1), (1, max_tokens), (_BATCH, 1), (7, 13), (31, 5), (2, max_tokens), (_BATCH, max_tokens)]
    cases = []
    for batch, sequence in wanted:
        length = min(sequence, max_tokens)
        rows = max(1, min(batch, _MOST_TOKENS // length))
        ids = chance.integers(1, vocabulary_size, size=(rows, length), dtype=np.int64)
        # Every other row ends early; none is padding alone, for empty texts never reach a session.
        ends = chance.integers(1, length + 1, size=rows)
        ends[::2] = length
        ids[np.arange(length) >= ends[:, None]] = 0
        cases.append(ids)
    return cases


def _random_texts(vocabulary_size: int, max_tokens: int) -> list[list[int]]:
    chance = np.random.default_rng(_SEED + 1)
    longest = min(max_tokens, 64)
    return [
        chance.integers(1, vocabulary_size, size=int(length)).tolist()
        for length in chance.integers(1, longest + 1, size=_BATCH)
    ]


def _padded(texts: Sequence[Sequence[int]], longest: int = 0) -> NDArray[np.int64]:
    ids = np.zeros((len(texts), max(longest, *(len(row) for row in texts), 1)), dtype=np.int64)
    for number, row in enumerate(texts):
        ids[number, : len(row)] = row
    return ids


def _with_and_without_mates(
    session: ort.InferenceSession, texts: list[list[int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    together: list[NDArray[np.float32]] = []
    alone: list[NDArray[np.float32]] = []
    for start in range(0, len(texts), _MATES):
        part = texts[start : start + _MATES]
        together.append(_answer(session, _padded(part, longest=max(len(row) for row in part) + 3)))
        alone.extend(_answer(session, _padded([row])) for row in part)
    return np.concatenate(together), np.concatenate(alone)
