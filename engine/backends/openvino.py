"""OpenVINO on the CPU, an extra: it reads the same ONNX bytes and may compute them in a shorter format.

`import openvino` alone reports its use to the maker and leaves an id in the home folder, so it is imported without
the package that does that.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from engine.backends.inspection import check_self_contained
from engine.backends.machine import usable_cores
from engine.backends.onnx_runtime import cannot_run, check_options
from engine.backends.protocol import FP32
from engine.errors import BackendError, BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_DEVICE = "CPU"
_PREAMBLE = ("Exception from ", "Check '", "FrontEnd API failed", "Model wasn't fully converted", "Summary:")
_TELEMETRY = "openvino_telemetry"
# Our name -> what the CPU's capabilities call it, and the hint that asks for it.
_CAPABILITIES = {FP32: "FP32", "bf16": "BF16", "fp16": "FP16"}
_HINTS = {FP32: "f32", "bf16": "bf16", "fp16": "f16"}
# What OpenVINO prepares for a shape of the input it keeps, by default 5,000 parts per stream: MiniLM under varying
# shapes grew by 20 MiB a second. With 200 it stops growing and is as fast; with 0 a short text takes twice as long.
_KEPT_PARTS = 200


def installed() -> bool:
    """Tell whether the extra is there, without loading it."""
    return importlib.util.find_spec("openvino") is not None


class OpenVinoSession:
    """A compiled model that follows `engine.backends.protocol.Session`; may be shared by threads.

    Parameters
    ----------
    compiled
        An `openvino.CompiledModel`.
    outputs
        What the file calls its outputs, in their order.
    name
        What to call the model in an error.
    """

    def __init__(self, compiled: Any, outputs: list[str], name: str) -> None:
        self.compiled = compiled
        self._name = name
        self._inputs = {port.get_any_name(): port.get_element_type().to_dtype() for port in compiled.inputs}
        self._outputs = outputs
        # A request holds the arrays of one run, so no two threads may use the same one.
        self._requests = threading.local()

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch; see the protocol.

        Raises
        ------
        engine.errors.BackendError
            OpenVINO cannot run this input.
        """
        # OpenVINO converts what it is given, and takes what the last run left where it is given nothing.
        types = {key: getattr(value, "dtype", None) for key, value in feeds.items()}
        if types != self._inputs:
            wanted = ", ".join(f"{key} {dtype}" for key, dtype in self._inputs.items())
            raise BackendError(cannot_run("OpenVINO", self._name, feeds, f"the model takes {wanted}"))
        request = getattr(self._requests, "request", None)
        try:
            if request is None:
                request = self._requests.request = self.compiled.create_infer_request()
            # The request's own memory is written again by the next run: answers are copies.
            answers = request.infer(dict(feeds), share_inputs=True, share_outputs=False)
        except (RuntimeError, ValueError, TypeError, KeyError, MemoryError) as error:
            raise BackendError(cannot_run("OpenVINO", self._name, feeds, _reason(error))) from None
        return {name: answers[index] for index, name in enumerate(self._outputs)}


class OpenVinoBackend:
    """OpenVINO's CPU device; see `engine.backends.protocol.Backend`."""

    name = "openvino"

    @property
    def computes(self) -> tuple[str, ...]:
        """Precisions that the processor has instructions for, as OpenVINO itself says."""
        there = _core().get_property(_DEVICE, "OPTIMIZATION_CAPABILITIES")
        return tuple(name for name, capability in _CAPABILITIES.items() if capability in there)

    def open(self, model: bytes, *, name: str, compute: str = FP32, threads: int = 1) -> OpenVinoSession:
        """Load a model; see the protocol.

        Raises
        ------
        engine.errors.BundleError
            The model needs more than its own bytes, or OpenVINO does not accept it.
        engine.errors.BackendError
            OpenVINO is not installed, or cannot compute so here.
        """
        core = _core()
        check_options(self, compute, threads)
        check_self_contained(model, name)
        cores = usable_cores()
        # OpenVINO runs on threads of its own: as many runs side by side as the cores allow, each on `threads` of them.
        streams = max(1, cores // threads)
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[compute],
            "INFERENCE_NUM_THREADS": streams * threads,
            "NUM_STREAMS": streams,
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            # Other processes of the service use the same cores.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_PARTS,
        }
        try:
            network = core.read_model(model)
            # Compiling adds names of inner values to those of an output, wherever it takes out what lay between.
            outputs = [port.get_any_name() for port in network.outputs]
            compiled = core.compile_model(network, _DEVICE, options)
        except (RuntimeError, ValueError, TypeError, MemoryError) as error:
            raise BundleError(
                f"{name}: OpenVINO {_version()} refuses the model ({_reason(error)}); use another backend for this run."
            ) from None
        return OpenVinoSession(compiled, outputs, name)


@functools.cache
def _core() -> Any:
    if not installed():
        raise BackendError("OpenVINO is not installed; run `pip install 'tagscope[openvino]'`, or use `onnxruntime`.")
    with _without_telemetry():
        import openvino
    return openvino.Core()


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Let an import of the telemetry package fail inside the block; OpenVINO has a stand-in for that case."""
    missing = object()
    before: Any = sys.modules.get(_TELEMETRY, missing)
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_TELEMETRY]
        if before is not missing:
            sys.modules[_TELEMETRY] = before


def _version() -> str:
    import openvino

    return str(openvino.__version__).partition("-")[0]


def _reason(error: BaseException) -> str:
    # First comes where in OpenVINO's source it was raised, and of which kind it is; then what a person can use.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(_PREAMBLE)]
    return (told or lines or ["no reason given"])[0].removeprefix("-- ")[:300]
