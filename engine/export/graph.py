"""What stands in an ONNX graph: its operators, its axes, and what only tells where it was made."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import onnx
import onnx.shape_inference
from google.protobuf.message import DecodeError

from engine.backends.inspection import check_self_contained
from engine.errors import BundleError, ExportError, reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PYTHON_OPERATORS = "ai.onnx.contrib"
_STANDARD = ("", "ai.onnx")
_DOMAINS_OF_ONNX_RUNTIME = ("com.microsoft",)


def strip(model: onnx.ModelProto) -> None:
    """Take out what only tells where and how the graph was made: source lines, stack traces, inner shapes.

    Inner shapes go because tools that rewrite the graph trip over stale ones; they are inferred again on load.
    """
    model.ClearField("metadata_props")
    model.doc_string = ""
    for graph in graphs(model):
        graph.doc_string = ""
        graph.ClearField("metadata_props")
        graph.ClearField("value_info")
        parts = list(graph.node)
        if isinstance(graph, onnx.GraphProto):
            graph.ClearField("quantization_annotation")
            parts += [*graph.initializer, *graph.input, *graph.output]
        for part in parts:
            part.doc_string = ""
            part.ClearField("metadata_props")
        for node in graph.node:
            for attribute in node.attribute:
                attribute.doc_string = ""


def graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """Give the graph, those of its functions, and those inside of their nodes."""
    waiting: list[Any] = [model.graph, *model.functions]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.type == onnx.AttributeProto.GRAPH:
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def census(model: onnx.ModelProto) -> dict[str, int]:
    """Count the operators, those of subgraphs and functions too; `domain::Name` where they are not of ONNX itself."""
    found: Counter[str] = Counter()
    for graph in graphs(model):
        for node in graph.node:
            found[node.op_type if node.domain in _STANDARD else f"{node.domain}::{node.op_type}"] += 1
    return dict(sorted(found.items()))


def axes(model: onnx.ModelProto) -> dict[str, tuple[int | str, ...]]:
    """Read the axes of inputs and outputs: a size, a name, or `?` where the file says neither."""
    weights = {weight.name for weight in model.graph.initializer}
    return {
        value.name: tuple(
            dimension.dim_value if dimension.HasField("dim_value") else dimension.dim_param or "?"
            for dimension in value.type.tensor_type.shape.dim
        )
        for value in (*(value for value in model.graph.input if value.name not in weights), *model.graph.output)
    }


def rename_axes(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Give axes other names, in expressions such as `s27 + 1` and in subgraphs too."""
    if not names:
        return
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    for graph in graphs(model):
        if not isinstance(graph, onnx.GraphProto):
            continue
        for value in (*graph.input, *graph.output, *graph.value_info):
            for dimension in value.type.tensor_type.shape.dim:
                if dimension.dim_param:
                    dimension.dim_param = pattern.sub(lambda found: names[found[1]], dimension.dim_param)


def engine_notes(operators: Mapping[str, int]) -> tuple[str, ...]:
    """Say which engines alone can run a graph with these operators; nothing where any can."""
    notes = []
    for name in operators:
        domain = name.rpartition("::")[0]
        if domain == PYTHON_OPERATORS:
            notes.append(f"runs on ONNX Runtime only, and only where the Python operator {name} is registered")
        elif domain in _DOMAINS_OF_ONNX_RUNTIME:
            notes.append(f"runs on ONNX Runtime only (operator {name})")
    return tuple(notes)


def check_model_bytes(content: bytes, where: str) -> onnx.ModelProto:
    """Read an ONNX file from elsewhere that needs nothing but its own bytes.

    Parameters
    ----------
    content
        The file's bytes, whatever they are.
    where
        What to call the file in an error.

    Raises
    ------
    engine.errors.ExportError
        It is damaged or no ONNX model, keeps data in another file, has operators that no engine has, or has no
        input.
    """
    try:
        check_self_contained(content, where)
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model)
    except BundleError as error:
        raise ExportError(str(error)) from None
    except (DecodeError, onnx.checker.ValidationError) as error:
        reason = reason_of(error)
        raise ExportError(
            f"{where}: this is not a whole ONNX model ({reason}); export the model again, or restore the file."
        ) from None
    weights = {weight.name for weight in model.graph.initializer}
    if all(value.name in weights for value in model.graph.input):
        raise ExportError(f"{where}: the ONNX model has no input and always gives the same answer; export it with one.")
    return model
