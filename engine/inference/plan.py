"""How many texts of which length are computed together: found by measuring, because batches are no free win on a CPU.

For MiniLM on ONNX Runtime a batch of short texts is faster than one by one and a batch of long ones slower; for a
model of a few microseconds each call costs more than the texts in it.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.runs.choice import Profile

# Steps of at most a half: an average text is filled up by less than a quarter.
_EDGES = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
# Where a text costs less than a call, it is cheaper to compute padding than to call again.
_COARSE_EDGES = (32, 128, 512, 2048, 8192)
# A text that costs less than a hop to another thread and back is computed where it arrives, in seconds.
INLINE_SECONDS = 3e-4
_SIZES = (1, 4, 16, 64)
_LENGTHS = (16, 64, 256)
# Of two sizes that are as fast, the smaller one lets the others wait less.
_NEARLY = 0.95
# In seconds; a cheap model is run until the noise of a busy machine is left behind.
_LONGEST_RUN = 0.5
_ENOUGH = 0.02
_RUNS, _MOST_RUNS = 3, 100
_MOST_TOKENS = 16_384


class BatchPlan(msgspec.Struct, frozen=True):
    """Classes of length, and the most texts of each class in one batch.

    Attributes
    ----------
    edges
        The longest text of each class, in tokens, ascending.
    texts
        As many texts are computed together.
    seconds
        Time that one short text takes alone.
    source
        Where the figures come from: `profile` or `measured`.
    """

    edges: tuple[int, ...]
    texts: tuple[int, ...]
    seconds: float
    source: str

    @property
    def inline(self) -> bool:
        """Whether a text costs less than handing it to another thread."""
        return self.seconds < INLINE_SECONDS

    def bucket(self, length: int) -> int:
        """Class of a text of so many tokens."""
        return min(bisect_left(self.edges, length), len(self.edges) - 1)


def plan_of(profile: Profile, backend: str, precision: str, max_tokens: int) -> BatchPlan | None:
    """Fit a plan to what `tagscope tune` measured; None where that is too little to go by.

    Parameters
    ----------
    profile
        Measured on this processor.
    backend, precision
        What is served.
    max_tokens
        The longest text.
    """
    rates: dict[int, dict[int, float]] = {}
    latency: dict[int, float] = {}
    for setting in profile.settings:
        # As served: every thread of the pool computes a batch of its own.
        if (setting.backend, setting.precision, setting.threads) == (backend, precision, 1):
            by_size = rates.setdefault(setting.sequence, {})
            by_size[setting.batch] = max(by_size.get(setting.batch, 0.0), setting.throughput)
            if setting.batch == 1:
                alone = setting.latency
                latency[setting.sequence] = min(latency.get(setting.sequence, alone), alone)
    # Where the largest batch that was measured is the fastest, a larger one may be faster still.
    best = {length: _smallest(by_size) for length, by_size in rates.items() if _smallest(by_size) < max(by_size)}
    if len(best) < 2 or not latency:
        return None
    return _plan(best, latency[min(latency)], max_tokens, "profile")


def measure_plan(run: Callable[[int, int], object], max_tokens: int, *, batching: bool = True) -> BatchPlan:
    """Fit a plan to a few runs, which warm the model up as well; takes about a second for a transformer.

    Parameters
    ----------
    run
        Computes so many texts of so many tokens.
    max_tokens
        The longest text.
    batching
        False where every text has to go alone.
    """
    best: dict[int, int] = {}
    seconds = 0.0
    for length in [length for length in _LENGTHS if length <= max_tokens] or [max_tokens]:
        rates: dict[int, float] = {}
        run(1, length)
        for size in _SIZES if batching else (1,):
            # What the last size took says what this one would take.
            if rates and size / max(rates.values()) > _LONGEST_RUN:
                break
            taken = _seconds(run, size, length)
            rates[size] = size / taken
            if size == 1 and not seconds:
                seconds = taken
        best[length] = _smallest(rates)
    plan = _plan(best, seconds, max_tokens, "measured")
    return plan if batching else one_by_one(plan)


def one_by_one(plan: BatchPlan) -> BatchPlan:
    """Return the plan with every text alone."""
    return msgspec.structs.replace(plan, texts=(1,) * len(plan.texts))


def _smallest(rates: dict[int, float]) -> int:
    """Return the smallest batch that is about as fast as the fastest."""
    fastest = max(rates.values())
    return min(size for size, rate in rates.items() if rate >= _NEARLY * fastest)


def _plan(best: dict[int, int], seconds: float, max_tokens: int, source: str) -> BatchPlan:
    inline = seconds < INLINE_SECONDS
    ladder = _COARSE_EDGES if inline else _EDGES
    edges = (*[edge for edge in ladder if edge < max_tokens], max_tokens)
    measured = sorted(best)

    def texts(edge: int) -> int:
        nearest = min(measured, key=lambda length: (abs(length - edge), -length))
        # Longer texts than those measured get as many padded tokens, shorter ones as many texts.
        size = best[nearest] if edge <= nearest else best[nearest] * nearest // edge
        # What pays for longer texts pays for these.
        size = max([size, *(best[length] for length in measured if length >= edge)])
        return max(1, min(size, _MOST_TOKENS // edge))

    return BatchPlan(edges, tuple(texts(edge) for edge in edges), seconds, source)


def _seconds(run: Callable[[int, int], object], size: int, length: int) -> float:
    """Time of a run: the shortest of several, because whatever else the machine does only makes it longer."""
    times: list[float] = []
    while len(times) < _RUNS or (sum(times) < _ENOUGH and len(times) < _MOST_RUNS):
        started = time.perf_counter()
        run(size, length)
        times.append(time.perf_counter() - started)
        if sum(times) > _LONGEST_RUN:
            break
    return min(times)


def warm_up_shapes(plan: BatchPlan) -> Sequence[tuple[int, int]]:
    """Texts and tokens of the batches that will be run most: one text and a full batch of the shorter classes."""
    classes = [(texts, edge) for texts, edge in zip(plan.texts, plan.edges, strict=True) if edge <= 64]
    return list(dict.fromkeys([*((1, edge) for _, edge in classes), *classes]))
