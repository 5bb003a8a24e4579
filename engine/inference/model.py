"""A run made ready to answer: cleaning, tokenizer and ONNX session behind one call from texts to probabilities."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.backends.onnx_runtime import open_session
from engine.dataset.cleaning import PREPROCESSING_VERSION, STEPS, clean
from engine.errors import BundleError
from engine.runs.bundle import TOKENIZER_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.runs.bundle import Bundle

# Padded tokens in one batch. Long and short texts never share a batch, so that little of it is padding.
_TOKENS_PER_BATCH = 16_384
_TEXTS_PER_BATCH = 256
# Largest change of a logit by the texts beside it, as a share of the largest logit, that is only rounding.
_MOST_FROM_MATES = 1e-4
LOGITS = "logits"


class ServedModel:
    """A run's model, loaded; may be shared by threads.

    Parameters
    ----------
    bundle
        A checked bundle with a model.

    Raises
    ------
    engine.errors.BundleError
        The run has no model, needs another version of the cleaning, or its parts do not fit each other.
    """

    def __init__(self, bundle: Bundle) -> None:
        manifest = bundle.manifest
        if manifest.preprocessing_version != PREPROCESSING_VERSION:
            raise BundleError(
                f"Run {bundle.run_id} was trained with cleaning version {manifest.preprocessing_version}, this "
                f"Tagscope has {PREPROCESSING_VERSION}; train the run again."
            )
        self.run_id = bundle.run_id
        self.labels = bundle.labels
        self.model_digest = manifest.model_digest
        self.model_name = manifest.model
        self._steps = manifest.cleaning
        # The same graph may serve runs that cut or clean texts differently: a cached answer must be of all of these.
        parts = (
            self.model_digest,
            manifest.files.get(TOKENIZER_NAME),
            manifest.tokenizer,
            self._steps,
            PREPROCESSING_VERSION,
        )
        self.identity = hashlib.sha256(msgspec.json.encode(parts)).digest()
        self._tokenizer = bundle.tokenizer()
        self._pad_id = manifest.tokenizer.pad_id
        mates = manifest.parity.get("mates")
        # Where the texts of a batch change each other's answers, as in some models from elsewhere, each goes alone.
        dependent = isinstance(mates, float) and mates > _MOST_FROM_MATES
        self._texts_per_batch = 1 if dependent else _TEXTS_PER_BATCH
        self._session = open_session(bundle.model_bytes(), f"Run {bundle.run_id}")
        unknown = [step for step in self._steps if step not in STEPS]
        if unknown:
            raise BundleError(
                f"Run {bundle.run_id}: unknown cleaning step {unknown[0]!r} (known: {', '.join(STEPS)}); install the "
                "Tagscope that made the run."
            )
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        if LOGITS not in outputs:
            raise BundleError(
                f"Run {bundle.run_id}: the model has no output {LOGITS!r}, only {', '.join(outputs)}; train it again."
            )
        if outputs[LOGITS][-1] != len(self.labels):
            raise BundleError(
                f"Run {bundle.run_id}: the model has {outputs[LOGITS][-1]} outputs for {len(self.labels)} labels; "
                "train it again."
            )

    def clean(self, text: str) -> str:
        """Clean a text as the run's training texts were cleaned; empty where nothing is left."""
        return clean(text, self._steps)

    def probabilities(self, texts: Sequence[str], progress: Callable[[float], None] | None = None) -> np.ndarray:
        """Answer cleaned texts.

        Parameters
        ----------
        texts
            Cleaned, none of them empty.
        progress
            Called with the share done, 0 to 1, after every batch.

        Returns
        -------
        numpy.ndarray
            float32, texts x labels; rows sum to 1.
        """
        result = np.empty((len(texts), len(self.labels)), dtype=np.float32)
        token_ids = [self._tokenizer.encode(text) for text in texts]
        done = 0
        for indices in _batches([len(ids) for ids in token_ids], self._texts_per_batch):
            length = max(len(token_ids[index]) for index in indices)
            batch = np.full((len(indices), length), self._pad_id, dtype=np.int64)
            for row, index in enumerate(indices):
                batch[row, : len(token_ids[index])] = token_ids[index]
            (logits,) = self._session.run([LOGITS], {"input_ids": batch})
            result[indices] = softmax(logits)
            done += len(indices)
            if progress:
                progress(done / len(texts))
        return result


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities from logits, along the last axis; same shape and dtype."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
    return probabilities


def _batches(lengths: Sequence[int], most: int) -> Iterator[list[int]]:
    """Group positions by similar length within the budget of padded tokens."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        # Sorted by length: the newest text is the longest, so it sets the padded size of the batch.
        if batch and ((len(batch) + 1) * lengths[index] > _TOKENS_PER_BATCH or len(batch) == most):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
