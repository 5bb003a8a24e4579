"""`/runs`: what runs there are, and which one answers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from engine.api.board import Turn
from engine.api.problems import DRAINING, NO_MODEL, NOT_READY, OVERTAKEN, ProblemError
from engine.api.records import Promoted, RunDetail, RunList, RunSummary
from engine.errors import BundleError, RunNotFoundError

if TYPE_CHECKING:
    from engine.api.service import Service
    from engine.runs.bundle import Bundle
    from engine.runs.manifest import Manifest

_LOOK_SECONDS = 0.01
_LONGEST_WAIT = 60.0


def list_runs(service: Service) -> RunList:
    """Return the runs, newest first; reads the disk."""
    store = service.predictor.store
    promoted, served = _promoted(service), _served(service)
    runs = [RunSummary(**_summary(manifest, promoted, served)) for manifest in store.runs()]
    return RunList(runs, promoted, served, sorted(store.broken()))


def describe_run(service: Service, run_id: str) -> RunDetail:
    """Return a run; reads the disk.

    Raises
    ------
    engine.errors.RunNotFoundError, engine.errors.BundleError
        No such run, or it is damaged.
    """
    bundle = service.predictor.store.open(run_id)
    manifest = bundle.manifest
    return RunDetail(
        **_summary(manifest, _promoted(service), _served(service)),
        task=manifest.task,
        text_fields=manifest.text_fields,
        parameters=manifest.parameters,
        performance=_performance(bundle),
    )


def promote(service: Service, run_id: str) -> Promoted:
    """Make a run the one that answers, and return when every process serves it; takes as long as loading it.

    Raises
    ------
    ProblemError
        The run has no model, another one was promoted meanwhile, or a process cannot serve it.
    engine.errors.TagscopeError
        No such run, or it is damaged; nothing was changed.
    """
    store, board = service.predictor.store, service.board
    bundle = store.open(run_id)
    try:
        bundle.require_model()
    except BundleError as error:
        raise ProblemError(NO_MODEL, str(error)) from None
    # A run that cannot be loaded is found out before anybody depends on it.
    model = service.predictor.load(run_id)
    with board.locked(Turn.PROMOTE):
        store.promote(run_id)
        until = time.monotonic() + _LONGEST_WAIT
        look = threading.Event()
        while True:
            serving, lacking = _serving(service, run_id)
            if serving and not lacking:
                return Promoted(run_id, model.model_name, model.model_digest, serving)
            if service.draining:
                raise ProblemError(
                    DRAINING,
                    f"Run {run_id} is promoted and the service is being stopped; it serves the run when it is started "
                    "again.",
                    retry_after=5,
                )
            if _promoted(service) != run_id:
                raise ProblemError(
                    OVERTAKEN, f"Run {run_id} was promoted, and then somebody promoted another; GET /runs says which."
                )
            if time.monotonic() > until:
                raise ProblemError(
                    NOT_READY,
                    f"Run {run_id} is promoted and {lacking} processes do not serve it yet; GET /readyz says when all "
                    "can answer.",
                    retry_after=5,
                )
            # Shared memory does not wake anybody.
            look.wait(_LOOK_SECONDS)


def _serving(service: Service, run_id: str) -> tuple[int, int]:
    """Count the processes that serve a run, and those that are alive and do not."""
    served = [slot.served for slot in service.board.slots if slot.alive]
    serving = sum(each is not None and each.run_id == run_id for each in served)
    return serving, len(served) - serving


def _promoted(service: Service) -> str | None:
    try:
        return service.predictor.store.promoted()
    except RunNotFoundError:
        # The pointer is damaged; the list of runs is what helps to mend it.
        return None


def _served(service: Service) -> str | None:
    return None if service.model is None else service.model.run_id


def _summary(manifest: Manifest, promoted: str | None, served: str | None) -> dict[str, Any]:
    return {
        "run_id": manifest.run_id,
        "created": manifest.created,
        "model": manifest.model,
        "model_digest": manifest.model_digest,
        "dataset": manifest.dataset.name,
        "version": manifest.dataset.version,
        "num_rows": manifest.dataset.num_rows,
        "labels": manifest.labels,
        "promoted": manifest.run_id == promoted,
        "served": manifest.run_id == served,
    }


def _performance(bundle: Bundle) -> dict[str, Any] | None:
    try:
        return bundle.performance()
    except BundleError:
        return None
