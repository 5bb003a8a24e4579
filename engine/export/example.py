"""Whether a module and its example fit together: found out here, at once, before a process is started for them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from engine.errors import ExportError
from engine.export.parity.comparison import describe
from engine.export.parity.torch_backend import tensors_of
from engine.export.worker.witness import first_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

# Protobuf ends here, and a model in more than one file is none of ours.
_MOST_BYTES = 2**31 - 1
# What a `forward` raises on an input that it is not made for; torch's own errors are RuntimeErrors.
_FORWARD_RAISES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)


def check_kinds(module: object, inputs: object) -> None:
    """Refuse what is no module with its weights, or no example by names.

    Raises
    ------
    engine.errors.ExportError
        It is something else; one sentence says what.
    """
    if not isinstance(module, torch.nn.Module):
        what = f"the class {module.__name__}" if isinstance(module, type) else f"of type {type(module).__name__}"
        raise ExportError(f"What is to be exported is {what}, not an nn.Module; give an instance of one.")
    if isinstance(getattr(module, "_orig_mod", None), torch.nn.Module):
        raise ExportError("What is to be exported is compiled by torch.compile; give the module it was made of.")
    name = type(module).__name__
    for key, weight in module.named_parameters():
        if torch.nn.parameter.is_lazy(weight) or weight.is_meta:
            raise ExportError(f"{name} cannot be exported to ONNX: its weight {key} has no values; load it first.")
    if not isinstance(inputs, Mapping):
        raise ExportError(
            f"The example is of type {type(inputs).__name__}; give a tensor by the name of each parameter of forward."
        )


def check_names(module: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    """Refuse inputs that are not the parameters of `forward`.

    Raises
    ------
    engine.errors.ExportError
        One is unknown, missing or no tensor that engines take.
    """
    name = type(module).__name__
    parameters = inspect.signature(module.forward).parameters
    listed = ", ".join(parameters) or "nothing"
    for key, value in inputs.items():
        if key not in parameters:
            raise ExportError(f"{name}.forward has no parameter {key!r}; its parameters are: {listed}.")
        if not isinstance(value, torch.Tensor):
            raise ExportError(
                f"The example {key} is of type {type(value).__name__}; give a tensor, also of a single number."
            )
        if value.dtype == torch.bfloat16:
            raise ExportError(f"The example {key} is in bfloat16, which NumPy lacks; give it as float32.")
        if value.is_complex():
            raise ExportError(
                f"The example {key} is complex, which engines lack; give its two parts (torch.view_as_real)."
            )
        try:
            value.detach().cpu().numpy()
        except (TypeError, RuntimeError) as error:
            raise ExportError(
                f"The example {key} cannot be an array ({first_line(str(error))}); give a dense tensor with values."
            ) from None
    missing = [
        one.name
        for one in parameters.values()
        if one.default is inspect.Parameter.empty
        and one.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        and one.name not in inputs
    ]
    if missing:
        raise ExportError(f"{name}.forward also needs {', '.join(missing)}; give an example of each.")


def takes_by_name(module: nn.Module, inputs: Mapping[str, Tensor]) -> bool:
    """Tell whether the inputs go by the names of `forward`'s parameters, else by their places."""
    return set(inputs) <= set(inspect.signature(module.forward).parameters)


def check_size(module: nn.Module) -> None:
    """Refuse a module with more weights than one ONNX file holds.

    Raises
    ------
    engine.errors.ExportError
        It has.
    """
    held = {id(one): one for one in (*module.parameters(), *module.buffers())}
    size = sum(one.numel() * one.element_size() for one in held.values())
    if size > _MOST_BYTES:
        raise ExportError(
            f"{type(module).__name__} cannot be exported to ONNX: its weights take {size / 2**30:.1f} GiB, and one "
            "ONNX file holds less than 2; use a smaller model, or its weights in half precision."
        )


def try_example(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], by_name: bool) -> None:
    """Run the module on its example here, where a mistake is told at once and as torch tells it.

    Raises
    ------
    engine.errors.ExportError
        It fails, or does not return one tensor per name.
    """
    name = type(module).__name__
    if isinstance(outputs, str) or not all(isinstance(output, str) and output for output in outputs):
        raise ExportError(
            f"The names of the outputs cannot be {outputs!r}; give a sequence of names such as ('logits',)."
        )
    first = next(module.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    # Copies: a module may write to its input.
    given = {key: value.detach().clone().to(device) for key, value in inputs.items()}
    try:
        with torch.no_grad():
            answer = module(**given) if by_name else module(*given.values())
    except _FORWARD_RAISES as error:
        shapes = describe({key: tuple(value.shape) for key, value in inputs.items()})
        raise ExportError(
            f"{name}.forward fails on the example {shapes} ({type(error).__name__}: {first_line(str(error))}); give an "
            "example that it accepts."
        ) from None
    if len({*inputs, *outputs}) != len(inputs) + len(outputs):
        raise ExportError(
            f"The inputs ({', '.join(inputs)}) and outputs ({', '.join(outputs)}) share a name; give each its own."
        )
    found = list(tensors_of(answer))
    if len(found) != len(outputs):
        raise ExportError(
            f"{name}.forward returns {len(found)} tensors{_keys(answer)}, and {len(outputs)} names are given "
            f"({', '.join(outputs)}); name each of them, in order, in `outputs`."
        )
    if isinstance(answer, Mapping) and set(answer) == set(outputs) and list(answer) != list(outputs):
        raise ExportError(f"{name}.forward returns{_keys(answer)} in this order; give `outputs` in the same order.")


def _keys(answer: Any) -> str:
    return f" ({', '.join(map(str, answer))})" if isinstance(answer, Mapping) else ""
