"""The first operator whose answer differs: between two ONNX models, two engines, or a torch module and its model.

Values inside of a model are compared by name: a model that was quantised or optimised keeps the names of what it did
not take out, and the exporter names values after the nodes of the torch program. They are computed a few dozen at a
time, so a short input does for a large model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from engine.backends.onnx_runtime import OnnxRuntimeSession, open_session, session_options
from engine.backends.protocol import FP32
from engine.errors import BackendError, BundleError, ExportError
from engine.export.parity.comparison import distance, magnitude
from engine.export.parity.tracing import TorchValues, source_line, trace
from engine.export.worker.conversion import INNER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from engine.backends.protocol import Backend, Session
    from engine.export.axes import Axis

TOLERANCE = 1e-4
# What a value is measured against at least: what is left where equal numbers cancel out is noise on any engine.
_SMALLEST_SCALE = 1e-2
# Values of one run.
_AT_ONCE = 64


@dataclass(frozen=True)
class Divergence:
    """Where two models part.

    Attributes
    ----------
    operator
        Operator type, such as `MatMul`, `tagscope::Steep` or, of a torch program, `aten.linear.default`.
    name
        Name of its node.
    difference
        Largest difference of its answer, as a share of its largest value; infinite for another shape, or for what
        is not a number.
    value
        Name of its answer in both models.
    answered_by
        Operator type that gives the value in the model that was judged.
    line
        Source line of the torch module, outside of torch itself, where it is known.
    """

    operator: str
    name: str
    difference: float
    value: str
    answered_by: str
    line: str = ""

    def __str__(self) -> str:
        instead = f", computed by {self.answered_by}" if self.answered_by != self.operator else ""
        where = f" ({self.line})" if self.line else ""
        return (
            f"The first operator that differs is {self.operator}{instead}: its value {self.value} is off by "
            f"{self.difference:.1e} of its largest element{where}."
        )


def first_divergence(
    expected: bytes,
    found: bytes,
    feeds: Mapping[str, NDArray[Any]],
    *,
    tolerance: float = TOLERANCE,
    expected_backend: Backend | None = None,
    found_backend: Backend | None = None,
    found_compute: str = FP32,
) -> Divergence | None:
    """Find the first operator of an ONNX model whose answer a second one does not give.

    Parameters
    ----------
    expected
        The model whose values are right, as one file.
    found
        The model that is judged: the same one for another engine, or one that was rewritten from it.
    feeds
        An input of both; a short one does.
    tolerance
        Largest difference of a value, as a share of its largest element.
    expected_backend, found_backend
        What computes the values; ONNX Runtime without any graph optimisation where it is None.
    found_compute
        Precision that `found_backend` computes in.

    Returns
    -------
    Divergence or None
        None where all values that both models have are within the tolerance.

    Raises
    ------
    engine.errors.ExportError
        A model cannot be read or run, or the models have no value in common.
    """
    first, second = _read(expected, "The expected model"), _read(found, "The model that is judged")
    theirs = _producers(second)
    values = [
        _Value(name, _operator(node), node.name, _operator(theirs[name]))
        for name, node in _producers(first).items()
        if name in theirs
    ]
    return _first(
        values,
        _OnnxValues(first, feeds, "The expected model", expected_backend),
        _OnnxValues(second, feeds, "The model that is judged", found_backend, found_compute),
        tolerance,
    )


def first_torch_divergence(
    module: nn.Module,
    found: bytes,
    feeds: Mapping[str, NDArray[Any]],
    *,
    dynamic: Mapping[str, Mapping[int, Axis]],
    translations: Mapping[str, Callable[..., Any]] | None = None,
    tolerance: float = TOLERANCE,
    found_backend: Backend | None = None,
) -> Divergence | None:
    """Find the first operator of a torch module whose answer its ONNX model does not give.

    The module is traced once more, in this process, at the sizes of `feeds`; then its program and the model are
    compared value by value.

    Parameters
    ----------
    module
        What the model was exported from.
    found
        The ONNX model, as one file.
    feeds
        An input, by parameter of `forward`; a short one does, of size 2 or more on dynamic axes.
    dynamic
        Dynamic axes of the export: axis by dimension, by input.
    translations
        Those of the export: `namespace::operator` -> onnxscript function.
    tolerance
        Largest difference of a value, as a share of its largest element.
    found_backend
        What computes the model's values; ONNX Runtime without any graph optimisation where it is None.

    Returns
    -------
    Divergence or None
        None where all values that both have are within the tolerance.

    Raises
    ------
    engine.errors.ExportError
        The module cannot be traced, a model cannot be read or run, or the two have no value in common.
    """
    model = _read(found, "The ONNX model")
    outputs = [output.name for output in model.graph.output]
    program = trace(module.eval(), feeds, dynamic, len(outputs), translations or {})
    nodes = {node.name: node for node in program.graph.nodes if node.op == "call_function"}
    # The model's outputs have names of their own.
    renamed = {name: str(given) for name, given in zip(outputs, program.graph_signature.user_outputs, strict=False)}
    values = []
    for name, node in _producers(model).items():
        # A value inside had to give up its name where an output has it.
        made = name
        while made not in nodes and made.endswith(INNER):
            made = made.removesuffix(INNER)
        if made != name and made in outputs:
            renamed[name] = made
        torch_node = nodes.get(renamed.get(name, name))
        if torch_node is not None:
            values.append(
                _Value(name, str(torch_node.target), torch_node.name, _operator(node), source_line(torch_node))
            )
    return _first(
        values,
        TorchValues(program, feeds, renamed),
        _OnnxValues(model, feeds, "The ONNX model", found_backend),
        tolerance,
    )


@dataclass(frozen=True)
class _Value:
    name: str
    operator: str
    node: str
    answered_by: str
    line: str = ""


class _Values(Protocol):
    """Something that computes the values of a model by name, and leaves out what is no array."""

    def compute(self, names: Sequence[str]) -> Mapping[str, NDArray[Any]]: ...


def _first(values: Sequence[_Value], expected: _Values, found: _Values, tolerance: float) -> Divergence | None:
    if not values:
        raise ExportError(
            "The two models have no value of one name to compare; compare a model with what it was made from by "
            "tools that keep names."
        )
    for start in range(0, len(values), _AT_ONCE):
        part = values[start : start + _AT_ONCE]
        names = [value.name for value in part]
        wanted = expected.compute(names)
        answered = found.compute([name for name in names if name in wanted])
        for value in part:
            if value.name not in wanted or value.name not in answered:
                continue
            difference = _difference(wanted[value.name], answered[value.name])
            # `not (x <= limit)` also catches what is not a number.
            if not difference <= tolerance:
                return Divergence(
                    value.operator, value.node or value.name, difference, value.name, value.answered_by, value.line
                )
    return None


def _difference(expected: NDArray[Any], found: NDArray[Any]) -> float:
    if expected.shape != found.shape:
        return math.inf
    return distance(expected, found) / max(magnitude(expected), _SMALLEST_SCALE)


class _OnnxValues:
    """Values of an ONNX model, which it gives because they are made its outputs."""

    def __init__(
        self,
        model: onnx.ModelProto,
        feeds: Mapping[str, NDArray[Any]],
        name: str,
        backend: Backend | None,
        compute: str = FP32,
    ) -> None:
        self._model = model
        self._feeds = feeds
        self._name = name
        self._backend = backend
        self._compute = compute

    def compute(self, names: Sequence[str]) -> Mapping[str, NDArray[Any]]:
        own = list(self._model.graph.output)
        del self._model.graph.output[:]
        # Without a type: engines infer it.
        self._model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        content = self._model.SerializeToString()
        del self._model.graph.output[:]
        self._model.graph.output.extend(own)
        try:
            answers = self._open(content).run(self._feeds)
        except (BackendError, BundleError) as error:
            raise ExportError(str(error)) from None
        return {name: value for name, value in answers.items() if isinstance(value, np.ndarray)}

    def _open(self, content: bytes) -> Session:
        if self._backend is not None:
            return self._backend.open(content, name=self._name, compute=self._compute)
        import onnxruntime as ort

        options = session_options()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return OnnxRuntimeSession(open_session(content, self._name, options=options), self._name)


def _read(content: bytes, name: str) -> onnx.ModelProto:
    try:
        return onnx.load_from_string(content)
    except DecodeError as error:
        raise ExportError(f"{name} is not a whole ONNX model ({error}); export it again.") from None


def _producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    """Return the node that gives each value of the main graph, in the order of computation."""
    return {name: node for node in model.graph.node for name in node.output if name}


def _operator(node: onnx.NodeProto) -> str:
    return f"{node.domain}::{node.op_type}" if node.domain else node.op_type
