"""ONNX Runtime: the session as it is served, and a backend for each execution provider that is installed.

Parity is checked and choices are measured with the very options that answer users.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from engine.backends.inspection import check_self_contained
from engine.backends.protocol import FP32
from engine.errors import BackendError, BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnxruntime as ort
    from numpy.typing import NDArray

    from engine.backends.protocol import Backend


_SUFFIX = "ExecutionProvider"
CPU_PROVIDER = f"CPU{_SUFFIX}"
# Sends a model's input to a service on another host.
_REMOTE = frozenset({f"Azure{_SUFFIX}"})
# Before what a person can use come its kind of error, and where in the C++ source it was raised, signature and all.
_PREAMBLE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : "
    r"|/\S+:\d+ .*?\w\(.*?\) (?:const )?(?:\[with [^]]*\] )?"
    r"|\b\w+\.(?:cc|h):\d+ \S+ "
)
# TF32 keeps 10 bits of fp32's 23: an answer in fp32 is asked for.
_PROVIDER_OPTIONS = {f"CUDA{_SUFFIX}": {"use_tf32": "0"}}


def session_options(threads: int = 1) -> ort.SessionOptions:
    """Options of every served session.

    One thread, sequential, no spinning: several threads that each run their own batch beat one run with many
    threads on small models. No arena: under varying shapes the default one keeps several hundred MiB.

    Parameters
    ----------
    threads
        Threads that one run uses; serving keeps 1.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options


def open_session(
    model: bytes,
    name: str,
    *,
    options: ort.SessionOptions | None = None,
    providers: Sequence[Any] = (CPU_PROVIDER,),
) -> ort.InferenceSession:
    """Make a session of ONNX bytes, by default the one that is served: on the CPU with `session_options`.

    Parameters
    ----------
    model
        A serialized ONNX model without external data.
    name
        What to call the model in an error.
    options
        `session_options()` where it is None.
    providers
        As ONNX Runtime takes them.

    Raises
    ------
    engine.errors.BundleError
        The model needs more than its own bytes, or ONNX Runtime does not accept it.
    """
    import onnxruntime as ort

    check_self_contained(model, name)
    try:
        return ort.InferenceSession(model, options or session_options(), providers=list(providers))
    except refusals() as error:
        reason = runtime_reason(error)
        raise BundleError(
            f"{name}: ONNX Runtime {ort.__version__} refuses the model ({reason}); export or train it again."
        ) from None


class OnnxRuntimeSession:
    """A session that follows `engine.backends.protocol.Session`; may be shared by threads.

    Parameters
    ----------
    session
        An open session.
    name
        What to call the model in an error.
    """

    def __init__(self, session: ort.InferenceSession, name: str) -> None:
        self.session = session
        self._name = name
        self._outputs = [output.name for output in session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch; see the protocol.

        Raises
        ------
        engine.errors.BackendError
            ONNX Runtime cannot run this input.
        """
        try:
            answers = self.session.run(self._outputs, dict(feeds))
        except refusals(RuntimeError, TypeError, ValueError) as error:
            raise BackendError(cannot_run("ONNX Runtime", self._name, feeds, runtime_reason(error))) from None
        return dict(zip(self._outputs, answers, strict=True))


class OnnxRuntimeBackend:
    """ONNX Runtime with one execution provider; see `engine.backends.protocol.Backend`.

    Parameters
    ----------
    provider
        As ONNX Runtime names it, such as `CPUExecutionProvider`.
    """

    def __init__(self, provider: str = CPU_PROVIDER) -> None:
        self._provider = provider

    @property
    def name(self) -> str:
        """`onnxruntime` on the CPU, else `onnxruntime:` and the provider's short name."""
        return short_name(self._provider)

    @property
    def computes(self) -> tuple[str, ...]:
        """Only fp32: ONNX Runtime computes a model in the types that stand in its file."""
        return (FP32,)

    def open(self, model: bytes, *, name: str, compute: str = FP32, threads: int = 1) -> OnnxRuntimeSession:
        """Load a model; see the protocol.

        Raises
        ------
        engine.errors.BundleError
            ONNX Runtime does not accept the model.
        engine.errors.BackendError
            It cannot compute so, or the provider's own libraries or device are missing.
        """
        check_options(self, compute, threads)
        providers: list[Any] = [(self._provider, _PROVIDER_OPTIONS.get(self._provider, {}))]
        if self._provider != CPU_PROVIDER:
            # For the operators that the provider lacks.
            providers.append(CPU_PROVIDER)
        session = open_session(model, name, options=session_options(threads), providers=providers)
        # Where a provider cannot start, ONNX Runtime goes on without it and says nothing.
        if self._provider not in session.get_providers():
            raise BackendError(
                f"{name}: {self.name} cannot start here, though ONNX Runtime has it: its libraries or its device are "
                "missing; install them, or use another backend."
            )
        return OnnxRuntimeSession(session, name)


def installed_providers() -> dict[str, str]:
    """Return short and full name of each execution provider that is installed and computes on this machine."""
    import onnxruntime as ort

    return {short_name(provider): provider for provider in ort.get_available_providers() if provider not in _REMOTE}


def short_name(provider: str) -> str:
    """Return what people call an execution provider: `onnxruntime` for the CPU, else such as `onnxruntime:CUDA`."""
    return "onnxruntime" if provider == CPU_PROVIDER else f"onnxruntime:{provider.removesuffix(_SUFFIX)}"


def check_options(backend: Backend, compute: str, threads: int) -> None:
    """Refuse a precision that a backend does not compute in here, and a number of threads that is none."""
    if threads < 1:
        raise BackendError(f"{backend.name} cannot compute on {threads} threads; give at least 1.")
    if compute not in backend.computes:
        raise BackendError(
            f"{backend.name} does not compute in {compute} on this machine; it offers {', '.join(backend.computes)}."
        )


def cannot_run(engine: str, name: str, feeds: Mapping[str, NDArray[Any]], reason: str) -> str:
    """Say in one sentence which input could not be run, and why."""
    shapes = ", ".join(f"{key} {getattr(value, 'shape', type(value).__name__)}" for key, value in feeds.items())
    return f"{name}: {engine} cannot run the model on {shapes or 'no input'} ({reason}); give an input of its shape."


def runtime_reason(error: BaseException) -> str:
    """Return what ONNX Runtime says, as part of a sentence, without where in its source that is said."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return _PREAMBLE.sub("", line).strip()[:300].rstrip(".") or line


def refusals(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """Return the exceptions that ONNX Runtime raises, and more: they have no other base than Exception."""
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    return (
        states.EPFail,
        states.Fail,
        states.InvalidArgument,
        states.InvalidGraph,
        states.InvalidProtobuf,
        states.NoSuchFile,
        states.NotImplemented,
        states.RuntimeException,
        *more,
    )
