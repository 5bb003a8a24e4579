"""The judge: ONNX's own reference evaluator, which follows the text of the standard, slowly, in numpy.

Where ONNX Runtime and torch disagree, it says which of them reads the operator rightly. It is for small inputs, and
no truth of its own: it has mistakes too, so a disagreement is a question, not an answer.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from engine.backends.inspection import check_self_contained
from engine.backends.onnx_runtime import check_options
from engine.backends.protocol import FP32
from engine.errors import BackendError, BundleError, reason_of
from engine.export.parity.comparison import describe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# What it raises where it lacks an operator, or has it otherwise than the model wants.
_REFUSALS = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
)


class GatherElements(OpRun):
    """The operator of this name, mended: the evaluator's own fails on an axis of 64 or more."""

    op_domain = ""

    def _run(self, data: NDArray[Any], indices: NDArray[Any], axis: int = 0) -> tuple[NDArray[Any]]:
        return (np.take_along_axis(data, indices, axis),)


class ReferenceSession:
    """A model in the reference evaluator; see `engine.backends.protocol.Session`.

    Parameters
    ----------
    evaluator
        With the model loaded.
    name
        What to call the model in an error.
    """

    def __init__(self, evaluator: ReferenceEvaluator, name: str) -> None:
        self._evaluator = evaluator
        self._name = name
        # Nothing promises that one evaluator may run twice at a time.
        self._lock = threading.Lock()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch; see the protocol.

        Raises
        ------
        engine.errors.BackendError
            The evaluator cannot run this input, or the model's operators.
        """
        names = [str(name) for name in self._evaluator.output_names]
        try:
            # As other engines do, it answers overflow with infinity and says nothing.
            with self._lock, np.errstate(all="ignore"):
                answers = self._evaluator.run(names, dict(feeds))
        except _REFUSALS as error:
            shapes = describe({key: tuple(np.shape(value)) for key, value in feeds.items()})
            raise BackendError(
                f"{self._name}: the ONNX reference evaluator cannot run the model on {shapes} "
                f"({reason_of(error)}); judge it with another backend."
            ) from None
        return {key: np.asarray(answer) for key, answer in zip(names, answers, strict=True)}


class ReferenceBackend:
    """The reference evaluator of the `onnx` package; see `engine.backends.protocol.Backend`."""

    @property
    def name(self) -> str:
        """`reference`."""
        return "reference"

    @property
    def computes(self) -> tuple[str, ...]:
        """Only `fp32`: the types that stand in the file."""
        return (FP32,)

    def open(self, model: bytes, *, name: str, compute: str = FP32, threads: int = 1) -> ReferenceSession:
        """Load a model; `threads` means nothing here.

        Raises
        ------
        engine.errors.BundleError
            The model is none, needs more than its own bytes, or has an operator that the evaluator lacks.
        engine.errors.BackendError
            It does not compute so.
        """
        check_options(self, compute, threads)
        check_self_contained(model, name)
        try:
            evaluator = ReferenceEvaluator(model, new_ops=[GatherElements])
        except NotImplementedError as error:
            raise BundleError(
                f"{name}: the ONNX reference evaluator lacks an operator of the model ({reason_of(error)}); "
                "judge it with another backend."
            ) from None
        except (DecodeError, *_REFUSALS) as error:
            raise BundleError(
                f"{name}: the ONNX reference evaluator refuses the model ({reason_of(error)}); export it again."
            ) from None
        return ReferenceSession(evaluator, name)
