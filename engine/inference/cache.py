"""Results kept in memory, bounded by bytes and, where wanted, by time. Errors are never kept."""

from __future__ import annotations

import hashlib
import threading
import time
from typing import TYPE_CHECKING

import cachetools

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

# What a key, the dictionary slot, the pair and the array object cost beside the numbers, in bytes (measured by
# tracemalloc over 100,000 entries of six labels on CPython 3.11: 493).
_OVERHEAD_BYTES = 500
# The first bytes of a key say whose result it is, so that those of one model can be found again.
_OWNER_BYTES = 8
_TEXT_BYTES = 24


class ResultCache:
    """Least-recently-used results by model and text; safe to share between threads.

    Parameters
    ----------
    capacity_bytes
        Upper bound on what is kept; 0 keeps nothing.
    seconds
        A result older than this is not used again; 0 sets no limit.
    clock
        Seconds that never go back.
    """

    def __init__(self, capacity_bytes: int, seconds: float = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries: cachetools.LRUCache[bytes, tuple[np.ndarray, float]] = cachetools.LRUCache(
            maxsize=capacity_bytes, getsizeof=lambda entry: entry[0].nbytes + _OVERHEAD_BYTES
        )
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self.hits = 0
        self.misses = 0

    @staticmethod
    def key(identity: bytes, text: str) -> bytes:
        """Key of a raw text, 32 bytes: no cleaning and no tokenising before the look-up.

        Parameters
        ----------
        identity
            All that turns a text into probabilities, see `ServedModel.identity`; of fixed length.
        text
            The raw text.
        """
        content = identity + text.encode("utf-8", errors="surrogatepass")
        return identity[:_OWNER_BYTES] + hashlib.blake2b(content, digest_size=_TEXT_BYTES).digest()

    def get(self, key: bytes) -> np.ndarray | None:
        """Return the probabilities kept under a key, or None; counts a hit or a miss."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and self._seconds and self._clock() - entry[1] > self._seconds:
                del self._entries[key]
                entry = None
            if entry is None:
                self.misses += 1
                return None
            self.hits += 1
            return entry[0]

    def put(self, key: bytes, probabilities: np.ndarray) -> None:
        """Keep probabilities, float32[labels]; the entries unused longest leave."""
        with self._lock:
            if probabilities.nbytes + _OVERHEAD_BYTES <= self._entries.maxsize:
                self._entries[key] = (probabilities, self._clock() if self._seconds else 0.0)

    def clear(self) -> None:
        """Forget every result; the counters go on."""
        with self._lock:
            self._entries.clear()

    def invalidate(self, identity: bytes) -> int:
        """Forget the results of one model; return how many there were."""
        owner = identity[:_OWNER_BYTES]
        with self._lock:
            found = [key for key in self._entries if key.startswith(owner)]
            for key in found:
                del self._entries[key]
        return len(found)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def used_bytes(self) -> int:
        """Bytes in use, by the same estimate as the bound."""
        with self._lock:
            return int(self._entries.currsize)
