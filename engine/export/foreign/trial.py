"""Does an adopted graph work at every size, and as ONNX defines its operators? Tried, not believed.

ONNX Runtime, with the options that serve, is compared with the ONNX reference evaluator; and each real text alone
with the same text among others, since a graph from elsewhere may not mask its padding.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import BackendError, BundleError, ExportError
from engine.export.parity.comparison import distance, magnitude
from engine.export.parity.invariance import batch_invariance, count_flips
from engine.export.parity.reference_backend import ReferenceBackend
from engine.export.parity.text_cases import INPUT, OUTPUT, grid_cases, text_cases

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session
    from engine.export.foreign.adoption import Adopted

TOLERANCE = 1e-4
# Of a graph with 16-bit floats or quantised weights, which every engine rounds in its own way.
_COARSE_TOLERANCE = 5e-2
# The reference evaluator is slow: larger cases go through ONNX Runtime alone.
_MOST_JUDGED = 1_100
_TEXTS_JUDGED = 32


@dataclass(frozen=True)
class Trial:
    """How an adopted graph answers.

    Attributes
    ----------
    judge
        What ONNX Runtime was compared with; empty where the reference evaluator lacks an operator of the graph.
    difference
        Largest absolute difference of a logit between the two, divided by `scale`; None without a judge.
    tolerance
        What `difference` may be at most.
    scale
        Largest absolute logit.
    mates
        Largest absolute difference between the logits of a text alone and among others, divided by `scale`.
    flips
        Rows whose first tag differs between the two.
    mate_flips
        Texts whose first tag changes with the texts they are batched with.
    texts
        Number of rows compared.
    shapes
        (batch, sequence) of what was tried.
    """

    judge: str
    difference: float | None
    tolerance: float
    scale: float
    mates: float
    flips: int
    mate_flips: int
    texts: int
    shapes: tuple[tuple[int, int], ...]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know of it, in sentences; empty where nothing is unusual."""
        found = []
        if not self.judge:
            found.append(
                "The ONNX reference evaluator lacks an operator of this model, so only ONNX Runtime speaks for its "
                "answers."
            )
        if self.mate_flips or self.mates > TOLERANCE:
            found.append(
                f"The answer to a text changes with the texts it is batched with, by up to {self.mates:.2g} times the "
                f"largest logit, and its first tag in {self.mate_flips} of {self.texts} texts: padding is not masked "
                "in this model, or it rounds by the whole batch. So each text is answered by itself, which is slower."
            )
        return tuple(found)

    def record(self) -> dict[str, Any]:
        """As it stands under `parity` in `run.json`."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}


def try_adopted(
    adopted: Adopted,
    *,
    where: str,
    labels: int,
    pad_id: int,
    vocabulary_size: int,
    max_tokens: int,
    texts_ids: Sequence[Sequence[int]],
) -> Trial:
    """Run an adopted graph at many shapes and on real texts.

    Parameters
    ----------
    adopted
        The graph.
    where
        What to call its file in an error.
    labels
        Number of labels.
    pad_id
        The id that fills up a batch.
    vocabulary_size
        Every id of the tokenizer is below it.
    max_tokens
        Longest sequence.
    texts_ids
        Token ids of real texts, not padded; at least one.

    Raises
    ------
    engine.errors.ExportError
        The graph fails at a size, answers for another number of labels, with what is no number or with
        probabilities where logits are due, or differently than ONNX defines its operators.
    """
    return _Run(adopted, where, labels, pad_id).judge(vocabulary_size, max_tokens, texts_ids)


class _Run:
    """An open session of an adopted graph, which says in words what is wrong with an answer."""

    def __init__(self, adopted: Adopted, where: str, labels: int, pad_id: int) -> None:
        self._adopted = adopted
        self._where = where
        self._labels = labels
        self._pad_id = pad_id
        try:
            self._session: Session = OnnxRuntimeBackend().open(adopted.content, name=where)
        except BundleError as error:
            raise ExportError(str(error)) from None

    def judge(self, vocabulary_size: int, max_tokens: int, texts: Sequence[Sequence[int]]) -> Trial:
        self._check_vocabulary(vocabulary_size)
        grid = grid_cases(vocabulary_size, max_tokens, pad_id=self._pad_id)
        # Small ones first: what fails at any size is told by the smallest.
        grid.sort(key=lambda case: case[INPUT].size)
        cases = grid + text_cases(texts[:_TEXTS_JUDGED], self._pad_id)
        found = [self.run(case)[OUTPUT] for case in cases]
        self._check_values(np.concatenate(found))
        scale = max(map(magnitude, found)) or 1.0
        tolerance = _COARSE_TOLERANCE if self._adopted.coarse else TOLERANCE
        judged = [number for number, case in enumerate(cases) if case[INPUT].size <= _MOST_JUDGED]
        expected = self._judged([cases[number] for number in judged])
        difference, flips = None, 0
        if expected is not None:
            pairs = [(wanted, found[number]) for number, wanted in zip(judged, expected, strict=True)]
            difference = max(distance(*pair) for pair in pairs) / scale
            flips = sum(count_flips(*pair) for pair in pairs)
            if not difference <= tolerance:
                raise ExportError(
                    f"{self._where}: ONNX Runtime answers otherwise than ONNX defines the model's operators, by "
                    f"{difference:.1e} of the largest logit (more than {tolerance:.0e}); export the model again, with "
                    "a newer exporter or opset."
                )
        mates = batch_invariance(self, texts, pad_id=self._pad_id, max_tokens=max_tokens)
        if self._adopted.fixed and not mates.difference <= _COARSE_TOLERANCE:
            self._fixed_sizes("the answer to a text changes with the texts around it at other sizes")
        return Trial(
            judge="" if expected is None else "ONNX reference evaluator",
            difference=difference,
            tolerance=tolerance,
            scale=scale,
            mates=mates.difference,
            flips=flips,
            mate_flips=mates.flips,
            texts=mates.texts,
            shapes=tuple((case[INPUT].shape[0], case[INPUT].shape[1]) for case in cases),
        )

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch, as `engine.backends.protocol.Session`."""
        batch, sequence = feeds[INPUT].shape
        size = f"batch {batch}, sequence {sequence}"
        try:
            logits = self._session.run(feeds)[OUTPUT]
        except BackendError as error:
            if self._adopted.fixed:
                self._fixed_sizes(f"it does not work at {size}")
            raise ExportError(
                f"{self._where}: the model fails at {size} ({_place(error)}); export it with batch and sequence as "
                "dynamic axes (torch.onnx.export with dynamo=False ties some layers to the sizes of its example, "
                "whatever dynamic_axes say), or give a smaller --max-tokens where only long texts fail."
            ) from None
        if logits.ndim != 2 or len(logits) != batch:
            if self._adopted.fixed:
                self._fixed_sizes(f"it answers {size} with the shape {list(logits.shape)}")
            raise ExportError(
                f"{self._where}: the model answers {size} with the shape {list(logits.shape)}, not with one row per "
                "text; name its classifier's output with --output, or export it with a dynamic batch axis."
            )
        if logits.shape[1] != self._labels:
            raise ExportError(
                f"{self._where}: the model answers with {logits.shape[1]} columns, and {self._labels} labels are "
                "named; give --labels with one label per column, in their order."
            )
        if not np.isfinite(logits).all():
            raise ExportError(
                f"{self._where}: the model answers {size} with what is no number (NaN or infinity); export it again, "
                "in fp32."
            )
        return {OUTPUT: logits}

    def _check_vocabulary(self, size: int) -> None:
        """Tell a tokenizer of another model, or its padding, from a graph that fails for another reason."""
        ids = [token for token in range(size) if token != self._pad_id]
        self.run({INPUT: np.array([ids[:1]], dtype=np.int64)})
        self.run({INPUT: np.array([ids[:1] * 2], dtype=np.int64)})
        try:
            self.run({INPUT: np.array([[ids[0], self._pad_id]], dtype=np.int64)})
        except ExportError:
            raise ExportError(
                f"{self._where}: the model fails at the id that pads, {self._pad_id}; name the one that it was trained "
                "with by --pad-id."
            ) from None
        try:
            self.run({INPUT: np.array([ids[-1:]], dtype=np.int64)})
        except ExportError:
            raise ExportError(
                f"{self._where}: the model fails at the tokenizer's last id, {ids[-1]}, so this is the tokenizer of "
                "another model; give the one that the model was trained with."
            ) from None

    def _fixed_sizes(self, reason: str) -> NoReturn:
        sizes = " and ".join(f"{name} at {size}" for name, size in map(str.split, self._adopted.fixed))
        raise ExportError(
            f"{self._where}: the model was exported with {sizes} fixed, and {reason}; export it again with batch and "
            "sequence as dynamic axes."
        ) from None

    def _check_values(self, logits: NDArray[Any]) -> None:
        if self._adopted.logarithm:
            if logits.max() > TOLERANCE:
                raise ExportError(
                    f"{self._where}: the model's answers are no probabilities, some are above 1; leave out "
                    "--probabilities."
                )
        elif logits.min() >= 0 and np.abs(logits.sum(axis=1) - 1).max() < 1e-3:
            raise ExportError(
                f"{self._where}: the model's answers are probabilities already (each row sums to 1); say so with "
                "--probabilities."
            )

    def _judged(self, cases: list[dict[str, NDArray[Any]]]) -> list[NDArray[Any]] | None:
        """Answers of the reference evaluator; None where it cannot run the graph."""
        try:
            session = ReferenceBackend().open(self._adopted.content, name=self._where)
            return [session.run(case)[OUTPUT] for case in cases]
        except (BundleError, BackendError):
            return None


def _place(error: BackendError) -> str:
    """Name the node at which ONNX Runtime stopped; its whole message where it names none."""
    found = re.search(r"running (\w+) node\. Name:'([^']*)'", str(error))
    return f"in its {found[1]} {found[2]}" if found else str(error).rstrip(".")
