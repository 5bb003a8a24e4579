"""The process that exports one module and ends; `python -P -m engine.export.worker FOLDER`, see `process`.

It also ends when its standard input does: the parent holds the other end and lets go by ending.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import pickle
import re
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
import onnx.shape_inference
import torch

from engine.export.axes import Axis
from engine.export.graph import axes, census, rename_axes, strip
from engine.export.operators.local_functions import add_functions
from engine.export.rewriting import names_of, rename
from engine.export.worker.conversion import INNER, run_exporter
from engine.export.worker.explanation import Refusal, derived, explain, frozen, narrowed
from engine.export.worker.process import ANSWER, DISK_FULL_STATUS, MODEL, MODULE, REQUEST
from engine.export.worker.witness import Witness, tidy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor, nn

_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
_PARENT_GONE_STATUS = 1

_REFUSALS = (
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
    pickle.PickleError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    RuntimeError,  # torch's errors are of this kind, those of its exporter too
    TypeError,
    ValueError,
)


def convert(
    module: nn.Module, inputs: Mapping[str, Tensor], request: Mapping[str, Any], witness: Witness
) -> onnx.ModelProto:
    """Convert a module to a checked ONNX model with the axes that were declared, under their names.

    Raises
    ------
    Refusal
        The module can be exported, but not with these axes.
    """
    declared = {
        name: {int(dimension): Axis(*axis) for dimension, axis in dimensions.items()}
        for name, dimensions in request["dynamic"].items()
    }
    translations = {name: resolve(reference) for name, reference in request["translations"].items()}
    program = run_exporter(
        module,
        inputs,
        declared,
        translations,
        by_name=request["by_name"],
        outputs=len(request["outputs"]),
        opset=request["opset"],
    )
    model = program.model_proto
    add_functions(model, translations.values())
    _check_inputs(model, list(inputs))
    _name_outputs(model, request["outputs"])
    ranges = {str(symbol): (bounds.lower, bounds.upper) for symbol, bounds in _ranges(program).items()}
    rename_axes(model, _names(model, declared, request["parameters"], ranges, witness))
    strip(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def resolve(reference: str) -> Callable[..., Any]:
    """Return what `module:name` stands for; importing its module also defines the operators that live there."""
    module, _, name = reference.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    translation: Callable[..., Any] = found
    return translation


def _check_inputs(model: onnx.ModelProto, inputs: list[str]) -> None:
    found = [value.name for value in model.graph.input]
    if found != inputs:
        missing = ", ".join(name for name in inputs if name not in found) or ", ".join(inputs)
        raise Refusal(f"the graph has no input {missing}; leave out inputs that the module does not use")


def _name_outputs(model: onnx.ModelProto, wanted: list[str]) -> None:
    made = [value.name for value in model.graph.output]
    if len(made) != len(wanted):
        raise Refusal(f"the graph has {len(made)} outputs, and {len(wanted)} names are given; name each output once")
    taken = names_of(model.graph)
    inner = {}
    for name in wanted:
        other = name
        while other in taken:
            other += INNER
        if other != name:
            inner[name] = other
    rename(model.graph, {**inner, **dict(zip(made, wanted, strict=True))})


def _ranges(program: Any) -> dict[Any, Any]:
    exported = program.exported_program
    return {} if exported is None else dict(exported.range_constraints)


def _names(
    model: onnx.ModelProto,
    declared: Mapping[str, Mapping[int, Axis]],
    parameters: Sequence[str],
    ranges: Mapping[str, tuple[Any, Any]],
    witness: Witness,
) -> dict[str, str]:
    """Tell what each of torch's symbols is called, and refuse axes that are tied, constant or of a smaller range."""
    found = axes(model)
    names: dict[str, str] = {}
    tied: list[tuple[str, str, str | None]] = []
    for (name, dimensions), parameter in zip(declared.items(), parameters, strict=True):
        for dimension, axis in dimensions.items():
            symbol = found[name][dimension]
            # What it was before the tracer found it to follow from another one, or to be a number.
            traced = witness.symbols.get((parameter, dimension))
            place = f"axis {dimension} of {name} ({axis.name})"
            if isinstance(symbol, int):
                raise frozen(place, symbol, witness.reason(traced))
            if not symbol.isidentifier() or names.setdefault(symbol, axis.name) != axis.name:
                tied.append((place, symbol, traced))
                continue
            low, high = ranges.get(symbol, (axis.minimum, axis.maximum))
            # The exporter leaves out 0 and 1 as special sizes where they are none: these are tried out instead.
            if low > max(axis.minimum, 2) or high < axis.maximum:
                raise narrowed(place, axis, low, high, witness.reason(symbol))
    for place, symbol, traced in tied:
        raise derived(
            place, re.sub(r"\w+", lambda found: names.get(found[0], found[0]), symbol), witness.reason(traced)
        )
    return names


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
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    witness = Witness()
    answer: dict[str, Any]
    try:
        with warnings.catch_warnings(record=True) as caught, witness:
            warnings.simplefilter("always")
            # Before the module is read: it may need operators that are defined beside their translations.
            for reference in request["translations"].values():
                resolve(reference)
            # Its own parent wrote it, into a folder that nobody else has.
            module, inputs = torch.load(folder / MODULE, map_location="cpu", weights_only=False)
            torch.manual_seed(0)
            model = convert(module.eval(), inputs, request, witness)
        content = model.SerializeToString(deterministic=True)
        (folder / MODEL).write_bytes(content)
        operators = census(model)
        answer = {
            "operators": operators,
            "opset": request["opset"],
            "nodes": len(model.graph.node),
            "axes": axes(model),
            "size": len(content),
            "warnings": tidy([*caught, *witness.warnings]),
        }
    # Anything else ends this process with a trace, whose last line the parent reads.
    except _REFUSALS as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        explained = explain(error, witness, request)
        answer = {"error": explained.sentence, "place": explained.place}
    (folder / ANSWER).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
