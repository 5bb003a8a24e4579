"""How a run is computed when it is served: the tuned choice of this processor, what the settings name, or the default.

Sessions use one thread per batch: threads that each run their own batch beat one run on many threads.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from engine.backends.inspection import BUILT_IN_DOMAINS, check_self_contained
from engine.backends.machine import cpu_fingerprint
from engine.backends.protocol import FP32
from engine.backends.registry import open_backend
from engine.errors import BackendError, BundleError, SettingsError
from engine.inference.plan import BatchPlan, plan_of
from engine.runs.attachments import has_attachment, read_attachment
from engine.runs.bundle import MODEL_NAME
from engine.runs.choice import precision_name, read_choice, read_profile

if TYPE_CHECKING:
    from engine.backends.protocol import Session
    from engine.runs.bundle import Bundle

DEFAULT_BACKEND = "onnxruntime"
# Of the loads that were measured, the one that is most like serving: several short texts at a time.
_PATTERN = "stream"
_LOG = logging.getLogger(__name__)


class Way(NamedTuple):
    """What runs a model, in which precision, whether several texts may go together, and how many."""

    backend: str = DEFAULT_BACKEND
    precision: str = FP32
    batching: bool = True
    plan: BatchPlan | None = None


DEFAULT_WAY = Way()


def served_way(bundle: Bundle, backend: str = "", precision: str = "") -> Way:
    """Choose how a run is served here.

    Parameters
    ----------
    bundle
        A run with a model.
    backend, precision
        From the settings; where both are empty, the tuned choice for this processor counts, and without one fp32 on
        ONNX Runtime.

    Raises
    ------
    engine.errors.SettingsError
        A precision is set without a backend.
    """
    if precision and not backend:
        raise SettingsError(
            f"`inference.precision` is {precision!r} and `inference.backend` is empty; set both, or neither to serve "
            "what `tagscope tune` chose."
        )
    # A choice that cannot be used must not keep a run from being served: fp32 on ONNX Runtime always can.
    try:
        fingerprint = cpu_fingerprint()
        choice = read_choice(bundle, fingerprint)
        profile = read_profile(bundle, fingerprint)
    except BundleError as error:
        _LOG.warning("%s", error)
        choice = profile = None
    if backend:
        way = Way(backend, precision or FP32)
    elif choice is None or _PATTERN not in choice.patterns:
        way = Way()
    else:
        setting = choice.patterns[_PATTERN]
        together = choice.batching.get(f"{setting.backend} {setting.precision}", False)
        way = Way(setting.backend, setting.precision, together)
    if profile is None:
        return way
    return way._replace(plan=plan_of(profile, way.backend, way.precision, bundle.manifest.tokenizer.max_tokens))


def open_served(bundle: Bundle, backend: str, precision: str) -> Session:
    """Open a run's model with one thread per batch.

    Parameters
    ----------
    bundle
        A run with a model.
    backend
        As `engine.backends.registry` names it.
    precision
        What the backend computes in by itself, or one that `tagscope tune` made for the run.

    Raises
    ------
    engine.errors.BundleError
        The run has no model, the precision was not made or is damaged, or the backend does not accept it.
    engine.errors.BackendError
        The backend is not installed here, or cannot read operators of the model's own.
    """
    engine = open_backend(backend)
    usual = (backend, precision) == (DEFAULT_BACKEND, FP32)
    name = f"Run {bundle.run_id}" if usual else f"Run {bundle.run_id} ({backend} {precision})"
    if precision in engine.computes:
        model, compute = bundle.model_bytes(), precision
    elif has_attachment(bundle, precision_name(precision)):
        model, compute = read_attachment(bundle, precision_name(precision)).read(MODEL_NAME), FP32
    else:
        raise BundleError(
            f"{name}: {engine.name} does not compute in {precision} by itself here and the run has no such precision "
            f"of its own; `tagscope tune {bundle.run_id}` makes those there are."
        )
    if not backend.startswith(DEFAULT_BACKEND):
        own = [domain for domain, _ in check_self_contained(model, name) if domain not in BUILT_IN_DOMAINS]
        if own:
            raise BackendError(
                f"{name}: the model has operators of its own ({own[0]}), which {engine.name} cannot read; serve it "
                "with onnxruntime."
            )
    return engine.open(model, name=name, compute=compute)
