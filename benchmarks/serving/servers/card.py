"""What every peer's server shares: the model's files, the text's way to ids, and the way from logits to an answer.

Runs in the peer's own environment: no torch, no HTTP, and of Tagscope only its cleaning and its tokenizers.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from engine.dataset.cleaning import clean
from engine.runs.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PROCESSES = int(os.environ.get("SERVING_PROCESSES", "2"))
BATCH = int(os.environ.get("SERVING_BATCH", "1"))
WAIT_MS = int(os.environ.get("SERVING_WAIT", "0"))
PORT = int(os.environ.get("SERVING_PORT", "0"))


class Ask(msgspec.Struct):
    """Body of a request; the benchmark sends one text in each."""

    texts: list[str]


class Card(msgspec.Struct, frozen=True):
    """Where a model's files are, and how a text becomes its ids.

    Attributes
    ----------
    onnx, pt, tokenizer
        Paths.
    format, max_tokens, pad_id, cleaning, labels
        As the run's `run.json` has them.
    """

    onnx: str
    pt: str
    tokenizer: str
    format: str
    max_tokens: int
    pad_id: int
    cleaning: tuple[str, ...]
    labels: tuple[str, ...]


class Reader:
    """Turns texts into padded ids and logits into answers.

    Parameters
    ----------
    card
        Describes the model; the one that `SERVING_CARD` names where it is None.
    """

    def __init__(self, card: Card | None = None) -> None:
        self.card = card or msgspec.json.decode(Path(os.environ["SERVING_CARD"]).read_bytes(), type=Card)
        self._tokenizer = load_tokenizer(Path(self.card.tokenizer), self.card.format, self.card.max_tokens)

    def ids(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return padded ids, int64 [texts, longest]."""
        found = [self._tokenizer.encode(clean(text, self.card.cleaning)) for text in texts]
        if len(found) == 1:
            return np.array(found, dtype=np.int64)
        batch = np.full((len(found), max(map(len, found))), self.card.pad_id, dtype=np.int64)
        for row, ids in zip(batch, found, strict=True):
            row[: len(ids)] = ids
        return batch

    def answers(self, logits: NDArray[np.float32]) -> list[dict[str, Any]]:
        """One answer per row of logits [texts, labels]: the tag and all probabilities."""
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = powers / powers.sum(axis=1, keepdims=True)
        labels = self.card.labels
        return [
            {"predicted_tag": labels[best], "probabilities": dict(zip(labels, row, strict=True))}
            for best, row in zip(rows.argmax(axis=1).tolist(), rows.tolist(), strict=True)
        ]


class OnnxTagger(Reader):
    """Answers texts with ONNX Runtime on one thread."""

    def __init__(self, card: Card | None = None) -> None:
        import onnxruntime as ort

        super().__init__(card)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(self.card.onnx, options, providers=["CPUExecutionProvider"])

    def tag(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Answer texts as one padded batch."""
        (logits,) = self._session.run(["logits"], {"input_ids": self.ids(texts)})
        return self.answers(logits)


class TorchTagger(Reader):
    """Answers texts with the whole torch module of a `.pt` file, eager, on one thread."""

    def __init__(self, card: Card | None = None) -> None:
        import torch

        super().__init__(card)
        torch.set_num_threads(1)
        self._torch = torch
        # Our own file of a moment ago; what a `.pt` with a whole module needs.
        self._module = torch.load(self.card.pt, weights_only=False).eval()

    def tag(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Answer texts as one padded batch."""
        with self._torch.inference_mode():
            logits = self._module(self._torch.from_numpy(self.ids(texts)))
        return self.answers(logits.numpy())
