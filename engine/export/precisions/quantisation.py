"""fp32 -> int8: the large matrix products of a graph, with a scale that each row finds for itself or fixed scales.

ONNX Runtime's own dynamic quantisation takes one scale for a whole batch, so an answer depends on the texts beside
it: on MiniLM 1.5 % of first tags changed against torch and as many with the batch. Here every row (a token of a
text) is divided by its own largest value before it is rounded, in standard operators: answers do not depend on the
batch, and any engine runs the graph on its int8 instructions.
"""

from __future__ import annotations

import copy
import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from engine.backends.onnx_runtime import refusals, runtime_reason
from engine.errors import ExportError
from engine.export.graph import strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

# A matrix with fewer rows or columns costs next to nothing: the last layer, whose rounding would go straight into
# the answer, is left as it is.
_SMALLEST = 32
# ONNX Runtime's fast products take unsigned activations and signed weights. 128 stands for 0.
_ZERO = 128
_LEVELS = 127
# On processors without VNNI two products are added in 16 bits: weights of 7 bits cannot overflow them.
_LEVELS_WITHOUT_VNNI = 63
_PREFIX = "int8"
# Scales per column came with 13.
_OLDEST_OPSET = 13
_AXES_ARE_INPUTS = 18


def quantise_by_row(model: onnx.ModelProto, *, full_range: bool) -> onnx.ModelProto:
    """Let the large products of a graph be computed in int8, activations scaled row by row at run time.

    Parameters
    ----------
    model
        fp32; stays as it is.
    full_range
        Whether weights use 8 bits, for processors with VNNI or its like, or 7.

    Returns
    -------
    onnx.ModelProto
        In the quantise-dequantise form of standard operators.

    Raises
    ------
    engine.errors.ExportError
        There is nothing to quantise, or the model's operators are too old for it.
    """
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    if opset < _OLDEST_OPSET:
        raise ExportError(
            f"The model has operators of opset {opset}, and int8 needs {_OLDEST_OPSET} or later; export it anew."
        )
    model = copy.deepcopy(model)
    graph = model.graph
    weights = {weight.name: weight for weight in graph.initializer}
    chosen = {node.output[0] for node in products(model)}
    levels = _LEVELS if full_range else _LEVELS_WITHOUT_VNNI
    constants = [
        numpy_helper.from_array(np.array(1 / _LEVELS, np.float32), f"{_PREFIX}_scale"),
        numpy_helper.from_array(np.array(_ZERO, np.uint8), f"{_PREFIX}_zero"),
        # A row of zeros is divided by this.
        numpy_helper.from_array(np.array(1e-12, np.float32), f"{_PREFIX}_least"),
        numpy_helper.from_array(np.array([-1], np.int64), f"{_PREFIX}_axis"),
    ]
    nodes: list[onnx.NodeProto] = []
    rounded: set[str] = set()
    for node in graph.node:
        if node.output[0] not in chosen:
            nodes.append(node)
            continue
        given, name = node.input[0], f"{_PREFIX}_{len(nodes)}"
        if given not in rounded:
            rounded.add(given)
            nodes += _round_rows(given, opset)
        constants += _weights(node, numpy_helper.to_array(weights[node.input[1]]), name, levels)
        nodes += _product(node, given, name)
    used = {name for node in nodes for name in node.input} | {value.name for value in graph.output}
    kept = [weight for weight in graph.initializer if weight.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend([*kept, *constants])
    strip(model)
    return model


def quantise_static(model: onnx.ModelProto, batches: Iterable[Mapping[str, NDArray[Any]]]) -> onnx.ModelProto:
    """Let the large products and convolutions be computed in int8, activations scaled as calibration saw them.

    Products that narrow (a feed-forward block's way back) keep fp32: the few very large values among their inputs
    cost two thirds of all changed tags on MiniLM.

    Parameters
    ----------
    model
        fp32; stays as it is.
    batches
        Inputs to calibrate on.

    Raises
    ------
    engine.errors.ExportError
        There is nothing to quantise, or ONNX Runtime cannot do it.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType
    from onnxruntime.quantization import quantize_static as run

    weights = {weight.name: weight.dims for weight in model.graph.initializer}
    nodes = [node for node in products(model, convolutions=True) if not _narrows(node, weights)]
    if not nodes:
        raise _nothing()
    # Names are how the quantiser is told which nodes are meant.
    model = copy.deepcopy(model)
    chosen = {node.output[0] for node in nodes}
    for node in model.graph.node:
        node.name = f"{node.op_type}_{node.output[0]}"
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "model.onnx"
        try:
            run(
                model,
                path,
                _Batches(iter(batches)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_quantize=[node.name for node in model.graph.node if node.output[0] in chosen],
                calibrate_method=CalibrationMethod.MinMax,
            )
            quantised = onnx.load(path)
        except refusals(
            ValueError, RuntimeError, TypeError, KeyError, OverflowError, onnx.checker.ValidationError
        ) as error:
            reason = runtime_reason(error)
            raise ExportError(
                f"The model cannot be quantised with fixed scales ({reason}); give texts that it accepts, or use "
                "int8-dynamic."
            ) from None
    strip(quantised)
    return quantised


def products(model: onnx.ModelProto, *, convolutions: bool = False) -> list[onnx.NodeProto]:
    """Return the products with a large constant matrix (and convolutions) of the main graph.

    Raises
    ------
    engine.errors.ExportError
        There is none.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    found = [
        node
        for node in model.graph.node
        if len(node.input) > 1 and node.input[1] in weights and _fits(node, weights[node.input[1]], convolutions)
    ]
    if not found:
        raise _nothing()
    return found


def _nothing() -> ExportError:
    return ExportError(
        "There is nothing to quantise: the model has no product with a large matrix, and int8 would gain nothing; "
        "use fp32."
    )


def _fits(node: onnx.NodeProto, weight: onnx.TensorProto, convolutions: bool) -> bool:
    if weight.data_type != onnx.TensorProto.FLOAT or node.domain not in ("", "ai.onnx"):
        return False
    if node.op_type == "Conv":
        return convolutions and weight.dims[0] >= _SMALLEST
    if node.op_type not in ("MatMul", "Gemm") or len(weight.dims) != 2 or min(weight.dims) < _SMALLEST:
        return False
    attributes = _attributes(node)
    return not attributes.get("transA") and attributes.get("alpha", 1) == attributes.get("beta", 1) == 1


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _narrows(node: onnx.NodeProto, weights: Mapping[str, Any]) -> bool:
    if node.op_type == "Conv":
        return False
    rows, columns = weights[node.input[1]]
    if _attributes(node).get("transB"):
        rows, columns = columns, rows
    return bool(rows >= 2 * columns)


def _round_rows(given: str, opset: int) -> list[onnx.NodeProto]:
    scale, zero = f"{_PREFIX}_scale", f"{_PREFIX}_zero"
    absolute, top = f"{given}_abs", f"{given}_top"
    if opset >= _AXES_ARE_INPUTS:
        largest = helper.make_node("ReduceMax", [absolute, f"{_PREFIX}_axis"], [top], keepdims=1)
    else:
        largest = helper.make_node("ReduceMax", [absolute], [top], axes=[-1], keepdims=1)
    return [
        helper.make_node("Abs", [given], [absolute]),
        largest,
        helper.make_node("Max", [top, f"{_PREFIX}_least"], [f"{given}_largest"]),
        helper.make_node("Div", [given, f"{given}_largest"], [f"{given}_share"]),
        helper.make_node("QuantizeLinear", [f"{given}_share", scale, zero], [f"{given}_u8"]),
        helper.make_node("DequantizeLinear", [f"{given}_u8", scale, zero], [f"{given}_rounded"]),
    ]


def _weights(node: onnx.NodeProto, weight: NDArray[np.float32], name: str, levels: int) -> list[onnx.TensorProto]:
    if _attributes(node).get("transB"):
        weight = weight.T
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-12).astype(np.float32) / np.float32(levels)
    rounded = np.clip(np.rint(weight / scale), -levels, levels).astype(np.int8)
    return [
        numpy_helper.from_array(np.ascontiguousarray(rounded), f"{name}_weight"),
        numpy_helper.from_array(scale, f"{name}_scale"),
        numpy_helper.from_array(np.zeros(len(scale), np.int8), f"{name}_zero"),
    ]


def _product(node: onnx.NodeProto, given: str, name: str) -> list[onnx.NodeProto]:
    bias = node.input[2] if len(node.input) > 2 else ""
    output = node.output[0]
    scaled = f"{name}_scaled" if bias else output
    parts = [
        helper.make_node(
            "DequantizeLinear", [f"{name}_weight", f"{name}_scale", f"{name}_zero"], [f"{name}_dequantised"], axis=1
        ),
        helper.make_node("MatMul", [f"{given}_rounded", f"{name}_dequantised"], [f"{name}_product"]),
        helper.make_node("Mul", [f"{name}_product", f"{given}_largest"], [scaled]),
    ]
    return [*parts, helper.make_node("Add", [scaled, bias], [output])] if bias else parts


class _Batches:
    """Inputs, as ONNX Runtime's calibration asks for them."""

    def __init__(self, batches: Iterator[Mapping[str, NDArray[Any]]]) -> None:
        self._batches = batches

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        batch = next(self._batches, None)
        return None if batch is None else dict(batch)


@contextmanager
def _quiet() -> Iterator[None]:
    # The quantiser gives advice on the root logger.
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
