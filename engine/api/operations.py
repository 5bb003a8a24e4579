"""What operates the service: alive, ready, metrics, and forgetting cached results."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from engine.api.metrics import render
from engine.api.problems import BY_NAME, DRAINING, FEW_READY, ProblemError
from engine.api.records import Cleared, Ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.api.board import Slot
    from engine.api.service import Service

_LOOK_SECONDS = 0.01
# A process that is so long silent is not waited for by who asks for metrics.
_METRICS_WAIT = 0.5
_CLEAR_WAIT = 10.0


def ready(service: Service) -> Ready:
    """Say whether enough processes can answer now.

    Raises
    ------
    ProblemError
        Fewer can than there must be.
    """
    can, needed = service.ready(), service.needed()
    if service.draining:
        raise ProblemError(DRAINING, "The service is being stopped; ask another one.", retry_after=1)
    if len(can) < needed:
        for slot in service.board.slots:
            served = slot.served
            if served is not None and served.reason and not served.run_id:
                raise ProblemError(BY_NAME[served.kind], served.reason, retry_after=1)
        raise ProblemError(
            FEW_READY,
            f"{len(can)} of {len(service.board.slots)} processes can answer now and {needed} must; ask again in a "
            "moment.",
            retry_after=1,
        )
    answering = [served for slot in can if (served := slot.served) is not None]
    reason = next((served.reason for served in answering if served.reason), "")
    run_id = answering[0].run_id if answering else ""
    return Ready("ready", run_id, len(can), needed, len(service.board.slots), reason)


async def metrics(service: Service) -> bytes:
    """Return the metrics of all processes, as they are now."""
    asked = time.monotonic()
    service.tally.publish(service.predictor)
    await _until(service, lambda slot: slot.published >= asked, _METRICS_WAIT)
    return render(service.board)


async def clear(service: Service, run_id: str | None) -> Cleared:
    """Forget the cached results of a run, or of all, in every process; return when all have.

    Raises
    ------
    ProblemError
        A process does not answer.
    engine.errors.RunNotFoundError
        No such run.
    """
    if run_id is not None:
        await service.on_disk(service.predictor.store.open, run_id)
    number = service.board.post(run_id or "")
    service.obey()
    if not await _until(service, lambda slot: slot.applied >= number, _CLEAR_WAIT):
        raise ProblemError(
            FEW_READY, "A process has not yet forgotten the results, it will when it turns; ask again.", retry_after=5
        )
    return Cleared(run_id, sum(slot.alive for slot in service.board.slots))


async def _until(service: Service, done: Callable[[Slot], bool], seconds: float) -> bool:
    """Wait until something holds of every process that is alive; False where it takes too long."""
    until = time.monotonic() + seconds
    while not all(done(slot) for slot in service.board.slots if slot.alive):
        if time.monotonic() > until:
            return False
        # Shared memory does not wake anybody.
        await asyncio.sleep(_LOOK_SECONDS)
    return True
