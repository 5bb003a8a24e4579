"""One measurement: callers that ask a session the same again and again, for a while."""

from __future__ import annotations

import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.export.parity.text_cases import INPUT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from engine.backends.protocol import Session
    from engine.pipeline.proof.workload import Load

_FEWEST_CALLS = 2


@dataclass(frozen=True)
class Reading:
    """What one measurement gave: seconds of a call (median) and texts per second of all callers together."""

    latency: float
    throughput: float
    calls: int


def feed(ids: Sequence[Sequence[int]], load: Load) -> dict[str, NDArray[np.int64]]:
    """Make an input of real tokens and no padding for a load."""
    flat = np.fromiter((token for row in ids for token in row), dtype=np.int64)
    return {INPUT: np.resize(flat, (load.batch, load.sequence))}


def measure(session: Session, feeds: dict[str, NDArray[np.int64]], load: Load, seconds: float) -> Reading:
    """Measure a session under a load.

    Each caller makes one call that does not count (engines compile for a shape when they first see it), then
    all begin at once and call until the time is up, at least twice.

    Parameters
    ----------
    session
        Opened with the load's threads; shared by the callers.
    feeds
        From `feed`.
    load
        How many callers, and how many texts a call has.
    seconds
        How long to measure.

    Raises
    ------
    engine.errors.BackendError
        The backend cannot run this input.
    """
    # A call that fails before the others are ready must not leave them waiting.
    ready = threading.Barrier(load.callers)

    def call() -> tuple[float, float, list[float]]:
        try:
            session.run(feeds)
        except BaseException:
            ready.abort()
            raise
        ready.wait()
        times: list[float] = []
        began = now = time.perf_counter()
        while now - began < seconds or len(times) < _FEWEST_CALLS:
            session.run(feeds)
            before, now = now, time.perf_counter()
            times.append(now - before)
        return began, now, times

    with ThreadPoolExecutor(load.callers) as pool:
        running = [pool.submit(call) for _ in range(load.callers)]
    results: list[tuple[float, float, list[float]]] = []
    broken: list[Any] = []
    for future in running:
        error = future.exception()
        if error is None:
            results.append(future.result())
        else:
            broken.append(error)
    # Of several errors, the one that made the barrier break, not the broken barrier.
    for error in sorted(broken, key=lambda found: isinstance(found, threading.BrokenBarrierError)):
        raise error
    calls = [seconds for _, _, times in results for seconds in times]
    # Each caller's own rate: one that ends a long call later than the others does not make them look slower.
    rate = sum(len(times) / (end - began) for began, end, times in results)
    return Reading(statistics.median(calls), rate * load.batch, len(calls))
