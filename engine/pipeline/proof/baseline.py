"""What everything else is compared with: the run's torch module where there is one, else fp32 on ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.backends.onnx_runtime import OnnxRuntimeBackend
from engine.errors import TrainingError
from engine.runs.bundle import WEIGHTS_NAME

if TYPE_CHECKING:
    from engine.backends.protocol import Session
    from engine.runs.bundle import Bundle


@dataclass(frozen=True)
class Baseline:
    """The answers that count as right.

    Attributes
    ----------
    name
        For people.
    session
        Computes in fp32; may be shared by threads.
    module
        The torch module behind it; None where there is none.
    """

    name: str
    session: Session
    module: Any | None = None


def open_baseline(bundle: Bundle, threads: int) -> Baseline:
    """Open a run's baseline.

    Parameters
    ----------
    bundle
        A run with a model.
    threads
        Threads that one call computes on.

    Raises
    ------
    engine.errors.BundleError
        The run has no model, or its weights do not fit it.
    """
    bundle.require_model()
    if WEIGHTS_NAME not in bundle.manifest.files:
        return _onnx_baseline(bundle, threads, "the run has no torch weights")
    from engine.export.parity.torch_backend import TorchBackend
    from engine.training.trainer import build_module, load_weights

    manifest = bundle.manifest
    try:
        module = build_module(manifest.model, manifest.parameters["model"])
    except TrainingError as error:
        # A module of somebody's own code, which need not be where the run is.
        return _onnx_baseline(bundle, threads, str(error).rstrip("."))
    load_weights(module, bundle.weights_path())
    session = TorchBackend(module).open(name=f"Run {bundle.run_id}", threads=threads)
    return Baseline("torch eager, fp32", session, module)


def _onnx_baseline(bundle: Bundle, threads: int, reason: str) -> Baseline:
    session = OnnxRuntimeBackend().open(bundle.model_bytes(), name=f"Run {bundle.run_id}", threads=threads)
    return Baseline(f"fp32 on ONNX Runtime ({reason})", session)
