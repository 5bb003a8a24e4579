"""ONNX operators that are Python functions: the last way out, for what no ONNX graph expresses.

ONNX Runtime calls them through onnxruntime-extensions (extra `operators`), in this process and while its parity is
checked, nowhere else: a bundle never loads a shared library, so a run with such an operator is not served.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.backends.onnx_runtime import OnnxRuntimeSession, check_options, refusals, runtime_reason, session_options
from engine.backends.protocol import FP32
from engine.errors import BackendError, ExportError, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

# The only domain whose operators onnxruntime-extensions hands over to Python.
DOMAIN = "ai.onnx.contrib"

_TYPES = {"float32": "dt_float", "float64": "dt_double", "int64": "dt_int64", "int32": "dt_int32", "bool": "dt_bool"}


@dataclass(frozen=True)
class PythonOperator:
    """A Python function over arrays and the ONNX operator that stands for it.

    Attributes
    ----------
    name
        Of the operator, in domain `ai.onnx.contrib`.
    function
        Takes arrays, returns one array, or a tuple where there are several outputs.
    inputs, outputs
        Names of the NumPy dtypes.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __call__(self, *arrays: NDArray[Any]) -> Any:
        """Compute the operator, as ONNX Runtime will."""
        return self.function(*arrays)

    def node(self, *values: Any) -> Any:
        """Write the operator's node; for use in a translation."""
        from engine.export.operators.local_functions import node

        return node(DOMAIN, self.name, inputs=len(self.inputs), outputs=len(self.outputs))(*values)


_KNOWN: dict[str, PythonOperator] = {}
# onnxruntime-extensions can neither replace nor forget one: what it calls looks the function up here.
_HANDED_OVER: set[str] = set()


def python_operator(
    name: str, *, inputs: Sequence[str], outputs: Sequence[str] = ("float32",)
) -> Callable[[Callable[..., Any]], PythonOperator]:
    """Make an ONNX operator of a Python function; a decorator.

    Parameters
    ----------
    name
        Of the operator. Defining it again, as a notebook does, replaces the function; its types stay.
    inputs, outputs
        Names of NumPy dtypes: float32, float64, int64, int32 or bool.

    Raises
    ------
    engine.errors.ExportError
        A type is not among these, or ONNX Runtime knows an operator of this name with other types.
    """
    types = (tuple(inputs), tuple(outputs))
    for dtype in (*inputs, *outputs):
        if dtype not in _TYPES:
            raise ExportError(
                f"Python operator {name}: {dtype!r} is not one of {', '.join(_TYPES)}; convert before it."
            )

    before = _KNOWN.get(name)
    if name in _HANDED_OVER and before is not None and (before.inputs, before.outputs) != types:
        raise ExportError(
            f"Python operator {name} was defined with other types before, which ONNX Runtime keeps; choose another "
            "name, or start Python again."
        )

    def define(function: Callable[..., Any]) -> PythonOperator:
        operator = PythonOperator(name, function, *types)
        _KNOWN[name] = operator
        return operator

    return define


class PythonOperatorsBackend:
    """ONNX Runtime on the CPU with the Python operators of this process; see `engine.backends.protocol.Backend`."""

    name = "onnxruntime with Python operators"
    computes = (FP32,)

    def open(self, model: bytes, *, name: str, compute: str = FP32, threads: int = 1) -> PythonOperatorsSession:
        """Load a model that this process has exported; never one that came from elsewhere.

        Raises
        ------
        engine.errors.BackendError
            onnxruntime-extensions is not installed, or another precision is asked for.
        engine.errors.ExportError
            ONNX Runtime does not accept the model; mostly an operator that no `python_operator` defines.
        """
        check_options(self, compute, threads)
        options = session_options(threads)
        options.register_custom_ops_library(_library())
        import onnxruntime as ort

        try:
            session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except refusals() as error:
            reason = runtime_reason(error)
            raise ExportError(
                f"{name}: ONNX Runtime refuses the model ({reason}); define each operator of {DOMAIN} with "
                "`python_operator` before the export."
            ) from None
        return PythonOperatorsSession(session, name)


def open_python_session(model: bytes, name: str = "The exported model", threads: int = 1) -> PythonOperatorsSession:
    """Open a model with Python operators that this process has just exported, to check its answers.

    Parameters
    ----------
    model
        A serialized ONNX model of this process' own making.
    name
        What to call it in an error.
    threads
        Threads that one run uses.
    """
    return PythonOperatorsBackend().open(model, name=name, threads=threads)


def _library() -> str:
    """Path of the extensions' library, with all operators of this process handed over to it."""
    try:
        import onnxruntime_extensions as extensions
    except ImportError:
        raise BackendError(
            "A model with Python operators needs onnxruntime-extensions; run `pip install 'tagscope[operators]'`."
        ) from None
    for name, operator in _KNOWN.items():
        if name not in _HANDED_OVER:
            _HANDED_OVER.add(name)
            extensions.onnx_op(
                op_type=name,
                inputs=[getattr(extensions.PyCustomOpDef, _TYPES[dtype]) for dtype in operator.inputs],
                outputs=[getattr(extensions.PyCustomOpDef, _TYPES[dtype]) for dtype in operator.outputs],
            )(_caller(name))
    return str(extensions.get_library_path())


def _caller(name: str) -> Callable[..., Any]:
    def call(*arrays: Any) -> Any:
        operator = _KNOWN[name]
        outcome = _Outcome(operator)
        with outcome:
            answers = operator(*(np.asarray(array) for array in arrays))
            several = answers if isinstance(answers, tuple) else (answers,)
            # Their glue takes shape and list of what it gets; a wrong type would be read as other numbers.
            pairs = zip(several, operator.outputs, strict=True)
            outcome.arrays = tuple(np.asarray(value, dtype) for value, dtype in pairs)
        return outcome.arrays if len(outcome.arrays) > 1 else outcome.arrays[0]

    return call


class _Failures(threading.local):
    """What a Python operator first raised, by thread; a run stays in the thread that asked for it."""

    first: tuple[str, BaseException] | None = None

    def take(self) -> tuple[str, BaseException] | None:
        taken, self.first = self.first, None
        return taken


_FAILURES = _Failures()


class _Outcome:
    """Keeps whatever a person's function raises: an exception that reached ONNX Runtime would end this process.

    Parameters
    ----------
    operator
        Whose function is called.
    """

    def __init__(self, operator: PythonOperator) -> None:
        self._name = operator.name
        self.arrays: tuple[NDArray[Any], ...] = tuple(np.zeros(1, dtype) for dtype in operator.outputs)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is not None and _FAILURES.first is None:
            _FAILURES.first = (self._name, error)
        return True


class PythonOperatorsSession(OnnxRuntimeSession):
    """A session whose Python operators may fail; see `engine.backends.protocol.Session`."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Answer one batch; see the protocol.

        Raises
        ------
        engine.errors.BackendError
            ONNX Runtime cannot run this input, or a Python operator has raised an exception.
        """
        _FAILURES.take()
        answers: dict[str, NDArray[Any]] = {}
        # What comes after an operator that failed may fail too: the first failure is the one to tell.
        refusal = None
        try:
            answers = super().run(feeds)
        except BackendError as error:
            refusal = error
        failure = _FAILURES.take()
        if failure is not None:
            name, raised = failure
            if not isinstance(raised, Exception):
                raise raised
            reason = reason_of(raised)
            raise BackendError(
                f"{self._name}: the Python operator {name} fails ({type(raised).__name__}: {reason}); mend it."
            ) from raised
        if refusal is not None:
            raise refusal
        return answers
