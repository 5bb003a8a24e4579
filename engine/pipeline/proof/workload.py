"""Which loads are measured: batches, lengths and threads, fitted to a run's own texts and to this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BATCHES = (1, 8, 32)
LATENCY = "latency"
THROUGHPUT = "throughput"
_SHARES = (0.05, 0.5, 0.95)
_SHORTEST = 8


class Load(msgspec.Struct, frozen=True, order=True):
    """Callers side by side, each with `batch` texts of `sequence` tokens at a time, computed on `threads` threads."""

    batch: int
    sequence: int
    callers: int
    threads: int

    @property
    def tokens(self) -> int:
        """Tokens of one call."""
        return self.batch * self.sequence


@dataclass(frozen=True)
class Pattern:
    """A way in which texts arrive, and what counts then.

    Attributes
    ----------
    name, meaning
        For files and for people.
    goal
        `latency` of one call, or `throughput` of all callers.
    loads
        What serves this pattern; the fastest of them is chosen.
    """

    name: str
    meaning: str
    goal: str
    loads: tuple[Load, ...]


@dataclass(frozen=True)
class Workload:
    """The patterns, and every load of the grid: those of the patterns first."""

    lengths: tuple[int, ...]
    patterns: tuple[Pattern, ...]
    loads: tuple[Load, ...]


def plan_workload(lengths: NDArray[np.int64], *, max_tokens: int, cores: int) -> Workload:
    """Choose what to measure.

    Parameters
    ----------
    lengths
        Tokens of each of the run's texts.
    max_tokens
        Where texts are cut.
    cores
        Cores that this process may use.
    """
    sizes = tuple(dict.fromkeys(_rounded_up(np.quantile(lengths, share), max_tokens) for share in _SHARES))
    short, middle, long = sizes[0], sizes[len(sizes) // 2], sizes[-1]
    alone = [(1, threads) for threads in _thread_counts(cores)]
    # Many callers of one thread each, or one caller of many threads: which is faster differs by model and engine.
    busy = list(dict.fromkeys([(cores, 1), (1, cores)]))
    few, many = BATCHES[:2], BATCHES
    patterns = (
        Pattern("single-short", f"one text of {short} tokens at a time", LATENCY, _loads((1,), short, alone)),
        Pattern("single-long", f"one text of {long} tokens at a time", LATENCY, _loads((1,), long, alone)),
        Pattern(
            "stream", f"texts of {middle} tokens, at most {few[-1]} at once", THROUGHPUT, _loads(few, middle, busy)
        ),
        Pattern("bulk", f"texts of {long} tokens, at most {many[-1]} at once", THROUGHPUT, _loads(many, long, busy)),
    )
    grid = [load for size in sizes for load in _loads(BATCHES, size, [*alone, *busy])]
    wanted = [load for pattern in patterns for load in pattern.loads]
    return Workload(sizes, patterns, tuple(dict.fromkeys([*wanted, *grid])))


def _loads(batches: Sequence[int], sequence: int, modes: Sequence[tuple[int, int]]) -> tuple[Load, ...]:
    return tuple(Load(batch, sequence, callers, threads) for batch in batches for callers, threads in modes)


def _rounded_up(length: float, most: int) -> int:
    """Round up to a power of two: figures of two runs then stand at the same lengths."""
    size = _SHORTEST
    while size < length:
        size *= 2
    return min(size, most)


def _thread_counts(cores: int) -> list[int]:
    counts = [1]
    while counts[-1] * 2 <= cores:
        counts.append(counts[-1] * 2)
    return counts if counts[-1] == cores else [*counts, cores]
