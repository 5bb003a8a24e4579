"""How a module gets to the process that exports it: packed with its example, and functions by their names."""

from __future__ import annotations

import io
import pickle
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import cloudpickle
import torch
from torch import nn

from engine.errors import ExportError, reason_of
from engine.export.worker.process import worker_finds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    from torch import Tensor

# What objects raise that cannot be packed.
_REFUSALS = (pickle.PickleError, TypeError, AttributeError, RuntimeError, ValueError, NotImplementedError)


def pack(module: nn.Module, inputs: Mapping[str, Tensor]) -> bytes:
    """Pack a module with its example.

    Classes are sent by name where the other process can import them, else with their code: those of a notebook,
    of the program itself, or of a file in the current folder.

    Raises
    ------
    engine.errors.ExportError
        Something in the module cannot be sent; its name is told.
    """
    name = type(module).__name__
    for path, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            raise ExportError(
                f"{name} cannot be exported to ONNX: {path or 'it'} is TorchScript, compiled already; give the "
                "nn.Module that it was made of."
            )
    try:
        with _by_value(module):
            return _packed((module, dict(inputs)))
    except _REFUSALS as error:
        culprit = _culprit(module)
        reason = reason_of(error)
        raise ExportError(
            f"{name} cannot be exported to ONNX: {culprit} cannot be copied to another process ({reason}); keep it "
            "outside of the module, or make it when it is needed."
        ) from None


def reference_of(translation: Callable[..., Any], operator: str) -> str:
    """Return `module:name` of a function that another process can import.

    Raises
    ------
    engine.errors.ExportError
        It cannot be found under a name.
    """
    if not callable(translation):
        raise ExportError(
            f"The translation of {operator} is of type {type(translation).__name__}; give the function that writes it."
        )
    module, name = getattr(translation, "__module__", None), getattr(translation, "__name__", None)
    candidates = [module] if module in sys.modules else []
    candidates += [other for other in sys.modules if other != module]
    for candidate in candidates:
        if candidate == "__main__":
            continue
        for key in _names_of(sys.modules[candidate], translation, name):
            if worker_finds(candidate):
                return f"{candidate}:{key}"
    raise ExportError(
        f"The translation of {operator} ({name or type(translation).__name__}) is not an attribute of a module that "
        "another process can import; put it into a .py file on the Python path, beside the operator, and import it "
        "from there."
    )


def _names_of(module: ModuleType, wanted: object, name: str | None) -> Iterator[str]:
    known = getattr(module, "__dict__", {})
    if name is not None and known.get(name) is wanted:
        yield name
    # A copy: another thread may import something meanwhile.
    yield from (key for key, value in list(known.items()) if value is wanted and key != name)


def _packed(content: object) -> bytes:
    buffer = io.BytesIO()
    # torch's own format around cloudpickle's: weights that are shared stay shared, and are not copied on the way.
    torch.save(content, buffer, pickle_module=cloudpickle)
    return buffer.getvalue()


@contextmanager
def _by_value(module: nn.Module) -> Iterator[None]:
    """Send with their code the classes that the other process cannot import."""
    homes = {type(part).__module__ for part in module.modules()}
    with ExitStack() as stack:
        for home in sorted(homes):
            if home in sys.modules and home != "__main__" and not worker_finds(home):
                cloudpickle.register_pickle_by_value(sys.modules[home])
                stack.callback(cloudpickle.unregister_pickle_by_value, sys.modules[home])
        yield


def _culprit(module: nn.Module) -> str:
    """Name what cannot be packed, as exactly as it can be found."""
    for path, part in module.named_modules():
        for key, value in vars(part).items():
            if key in ("_parameters", "_buffers", "_modules"):
                continue
            try:
                _packed(value)
            except _REFUSALS:
                return f"its attribute {path + '.' if path else ''}{key} ({type(value).__name__})"
    return "it"
