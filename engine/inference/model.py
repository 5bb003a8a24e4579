"""A run made ready to answer: cleaning, tokenizer and session behind one call from texts to probabilities."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from engine.backends.protocol import FP32
from engine.dataset.cleaning import PREPROCESSING_VERSION, STEPS, clean, is_plain
from engine.errors import BundleError, InferenceError
from engine.inference.plan import BatchPlan, measure_plan, one_by_one, tiled, warm_up_shapes
from engine.inference.sessions import DEFAULT_BACKEND, open_served
from engine.runs.bundle import TOKENIZER_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from engine.runs.bundle import Bundle

# Padded tokens in one batch of the offline path. Long and short texts never share a batch, so little is padding.
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
    backend, precision
        How it is computed, see `engine.inference.sessions`.
    batching
        False where it is known that, computed so, texts must go alone.
    plan
        How texts are put together; `plan_batches` measures one where it is None.

    Raises
    ------
    engine.errors.BundleError
        The run has no model, needs another version of the cleaning, or its parts do not fit each other.
    engine.errors.BackendError
        The backend is not installed here, or does not offer the precision.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: str = DEFAULT_BACKEND,
        precision: str = FP32,
        *,
        batching: bool = True,
        plan: BatchPlan | None = None,
    ) -> None:
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
        self.backend = backend
        self.precision = precision
        self._steps = manifest.cleaning
        # The same graph may serve runs that cut or clean texts differently: a cached answer must be of all of these.
        parts = (
            self.model_digest,
            manifest.files.get(TOKENIZER_NAME),
            manifest.tokenizer,
            self._steps,
            PREPROCESSING_VERSION,
            backend,
            precision,
        )
        self.identity = hashlib.sha256(msgspec.json.encode(parts)).digest()
        tokenizer = bundle.tokenizer()
        self.encode: Callable[[str], list[int]] = tokenizer.encode
        """Token ids of a cleaned text, at least one."""
        self.max_tokens = manifest.tokenizer.max_tokens
        self._pad_id = manifest.tokenizer.pad_id
        mates = manifest.parity.get("mates")
        # Where the texts of a batch change each other's answers, as in some models from elsewhere, each goes alone.
        self.batching = batching and not (isinstance(mates, float) and mates > _MOST_FROM_MATES)
        self._session = open_served(bundle, backend, precision)
        unknown = [step for step in self._steps if step not in STEPS]
        if unknown:
            raise BundleError(
                f"Run {bundle.run_id}: unknown cleaning step {unknown[0]!r} (known: {', '.join(STEPS)}); install the "
                "Tagscope that made the run."
            )
        self._some_id = self.encode("a")[0]
        self._check_outputs()
        self._profiled = plan
        self._plan: BatchPlan | None = None

    @property
    def plan(self) -> BatchPlan:
        """How many texts of which length are computed together; what was not given is measured at the first look."""
        if self._plan is None:
            plan = self._profiled or measure_plan(self.run_blank, self.max_tokens, batching=self.batching)
            if not self.batching:
                plan = one_by_one(plan)
            elif not self.precision.startswith(FP32):
                # Matrix units compute the shorter formats; in fp32 a length is as good as the next one.
                plan = tiled(plan, self.run_blank)
            self._plan = plan
        return self._plan

    def warm_up(self) -> None:
        """Run the batches that will be run most, so that no user waits for what a first run prepares."""
        for texts, tokens in warm_up_shapes(self.plan):
            self.run_blank(texts, tokens)

    def clean(self, text: str) -> str:
        """Clean a text as the run's training texts were cleaned; empty where nothing is left."""
        return text if is_plain(text) else clean(text, self._steps)

    def run(self, token_ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Compute one batch.

        Parameters
        ----------
        token_ids
            Ids of each text, at least one; shorter texts are filled up to the longest, and all to the plan's step.

        Returns
        -------
        numpy.ndarray
            float32, texts x labels; rows sum to 1.

        Raises
        ------
        engine.errors.BackendError
            The backend cannot run this input.
        engine.errors.InferenceError
            The model gives no numbers for it.
        """
        length = max(map(len, token_ids))
        if self._plan is not None:
            length = self._plan.padded(length)
        # One flat list is turned into an array several times faster than a row at a time (32 texts: 18 against 60 us).
        flat: list[int] = []
        for ids in token_ids:
            flat.extend(ids)
            if len(ids) < length:
                flat.extend([self._pad_id] * (length - len(ids)))
        batch = np.array(flat, dtype=np.int64).reshape(len(token_ids), length)
        rows = softmax(self._session.run({"input_ids": batch})[LOGITS])
        # NaN anywhere, and infinity as NaN, shows in the sum.
        if math.isnan(rows.sum()):
            raise InferenceError("The model's answer to this text is not a number; try another one.")
        return rows

    def run_blank(self, texts: int, tokens: int) -> NDArray[np.float32]:
        """Compute a batch of so many equal texts, to warm up or to measure."""
        return self.run([[self._some_id] * tokens] * texts)

    def probabilities(self, texts: Sequence[str], progress: Callable[[float], None] | None = None) -> np.ndarray:
        """Answer cleaned texts, outside of serving: no queue, no cache.

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
        token_ids = [self.encode(text) for text in texts]
        done = 0
        for indices in _batches([len(ids) for ids in token_ids], _TEXTS_PER_BATCH if self.batching else 1):
            result[indices] = self.run([token_ids[index] for index in indices])
            done += len(indices)
            if progress:
                progress(done / len(texts))
        return result

    def _check_outputs(self) -> None:
        found = self._session.run({"input_ids": np.array([[self._some_id]], dtype=np.int64)})
        if LOGITS not in found:
            raise BundleError(
                f"Run {self.run_id}: the model has no output {LOGITS!r}, only {', '.join(found)}; train it again."
            )
        if found[LOGITS].shape[-1] != len(self.labels):
            raise BundleError(
                f"Run {self.run_id}: the model has {found[LOGITS].shape[-1]} outputs for {len(self.labels)} labels; "
                "train it again."
            )


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities from logits, along the last axis; same shape and dtype."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities: NDArray[np.float32] = shifted / shifted.sum(axis=-1, keepdims=True)
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
