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
_ROUNDS, _MOST_ROUNDS = 3, 100
_MOST_TOKENS = 16_384
# Matrix units compute tiles of so many rows: with bf16 on AMX 48 tokens take a third less time than 47 (measured).
_TILE = 16
# Lengths in tokens that are compared with one token less, how often, and how much less time they must take together.
_TILED = (48, 128)
_TILE_ROUNDS = 6
_PAYS = 0.87


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
    step
        A batch is filled up to a multiple of so many tokens.
    """

    edges: tuple[int, ...]
    texts: tuple[int, ...]
    seconds: float
    step: int = 1

    @property
    def inline(self) -> bool:
        """Whether a text costs less than handing it to another thread."""
        return self.seconds < INLINE_SECONDS

    def bucket(self, length: int) -> int:
        """Class of a text of so many tokens."""
        return min(bisect_left(self.edges, length), len(self.edges) - 1)

    def padded(self, length: int) -> int:
        """Tokens up to which the texts of a batch are filled, of which the longest has `length`."""
        return max(length, min(-(-length // self.step) * self.step, self.edges[-1]))


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
    return _plan(best, latency[min(latency)], max_tokens)


def measure_plan(
    run: Callable[[int, int], object],
    max_tokens: int,
    *,
    batching: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> BatchPlan:
    """Fit a plan to a few runs, which warm the model up as well; takes two to four seconds for MiniLM.

    Parameters
    ----------
    run
        Computes so many texts of so many tokens.
    max_tokens
        The longest text.
    batching
        False where every text has to go alone.
    clock
        Seconds that never go back.
    """
    best: dict[int, int] = {}
    seconds = 0.0
    for length in [length for length in _LENGTHS if length <= max_tokens] or [max_tokens]:
        alone = _times(run, clock, [(1, length)], 1)[1, length]
        sizes = [size for size in _SIZES if size == 1 or (batching and size * alone <= _LONGEST_RUN)]
        times = _times(run, clock, [(size, length) for size in sizes])
        rates = {size: size / times[size, length] for size in sizes}
        seconds = seconds or times[1, length]
        best[length] = _smallest(rates)
    return _plan(best, seconds, max_tokens)


def tiled(
    plan: BatchPlan, run: Callable[[int, int], object], clock: Callable[[], float] = time.perf_counter
) -> BatchPlan:
    """Return the plan with texts filled up to whole tiles, where a few runs show that this is faster.

    Parameters
    ----------
    plan
        Of a model whose answers do not depend on how far a text is filled up.
    run
        Computes so many texts of so many tokens.
    clock
        Seconds that never go back.
    """
    lengths = [length for length in _TILED if length <= plan.edges[-1]]
    if plan.inline or not lengths:
        return plan
    times = _times(run, clock, [(1, tokens) for length in lengths for tokens in (length - 1, length)], _TILE_ROUNDS)
    full, partial = ([times[1, length - less] for length in lengths] for less in (0, 1))
    if sum(full) > _PAYS * sum(partial) or any(one > _NEARLY * two for one, two in zip(full, partial, strict=True)):
        return plan
    plan = msgspec.structs.replace(plan, step=_TILE)
    # What was several classes may be filled up to the same length; the longest of them says how many texts go together.
    classes = {plan.padded(edge): texts for edge, texts in zip(plan.edges, plan.texts, strict=True)}
    return msgspec.structs.replace(plan, edges=tuple(classes), texts=tuple(classes.values()))


def one_by_one(plan: BatchPlan) -> BatchPlan:
    """Return the plan with every text alone."""
    return msgspec.structs.replace(plan, texts=(1,) * len(plan.texts))


def _smallest(rates: dict[int, float]) -> int:
    """Return the smallest batch that is about as fast as the fastest."""
    fastest = max(rates.values())
    return min(size for size, rate in rates.items() if rate >= _NEARLY * fastest)


def _plan(best: dict[int, int], seconds: float, max_tokens: int) -> BatchPlan:
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

    return BatchPlan(edges, tuple(texts(edge) for edge in edges), seconds)


def _times(
    run: Callable[[int, int], object],
    clock: Callable[[], float],
    shapes: Sequence[tuple[int, int]],
    rounds: int = _ROUNDS,
) -> dict[tuple[int, int], float]:
    """Time of a run for each shape: the shortest of several, as whatever else the machine does only makes it longer.

    The shapes are run in turn, so that what disturbs the machine for a while disturbs all of them.
    """
    shortest = dict.fromkeys(shapes, float("inf"))
    done, began = 0, clock()
    while done < rounds or (done < _MOST_ROUNDS and clock() - began < _ENOUGH * len(shapes)):
        for texts, tokens in shapes:
            started = clock()
            run(texts, tokens)
            shortest[texts, tokens] = min(shortest[texts, tokens], clock() - started)
        done += 1
    return shortest


def warm_up_shapes(plan: BatchPlan) -> Sequence[tuple[int, int]]:
    """Texts and tokens of the batches that will be run most: one text and a full batch of the shorter classes."""
    classes = [(texts, edge) for texts, edge in zip(plan.texts, plan.edges, strict=True) if edge <= 64]
    return list(dict.fromkeys([*((1, edge) for _, edge in classes), *classes]))
