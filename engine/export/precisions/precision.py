"""Precisions of a run: which can be tried on which backend, made once and kept as attachments of the run."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.backends.inspection import BUILT_IN_DOMAINS, check_self_contained
from engine.backends.machine import cpu_flags, cpu_name
from engine.backends.onnx_runtime import CPU_PROVIDER, OnnxRuntimeBackend, installed_providers, short_name
from engine.backends.protocol import FP32
from engine.backends.registry import backend_names, open_backend
from engine.errors import BackendError, BundleError, ExportError
from engine.export.graph import check_model_bytes
from engine.export.operators.local_functions import inline_functions
from engine.export.parity.comparison import compare
from engine.export.parity.text_cases import grid_cases, text_cases
from engine.export.precisions.optimisation import optimise, to_half
from engine.export.precisions.quantisation import quantise_by_row, quantise_static
from engine.runs.attachments import has_attachment, read_attachment, writing_attachment
from engine.runs.bundle import MODEL_NAME
from engine.runs.choice import precision_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session
    from engine.runs.attachments import Attachment
    from engine.runs.bundle import Bundle

OPTIMIZED = "fp32-optimized"
INT8_DYNAMIC = "int8-dynamic"
INT8_STATIC = "int8-static"
FP16 = "fp16"
PRECISIONS = (FP32, OPTIMIZED, INT8_DYNAMIC, INT8_STATIC, FP16)
"""Those that are a file: fp32 is the run's own model, the rest are attachments."""

KIND = "precision"
# Execution providers that compute in fp16 where a file says so.
_GRAPHICS = ("CUDA", "Tensorrt", "NvTensorRTRTX", "ROCM", "MIGraphX", "Dml", "CoreML", "WebGPU")
_EIGHT_BIT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}
_MOST_CALIBRATION_TEXTS = 256
_CALIBRATION_BATCH = 16
_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Way:
    """A way to compute a run: what runs it, and in which precision."""

    backend: str
    precision: str

    def __str__(self) -> str:
        return f"{self.backend} {self.precision}"


def ways(bundle: Bundle, backends: Sequence[str] | None = None) -> list[Way]:
    """List what can be tried here; whether a run's model fits a precision shows when it is made.

    Parameters
    ----------
    bundle
        A run with a model.
    backends
        Names as `engine.backends.registry` knows them; all that are installed where it is None.

    Raises
    ------
    engine.errors.BundleError
        The run has no model.
    engine.errors.BackendError
        A backend is not installed here.
    """
    bundle.model_bytes()
    found = []
    for name in backends or backend_names():
        backend = open_backend(name)
        found += [Way(backend.name, precision) for precision in (*backend.computes, *_files(backend.name))]
    return list(dict.fromkeys(found))


def make_precision(
    bundle: Bundle, precision: str, calibration_ids: Sequence[Sequence[int]] | None = None
) -> Attachment | None:
    """Make a precision of a run and keep it as an attachment; one that is there already is only read.

    Parameters
    ----------
    bundle
        A run with a model.
    precision
        One of `PRECISIONS`, or what a backend computes in by itself.
    calibration_ids
        Token ids of training texts, not padded, for `int8-static`; the first 256 are used.

    Returns
    -------
    Attachment or None
        None where nothing has to be made: fp32, and what a backend computes in by itself.

    Raises
    ------
    engine.errors.BackendError
        Nothing here computes in this precision.
    engine.errors.BundleError
        The run has no model, or an attachment is damaged or cannot be written.
    engine.errors.ExportError
        The model cannot be converted, or has nothing to convert.
    """
    if not _is_made(precision):
        bundle.model_bytes()
        return None
    name = precision_name(precision)
    if not has_attachment(bundle, name):
        parameters: dict[str, Any] = {"precision": precision}
        model = _converted(bundle, precision, calibration_ids, parameters)
        # Another process may have been faster: both made the same.
        with writing_attachment(bundle, name, KIND, parameters, _environment(), replace=True) as folder:
            (folder / MODEL_NAME).write_bytes(model)
    return read_attachment(bundle, name)


def open_way(bundle: Bundle, way: Way, threads: int = 1) -> Session:
    """Open a run's model; its precision was made before.

    Parameters
    ----------
    bundle
        A run with a model.
    way
        One of `ways`.
    threads
        Threads that one call computes on.

    Raises
    ------
    engine.errors.BackendError
        The backend is not installed here, or does not offer the precision.
    engine.errors.BundleError
        The run has no model, the precision was not made or is damaged, or the backend does not accept it.
    """
    backend = open_backend(way.backend)
    name = f"Run {bundle.run_id} ({way})"
    if way.precision in backend.computes:
        model = _readable(bundle.model_bytes(), backend.name, name)
        return backend.open(model, name=name, compute=way.precision, threads=threads)
    if way.precision not in _files(backend.name):
        offered = ", ".join((*backend.computes, *_files(backend.name)))
        raise BackendError(f"{backend.name} does not offer the precision {way.precision!r} here; it offers {offered}.")
    if not has_attachment(bundle, precision_name(way.precision)):
        raise BundleError(f"{name}: this precision was not made yet; `tagscope tune {bundle.run_id}` makes it.")
    attachment = read_attachment(bundle, precision_name(way.precision))
    model = _readable(attachment.read(MODEL_NAME), backend.name, name)
    return backend.open(model, name=name, threads=threads)


def _readable(model: bytes, backend: str, name: str) -> bytes:
    """Put the bodies of a model's own functions in their place, for an engine that has no functions."""
    operators = check_self_contained(model, name)
    own = any(domain not in BUILT_IN_DOMAINS for domain, _ in operators)
    return inline_functions(model) if own and not backend.startswith("onnxruntime") else model


def _files(backend: str) -> tuple[str, ...]:
    """Precisions that a backend runs from a file of their own."""
    if backend == short_name(CPU_PROVIDER):
        return (OPTIMIZED, INT8_DYNAMIC, INT8_STATIC)
    if backend.startswith("onnxruntime:"):
        return (FP16,) if backend.partition(":")[2] in _GRAPHICS else ()
    return (INT8_DYNAMIC, INT8_STATIC)


def _is_made(precision: str) -> bool:
    """Whether a file has to be made; refuse what nothing here computes in."""
    if precision in (OPTIMIZED, INT8_DYNAMIC, INT8_STATIC):
        return True
    if precision == FP16 and any(FP16 in _files(name) for name in installed_providers()):
        return True
    if any(precision in open_backend(name).computes for name in backend_names()):
        return False
    if precision == FP16:
        raise BackendError(
            "No backend here computes in fp16: it needs an ONNX Runtime with a provider for a graphics card, such as "
            "`pip install onnxruntime-gpu`, or OpenVINO on a processor with fp16 instructions."
        )
    raise BackendError(
        f"No backend here computes in {precision!r}; there are {', '.join(PRECISIONS)}, and what a backend offers."
    )


def _converted(
    bundle: Bundle, precision: str, calibration_ids: Sequence[Sequence[int]] | None, parameters: dict[str, Any]
) -> bytes:
    content = bundle.model_bytes()
    name = f"Run {bundle.run_id}"
    if precision == OPTIMIZED:
        optimised = optimise(content, name)
        _check_equal(bundle, content, optimised)
        return optimised
    model = check_model_bytes(content, name)
    if precision == FP16:
        model = to_half(model)
    elif precision == INT8_DYNAMIC:
        parameters["full_range"] = bool(_EIGHT_BIT_PRODUCTS.intersection(cpu_flags()))
        model = quantise_by_row(model, full_range=parameters["full_range"])
    else:
        # A text may have no token at all, and a batch of such texts no column.
        texts = sorted((row for row in (calibration_ids or ())[:_MOST_CALIBRATION_TEXTS] if len(row)), key=len)
        if not texts:
            raise ExportError(f"{name}: int8-static needs texts to calibrate on; give token ids of training texts.")
        parameters["calibration_texts"] = len(texts)
        reference = bundle.manifest.tokenizer
        model = quantise_static(model, _batches(texts, reference.max_tokens, reference.pad_id))
    converted: bytes = model.SerializeToString(deterministic=True)
    return converted


def _check_equal(bundle: Bundle, model: bytes, optimised: bytes) -> None:
    reference = bundle.manifest.tokenizer
    cases = grid_cases(
        bundle.tokenizer().vocabulary_size,
        reference.max_tokens,
        pad_id=reference.pad_id,
        shapes=_shapes(reference.max_tokens),
    )
    backend = OnnxRuntimeBackend()
    expected, found = backend.open(model, name="The model"), backend.open(optimised, name="The optimised model")
    difference = compare(expected, found, cases).difference
    # `not (x <= limit)` also catches NaN.
    if not difference <= _TOLERANCE:
        raise ExportError(
            f"ONNX Runtime's optimisation changes the answers by {difference:.1e} of the largest, more than "
            f"{_TOLERANCE:.0e}; use fp32."
        )


def _shapes(max_tokens: int) -> list[tuple[int, int]]:
    longest = min(max_tokens, 64)
    return [(1, 1), (1, longest), (5, 1), (3, min(7, longest)), (11, min(13, longest))]


def _batches(texts: Sequence[Sequence[int]], longest: int, pad_id: int) -> Iterator[dict[str, NDArray[Any]]]:
    yield from text_cases([row[:longest] for row in texts], pad_id, batch=_CALIBRATION_BATCH)


def _environment() -> dict[str, Any]:
    libraries = {name: importlib.metadata.version(name) for name in ("onnx", "onnxruntime")}
    return {"libraries": libraries, "cpu": cpu_name(), "cpu_flags": cpu_flags()}
