"""Backends by the names that people type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.backends import openvino
from engine.backends.onnx_runtime import CPU_PROVIDER, OnnxRuntimeBackend, installed_providers, short_name
from engine.errors import BackendError

if TYPE_CHECKING:
    from engine.backends.protocol import Backend

_CPU_ALIAS = "onnxruntime:cpu"


def backend_names() -> tuple[str, ...]:
    """Names of the backends that are installed here, ONNX Runtime on the CPU first."""
    cpu = short_name(CPU_PROVIDER)
    others = [name for name in installed_providers() if name != cpu]
    return (cpu, *others, *(["openvino"] if openvino.installed() else []))


def open_backend(name: str) -> Backend:
    """Return a backend.

    Parameters
    ----------
    name
        `onnxruntime` for its CPU provider, `onnxruntime:CUDA` and the like for any other that is installed, or
        `openvino`; upper and lower case are the same.

    Raises
    ------
    engine.errors.BackendError
        There is no such backend, or it is not installed here.
    """
    wanted = name.strip().lower()
    if wanted == "openvino":
        if not openvino.installed():
            raise BackendError("OpenVINO is not installed; run `pip install 'tagscope[openvino]'`.")
        return openvino.OpenVinoBackend()
    if wanted == _CPU_ALIAS:
        wanted = short_name(CPU_PROVIDER)
    for short, provider in installed_providers().items():
        if short.lower() == wanted:
            return OnnxRuntimeBackend(provider)
    raise BackendError(f"No backend {name!r} is installed here; there are: {', '.join(backend_names())}.")
