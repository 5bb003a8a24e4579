"""What the predictor of one process has done since it started, as plain numbers: read by the metrics page."""

from __future__ import annotations

from bisect import bisect_left

BATCH_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Upper ends of the histogram of batch sizes, in texts; larger batches fall into one more class."""


class Counters:
    """Monotone counts; written by the predictor and its threads under their lock, read by anybody.

    Attributes
    ----------
    cache_hits, cache_misses, cache_shared
        Texts answered from the cache, computed, and answered by the computation of an equal text in flight.
    batches, batch_texts
        Batches that were run, and the texts in them.
    tokens, padded_tokens
        Tokens of those texts, and the same with the padding that filled up their batches.
    rejected, expired, cancelled, failed_texts
        Texts refused because the queue was full, given up at their deadline, no longer wanted by anybody, and failed.
    threads_replaced
        Threads that crashed and were replaced.
    batch_sizes
        Batches by size, see `BATCH_EDGES`.
    """

    NAMES = (
        "cache_hits",
        "cache_misses",
        "cache_shared",
        "batches",
        "batch_texts",
        "tokens",
        "padded_tokens",
        "rejected",
        "expired",
        "cancelled",
        "failed_texts",
        "threads_replaced",
    )

    def __init__(self) -> None:
        self.cache_hits = 0
        self.cache_misses = 0
        self.cache_shared = 0
        self.batches = 0
        self.batch_texts = 0
        self.tokens = 0
        self.padded_tokens = 0
        self.rejected = 0
        self.expired = 0
        self.cancelled = 0
        self.failed_texts = 0
        self.threads_replaced = 0
        self.batch_sizes = [0] * (len(BATCH_EDGES) + 1)

    def batch(self, texts: int, tokens: int, padded: int) -> None:
        """Count a batch that was run."""
        self.batches += 1
        self.batch_texts += texts
        self.tokens += tokens
        self.padded_tokens += padded
        self.batch_sizes[bisect_left(BATCH_EDGES, texts)] += 1

    def snapshot(self) -> dict[str, float]:
        """Return all counts by name; the histogram as `batch_size_<edge>` and `batch_size_more`, not cumulated."""
        found: dict[str, float] = {name: getattr(self, name) for name in self.NAMES}
        edges = [*map(str, BATCH_EDGES), "more"]
        return found | {f"batch_size_{edge}": count for edge, count in zip(edges, self.batch_sizes, strict=True)}
