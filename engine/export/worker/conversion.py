"""The one call of torch's exporter: whatever is asked of the program it traced, is asked of the same program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from engine.export.operators.local_functions import as_node
from engine.export.worker.explanation import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn
    from torch.onnx import ONNXProgram

    from engine.export.axes import Axis

OPSET = 20
# Marks a value inside that had the name of an output.
INNER = "_inner"
_OUTPUT = "tagscope_output_"


def run_exporter(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    dynamic: Mapping[str, Mapping[int, Axis]],
    translations: Mapping[str, Callable[..., Any]],
    *,
    by_name: bool,
    outputs: int,
    opset: int = OPSET,
) -> ONNXProgram:
    """Let torch trace a module and translate it.

    Parameters
    ----------
    module
        In evaluation mode.
    inputs
        An example.
    dynamic
        Axis by dimension, by input.
    translations
        `namespace::operator` -> onnxscript function.
    by_name
        Whether the inputs go by the names of `forward`'s parameters, else by their places.
    outputs
        How many there are; their names in the graph are no one's choice.
    opset
        Version of the ONNX operators.

    Raises
    ------
    Refusal
        There is no such operator to be translated; what torch raises comes as it is.
    """
    # Not `Dim(name, ...)` and no name either: torch.onnx makes such an axis constant where the module needs that, and
    # says nothing; of these it is told "dynamic, or an error".
    shapes: dict[str, dict[int, Any]] = {
        name: {
            dimension: torch.export.Dim.DYNAMIC(min=axis.minimum, max=axis.maximum)
            for dimension, axis in dynamic.get(name, {}).items()
        }
        for name in inputs
    }
    program = torch.onnx.export(
        module,
        () if by_name else tuple(inputs.values()),
        kwargs=dict(inputs) if by_name else None,
        dynamo=True,
        input_names=list(inputs),
        # Not the names that are wanted: the exporter does not look whether a value inside has one of them.
        output_names=[f"{_OUTPUT}{number}" for number in range(outputs)],
        dynamic_shapes=shapes if by_name else tuple(shapes.values()),
        custom_translation_table={operator(name): as_node(one) for name, one in translations.items()} or None,
        opset_version=opset,
        external_data=False,
        verbose=False,
    )
    if program is None:
        raise ValueError("the exporter gave no model")
    return program


def operator(name: str) -> Callable[..., Any]:
    """Return torch's operator of a name such as `aten::cummax` or `mine::clip.default`.

    Raises
    ------
    Refusal
        There is none.
    """
    namespace, _, rest = name.partition("::")
    called, _, overload = rest.partition(".")
    try:
        found: Callable[..., Any] = getattr(getattr(getattr(torch.ops, namespace), called), overload or "default")
    except (AttributeError, RuntimeError):
        raise Refusal(
            f"torch has no operator {name} to be translated; write it as namespace::name or namespace::name.overload, "
            "and define it in the module that holds its translation"
        ) from None
    return found
