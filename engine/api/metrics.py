"""What is counted, where it stands on the board, and how Prometheus reads it, summed over the processes."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from engine.api.board import COUNTS, State
from engine.inference.counters import BATCH_EDGES, Counters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from engine.api.board import Board, Slot
    from engine.inference.predictor import Predictor

ROUTES = (
    "/predict",
    "/runs",
    "/runs/{run_id}",
    "/runs/{run_id}/promote",
    "/cache",
    "/cache/{run_id}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "other",
)
GONE = 499
"""Counted where the client left before its answer; never sent."""
STATUSES = (200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 431, GONE, 500, 501, 503)
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the histogram of latency."""

# A route's counts: by status, by class of latency (one more class than ends), and the sum of seconds.
_BUCKETS_AT = len(STATUSES)
_SUM_AT = _BUCKETS_AT + len(SECONDS) + 1
_WIDTH = _SUM_AT + 1
_ENGINE_AT = len(ROUTES) * _WIDTH
_ENGINE = (*Counters.NAMES, *(f"batch_size_{edge}" for edge in (*BATCH_EDGES, "more")))
# What is now and not since the start: set to zero where a process begins.
_GAUGES_AT = _ENGINE_AT + len(_ENGINE)
_GAUGES = ("queue_texts", "open_requests", "cache_bytes", "cache_entries")
WIDTH = _GAUGES_AT + len(_GAUGES)
assert WIDTH <= COUNTS

_STATUS_AT = {status: position for position, status in enumerate(STATUSES)}
_HELP = {
    "cache_hits": "Texts answered from the result cache",
    "cache_misses": "Texts that had to be computed",
    "cache_shared": "Texts answered by the computation of an equal text that was under way",
    "batches": "Batches computed",
    "batch_texts": "Texts in the batches computed",
    "tokens": "Tokens of the texts computed",
    "padded_tokens": "Tokens computed, with the padding that fills up shorter texts",
    "rejected": "Texts refused because the queue was full",
    "expired": "Texts given up at their deadline",
    "cancelled": "Texts that left the queue because their client did",
    "failed_texts": "Texts that could not be computed",
    "threads_replaced": "Inference threads that crashed and were replaced",
}


class Tally:
    """The counts of one process, on its slot of the board.

    Parameters
    ----------
    slot
        Of this process. What its predecessor counted is added to, so that no sum ever falls.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._counts = slot.counts
        self._before = slot.counts[_ENGINE_AT:_GAUGES_AT].tolist()
        self.open_requests = 0
        """Whole requests that are not answered yet."""
        self.unread: Callable[[], int] = int
        """Counts the requests that are not whole yet."""
        self.began = 0.0
        """When the last request began, by `time.monotonic`."""
        for place in range(_GAUGES_AT, WIDTH):
            self._counts[place] = 0.0

    def request(self, route: int, status: int, seconds: float) -> None:
        """Count a request.

        Parameters
        ----------
        route
            Place in `ROUTES`.
        status
            One of `STATUSES`.
        seconds
            From the request being whole to its answer.
        """
        counts, at = self._counts, route * _WIDTH
        counts[at + _STATUS_AT[status]] += 1.0
        counts[at + _SUM_AT] += seconds
        counts[at + _BUCKETS_AT + bisect_left(SECONDS, seconds)] += 1.0

    def publish(self, predictor: Predictor) -> None:
        """Write down what the predictor has counted, and how things stand."""
        counts, found = self._counts, predictor.counters.snapshot()
        for place, (name, before) in enumerate(zip(_ENGINE, self._before, strict=True), start=_ENGINE_AT):
            counts[place] = before + found[name]
        now = (predictor.depth, self.open_requests + self.unread(), predictor.cache.used_bytes, len(predictor.cache))
        for place, value in enumerate(now, start=_GAUGES_AT):
            counts[place] = float(value)
        self._slot.publish()


class _OnBoard(Collector):
    """Reads the sums when Prometheus asks."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        totals = self._board.totals(WIDTH)
        yield from _requests(totals)
        engine = dict(zip(_ENGINE, totals[_ENGINE_AT:_GAUGES_AT], strict=True))
        for name, text in _HELP.items():
            yield CounterMetricFamily(f"tagscope_{name}", text, value=engine[name])
        sizes = [engine[f"batch_size_{edge}"] for edge in (*BATCH_EDGES, "more")]
        yield HistogramMetricFamily(
            "tagscope_batch_size_texts",
            "Texts in one batch",
            buckets=_cumulated([float(edge) for edge in BATCH_EDGES], sizes),
            sum_value=engine["batch_texts"],
        )
        padded = engine["padded_tokens"]
        yield GaugeMetricFamily(
            "tagscope_padding_waste_ratio",
            "Share of the computed tokens that was padding",
            value=1 - engine["tokens"] / padded if padded else 0.0,
        )
        # What a killed process had open or queued is gone with it, even before another one takes its slot.
        alive = [slot.counts for slot in self._board.slots if slot.state is not State.DEAD and slot.pid]
        now = {name: sum(counts[place] for counts in alive) for place, name in enumerate(_GAUGES, start=_GAUGES_AT)}
        yield GaugeMetricFamily("tagscope_queue_texts", "Texts that wait", value=now["queue_texts"])
        yield GaugeMetricFamily("tagscope_open_requests", "Requests being read or answered", value=now["open_requests"])
        yield GaugeMetricFamily("tagscope_cache_bytes", "Memory of the result caches", value=now["cache_bytes"])
        yield GaugeMetricFamily("tagscope_cache_entries", "Results in the caches", value=now["cache_entries"])
        yield from _processes(self._board)


def render(board: Board) -> bytes:
    """Return the metrics of the whole service in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_OnBoard(board))
    return generate_latest(registry)


def _requests(totals: list[float]) -> Iterator[Metric]:
    requests = CounterMetricFamily(
        "tagscope_requests", f"Requests; status {GONE} where the client left first", labels=("route", "status")
    )
    seconds = HistogramMetricFamily(
        "tagscope_request_seconds", "From a request being whole to its answer", labels=("route",)
    )
    for number, route in enumerate(ROUTES):
        counts = totals[number * _WIDTH : (number + 1) * _WIDTH]
        for status, count in zip(STATUSES, counts[:_BUCKETS_AT], strict=True):
            # Zero where nothing happened would be hundreds of lines; what is served most stands there from the start.
            if count or (route == "/predict" and status in (200, 429, 500, 503)):
                requests.add_metric((route, str(status)), count)
        if any(counts) or route == "/predict":
            buckets = _cumulated(SECONDS, counts[_BUCKETS_AT:_SUM_AT])
            seconds.add_metric((route,), buckets, sum_value=counts[_SUM_AT])
    yield requests
    yield seconds


def _cumulated(edges: tuple[float, ...] | list[float], counts: list[float]) -> list[tuple[str, float]]:
    ends = [*(f"{edge:g}" if edge < 1 else str(float(edge)) for edge in edges), "+Inf"]
    return list(zip(ends, accumulate(counts), strict=True))


def _processes(board: Board) -> Iterator[Metric]:
    states = [slot.state for slot in board.slots]
    by_state = GaugeMetricFamily("tagscope_processes", "Processes by what they do", labels=("state",))
    for state in State:
        by_state.add_metric((state.name.lower(),), states.count(state))
    yield by_state
    yield CounterMetricFamily(
        "tagscope_process_restarts",
        "Processes that ended and were replaced",
        value=sum(slot.restarts for slot in board.slots),
    )
    info = GaugeMetricFamily(
        "tagscope_model_info",
        "Processes that serve a model",
        labels=("run_id", "model", "model_digest", "backend", "precision"),
    )
    serving: dict[tuple[str, str, str, str, str], int] = {}
    for slot, state in zip(board.slots, states, strict=True):
        served = slot.served
        if state is State.READY and served is not None and served.run_id:
            values = (served.run_id, served.model, served.model_digest, served.backend, served.precision)
            serving[values] = serving.get(values, 0) + 1
    for values, count in serving.items():
        info.add_metric(values, count)
    yield info
