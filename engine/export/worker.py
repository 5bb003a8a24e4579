"""The process that exports one module and ends; `python -P -m engine.export.worker FOLDER`, see `exporter`.

It also ends when its standard input does: the parent holds the other end and lets go by ending.
"""

from __future__ import annotations

import errno
import importlib
import json
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import onnx.shape_inference
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from engine.export.exporter import ANSWER, DISK_FULL_STATUS, MODEL, REQUEST, WEIGHTS

if TYPE_CHECKING:
    from torch import nn

# Both at least 2 and different: an example of size 1, or two equal ones, can tie or freeze an axis.
_EXAMPLE_BATCH = 3
_EXAMPLE_SEQUENCE = 7

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_PARENT_GONE_STATUS = 1

_REFUSALS = (
    torch.onnx.OnnxExporterError,
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
    SafetensorError,
    ImportError,
    AttributeError,
    TypeError,
    ValueError,
    LookupError,
    OSError,
    RuntimeError,
)


def rebuild(folder: Path, request: dict[str, Any]) -> nn.Module:
    """Make the module of a request, with its weights, in evaluation mode."""
    kind = getattr(importlib.import_module(request["module"]), request["name"])
    module: nn.Module = kind(**request["config"])
    module.load_state_dict(load_file(str(folder / WEIGHTS)))
    return module.eval()


def convert(module: nn.Module, *, max_tokens: int, vocabulary_size: int, opset: int) -> onnx.ModelProto:
    """Convert a module to a checked ONNX model with axes named `batch` and `sequence`."""
    sequence = min(_EXAMPLE_SEQUENCE, max(max_tokens, 2))
    example = torch.arange(_EXAMPLE_BATCH * sequence).reshape(_EXAMPLE_BATCH, sequence) % vocabulary_size
    program = torch.onnx.export(
        module,
        (example,),
        dynamo=True,
        input_names=["input_ids"],
        output_names=["logits"],
        dynamic_shapes=({0: "batch", 1: "sequence"},),
        opset_version=opset,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise ValueError("the exporter gave no model")
    model = program.model_proto
    strip(model)
    onnx.checker.check_model(model, full_check=True)
    inputs = [dimension.dim_param for dimension in model.graph.input[0].type.tensor_type.shape.dim]
    if inputs != ["batch", "sequence"]:
        raise ValueError(f"the axes of input_ids came out as {inputs}, not as batch and sequence")
    return model


def strip(model: onnx.ModelProto) -> None:
    """Take out what only tells where and how the graph was made: source lines, stack traces, inner shapes.

    Inner shapes go because tools that rewrite the graph trip over stale ones; they are inferred again on load.
    """
    model.ClearField("metadata_props")
    model.doc_string = ""
    graphs: list[Any] = [model.graph, *model.functions]
    while graphs:
        graph = graphs.pop()
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
                if attribute.type == onnx.AttributeProto.GRAPH:
                    graphs.append(attribute.g)
                graphs.extend(attribute.graphs)


def end_with_parent() -> None:
    """End this process as soon as its standard input ends."""

    def watch() -> None:
        # Not through `sys.stdin`: a thread that waits inside it makes a normal end of the process fail.
        while os.read(0, 1):
            pass
        os._exit(_PARENT_GONE_STATUS)

    threading.Thread(target=watch, daemon=True).start()


def main(folder: Path) -> None:
    """Read the request in a folder and leave the model and an answer there.

    Raises
    ------
    SystemExit
        The disk is full.
    """
    try:
        _answer(folder)
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        sys.exit(DISK_FULL_STATUS)


def _answer(folder: Path) -> None:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    try:
        module = rebuild(folder, request)
        model = convert(
            module,
            max_tokens=request["max_tokens"],
            vocabulary_size=request["vocabulary_size"],
            opset=request["opset"],
        )
        content = model.SerializeToString(deterministic=True)
        (folder / MODEL).write_bytes(content)
        answer: dict[str, Any] = {"opset": request["opset"], "nodes": len(model.graph.node), "size": len(content)}
    # Anything else ends this process with a trace, whose last line the parent reads.
    except _REFUSALS as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        first = (str(error).strip().splitlines() or ["no message"])[0][:300]
        answer = {"error": f"{type(error).__name__}: {first}"}
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
