"""A shelf of what was made: once for each key however many threads ask, the least used put away first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

T = TypeVar("T")
_ENTRIES_KEPT = 32


class Shelf:
    """Keeps values by what they were made from (a digest, a run id, a file's time and size), never by hashing them.

    Parameters
    ----------
    entries
        How many values are kept.
    """

    def __init__(self, entries: int = _ENTRIES_KEPT) -> None:
        self._entries = entries
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def peek(self, key: Hashable) -> Any:
        """Return what was made for a key, or None."""
        with self._lock:
            return self._kept.get(key)

    def keep(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for a key, making it where nobody has; failures are not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast("T", self._kept[key])
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._kept:
                    return cast("T", self._kept[key])
            value = make()
            with self._lock:
                self._kept[key] = value
                self._making.pop(key, None)
                while len(self._kept) > self._entries:
                    self._kept.popitem(last=False)
            return value
