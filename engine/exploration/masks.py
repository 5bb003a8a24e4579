"""A cache of masks with an upper bound in bytes, shared by all visitors; each row takes one bit."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cachetools
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray


class MaskCache:
    """Keeps masks of one length; what was not used for longest goes first. Threads may share it.

    Parameters
    ----------
    limit : int
        Most bytes of all masks together.
    """

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._kept: cachetools.LRUCache[Hashable, tuple[NDArray[np.uint8], int]] = cachetools.LRUCache(
            limit, getsizeof=lambda kept: kept[0].nbytes + 200
        )

    def get(self, key: Hashable) -> NDArray[np.bool_] | None:
        """Return a mask, read only, or None if it is not kept."""
        with self._lock:
            kept = self._kept.get(key)
        if kept is None:
            return None
        mask = np.unpackbits(kept[0], count=kept[1]).view(bool)
        mask.flags.writeable = False
        return mask

    def put(self, key: Hashable, mask: NDArray[np.bool_]) -> None:
        """Keep a mask, unless it is larger than all the room there is."""
        packed = np.packbits(mask)
        with self._lock:
            if packed.nbytes + 200 <= self._kept.maxsize:
                self._kept[key] = (packed, len(mask))

    @property
    def bytes(self) -> int:
        """How much is kept."""
        with self._lock:
            return int(self._kept.currsize)
