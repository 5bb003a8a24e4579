"""Memory of the server's process."""

from __future__ import annotations

import contextlib
import ctypes
import os

# `M_ARENA_MAX` of glibc's malloc.h.
_ARENA_MAX = -8
_ARENAS = 2


def limit_arenas() -> None:
    """Let all threads take memory from two pools, where glibc would make eight for each core.

    Each visitor's work runs in some thread, and what it frees can be used again by that thread's pool only: with eight
    a server grows by some 20 % over its first hundred visitors, with two it stays as it is (`docs/benchmarks.md`). A
    value in the environment's `MALLOC_ARENA_MAX` holds; other C libraries have no such pools.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)
